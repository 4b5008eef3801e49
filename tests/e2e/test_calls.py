"""Real phones telephone through the appliance: signalling by the B2BUA, audio by the kernel."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from appliance.cli.link import Link
from tests.e2e.conftest import ALICE_HZ, BOB_HZ, CAROL_HZ
from tests.lab.ear import Ear
from tests.lab.network import Lab, xdp_mode
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.tones import seconds_with_tone
from tests.lab.waiting import until

MakePhone = Callable[..., Phone]
TALK_S = 4.0


def pause(seconds: float) -> None:
    """People talk for a while: real time, because real phones keep it."""
    threading.Event().wait(seconds)


def newest_cdr(product: Product) -> dict[str, Any]:
    """The last call's record, waited for: it is written when the relay's last counters are in."""
    nobody_talks(product)
    return dict(product.command("cdrs", "--limit", "1")["cdrs"][0])


def nobody_talks(product: Product) -> None:
    """Returns once no call is open: all that were have their records."""
    link = Link(product.state, product.runtime)
    until(lambda: not link.running_office("calls.list")["calls"], lambda: "calls are still open")


def connected(caller: Phone, callee: Phone, number: str) -> None:
    caller.dial(number)
    callee.wait("CALL_INCOMING")
    callee.answer()
    caller.wait("CALL_ESTABLISHED")
    callee.wait("CALL_ESTABLISHED")


def closed(*phones: Phone) -> None:
    for each in phones:
        each.wait("CALL_CLOSED")


def priced(record: dict[str, Any]) -> bool:
    """Whether a call over conftest.RATES was charged for every second that it had begun: 0.60 a minute, 0.05 before."""
    seconds: int = record["billable_seconds"]
    begun: bool = record["duration_s"] <= seconds < record["duration_s"] + 1
    charge: str = record["charge"]
    return begun and charge == f"{0.05 + 0.01 * seconds:.2f}"


def test_the_gate_is_attached_natively(lab: Lab, product: Product) -> None:
    assert [xdp_mode(lab.appliance, name) for name in lab.interfaces] == ["native"] * len(lab.interfaces)
    assert product.command("status")["keeper"]["relay"] == "kernel"


def test_a_tone_sent_is_the_tone_received_both_ways_and_the_kernel_counts_it(
    product: Product, phone: MakePhone
) -> None:
    alice, bob = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    connected(alice, bob, "102")
    bob.hears(ALICE_HZ, TALK_S)
    alice.hears(BOB_HZ, TALK_S)
    alice.hang_up()
    closed(alice, bob)
    record = newest_cdr(product)
    for speaker, listener, hertz, side in (
        (alice, bob, ALICE_HZ, "from_caller"), (bob, alice, BOB_HZ, "from_callee"),
    ):  # fmt: skip
        # How many packets a phone sends in a second is the machine's affair; that they arrive is the appliance's.
        sent, received = speaker.packets()[0], listener.packets()[1]
        assert sent >= 50 * TALK_S
        assert record[side]["packets"] >= 0.99 * sent - 2 and received >= 0.99 * sent - 2
        assert seconds_with_tone(listener.heard(), hertz) >= 0.9 * 0.02 * received - 0.2
    assert (record["account"], record["callee"], record["charge"]) == ("alice", "102", "0.00")


def test_the_callee_can_hang_up(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    connected(alice, bob, "102")
    pause(0.5)
    bob.hang_up()
    closed(alice, bob)
    assert newest_cdr(product)["ended_by"] == "callee"


def test_hold_stops_the_tone_and_resume_brings_it_back(lab: Lab, product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ)
    ear = Ear(lab, "bob")
    try:
        connected(alice, bob, "102")
        until(lambda: seconds_with_tone(ear.samples(), ALICE_HZ) >= 0.5)
        alice.hold()
        until(lambda: time.monotonic() - ear.times()[-1] > 0.5)
        held = time.monotonic()
        pause(1.0)
        assert seconds_with_tone(ear.samples(held), ALICE_HZ) < 0.2
        resumed = time.monotonic()
        alice.resume()
        until(lambda: seconds_with_tone(ear.samples(resumed), ALICE_HZ) >= 1.5)
        bob.hang_up()
        closed(alice, bob)
    finally:
        ear.close()


def test_a_caller_who_gives_up_ends_the_ringing(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    alice.hang_up()
    bob.wait("CALL_CLOSED")
    record = newest_cdr(product)
    assert (record["answered_at"], record["sip_status"]) == (None, 487)


def test_a_busy_callee_is_told_to_the_caller(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    alice.dial("102")
    bob.wait("CALL_INCOMING")
    bob.hang_up()  # baresip refuses with 486
    assert "486" in alice.wait("CALL_CLOSED").detail
    assert newest_cdr(product)["cause"] == 17


def test_a_call_that_nobody_answers_ends_after_ringtimeout(product: Product, phone: MakePhone) -> None:
    product.command("settings", "set", "ringtimeout", "2s")
    try:
        alice, bob = phone("alice"), phone("bob")
        alice.dial("102")
        bob.wait("CALL_INCOMING")
        alice.wait("CALL_CLOSED")
        bob.wait("CALL_CLOSED")
        assert newest_cdr(product)["cause"] == 19
    finally:
        product.command("settings", "set", "ringtimeout", "90s")


def test_a_transfer_connects_the_other_party_to_the_third(product: Product, phone: MakePhone) -> None:
    alice, bob, carol = phone("alice", tone_hz=ALICE_HZ), phone("bob", tone_hz=BOB_HZ), phone("carol", tone_hz=CAROL_HZ)
    connected(alice, bob, "102")
    pause(0.5)
    bob.transfer("103")
    carol.wait("CALL_INCOMING")
    carol.answer()
    carol.wait("CALL_ESTABLISHED")
    alice.hears(CAROL_HZ, 1.0)
    carol.hears(ALICE_HZ, 1.0)
    alice.hang_up()
    closed(carol)


def test_a_call_to_the_carrier_is_priced_to_the_micro_unit(
    product: Product, phone: MakePhone, carrier: Callable[..., object]
) -> None:
    carrier()
    alice = phone("alice", tone_hz=ALICE_HZ)
    alice.dial("4989123456")
    alice.wait("CALL_ESTABLISHED")
    pause(2.2)  # with what follows, more than two seconds
    # sipp echoes what it hears: alice hears herself, so both directions crossed the kernel
    alice.hears(ALICE_HZ, 2.0)
    alice.hang_up()
    closed(alice)
    record = newest_cdr(product)
    assert priced(record) and record["billable_seconds"] >= 3
    assert record["trunk"] == "carrier"


def test_a_wrong_password_does_not_register(lab: Lab, product: Product, tmp_path: Any) -> None:
    intruder = Phone(lab, lab.hosts["attacker"], tmp_path / "intruder", "alice", "wrong")
    try:
        until(lambda: "401 Unauthorized" in intruder.log(), intruder.log)
        assert not [row for row in product.command("registrations")["registrations"] if "10.77.5." in str(row)]
    finally:
        intruder.close()


@pytest.mark.parametrize("number", ["104", "1"])
def test_an_unknown_number_is_not_found(phone: MakePhone, number: str) -> None:
    alice = phone("alice")
    alice.dial(number)
    assert "404" in alice.wait("CALL_CLOSED").detail


@pytest.mark.parametrize("when", ["always", "busy"])
def test_a_call_to_somebody_who_forwards_rings_where_he_wants_it(product: Product, phone: MakePhone, when: str) -> None:
    alice, bob, carol = phone("alice", tone_hz=ALICE_HZ), phone("bob"), phone("carol", tone_hz=CAROL_HZ)
    product.command("accounts", "forward", "bob", f"--{when}", "103")
    try:
        alice.dial("102")
        if when == "busy":
            bob.wait("CALL_INCOMING")
            bob.hang_up()
        carol.wait("CALL_INCOMING")
        carol.answer()
        alice.wait("CALL_ESTABLISHED")
        carol.wait("CALL_ESTABLISHED")
        carol.hears(ALICE_HZ, 1.5)
        alice.hears(CAROL_HZ, 1.5)
        alice.hang_up()
        closed(alice, carol)
    finally:
        product.command("accounts", "forward", "bob", "--off")
    record = newest_cdr(product)
    assert (record["account"], record["caller"], record["callee"]) == ("bob", "101", "103")
