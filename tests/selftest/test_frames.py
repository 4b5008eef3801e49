"""Frames of the firing range, read back by scapy, which nobody here wrote."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from appliance.selftest.attacks import ATTACKS, Aim
from appliance.selftest.frames import Wire, rtp
from pysrv.sip.message import Request
from pysrv.sip.parser import parse_datagram

WIRE = Wire(bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), "192.0.2.7", "198.51.100.1")
AIM = Aim(WIRE, WIRE)


def test_a_datagram_is_one_to_others_too() -> None:
    frame = Ether(WIRE.udp(4000, 5060, b"hello"))
    assert (frame.src, frame.dst) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert (frame[IP].src, frame[IP].dst, frame[UDP].sport, frame[UDP].dport) == (WIRE.source, WIRE.target, 4000, 5060)
    assert bytes(frame[UDP].payload) == b"hello"
    checksum = frame[IP].chksum
    del frame[IP].chksum
    assert Ether(bytes(frame))[IP].chksum == checksum


def test_a_syn_opens_a_connection() -> None:
    assert Ether(WIRE.syn(4000, 5060))[TCP].flags == "S"


def test_a_fragment_says_where_it_belongs() -> None:
    ip = Ether(WIRE.fragment(7, 1480, bytes(8), more=True))[IP]
    assert (ip.id, ip.frag * 8, str(ip.flags)) == (7, 1480, "MF")


def test_the_requests_of_an_attack_are_whole_sip_messages() -> None:
    for attack in ATTACKS[:5]:
        for frame in attack.frames(AIM)[:3]:
            message = parse_datagram(bytes(Ether(frame)[UDP].payload))
            assert isinstance(message, Request)
            assert message.headers.get(b"call-id")


def test_audio_carries_its_mark() -> None:
    assert rtp(3, ssrc=9, mark=b"mine")[12:16] == b"mine"
    assert len(rtp(3, ssrc=9)) == 172


def test_every_attack_has_frames_that_fit_a_link_and_a_name_of_its_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    for attack in ATTACKS:
        assert 0 < len(attack.frames(AIM)) <= 512
        assert max(map(len, attack.frames(AIM))) < 1400
