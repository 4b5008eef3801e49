"""The stateless challenge: who is answered, with what, and what a nonce is worth. One test for each rule."""

import time

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from appliance import wire
from appliance.kernel.testrun import Action
from pysrv.sip.parser import parse_datagram
from pysrv.sip.siphash import siphash_24
from tests.bpf.asking import (
    INVITE,
    KNOWN,
    STRANGER,
    STRANGER6,
    Ask,
    answered,
    challenge,
    changed,
    check_answer,
    datagram,
    nonce_of,
    packet_of,
    switch_on,
    with_nonce,
)
from tests.bpf.rig import GATE_MAC, Rig, frame

# -- who is challenged


def test_a_strangers_register_is_answered_with_401(on: Rig) -> None:
    nonce_of(answered(on, Ask(), "challenge_401", 401))


def test_a_strangers_invite_is_answered_with_407(on: Rig) -> None:
    nonce_of(answered(on, INVITE, "challenge_407", 407))


def test_the_same_over_ipv6(on: Rig) -> None:
    nonce_of(answered(on, Ask(source=STRANGER6), "challenge_401", 401))
    nonce_of(answered(on, changed(INVITE, source=STRANGER6), "challenge_407", 407))


def test_the_answer_names_server_and_has_no_body(on: Rig) -> None:
    response = answered(on, Ask(), "challenge_401", 401)
    assert response.headers.get(b"server") == b"appliance"


def test_switched_off_strangers_go_to_the_service(rig: Rig) -> None:
    switch_on(rig, challenge=challenge(enabled=False))
    assert rig.send(Ask().packet()).verdict == "sip_request"
    assert rig.send(INVITE.packet()).verdict == "sip_request"


def test_without_keys_nothing_is_challenged(rig: Rig) -> None:
    switch_on(rig, challenge=challenge(keys=()))
    assert rig.send(Ask().packet()).verdict == "sip_request"


def test_known_sources_and_known_devices_skip_the_challenge(rig: Rig) -> None:
    switch_on(rig, **KNOWN)
    assert rig.send(Ask().packet()).verdict == "sip_request"
    switch_on(rig, known_pairs=(wire.KnownPair(STRANGER, 5062, time.time() + 60),))
    assert rig.send(Ask().packet()).verdict == "sip_request"
    assert rig.send(Ask(port=5063).packet()).verdict == "challenge_401"


@pytest.mark.parametrize("method", ["OPTIONS", "SUBSCRIBE", "MESSAGE", "NOTIFY", "BYE", "CANCEL", "PUBLISH"])
def test_other_methods_of_strangers_go_to_the_service_within_their_budget(on: Rig, method: str) -> None:
    assert on.send(changed(INVITE, method=method).packet()).verdict == "sip_request"


def test_a_register_with_a_tag_in_to_is_asked_like_any_other(on: Rig) -> None:
    tagged = Ask(to="<sip:1000@pbx.example.net>;tag=abc")
    response = answered(on, tagged, "challenge_401", 401)
    assert on.send(with_nonce(tagged, nonce_of(response)).packet()).verdict == "nonce_valid"


def test_requests_inside_a_dialog_go_to_the_service(on: Rig) -> None:
    assert on.send(changed(INVITE, to="<sip:2000@pbx.example.net>;tag=abc").packet()).verdict == "sip_request"


def test_tcp_is_never_answered(on: Rig) -> None:
    from scapy.layers.inet import TCP

    ether = Ask().packet()
    packet = (
        Ether(bytes(ether)[:14])
        / IP(src=STRANGER, dst="10.77.1.1")
        / TCP(dport=5060, flags="PA")
        / Raw(Ask().to_bytes())
    )
    assert on.send(packet).action == Action.PASS


# -- what an answer looks like on the wire


