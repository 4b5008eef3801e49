"""What an operator relies on: numbers from a carrier, routes that fail over, several devices, a bad night."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ALICE_HZ, BOB_HZ
from tests.e2e.test_calls import closed, connected, newest_cdr
from tests.lab.carrier import SDP, Carrier, answering, load
from tests.lab.network import Host, Lab
from tests.lab.phones import Phone, PhoneError
from tests.lab.product import Product, ProductError
from tests.lab.tones import seconds_with_tone
from tests.lab.waiting import until

MakePhone = Callable[..., Phone]
LEARNED_S = 1.0  # what a loopback phone sends until it is listened to: it names another address than it sends from


def from_carrier(number: str, *, caller: str = "+4930555", talk_ms: int = 500) -> str:
    """A carrier that calls one of our numbers and hangs up after a while."""
    uri, common = (
        f"sip:{number}@[remote_ip]:[remote_port]",
        (
            "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70\n"
            f'From: "A Customer" <sip:{caller}@[local_ip]>;tag=[pid]d[call_number]\nCall-ID: [call_id]\n'
        ),
    )
    invite = (
        f'<send retrans="500"><![CDATA[\nINVITE {uri} SIP/2.0\n{common}To: <{uri}>\nCSeq: 1 INVITE\n'
        "Contact: <sip:carrier@[local_ip]:[local_port]>\nContent-Type: application/sdp\n"
        f"Content-Length: [len]\n\n{SDP}]]></send>"
    )
    answer = (
        '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
        '<recv response="200" rrs="true"/>'
        f"<send><![CDATA[\nACK [next_url] SIP/2.0\n{common}[last_To:]\nCSeq: 1 ACK\nContent-Length: 0\n\n]]></send>"
    )
    bye = (
        f'<pause milliseconds="{talk_ms}"/><send retrans="500"><![CDATA[\nBYE [next_url] SIP/2.0\n{common}[last_To:]\n'
        'CSeq: 2 BYE\nContent-Length: 0\n\n]]></send><recv response="200"/>'
    )
    return f'<?xml version="1.0" encoding="ISO-8859-1"?><scenario name="did">{invite}{answer}{bye}</scenario>'


@pytest.mark.parametrize("dialled", ["4930102", "+4930102", "004930102"])
def test_a_number_rings_its_user_when_the_carrier_calls_it(
    lab: Lab, product: Product, phone: MakePhone, tmp_path: Path, dialled: str
) -> None:
    product.command("accounts", "set", "bob", "--number", "102", "--number", "+4930102")
    bob = phone("bob", answer="auto")
    callers = tmp_path / "none.csv"
    callers.write_text("SEQUENTIAL\nx\n")
    host = lab.hosts["trunk"]
    done = load(lab, host, tmp_path / "did", from_carrier(dialled), callers, host.gateway, calls=1, rate=1, port=5060)
    assert (done.succeeded, done.failed) == (1, 0)
    assert "4930555" in bob.wait("CALL_ESTABLISHED").peer
    record = newest_cdr(product)
    assert (record["account"], record["callee"], record["trunk"], record["charge"]) == (
        "",
        "4930102",
        "carrier",
        "0.00",
    )
    assert record["caller"] == "+4930555"


@pytest.fixture()
def second_trunk(lab: Lab, product: Product, tmp_path: Path) -> Iterator[Callable[..., Carrier]]:
    """Two carriers for one prefix: `carrier` is preferred, `reserve` in carol's place takes what it leaves."""
    product.command("trunks", "routes", "carrier", "--add", "33", "--priority", "10")
    product.command("trunks", "add", "reserve", lab.hosts["carol"].address)
    product.command("trunks", "routes", "reserve", "--add", "33", "--priority", "20")
    made: list[Carrier] = []

    def start(place: str, **scenario: Any) -> Carrier:
        made.append(Carrier(lab, lab.hosts[place], tmp_path / f"{place}{len(made)}", answering(**scenario)))
        return made[-1]

    yield start
    for each in made:
        each.close()
    product.command("trunks", "remove", "reserve")
    product.command("trunks", "routes", "carrier", "--remove", "33")


def test_the_next_route_carries_the_call_when_the_first_one_refuses(
    product: Product, phone: MakePhone, second_trunk: Callable[..., Carrier]
) -> None:
    second_trunk("trunk", status=503)
    second_trunk("carol")
    alice = phone("alice")
    alice.dial("33123456")
    alice.wait("CALL_ESTABLISHED")
    alice.hang_up()
    closed(alice)
    assert newest_cdr(product)["trunk"] == "reserve"


def test_the_next_route_carries_the_call_when_the_first_one_is_silent(
    product: Product, phone: MakePhone, second_trunk: Callable[..., Carrier]
) -> None:
    product.command("settings", "set", "callinittimeout", "2s")
    try:
        second_trunk("carol")  # nobody listens at the first
        alice = phone("alice")
        alice.dial("33123456")
        alice.wait("CALL_ESTABLISHED")
        alice.hang_up()
        closed(alice)
        assert newest_cdr(product)["trunk"] == "reserve"
    finally:
        product.command("settings", "reset", "callinittimeout")


