"""Static rules, imported lists and countries, as packets meet them."""

import base64

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import networks, wire
from appliance.wire import FirewallAction, FirewallRule, ListKind
from tests.bpf.rig import GATE_MAC, PHONE_MAC, Rig, frame

FROM, FROM6 = "198.51.100.7", "2001:db8::7"
ALLOW, DENY = FirewallAction.ALLOW, FirewallAction.DENY
PASSES = "sip_request"


def rules(*rows: tuple[str, FirewallAction, str, int]) -> dict[str, object]:
    return {"firewall": tuple(FirewallRule(prefix, action, protocol, port) for prefix, action, protocol, port in rows)}


def tcp(dport: int) -> Packet:
    return Ether(src=PHONE_MAC, dst=GATE_MAC) / IP(src=FROM, dst="10.77.1.1") / TCP(sport=4000, dport=dport, flags="S")


def load(rig: Rig, name: str, prefixes: list[str], kind: ListKind = ListKind.BAN, digest: str = "1") -> wire.ListStatus:
    packed = b"".join(networks.merged(networks.parsed(prefix) for prefix in prefixes))
    text = base64.b64encode(packed).decode()
    return rig.gate.load_list(wire.ListChunk(name, digest, text, True, True, kind, len(prefixes)))


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([("198.51.100.0/24", DENY, "any", 0)], "firewall_denied"),
        ([("198.51.101.0/24", DENY, "any", 0)], PASSES),
        ([("198.51.100.0/24", DENY, "any", 0), (FROM, ALLOW, "any", 0)], "source_allowed"),
        ([("198.51.0.0/16", ALLOW, "any", 0), ("198.51.100.0/24", DENY, "any", 0)], "firewall_denied"),
        ([("198.51.100.0/24", DENY, "any", 0), (FROM, ALLOW, "udp", 5060)], PASSES),
        ([("198.51.100.0/24", DENY, "any", 0), (FROM, ALLOW, "udp", 5061)], "firewall_denied"),
        ([("198.51.100.0/24", DENY, "any", 0), (FROM, ALLOW, "tcp", 5060)], "firewall_denied"),
        ([("198.51.100.0/24", DENY, "any", 0), ("198.51.100.0/24", ALLOW, "any", 5060)], PASSES),
        ([(FROM, DENY, "any", 0), ("198.51.100.0/24", ALLOW, "udp", 5060)], "firewall_denied"),
        ([(FROM, DENY, "udp", 5060)], "firewall_denied"),
        ([(FROM, DENY, "tcp", 5060)], PASSES),
        ([("0.0.0.0/0", DENY, "any", 0)], "firewall_denied"),
        ([("::/0", DENY, "any", 0)], "firewall_denied"),
    ],
)
def test_the_longest_network_decides_and_of_equal_ones_the_rule_with_a_port(
    rig: Rig, rows: list[tuple[str, FirewallAction, str, int]], verdict: str
) -> None:
    rig.sync(**rules(*rows))
    assert rig.send(frame()).verdict == verdict


def test_a_rule_holds_for_ports_that_are_no_service_too(rig: Rig) -> None:
    rig.sync(**rules((FROM, DENY, "tcp", 22)))
    assert rig.send(tcp(22)).verdict == "firewall_denied"
    assert rig.send(tcp(23)).verdict == "other_port"


def test_a_rule_without_a_port_holds_for_ipv6_and_for_later_fragments(rig: Rig) -> None:
    rig.sync(**rules((FROM, DENY, "any", 0), ("2001:db8::/32", DENY, "any", 0)))
    later = Ether(src=PHONE_MAC, dst=GATE_MAC) / IP(src=FROM, dst="10.77.1.1", frag=100, proto=17) / Raw(bytes(64))
    assert rig.send(later).verdict == "firewall_denied"
    assert rig.send(frame(src=FROM6, dst="2001:db8:77::1")).verdict == "firewall_denied"


def test_an_allow_with_a_port_keeps_ban_and_bucket(rig: Rig) -> None:
    allow = rules((FROM, ALLOW, "udp", 5060))
    rig.sync(**allow, bans=(wire.Ban(FROM),))
    assert rig.send(frame()).verdict == "banned"
    rig.sync(**allow, limits=wire.Limits({"stranger_burst": 1, "stranger_interval": 10**12}))
    assert [rig.send(frame()).verdict for _ in range(2)] == [PASSES, "over_rate_stranger"]


def test_a_protected_address_passes_the_deny_around_it_the_list_and_the_country(rig: Rig) -> None:
    load(rig, "feed", [FROM])
    load(rig, "countries-deny", ["198.51.0.0/16"], ListKind.COUNTRY_DENY)
    rig.sync(keep_lists=True, **rules(("198.51.100.0/24", DENY, "any", 0)), protected=(FROM,))
    assert rig.send(frame()).verdict == PASSES
    assert rig.send(frame(src="198.51.100.8")).verdict == "firewall_denied"


