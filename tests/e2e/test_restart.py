"""Either half may die: calls go on, money stays right."""

import os
import signal
import time
from collections.abc import Callable

from tests.e2e.conftest import ALICE_HZ
from tests.e2e.test_calls import closed, connected, newest_cdr, pause, priced
from tests.lab.ear import Ear
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product, ProductError
from tests.lab.tones import seconds_with_tone
from tests.lab.waiting import until

MakePhone = Callable[..., Phone]
ALL = "100000"  # records: more than all tests before this one have left


def other_office(product: Product, than: int) -> int:
    """The next office's process, once it answers."""

    def answers() -> bool:
        try:
            return product.office_pid() != than and bool(product.command("status").get("office"))
        except (ProductError, FileNotFoundError):
            return False

    until(answers, product.log)
    return product.office_pid()


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
        until(lambda: seconds_with_tone(ear.samples(), ALICE_HZ) >= 2.0)
        office = product.office_pid()
        os.kill(office, signal.SIGKILL)
        killed = time.monotonic()
        other_office(product, office)
        assert product.command("calls", "list")["calls"][0]["account"] == "alice"
        until(lambda: seconds_with_tone(ear.samples(killed), ALICE_HZ) >= 2.0)
        alice.hang_up()
        closed(alice)
        sent, received = alice.packets()  # what the dead office had stopped would be missing here
        assert received >= 0.98 * sent - 5
    finally:
        ear.close()
    record = newest_cdr(product)
    assert len(product.command("cdrs", "--limit", ALL)["cdrs"]) == before + 1
    assert (record["cause"], record["ended_by"]) == (16, "caller")
    assert priced(record)


def test_registrations_survive_and_phones_can_call_again(product: Product, phone: MakePhone) -> None:
    alice, bob = phone("alice"), phone("bob")
    office = product.office_pid()
    os.kill(office, signal.SIGKILL)
    other_office(product, office)
    connected(alice, bob, "102")
    pause(0.3)
    alice.hang_up()
    closed(alice, bob)
