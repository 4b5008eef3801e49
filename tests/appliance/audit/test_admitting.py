"""Whom the image's packet filter lets begin a connection to SSH: the audit over rules that nft itself has listed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.audit.network import CHECKS
from appliance.audit.row import Grade
from tests.appliance.audit import tree
from tests.appliance.namespaces import Namespace

RULES = tree.REPOSITORY / "image/files/etc/nftables.conf"
(CHECK,) = (each for each in CHECKS if each.name == "network.ssh_sources")
# As the door is opened for services, in a place that knows their control groups by number alone or not at all.
BESIDE = """
table inet machine {
    set doors { type inet_service; elements = { 22 } }
    set friends { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1h } }
    map ways { type inet_service : verdict; elements = { 22 : accept } }
    chain aside { tcp dport 22 accept; }
}
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Namespace]:
    with Namespace() as made:
        yield made


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree.make(tmp_path_factory.mktemp("root"))


def judged(machine: Namespace, root: Path, more: str, *rules: str) -> tuple[Grade, str]:
    """What the check says of the image's rules, with these behind them."""
    file = root.with_suffix(".nft")
    added = "".join(f"add rule inet machine {each}\n" for each in rules)
    file.write_text(f"{RULES.read_text()}\n{more}\n{added}")
    machine.run("nft", "-f", str(file))
    listed = machine.run("nft", "--json", "list", "ruleset")
    reading = CHECK.judge(tree.machine(root, tree.SAID | {tree.NFT: listed}))
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
        ("ct state != new accept", "the tunnel"),
        ("tcp dport vmap { 22 : drop, 80 : accept }", "the tunnel"),
        ("tcp dport 22 drop", "the tunnel"),
    ],
)
def test_each_rule_that_lets_others_in_beside_the_door_is_found(
    machine: Namespace, root: Path, rule: str, found: str
) -> None:
    assert judged(machine, root, BESIDE) == (Grade.PASS, "the tunnel")
    grade, value = judged(machine, root, BESIDE, f"input {rule}")
    assert (grade is Grade.PASS) is (found != "everybody")
    assert value.startswith(found) if found == "everybody" else value == found


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