def test_a_deny_inside_of_a_protected_network_is_left_out_and_named(rig: Rig) -> None:
    applied = rig.sync(**rules((FROM, DENY, "any", 0)), protected=("198.51.100.0/24",))
    assert applied.skipped == (FROM,)
    assert rig.send(frame()).verdict == PASSES


def test_rules_that_are_no_longer_in_the_plan_are_gone(rig: Rig) -> None:
    rig.sync(**rules((FROM, DENY, "any", 0)))
    rig.sync()
    assert rig.send(frame()).verdict == PASSES


@pytest.mark.parametrize("verdict", ["firewall_denied", "listed", "country_denied"])
def test_in_report_only_each_counts_and_lets_pass(rig: Rig, verdict: str) -> None:
    denied = rules((FROM, DENY, "any", 0)) if verdict == "firewall_denied" else {}
    if verdict != "firewall_denied":
        kind = ListKind.BAN if verdict == "listed" else ListKind.COUNTRY_DENY
        load(rig, "feed", [FROM], kind)
    before = next(tally.reported for tally in rig.gate.tallies() if tally.verdict == verdict)
    rig.sync(keep_lists=True, **denied, report_only=(verdict,))
    assert rig.send(frame()).verdict == PASSES
    assert next(tally.reported for tally in rig.gate.tallies() if tally.verdict == verdict) == before + 1


@pytest.mark.parametrize("prefix", [FROM, "198.51.100.0/24", "198.51.100.6/31"])
def test_who_is_on_an_imported_list_is_kept_out(rig: Rig, prefix: str) -> None:
    load(rig, "feed", ["203.0.113.9", prefix, "2001:db8::/32"])
    assert rig.send(frame()).verdict == "listed"
    assert rig.send(frame(src=FROM6, dst="2001:db8:77::1")).verdict == "listed"
    assert rig.send(frame(src="198.51.102.7")).verdict == PASSES


def test_a_list_leaves_known_sources_and_known_devices_alone(rig: Rig) -> None:
    load(rig, "feed", [FROM])
    rig.sync(keep_lists=True, known_pairs=(wire.KnownPair(FROM, 5060, 0.0),))
    assert rig.send(frame()).verdict == PASSES
    assert rig.send(frame(sport=5061)).verdict == "listed"
    rig.sync(keep_lists=True, sources=(wire.Source(FROM, wire.SourceClass.KNOWN),))
    assert rig.send(frame(sport=5061)).verdict == PASSES


def test_an_allow_with_a_port_passes_a_list_and_a_country(rig: Rig) -> None:
    load(rig, "feed", [FROM])
    load(rig, "deny", ["198.51.0.0/16"], ListKind.COUNTRY_DENY)
    rig.sync(keep_lists=True, **rules((FROM, ALLOW, "udp", 5060)))
    assert rig.send(frame()).verdict == PASSES
    assert rig.send(tcp(5060)).verdict == "listed"


def test_a_denied_country_is_kept_out_known_or_not(rig: Rig) -> None:
    load(rig, "deny", ["198.51.0.0/16"], ListKind.COUNTRY_DENY)
    rig.sync(keep_lists=True, known_pairs=(wire.KnownPair(FROM, 5060, 0.0),))
    assert rig.send(frame()).verdict == "country_denied"
    assert rig.send(frame(src="203.0.113.5")).verdict == PASSES


def test_with_countries_that_are_let_in_all_others_are_kept_out(rig: Rig) -> None:
    load(rig, "allow", ["198.51.0.0/16"], ListKind.COUNTRY_ALLOW)
    assert rig.send(frame()).verdict == PASSES
    assert rig.send(frame(src="203.0.113.5")).verdict == "country_denied"
    assert rig.send(frame(src=FROM6, dst="2001:db8:77::1")).verdict == "country_denied"


def test_a_new_list_takes_the_place_of_the_old_one_of_its_name_at_once(rig: Rig) -> None:
    load(rig, "feed", [FROM], digest="1")
    part = base64.b64encode(networks.parsed("203.0.113.5")).decode()
    rig.gate.load_list(wire.ListChunk("feed", "2", part, first=True, entries=2))
    assert rig.send(frame()).verdict == "listed", "the old list holds while the new one is loaded"
    assert rig.send(frame(src="203.0.113.5")).verdict == PASSES
    rig.gate.load_list(wire.ListChunk("feed", "2", "", last=True))
    assert rig.send(frame()).verdict == PASSES
    assert rig.send(frame(src="203.0.113.5")).verdict == "listed"
    assert rig.gate.lists() == [wire.ListStatus("feed", "2", 1)]


def test_a_list_that_is_dropped_holds_no_longer(rig: Rig) -> None:
    load(rig, "one", [FROM])
    load(rig, "two", [FROM])
    rig.gate.drop_list(wire.ListRef("one"))
    assert rig.send(frame()).verdict == "listed"
    rig.gate.drop_list(wire.ListRef("two"))
    assert rig.send(frame()).verdict == PASSES
    with pytest.raises(wire.WireError, match="no list"):
        rig.gate.drop_list(wire.ListRef("two"))
