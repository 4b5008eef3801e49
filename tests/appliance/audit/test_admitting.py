"""Whom the image's packet filter lets begin a connection to SSH: the audit over rules that nft itself has listed."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from appliance.audit.network import CHECKS
from appliance.audit.row import Grade
from appliance.config.private import PRIVATE
from appliance.door import additions
from tests.appliance.audit import tree
from tests.appliance.namespaces import Namespace

RULES = tree.REPOSITORY / "image/files/etc/nftables.conf"
(CHECK,) = (each for each in CHECKS if each.name == "network.ssh_sources")
# As the door is opened for services, in a place that knows their control groups by number alone or not at all.
BESIDE = """
table inet machine {
    set doors { type inet_service; elements = { 22 } }
    set friends { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1h } }
    set knocked { type ipv4_addr; flags timeout; elements = { 198.51.100.8 } }
    set asked { type ipv4_addr; flags timeout; elements = { 198.51.100.9 } }
    set calls { type inet_service; flags timeout; elements = { 5060 timeout 1d } }
    set shut { type inet_service; counter; elements = { 22 comment "closed", 5060 } }
    set briefly { type inet_service; flags timeout; elements = { 22 timeout 1h } }
    set known { type inet_service; size 8; flags dynamic; elements = { 22 } }
    set who { type ipv4_addr; flags interval; elements = { 0.0.0.0/0 } }
    map toward { type inet_service : verdict; elements = { 80 : drop, * : accept } }
    map found { type ipv4_addr : inet_service; flags dynamic; size 8; }
    chain knocks {
        udp dport 7000 add @knocked { ip saddr timeout 60s }
        udp dport 7000 update @asked { ip saddr timeout 60s }
        udp dport 7001 add @known { udp dport }
        udp dport 7002 add @found { ip saddr : 22 }
    }
    map ways { type inet_service : verdict; elements = { 22 : accept } }
    chain aside { tcp dport 22 accept; }
}
table ip6 machine {
    set who { type ipv6_addr; flags interval; elements = { fc00::/7 } }
    chain input { tcp dport 22 accept; }
}
table ip machine {
    set who { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }
    chain aside { accept; }
}
table inet raw {
    chain before { type filter hook prerouting priority raw; tcp dport 22 notrack; }
}
"""
NAMED = ("198.51.100.0/24", "2001:db8:1::/64")  # by the office


@pytest.fixture(scope="module")
def machine() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree.make(tmp_path_factory.mktemp("root"))


def judged(
    machine: Namespace, root: Path, more: str, *rules: str, named: Sequence[str] | None = NAMED
) -> tuple[Grade, str]:
    """What the check says of the image's rules, with these behind them. `named`: by the office; None: there is none."""
    file = root.with_suffix(".nft")
    added = "".join(f"add rule inet machine {each}\n" for each in rules)
    file.write_text(f"flush ruleset\n{RULES.read_text()}\n{more}\n{added}")
    machine.run("nft", "-f", str(file))
    listed = machine.run("nft", "--json", "list", "ruleset")
    office = None if named is None else {"allows.list": {"administered_from": list(named)}}
    reading = CHECK.judge(tree.machine(root, tree.SAID | {tree.NFT: listed}, office_says=office))
    return reading.grade, reading.value


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("tcp dport 22 accept", "everybody"),
        ("accept", "everybody"),
        ("ct state new counter accept", "everybody"),
        ("meta l4proto tcp accept", "everybody"),
        ("ip protocol { tcp, udp } accept", "everybody"),
        ("ip6 nexthdr tcp accept", "everybody"),
        ("meta l4proto { tcp, udp } th dport 22 accept", "everybody"),
        ("tcp dport { 22, 80-90 } accept", "everybody"),
        ("tcp dport 20-30 limit rate 1/second accept", "everybody"),
        ("tcp dport != 80 jump ssh", "everybody"),
        ("tcp dport < 1024 accept", "everybody"),
        ("tcp dport @doors accept", "everybody"),
        ("tcp dport vmap { 22 : accept, 80 : drop }", "everybody"),
        ("tcp dport vmap { 22 : goto aside }", "everybody"),
        ("tcp dport vmap @ways", "everybody"),
        ("jump aside", "everybody"),
        ('iifname "eth9" tcp dport 22 accept', "everybody"),
        ('iifname != "lo" accept', "everybody"),
        ("ip saddr != 198.51.100.7 tcp dport 22 accept", "everybody"),
        ("ip daddr 192.0.2.1 accept", "everybody"),
        ("ip saddr 0.0.0.0/0 accept", "everybody"),
        ("ip saddr { 0.0.0.0/1, 128.0.0.0/2, 192.0.0.0/3 } tcp dport 22 accept", "everybody"),
        ("ip6 saddr 2000::/3 tcp dport 22 accept", "everybody"),
        ("ip saddr @who tcp dport 22 accept", "everybody"),
        ("ip saddr @knocked tcp dport 22 accept", "everybody"),
        ("ip saddr @asked tcp dport 22 accept", "everybody"),
        ("tcp dport != @calls accept", "everybody"),
        ("tcp dport != @briefly accept", "everybody"),
        ("tcp dport != @known accept", "everybody"),
        ("tcp dport vmap @toward", "everybody"),
        ("ct state untracked accept", "everybody"),
        ("ct state != new accept", "everybody"),
        ("ct state { established, untracked } accept", "everybody"),
        ("ip6 nexthdr 60 accept", "everybody"),
        ("ip6 nexthdr 40-60 accept", "everybody"),
        ("ip6 nexthdr { udp, 0 } accept", "everybody"),
        ("ip6 nexthdr != tcp accept", "everybody"),
        ("tcp dport 22 synproxy mss 1460 wscale 7", "everybody"),
        ("ip saddr { 198.51.100.0/25, 198.51.100.128-198.51.100.255 } accept", "the tunnel, 198.51.100.0/24"),
        ("ip saddr @friends jump aside", "the tunnel, 198.51.100.7/32"),
        ("ip6 saddr vmap { 2001:db8:1::7 : accept }", "the tunnel, 2001:db8:1::7/128"),
        ("tcp dport 80 accept", "the tunnel"),
        ("tcp dport != 22 accept", "the tunnel"),
        ("tcp dport { 80, 443 } ct state new accept", "the tunnel"),
        ("udp dport 22 accept", "the tunnel"),
        ("meta l4proto udp accept", "the tunnel"),
        ('iifname "lo" tcp dport 22 accept', "the tunnel"),
        ("ct state established tcp dport 22 accept", "the tunnel"),
        ("ct state != { new, untracked } accept", "the tunnel"),
        ("tcp dport != @shut accept", "the tunnel"),
        ("tcp dport @calls accept", "the tunnel"),
        ("ip6 nexthdr { udp, icmpv6, gre } accept", "the tunnel"),
        ("meta l4proto != tcp accept", "the tunnel"),
        ("tcp dport vmap { 22 : drop, 80 : accept }", "the tunnel"),
        ("tcp dport 22 drop", "the tunnel"),
    ],
)
def test_each_rule_that_lets_others_in_beside_the_door_is_found(
    machine: Namespace, root: Path, rule: str, found: str
) -> None:
    grade, value = judged(machine, root, BESIDE, f"input {rule}")
    assert (grade is Grade.PASS) is (found != "everybody")
    assert value.startswith(found) if found == "everybody" else value == found