def test_vlan_tags_are_kept(on: Rig) -> None:
    inner = Ask().packet()[IP]
    for tags in (Dot1Q(vlan=7, prio=3), Dot1AD(vlan=100) / Dot1Q(vlan=7)):
        packet = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01") / tags / inner
        out = on.send(packet)
        assert out.verdict == "challenge_401"
        assert bytes(out.packet)[12:18] == bytes(packet)[12:18]
        check_answer(Ask().to_bytes(), out, 401, STRANGER, 5062)


def test_the_frame_goes_back_where_it_came_from_with_a_fresh_hop_limit(on: Rig) -> None:
    packet = Ask().packet()
    packet[IP].ttl = 3
    del packet[IP].chksum
    out = on.send(packet)
    assert (out.ether.src, out.ether.dst) == (packet.dst, packet.src)
    assert (out.ether[IP].ttl, out.ether[IP].options, int(out.ether[IP].flags)) == (64, [], 2)
    out = on.send(Ask(source=STRANGER6).packet())
    assert out.ether[IPv6].hlim == 64


def test_ip_options_are_not_copied(on: Rig) -> None:
    from scapy.layers.inet import IPOption_NOP

    packet = Ask().packet()
    packet[IP].options = [IPOption_NOP()] * 4
    del packet[IP].ihl, packet[IP].len, packet[IP].chksum
    check_answer(Ask().to_bytes(), on.send(Ether(bytes(packet))), 401, STRANGER, 5062)


# -- what an answer copies


def test_every_via_is_copied_in_its_order(on: Rig) -> None:
    vias = tuple(f"SIP/2.0/UDP 10.9.{n}.1:5060;branch=z9hG4bKp{n};received=10.9.9.{n};rport=5070" for n in range(7))
    for count in (1, 3, 7):
        response = answered(on, changed(Ask(), vias=vias[:count]), "challenge_401", 401)
        assert len(response.vias) == count + 1


def test_more_vias_than_are_copied_are_left_to_the_strict_bucket(on: Rig) -> None:
    vias = tuple(f"SIP/2.0/UDP 10.9.{n}.1;branch=z9hG4bKp{n}" for n in range(8))
    assert on.send(Ask(vias=vias).packet()).verdict == "sip_odd"


def test_vias_joined_by_commas_are_copied(on: Rig) -> None:
    for rport in (";rport", ""):
        via = f"SIP/2.0/UDP 198.51.100.7:5062;branch=z9hG4bK1{rport}, SIP/2.0/TCP 10.1.1.1;branch=z9hG4bKzz"
        response = answered(on, Ask(via=via), "challenge_401", 401)
        assert len(response.vias) == 2


def test_rport_may_stand_before_the_branch(on: Rig) -> None:
    answered(on, Ask(via="SIP/2.0/UDP 198.51.100.7:5062;rport;branch=z9hG4bK1"), "challenge_401", 401)


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("198.51.100.7:7777", 7777),
        ("198.51.100.7", 5060),
        ("phone5061.example", 5060),
        ("[2001:db8::1]:5070", 5070),
        ("[2001:db8::5062]", 5060),
        ("198.51.100.7:64999", 64999),
    ],
)
def test_without_rport_the_answer_goes_to_the_port_of_sent_by(on: Rig, via: str, port: int) -> None:
    ask = Ask(via=f"SIP/2.0/UDP {via};branch=z9hG4bK1", port=40000)
    out = on.send(ask.packet())
    assert out.verdict == "challenge_401"
    assert datagram(out)[3] == port
    check_answer(ask.to_bytes(), out, 401, STRANGER, port)


def test_a_port_below_1024_without_rport_is_not_answered(on: Rig) -> None:
    assert on.send(Ask(port=53, rport=False).packet()).verdict == "sip_odd"
    assert on.send(Ask(via="SIP/2.0/UDP 198.51.100.7:53;branch=z9hG4bK1").packet()).verdict == "sip_odd"
    answered(on, Ask(port=53), "challenge_401", 401)


def test_compact_forms_are_understood_and_copied(on: Rig) -> None:
    names = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m"}
    response = answered(on, Ask(names=names), "challenge_401", 401)
    text = parse_datagram(Ask(names=names).to_bytes())
    assert response.call_id == text.call_id


