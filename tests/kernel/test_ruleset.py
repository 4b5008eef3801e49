"""The gate in nftables' words: what the sets hold, in which order rules stand. Pure."""

import pytest

from appliance import networks, wire
from appliance.kernel import chains, firewall, layout, plan, ruleset
from appliance.kernel.plan import FOREVER, BanRow, MapName, PairRow, SourceRow
from appliance.kernel.policy import PolicyRow
from appliance.wire import FirewallAction, FirewallRule, ListKind, SourceClass

S = 1_000_000_000


def judged(**parts: object) -> chains.Judged:
    row = PolicyRow(1, 20000, 29999, False, plan.limit_values(wire.Limits()))
    return chains.Judged(**{"policy": row, **parts})  # type: ignore[arg-type]


def chain(name: str, of: chains.Judged) -> list[str]:
    head = f"add rule inet x {name} "
    return [line.removeprefix(head) for line in chains.rules("inet x", of) if line.startswith(head)]


@pytest.mark.parametrize(
    ("interval_ns", "said"),
    [(1_000_000, "1000/second"), (S, "60/minute"), (300_000_000, "200/minute"), (60 * S, "60/hour"), (9**18, "1/day")],
)
def test_a_rate_is_said_in_the_unit_that_keeps_it_exact(interval_ns: int, said: str) -> None:
    number, _, unit = chains.rate(interval_ns).partition("/")
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit]
    assert int(number) / seconds == pytest.approx(max(S / interval_ns, 1 / 86400), rel=0.01)


def test_a_row_ends_when_the_gate_says_so_and_never_lives_for_ever_by_rounding() -> None:
    (ban,) = ruleset.elements(MapName.BANS, layout.address("192.0.2.7"), BanRow(5 * S))
    assert (ban.table_set, ban.text(now_ns=2 * S)) == ("banned4", "192.0.2.7 timeout 3000ms")
    assert ban.text(now_ns=6 * S) == "192.0.2.7 timeout 1ms"
    (lasting,) = ruleset.elements(MapName.BANS, layout.address("2001:db8::7"), BanRow(0, True))
    assert (lasting.table_set, lasting.text(0)) == ("spared6", "2001:db8::7")


def test_a_device_may_be_known_and_banned_at_once() -> None:
    key = (layout.address("192.0.2.7"), 5060)
    found = {each.table_set: each.text(0) for each in ruleset.elements(MapName.PAIRS, key, PairRow(FOREVER, S))}
    assert found == {"known_pairs4": "192.0.2.7 . 5060", "banned_pairs4": "192.0.2.7 . 5060 timeout 1000ms"}
    assert {each.table_set for each in ruleset.places(MapName.PAIRS, key)} == set(found)


def test_of_nested_networks_the_widest_that_holds_now_stands_for_all() -> None:
    rows = {
        layout.network("10.0.0.0/8"): BanRow(50 * S),
        layout.network("10.1.0.0/16"): BanRow(0),
        layout.network("192.0.0.0/8"): BanRow(1 * S),
        layout.network("192.0.2.0/24"): BanRow(0),
        layout.network("2001:db8::/32"): BanRow(0, True),
    }
    found = [(each.table_set, each.text(10 * S)) for each in ruleset.networks(MapName.BAN_NETS, rows, 10 * S)]
    assert found == [
        ("spared_nets6", "2001:db8::/32"),
        ("banned_nets4", "10.0.0.0/8 timeout 40000ms"),
        ("banned_nets4", "192.0.2.0/24"),
    ]


def test_trusted_networks_lie_by_how_much_they_are_trusted() -> None:
    rows = {
        layout.network("10.0.0.0/8"): SourceRow(0, SourceClass.KNOWN),
        layout.network("10.1.0.0/16"): SourceRow(0, SourceClass.ALLOW),
    }
    found = {each.table_set: each.key for each in ruleset.networks(MapName.SOURCE_NETS, rows, 0)}
    assert found == {"known_nets4": "10.0.0.0/8", "allowed_nets4": "10.1.0.0/16"}


def test_lists_are_merged_before_they_become_intervals() -> None:
    rows = [networks.parsed(text) for text in ("192.0.2.0/24", "192.0.2.9", "2001:db8::/32", "192.0.2.0/24")]
    found = [(each.table_set, each.key) for each in ruleset.listed(ListKind.BAN, rows)]
    assert sorted(found) == [("ban4", "192.0.2.0/24"), ("ban6", "2001:db8::/32")]


def test_the_longest_network_decides_and_of_two_as_long_the_rule_with_a_port() -> None:
    rules = firewall.rule_rows(
        [
            FirewallRule("0.0.0.0/0", FirewallAction.DENY),
            FirewallRule("192.0.2.0/24", FirewallAction.ALLOW),
            FirewallRule("192.0.2.0/24", FirewallAction.DENY, "udp", 5060),
            FirewallRule("2001:db8::/32", FirewallAction.DENY, "any", 443),
        ]
    )
    assert chain("refusal", judged(firewall=rules))[:5] == [
        "ip saddr 192.0.2.0/24 udp dport 5060 counter name firewall_denied drop",
        "ip saddr 192.0.2.0/24 return",
        "meta nfproto ipv4 counter name firewall_denied drop",
        "ip6 saddr 2001:db8::/32 udp dport 443 counter name firewall_denied drop",
        "ip6 saddr 2001:db8::/32 tcp dport 443 counter name firewall_denied drop",
    ]
    assert "ip saddr 192.0.2.0/24 goto allowed" in chain("admission", judged(firewall=rules))


def test_report_only_counts_and_goes_on() -> None:
    row = judged().policy._replace(reported=frozenset({"banned"}))
    rules = chain("gate", judged(policy=row))
    assert "ip saddr @banned4 counter name reported_banned" in rules
    assert "ip saddr @banned_nets4 counter name banned_prefix drop" in rules


def test_a_limit_that_is_taken_away_leaves_no_rule() -> None:
    values = plan.limit_values(wire.Limits({"stranger_interval": 0}))
    assert not [
        rule for rule in chain("stranger", judged(policy=judged().policy._replace(limits=values))) if "@s" in rule
    ]


def test_every_counter_that_a_rule_names_is_a_verdict() -> None:
    declared = set(ruleset.declarations("inet x", owned=True))
    reporting = judged().policy._replace(reported=frozenset(v.name for v in layout.verdicts() if v.action == "DROP"))
    for each in (judged(), judged(policy=reporting)):
        for line in chains.rules("inet x", each):
            name = line.partition("counter name ")[2].partition(" ")[0]
            if not name:
                continue
            assert f"add counter inet x {name}" in declared
            verdict = name.removeprefix("reported_")
            action = next((v.action for v in layout.verdicts() if v.name == verdict), "")
            assert {"accept": "PASS", "drop": "DROP"}.get(line.split()[-1], action) == action


def test_what_the_table_is_made_of_names_it() -> None:
    assert ruleset.version() in "\n".join(ruleset.declarations("inet x", owned=False))
    assert list(ruleset.absence("inet x")) == ["add table inet x", "delete table inet x"]
