"""Real scanners against the appliance: no answer under any name, a ban for touching a decoy; phones notice nothing."""

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_peers import answers_options, devices, tallies
from tests.lab.carrier import Outcome, callers_file, load, refreshing, registering
from tests.lab.network import Lab, entered
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.waiting import until

pytestmark = pytest.mark.load

OPTIONS = (
    "OPTIONS sip:{target} SIP/2.0\r\nVia: SIP/2.0/TCP {source}:5060;branch=z9hG4bKa{number};rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:x@{source}>;tag=1\r\nTo: <sip:{target}>\r\nCall-ID: a{number}@{source}\r\nCSeq: 1 OPTIONS\r\n"
    "User-Agent: {agent}\r\nContent-Length: 0\r\n\r\n"
)
# SIPVicious has no option for another name: its function that makes requests is given another default.
RENAMED = """
import sys
sys.path.insert(0, "/usr/share/sipvicious")
from importlib import import_module
helper = import_module("sipvicious.libs.svhelper")
given = helper.makeRequest.__defaults__
assert "friendly-scanner" in given
helper.makeRequest.__defaults__ = tuple(sys.argv[1] if each == "friendly-scanner" else each for each in given)
tool = import_module("sipvicious." + sys.argv[2])
sys.argv[1:3] = []
tool.main()
"""


@pytest.fixture
def settings(product: Product) -> Iterator[Callable[[str, str], Any]]:
    """Sets a setting until the test is over."""
    changed: list[str] = []

    def change(name: str, value: str) -> None:
        changed.append(name)
        product.command("settings", "set", name, value)

    yield change
    for name in changed:
        product.command("settings", "reset", name)


@pytest.fixture(autouse=True)
def nobody_is_banned(product: Product) -> None:
    """What the attacker did in other tests is forgotten."""
    product.command("bans", "lift", "all")


@pytest.fixture
def attack(lab: Lab) -> Callable[..., str]:
    """Runs a tool as the attacker, under its own name or another; gives what it printed."""

    def run(tool: str, *options: str, name: str = "") -> str:
        host = lab.hosts["attacker"]
        command = [sys.executable, "-c", RENAMED, name, tool] if name else [tool]
        done = lab.run(host.namespace, ["timeout", "40", *command, *options, host.gateway], 50)
        return done.stdout + done.stderr

    return run


def moved(product: Product, before: dict[str, int], verdict: str) -> int:
    return tallies(product)[verdict] - before[verdict]


def test_svmap_finds_nothing_and_finds_us_when_the_list_is_empty(
    attack: Callable[..., str], settings: Callable[[str, str], Any], lab: Lab, product: Product
) -> None:
    before = tallies(product)
    assert lab.hosts["attacker"].gateway not in attack("svmap")
    assert moved(product, before, "scanner_agent") >= 1
    settings("blockua", "")
    assert lab.hosts["attacker"].gateway in attack("svmap")


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("svmap", ()),
        ("svwar", ("--force", "-e", "100-104")),
        ("svwar", ("--force", "-m", "INVITE", "-e", "100-104")),
        ("svcrack", ("-u", "alice", "-r", "100-104")),
    ],
)
def test_under_a_telephones_name_sipvicious_is_known_by_its_shape(
    attack: Callable[..., str], product: Product, tool: str, options: tuple[str, ...]
) -> None:
    before = tallies(product)
    attack(tool, *options, name="Yealink SIP-T46S 66.85.0.5")
    assert moved(product, before, "scanner_shape") >= 1
    assert moved(product, before, "scanner_agent") == 0
    assert moved(product, before, "challenge_401") == moved(product, before, "challenge_407") == 0


@pytest.mark.parametrize(("agent", "answered"), [("friendly-scanner", False), ("Telephone 1.6", True)])
def test_over_tcp_the_service_asks_the_same(lab: Lab, product: Product, agent: str, answered: bool) -> None:
    host = lab.hosts["attacker"]
    assert product.command("status")["office"]
    with lab.socket(host.namespace, socket.SOCK_STREAM) as stream:
        stream.settimeout(10)
        with entered(host.namespace):
            stream.connect((host.gateway, 5060))
        for number, name in enumerate((agent, "Telephone 1.6")):
            ask = OPTIONS.format(target=host.gateway, source=host.address, agent=name, number=number)
            stream.sendall(ask.encode())
        heard = b""
        while b"Call-ID: a1@" not in heard:
            heard += stream.recv(4096)
        assert heard.startswith(b"SIP/2.0 200")
        assert (b"Call-ID: a0@" in heard) is answered


def test_who_answers_a_challenge_in_a_decoys_name_is_banned_and_phones_go_on(
    lab: Lab, product: Product, settings: Callable[[str, str], Any], phone: Callable[..., Phone]
) -> None:
    alice, bob = phone("alice"), phone("bob")
    settings("decoyextensions", "9999")
    host = lab.hosts["attacker"]
    assert answers_options(lab, host)
    contact = ["-C", f"sip:9999@{host.address}:5060"]
    command = ["timeout", "20", "sipsak", "-U", "-u", "9999", "-a", "guess", *contact, "-s", f"sip:9999@{host.gateway}"]
    assert lab.run(host.namespace, command, 30).returncode != 0
    try:
        until(lambda: [row for row in product.command("bans")["bans"] if row["source"] == host.address])
        (ban,) = [row for row in product.command("bans")["bans"] if row["source"] == host.address]
        assert ban["rule"] == "decoyextensions"
        before = tallies(product)
        assert lab.run(host.namespace, ["timeout", "2", "sipsak", "-s", f"sip:{host.gateway}"]).returncode != 0
        assert moved(product, before, "banned") >= 1
    finally:
        product.command("unban", host.address)
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.answer()
    alice.wait("CALL_ESTABLISHED")


def test_a_repeated_registration_is_answered_at_the_nic_until_the_account_is_changed(
    lab: Lab, product: Product, settings: Callable[[str, str], Any], tmp_path: Path
) -> None:
    host = lab.hosts["bob"]
    password = product.account("rita", "140")
    callers = callers_file(tmp_path / "callers.csv", [("rita", password, "140")])

    def again(number: int, calls: int = 1) -> Outcome:
        where = tmp_path / f"again{number}"
        return load(lab, host, where, refreshing(), callers, host.gateway, calls=calls, rate=50, timeout_s=15)

    def registered() -> Outcome:
        return load(lab, host, tmp_path / "first", registering(), callers, host.gateway, calls=1, rate=1)

    assert registered().succeeded == 1
    assert again(0).succeeded == 0  # the setting is off: a challenge
    settings("cacheregistrations", "10m")
    assert registered().succeeded == 1
    before = tallies(product)
    outcome = again(1, calls=20)
    assert outcome.succeeded == 20
    answered = moved(product, before, "registration_answered")
    assert 20 <= answered <= 20 + outcome.retransmissions  # SIPp says again what it was slow to hear an answer to
    assert len(devices(product, "rita")) == 1
    product.command("accounts", "set", "rita", "--password", "-", stdin="another-horse-43\n")
    before = tallies(product)
    assert again(2).succeeded == 0
    assert moved(product, before, "registration_answered") == 0