def test_of_two_devices_that_ring_one_wins_and_the_other_falls_silent(
    lab: Lab, product: Product, phone: MakePhone, tmp_path: Path
) -> None:
    alice, desk = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    mobile = Phone(lab, lab.hosts["carol"], tmp_path / "mobile", "bob", "correct-horse-42")
    try:
        mobile.registered()
        alice.dial("102")
        desk.wait("CALL_INCOMING")
        mobile.wait("CALL_INCOMING")
        desk.answer()
        alice.wait("CALL_ESTABLISHED")
        mobile.wait("CALL_CLOSED")
        assert not [event for event in mobile.events if event.kind == "CALL_ESTABLISHED"]
        desk.hears(ALICE_HZ, 1.5)
        alice.hears(BOB_HZ, 1.5)
        alice.hang_up()
        closed(alice, desk)
    finally:
        mobile.close()


def test_a_user_without_a_device_is_unavailable(product: Product, phone: MakePhone) -> None:
    alice = phone("alice")
    alice.dial("bob")
    assert "480" in alice.wait("CALL_CLOSED").detail
    record = newest_cdr(product)
    assert (record["sip_status"], record["cause"], record["ended_by"]) == (480, 20, "appliance")
    assert record["reason"] == "bob has no registered device"


def test_a_trunk_whose_channels_are_taken_carries_no_further_call(
    product: Product, phone: MakePhone, carrier: Callable[..., Carrier]
) -> None:
    carrier()
    product.command("trunks", "set", "carrier", "--channels", "1")
    try:
        alice, bob = phone("alice"), phone("bob")
        alice.dial("4989123456")
        alice.wait("CALL_ESTABLISHED")
        bob.dial("4989123457")
        assert "503" in bob.wait("CALL_CLOSED").detail
        until(lambda: (refused := newest_cdr_of(product, "bob"))["refused_by"] == "channels" and refused["cause"] == 34)
        alice.hang_up()
        closed(alice)
        newest_cdr(product)  # the channel is free when the call has its record
        bob.dial("4989123457")
        bob.wait("CALL_ESTABLISHED")
        bob.hang_up()
        closed(bob)
    finally:
        product.command("trunks", "set", "carrier", "--channels", "0")


def newest_cdr_of(product: Product, account: str) -> dict[str, Any]:
    """The last record of one account; other calls may still run."""
    return dict(product.command("cdrs", "--account", account, "--limit", "1")["cdrs"][0])


def test_an_office_that_is_killed_comes_back_and_phones_call_again(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    connected(alice, bob, "102")
    killed = product.office_pid()
    os.kill(killed, signal.SIGKILL)
    wait_for_office(product, killed)
    # bindings are as before: nobody had to register again
    assert {row["aor"] for row in product.command("registrations")["registrations"]} >= {"alice", "bob"}
    for each in (alice, bob):
        each.hang_up()
    closed(alice, bob)
    connected(alice, bob, "102")
    before = len(bob.heard())
    until(lambda: seconds_with_tone(bob.heard()[before:], ALICE_HZ) >= 0.7)
    alice.hang_up()
    closed(alice, bob)


def wait_for_office(product: Product, before: int) -> None:
    """Until another office than `before` answers."""

    def answers() -> bool:
        try:
            return product.office_pid() != before and bool(product.command("status")["office"])
        except (ProductError, FileNotFoundError):
            return False

    until(answers, product.log)


def test_a_ban_ends_a_phone_at_the_gate_and_lifting_it_lets_the_phone_back(
    lab: Lab, product: Product, phone: MakePhone
) -> None:
    alice, bob = phone("alice"), phone("bob")
    address = lab.hosts["alice"].address
    banned = tally(product, "banned")
    product.command("ban", address, "--reason", "noise")
    try:
        alice.dial("102")
        with pytest.raises(PhoneError):
            bob.wait("CALL_INCOMING", 2.0)
        assert tally(product, "banned") > banned
    finally:
        product.command("unban", address)
    bob.wait("CALL_INCOMING")  # the phone still repeats its INVITE
    alice.hang_up()
    closed(bob)


def tally(product: Product, verdict: str) -> int:
    """How many packets ended so."""
    rows = product.command("status")["keeper"]["tallies"]
    return next(int(row["packets"]) for row in rows if row["verdict"].lower() == verdict)


def test_on_loopback_the_office_relays_the_audio_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("loopback")
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    with Lab([], tag="lo") as lab, Product(lab, directory / "product", interfaces=["lo"]) as product:
        phones = []
        for name, number, address, hertz in (
            ("ann", "201", "127.0.0.11", ALICE_HZ),
            ("ben", "202", "127.0.0.12", BOB_HZ),
        ):
            password = product.account(name, number)
            host = Host(name, lab.appliance, "lo", address, "", "127.0.0.1", "", "lo")
            phones.append(Phone(lab, host, directory / name, name, password, tone_hz=hertz))
            phones[-1].registered()
        ann, ben = phones
        connected(ann, ben, "202")
        status = product.command("status")
        assert status["keeper"]["relay"] == "user"
        ben.hears(ALICE_HZ, 2.0)
        ann.hears(BOB_HZ, 2.0)
        ann.hang_up()
        closed(ann, ben)
        record = newest_cdr(product)
        for side, speaker in (("from_caller", ann), ("from_callee", ben)):
            assert record[side]["packets"] >= 0.99 * speaker.packets()[0] - 50 * LEARNED_S
        for each in phones:
            each.close()