def test_names_of_headers_in_any_case(on: Rig) -> None:
    names = {name: name.upper() for name in ("Via", "From", "To", "Call-ID", "CSeq")}
    answered(on, Ask(names=names), "challenge_401", 401)
    names = {name: name.lower() for name in names}
    answered(on, Ask(names=names), "challenge_401", 401)


def test_a_retransmission_gets_the_same_tag_and_another_nonce(on: Rig) -> None:
    first, second = (answered(on, INVITE, "challenge_407", 407) for _ in range(2))
    assert first.to.tag == second.to.tag
    assert nonce_of(first) != nonce_of(second)


def test_the_tag_is_the_keyed_hash_of_the_call_id(on: Rig) -> None:
    row = on.gate.current()["policies"][0].challenge  # type: ignore[index]
    key = b"".join(word.to_bytes(8, "little") for word in row.tag_key)
    for call_id in ("a", "1234567", "12345678", "123456789", "x" * 140):
        response = answered(on, Ask(call_id=call_id, lines=("X-Pad: " + "p" * 200,)), "challenge_401", 401)
        assert response.to.tag == b"%016x" % siphash_24(key, call_id.encode())


# -- never larger, never garbage


def test_server_is_left_out_when_the_answer_would_be_too_long(on: Rig) -> None:
    short = b"REGISTER sip:pbx.example.net SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7:5062;rport;branch=z9hG4bK1\r\n"
    short += b"From: <sip:a@pbx.example.net>;tag=1\r\nTo: <sip:a@pbx.example.net>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n"
    for room in range(60, 140):
        payload = short + b"Subject: " + b"x" * room + b"\r\n\r\n"
        out = on.send(packet_of(payload))
        if out.verdict == "challenge_401":
            response = check_answer(payload, out, 401, STRANGER, 5062)
            assert b"server" not in response.headers
            return
    pytest.fail("no length at which Server alone is too much")


def test_a_request_too_short_for_its_answer_is_left_to_the_strict_bucket(on: Rig) -> None:
    short = b"REGISTER sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nf:<sip:a@a>;tag=1\r\nt:<sip:a@a>\r\n"
    short += b"i:1\r\nCSeq: 1 REGISTER\r\n\r\n"
    assert on.send(packet_of(short)).verdict == "sip_odd"


ODD = {
    "folded": {"lines": ("Subject: a", " b")},
    "a tab": {"lines": ("Subject:\ta",)},
    "a control character": {"lines": ("Subject: a\x01b",)},
    "a blank before a colon": {"names": {"Via": "Via "}},
    "two Call-IDs": {"lines": ("Call-ID: x",)},
    "two Tos": {"lines": ("t: <sip:a@b>",)},
    "no To": {"names": {"To": "Tx"}},
    "CSeq of another method": {"cseq": "1 INVITE"},
    "CSeq without a number": {"cseq": "REGISTER"},
    "CSeq beyond 31 bits": {"cseq": "4294967295 REGISTER"},
    "maddr": {"via": "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1;rport;maddr=192.0.2.1"},
    "received already": {"via": "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1;rport;received=192.0.2.1"},
    "rport already": {"via": "SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1;rport=5060"},
    "rport twice": {"via": "SIP/2.0/UDP 198.51.100.7;rport;branch=z9hG4bK1;rport"},
    "Via of TCP": {"via": "SIP/2.0/TCP 198.51.100.7;branch=z9hG4bK1;rport"},
    "garbage in Via": {"via": "SIP/2.0/UDP 198.51.100.7;branch=<script>;rport"},
    "garbage in a lower Via": {"vias": ("SIP/2.0/UDP a b c",)},
    "From without an address": {"from_": "Alice"},
    "an open quote": {"from_": '"Alice <sip:1000@pbx.example.net>;tag=1'},
    "an escape in quotes": {"from_": '"Al\\"ice" <sip:1000@pbx.example.net>;tag=1'},
    "an open bracket": {"to": "<sip:1000@pbx.example.net"},
    "eight bits outside quotes": {"to": "J\xfcrgen <sip:1000@pbx.example.net>"},
    "a tel URI": {"to": "<tel:+4312345>"},
    "blanks in the Call-ID": {"call_id": "a b"},
    "a Request-URI with a blank": {"uri": "sip:a b"},
    "credentials without a nonce": {"lines": ("Authorization: Basic YTpi",)},
    "a Via longer than what is read": {"via": "SIP/2.0/UDP 198.51.100.7;rport;branch=" + "x" * 400},
    "five credentials": {"lines": ('Authorization: Digest nonce="a"',) * 5},
}


