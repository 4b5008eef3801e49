"""Either half may die: calls go on, money stays right."""

import os
import signal
import time
from collections.abc import Callable

from tests.e2e.test_calls import ALICE_HZ, closed, connected, newest_cdr, pause
from tests.lab.ear import Ear
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product, ProductError
from tests.lab.tones import seconds_with_tone

MakePhone = Callable[..., Phone]
ALL = "100000"  # records: more than all tests before this one have left


def other_office(product: Product, than: int) -> int:
    """The next office's process, once it answers."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            if product.office_pid() != than and product.command("status").get("office"):
                return product.office_pid()
        except (ProductError, FileNotFoundError):
            pass
        pause(0.1)
    raise AssertionError("the office did not come back")


def test_a_call_survives_the_death_of_the_office_and_is_charged_once(
    lab: Lab, product: Product, phone: MakePhone, carrier: Callable[..., object]
) -> None:
    carrier()
    before = len(product.command("cdrs", "--limit", ALL)["cdrs"])
    alice = phone("alice", tone_hz=ALICE_HZ)
    ear = Ear(lab, "alice")  # the carrier echoes: alice hears herself
    try:
        alice.dial("4989123456")
        alice.wait("CALL_ESTABLISHED")
        pause(2.5)
        office = product.office_pid()
        os.kill(office, signal.SIGKILL)
        killed = time.monotonic()
        other_office(product, office)
        pause(1.5)
        assert product.command("calls", "list")["calls"][0]["account"] == "alice"
        heard = time.monotonic() - killed
        assert seconds_with_tone(ear.samples(killed), ALICE_HZ) >= heard - 0.5
        alice.hang_up()
        closed(alice)
    finally:
        ear.close()
    record = newest_cdr(product)
    assert len(product.command("cdrs", "--limit", ALL)["cdrs"]) == before + 1
    assert (record["cause"], record["ended_by"]) == (16, "caller")
    assert record["charge"] == f"{0.05 + 0.01 * record['billable_seconds']:.2f}"


def test_registrations_survive_and_phones_can_call_again(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    office = product.office_pid()
    os.kill(office, signal.SIGKILL)
    other_office(product, office)
    connected(alice, bob, "102")
    pause(0.3)
    alice.hang_up()
    closed(alice, bob)