def test_what_stands_beside_the_door_and_leads_nowhere_opens_nothing(machine: Namespace, root: Path) -> None:
    assert judged(machine, root, BESIDE) == (Grade.PASS, "the tunnel")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("203.0.113.0/24", NAMED),
        ("198.51.100.0/23", NAMED),
        ("{ 0.0.0.0/1, 128.0.0.0/2, 192.0.0.0/4 }", NAMED),
        ("10.0.0.0/8", NAMED),
        ("10.0.0.0/8", ()),
        ("203.0.113.0/24", None),
        ("8.0.0.0/6", None),
    ],
)
def test_who_is_let_in_and_not_by_the_office_is_named_with_the_rule(
    machine: Namespace, root: Path, source: str, named: Sequence[str] | None
) -> None:
    grade, value = judged(machine, root, "", f"input ip saddr {source} tcp dport 22 accept", named=named)
    asked = "others than the office names" if named is not None else "the office does not say who administers"
    first = source.strip("{ ").partition(",")[0]
    assert grade is Grade.WARN and value.startswith(asked) and f": {first} by input handle " in value


def test_whom_the_keeper_lets_in_may_come(machine: Namespace, root: Path) -> None:
    """By the image's own rules: as the office said, in however many parts, and while there is none as it said last."""
    networks = [*map(str, PRIVATE), "198.51.100.0/25", "198.51.100.128/25"]
    filled = "\n".join(additions(networks))
    shown = "10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 198.51.100.0/24"
    told = (Grade.PASS, f"the tunnel, {shown}, fc00::/7, fe80::/10")
    assert judged(machine, root, filled, named=networks) == told
    assert judged(machine, root, filled, named=[*map(str, PRIVATE), "198.51.100.0/24"]) == told
    assert judged(machine, root, filled, named=None) == told
    grade, value = judged(machine, root, filled, named=list(map(str, PRIVATE)))
    assert grade is Grade.WARN and "198.51.100.0/25 by input handle" in value


def test_the_rule_is_named(machine: Namespace, root: Path) -> None:
    grade, value = judged(machine, root, "", "input tcp dport 22 accept")
    (handle,) = (
        line.rpartition(" ")[2]
        for line in machine.run("nft", "--handle", "list", "chain", "inet", "machine", "input").splitlines()
        if "tcp dport 22 accept" in line
    )
    assert (grade, value) == (Grade.FAIL, f"everybody, by input handle {handle}")


def test_an_open_office_opens_no_ssh_and_another_service_might(machine: Namespace, root: Path) -> None:
    """By control groups, which nft lists by name where they are mounted."""
    office, ssh = "system.slice/appliance-office.service", "system.slice/ssh.service"
    for group, grade in ((office, Grade.PASS), ("1203", Grade.PASS), (ssh, Grade.FAIL)):
        match = {"match": {"op": "==", "left": {"socket": {"key": "cgroupv2"}}, "right": group}}
        assert grade_with(root, match, tree.ACCEPT) is grade


def test_whom_a_program_judges_may_be_anybody(root: Path) -> None:
    """Not every kernel takes such a rule."""
    assert grade_with(root, {"queue": None}) is Grade.FAIL


def grade_with(root: Path, *parts: dict[str, object]) -> Grade:
    """With one rule more, as nft would list it."""
    rule = {"family": "inet", "table": "machine", "chain": "input", "handle": 9, "expr": parts}
    said = tree.SAID | {tree.NFT: json.dumps({"nftables": [*tree.CHAINS["nftables"], {"rule": rule}]})}
    return CHECK.judge(tree.machine(root, said)).grade