@pytest.mark.parametrize("about", ODD)
def test_what_the_gate_does_not_answer_is_left_to_the_strict_bucket(on: Rig, about: str) -> None:
    out = on.send(Ask(**ODD[about]).packet())  # type: ignore[arg-type]
    assert (out.verdict, out.action) == ("sip_odd", Action.PASS)


def test_eight_bits_in_a_quoted_display_name_are_copied(on: Rig) -> None:
    ask = Ask(from_='"J\xfcrgen" <sip:1000@pbx.example.net>;tag=1')
    assert b"J\xfcrgen" in datagram(on.send(ask.packet()))[4]


def test_a_request_longer_than_a_frame_can_hold_is_odd(on: Rig) -> None:
    assert on.send(Ask(lines=("X-Pad: " + "p" * 1400,)).packet()).verdict == "sip_odd"


def test_a_request_without_an_end_of_its_headers_is_odd(on: Rig) -> None:
    assert on.send(packet_of(Ask().to_bytes()[:-2])).verdict == "sip_odd"


def test_first_fragments_of_strangers_are_odd(on: Rig) -> None:
    packet = Ask().packet()
    packet[IP].flags = "MF"
    del packet[IP].chksum
    assert on.send(Ether(bytes(packet))).verdict == "sip_odd"


def test_all_strangers_share_the_strict_bucket(rig: Rig) -> None:
    switch_on(rig, limits=wire.Limits({"odd_burst": 3, "odd_interval": 10**12}))
    odd = [rig.send(Ask(source=f"198.51.100.{n}", cseq="1 INVITE").packet()).verdict for n in range(1, 6)]
    assert odd == ["sip_odd"] * 3 + ["odd_over_rate"] * 2
    answered(rig, Ask(), "challenge_401", 401)


@pytest.mark.parametrize(
    ("source", "target", "mac"),
    [
        (STRANGER, "224.0.1.75", "01:00:5e:00:01:4b"),
        (STRANGER, "224.0.1.75", GATE_MAC),
        (STRANGER, "255.255.255.255", "ff:ff:ff:ff:ff:ff"),
        (STRANGER, "10.77.1.1", "ff:ff:ff:ff:ff:ff"),
        (STRANGER6, "ff02::1", "33:33:00:00:00:01"),
        (STRANGER6, "ff02::1", GATE_MAC),
    ],
)
def test_a_request_to_a_group_is_answered_by_nobody(on: Rig, source: str, target: str, mac: str) -> None:
    """One forged request to all would draw an answer from each to its victim, sent from an address that is nobody's."""
    packet = frame(Ask(source=source).to_bytes(), src=source, dst=target)
    packet["Ether"].dst = mac
    assert on.send(packet).verdict == "sip_odd"
    on.sync(
        challenge=challenge(), limits=wire.Limits({"stranger_burst": 1, "stranger_interval": 10**12, "slip_every": 1})
    )
    assert [on.send(packet).verdict for _ in range(2)] == ["sip_odd", "over_rate_stranger"]
    on.sync(challenge=challenge(), known_pairs=(wire.KnownPair(source, 5060, 0.0),))
    packet = frame(b"\r\n\r\n", src=source, dst=target)
    packet["Ether"].dst = mac
    assert on.send(packet).verdict == "sip_keepalive"
