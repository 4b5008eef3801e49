"""Devices that are known or banned by address and port, and bans that spare those that are known."""

import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from appliance import wire
from appliance.kernel import plan
from tests.bpf.rig import GATE_MAC, PHONE_MAC, Rig, frame

FROM, FROM6 = "198.51.100.7", "2001:db8:7::7"


@pytest.mark.parametrize(
    ("prefix", "source", "target", "verdict"),
    [
        (FROM, FROM, "10.77.1.1", "banned"),
        ("198.51.100.0/24", FROM, "10.77.1.1", "banned_prefix"),
        (FROM6, FROM6, "fd77:1::1", "banned"),
        ("2001:db8:7::/48", FROM6, "fd77:1::1", "banned_prefix"),
    ],
)
def test_a_ban_that_spares_known_devices_does_so_and_one_that_does_not_does_not(
    rig: Rig, prefix: str, source: str, target: str, verdict: str
) -> None:
    known = (wire.KnownPair(source, 5062, 0.0),)
    rig.sync(known_pairs=known, bans=(wire.Ban(prefix, spares_known=True),))
    assert rig.send(frame(src=source, dst=target, sport=5062)).verdict == "sip_request"
    assert rig.send(frame(src=source, dst=target, sport=5063)).verdict == verdict
    rig.gate.ban(wire.Ban(prefix))
    assert rig.send(frame(src=source, dst=target, sport=5062)).verdict == verdict


def test_a_sparing_ban_does_not_hide_a_wider_one_that_spares_nobody(rig: Rig) -> None:
    bans = (wire.Ban("198.51.100.0/24", spares_known=True), wire.Ban("198.51.0.0/16"))
    rig.sync(known_pairs=(wire.KnownPair(FROM, 5060, 0.0),), bans=bans)
    assert rig.send(frame()).verdict == "banned_prefix"


def test_a_device_behind_a_shared_address_is_banned_alone(rig: Rig) -> None:
    rig.gate.ban_pair(wire.PairBan(FROM, 5066))
    assert rig.send(frame(sport=5066)).verdict == "banned_pair"
    assert rig.send(frame(sport=5067)).verdict == "sip_request"
    rig.gate.unban_pair(wire.Pair(FROM, 5066))
    assert rig.send(frame(sport=5066)).verdict == "sip_request"


def test_a_device_is_known_over_tcp_too(rig: Rig) -> None:
    rig.sync(known_pairs=(wire.KnownPair(FROM, 4000, 0.0),), bans=(wire.Ban(FROM, spares_known=True),))
    packet = Ether(src=PHONE_MAC, dst=GATE_MAC) / IP(src=FROM, dst="10.77.1.1") / TCP(sport=4000, dport=5060, flags="A")
    assert rig.send(packet).verdict == "tcp_service"
    packet[TCP].sport = 4001
    assert rig.send(packet).verdict == "banned"


def test_what_was_known_or_banned_ends_by_itself(rig: Rig) -> None:
    rig.sync(bans=(wire.Ban(FROM, spares_known=True),))
    where = plan.endpoint((FROM, 5060))
    now = time.monotonic_ns()
    for row, verdict in (
        (plan.PairRow(now + 10**11), "sip_request"),
        (plan.PairRow(now), "banned"),
        (plan.PairRow(now + 10**11, now), "sip_request"),
    ):
        rig.gate.tables.put(plan.MapName.PAIRS, where, row)
        assert rig.send(frame()).verdict == verdict
    rig.gate.tables.drop(plan.MapName.PAIRS, where)


def test_an_allowed_device_cannot_be_banned_by_its_port(rig: Rig) -> None:
    rig.sync(sources=(wire.Source(FROM),), pair_bans=(wire.PairBan(FROM, 5060),))
    assert rig.send(frame()).verdict == "source_allowed"
