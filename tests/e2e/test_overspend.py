"""No overspend, really: SIPp's two hundred calls at once and a phone on money for ninety seconds of one call, while
the office is killed and comes back. Nothing is owed afterwards, and what the phone heard is paid."""

import os
import signal
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.conftest import ALICE_HZ
from tests.e2e.test_calls import nobody_talks, pause
from tests.e2e.test_restart import other_office
from tests.lab.carrier import Outcome, callers_file, calling, load, registering
from tests.lab.ear import Ear
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.tones import seconds_with_tone

pytestmark = pytest.mark.load

CALLS, RATE = 200, 40.0
CREDIT = Decimal("0.90")
PER_SECOND = Decimal("0.01")
NUMBER = "4989123456"
TALK = '<pause distribution="uniform" min="200" max="12000"/>'
RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0,1,1\n"


def test_two_hundred_calls_and_a_phone_spend_no_more_than_there_is_while_the_office_dies_twice(
    lab: Lab, product: Product, carrier: Callable[..., object], tmp_path: Path
) -> None:
    deck = tmp_path / "seconds.csv"
    deck.write_text(RATES)
    product.command("rates", "import", "seconds", str(deck))
    password = product.account("poor", "191", "--credit", str(CREDIT), "--deck", "seconds", "--maxlines", "0")
    carrier()
    host = lab.hosts["carol"]
    callers = callers_file(tmp_path / "callers.csv", [("poor", password, NUMBER)])
    assert load(lab, host, tmp_path / "enter", registering(), callers, host.gateway, calls=1, rate=1).succeeded == 1

    phone = Phone(lab, lab.hosts["bob"], tmp_path / "phone", "poor", password, tone_hz=ALICE_HZ)
    ear = Ear(lab, "bob")  # the carrier echoes: the phone hears itself
    began = time.monotonic()
    outcomes: list[Outcome] = []

    def storm() -> None:
        scenario = calling(talk_ms=1).replace('<pause milliseconds="1"/>', TALK)
        outcomes.append(
            load(
                lab,
                host,
                tmp_path / "load",
                scenario,
                callers,
                host.gateway,
                "-auth_uri",
                f"{NUMBER}@{host.gateway}",
                calls=CALLS,
                rate=RATE,
                timeout_s=60,
            )
        )

    try:
        phone.registered()
        phone.dial(NUMBER)
        phone.wait("CALL_ESTABLISHED")
        pressing = threading.Thread(target=storm)
        pressing.start()
        for _ in range(2):
            pause(2.5)
            office = product.office_pid()
            os.kill(office, signal.SIGKILL)
            other_office(product, office)
        pressing.join(90)
        heard_s = seconds_with_tone(ear.samples(began), ALICE_HZ)
    finally:
        ear.close()
        phone.close()

    nobody_talks(product)
    account = product.command("accounts", "show", "poor")["account"]
    postings = product.command("accounts", "ledger", "poor", "--limit", "1000")["postings"]
    records = product.command("cdrs", "--account", "poor", "--limit", "1000")["cdrs"]
    balance = Decimal(account["balance"])
    assert balance >= 0
    assert balance == sum(Decimal(row["amount"]) for row in postings)
    assert CREDIT - balance == sum(Decimal(row["charge"]) for row in records)
    assert Decimal(account["reserved"]) == 0 == account["lines"]
    answered = [row for row in records if row["answered_at"]]
    assert answered
    assert any(row["refused_by"] == "credit" for row in records)
    for row in answered:
        assert Decimal(row["charge"]) == PER_SECOND * row["billable_seconds"]
        if not row["refused_by"]:  # one that was cut ended a moment after the kernel had stopped its audio
            assert row["billable_seconds"] >= row["duration_s"] - 0.001, row
    mine = next(row for row in answered if row["source"] == lab.hosts["bob"].address)
    assert heard_s <= mine["billable_seconds"] + 0.2, (heard_s, mine)
