"""Later fragments go the way of their first one; of those whose first one is not known some pass and not all."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import wire
from appliance.kernel.testrun import Action
from tests.bpf.rig import GATE_MAC, OPTIONS, PHONE_MAC, Rig

FROM, TO, FROM6, TO6 = "198.51.100.7", "10.77.1.1", "2001:db8:7::7", "fd77:1::1"
L2 = Ether(src=PHONE_MAC, dst=GATE_MAC)
NONE_LEFT = {"limits": wire.Limits({"fragment_burst": 0, "fragment_interval": 10**12})}


def first(ident: int = 7, *, src: str = FROM, dport: int = 5060, sport: int = 5060) -> Packet:
    return L2 / IP(src=src, dst=TO, flags="MF", id=ident) / UDP(sport=sport, dport=dport, len=3000) / Raw(OPTIONS)


def later(ident: int = 7, *, src: str = FROM, proto: int = 17) -> Packet:
    return L2 / IP(src=src, dst=TO, frag=100, id=ident, proto=proto) / Raw(bytes(64))


def first6(ident: int) -> Packet:
    udp = bytes(UDP(sport=5060, dport=5060, len=3000, chksum=1)) + OPTIONS
    return L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrFragment(nh=17, m=1, id=ident) / Raw(udp)


def later6(ident: int) -> Packet:
    return L2 / IPv6(src=FROM6, dst=TO6) / IPv6ExtHdrFragment(nh=17, offset=100, id=ident) / Raw(bytes(64))


def test_fragments_follow_a_first_one_that_passed(rig: Rig) -> None:
    rig.sync(**NONE_LEFT)
    assert rig.send(first(11)).verdict == "sip_fragment"
    assert [rig.send(later(11)).verdict for _ in range(3)] == ["fragment_later"] * 3
    assert rig.send(later(12)).verdict == "fragment_flood", "another datagram's"
    assert rig.send(later(11, src="198.51.100.8")).verdict == "fragment_flood", "another source's"


def test_fragments_follow_a_first_one_that_was_dropped(rig: Rig) -> None:
    rig.sync()
    assert rig.send(first(21, dport=20000)).action == Action.DROP
    assert rig.send(later(21)).verdict == "fragment_refused"


def test_fragments_of_ip6_are_followed_by_all_of_their_number(rig: Rig) -> None:
    rig.sync(**NONE_LEFT)
    rig.send(first6(0xABCD0001))
    assert rig.send(later6(0xABCD0001)).verdict == "fragment_later"
    assert rig.send(later6(0x12340001)).verdict == "fragment_flood"


def test_those_that_come_before_their_first_one_share_a_bucket(rig: Rig) -> None:
    rig.sync(limits=wire.Limits({"fragment_burst": 3, "fragment_interval": 10**12}))
    verdicts = [rig.send(later(100 + i, src=f"203.0.113.{i}")).verdict for i in range(5)]
    assert verdicts == ["fragment_unknown"] * 3 + ["fragment_flood"] * 2


def test_one_first_fragment_opens_the_door_for_one_datagram_and_not_for_a_flood(rig: Rig) -> None:
    rig.sync(**NONE_LEFT)
    rig.send(first(31))
    verdicts = [rig.send(later(31)).verdict for _ in range(70)]
    assert verdicts == ["fragment_later"] * 64 + ["fragment_flood"] * 6


def test_a_banned_source_has_no_fragments_but_a_spared_device_has(rig: Rig) -> None:
    known = {"known_pairs": (wire.KnownPair(FROM, 5060, 0.0),)}
    rig.sync(**known, bans=(wire.Ban(FROM, spares_known=True),))
    assert rig.send(first(41)).verdict == "sip_fragment"
    assert rig.send(later(41)).verdict == "fragment_later"
    assert rig.send(first(42, sport=9999)).verdict == "banned"
    assert rig.send(later(42)).verdict == "banned"
    rig.sync(**known, bans=(wire.Ban(FROM),))
    assert rig.send(later(41)).verdict == "banned"
