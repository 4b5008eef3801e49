"""A thousand calls at 50 a second with digest over the priced trunk: none fails, every one is recorded and paid."""

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_calls import nobody_talks
from tests.lab.carrier import callers_file, calling, load, registering
from tests.lab.network import Lab
from tests.lab.product import Product

pytestmark = pytest.mark.load

CALLS, RATE = 1000, 50.0
NUMBER = "4989123456"
CREDIT = Decimal(1000)
CONNECT, PER_SECOND = Decimal("0.05"), Decimal("0.01")  # conftest.RATES: 0.60 a minute, by the second
WITHIN_S = 60.0


def settled(product: Product) -> list[dict[str, Any]]:
    """The load's records, when no call is open any more."""
    nobody_talks(product)
    return list(product.command("cdrs", "--account", "load", "--limit", str(2 * CALLS))["cdrs"])


def test_a_thousand_calls_at_fifty_a_second_are_all_carried_and_charged_right(
    lab: Lab, product: Product, carrier: Callable[..., object], tmp_path: Path
) -> None:
    host = lab.hosts["carol"]
    password = product.account("load", "190", "--credit", str(CREDIT), "--deck", "retail", "--maxlines", "0")
    carrier()
    callers = callers_file(tmp_path / "callers.csv", [("load", password, NUMBER)])
    # The registration makes the address known to the gate: strangers' buckets do not hold such a load.
    entered = load(lab, host, tmp_path / "register", registering(), callers, host.gateway, calls=1, rate=1)
    assert (entered.succeeded, entered.failed) == (1, 0)

    began = time.monotonic()
    outcome = load(
        lab, host, tmp_path / "load", calling(talk_ms=1000), callers, host.gateway,
        "-auth_uri", f"{NUMBER}@{host.gateway}", calls=CALLS, rate=RATE,
    )  # fmt: skip
    assert time.monotonic() - began < WITHIN_S
    assert (outcome.succeeded, outcome.failed) == (CALLS, 0)

    records = settled(product)
    assert len(records) == len({record["call_id"] for record in records}) == CALLS
    for record in records:
        seconds = record["billable_seconds"]
        assert record["duration_s"] <= seconds < record["duration_s"] + 1, record
        assert Decimal(record["charge"]) == CONNECT + PER_SECOND * seconds, record
        assert (record["trunk"], record["callee"], record["sip_status"], record["ended_by"]) == (
            "carrier", NUMBER, 200, "caller",
        )  # fmt: skip

    account = next(row for row in product.command("accounts", "list")["accounts"] if row["name"] == "load")
    charged = sum((Decimal(record["charge"]) for record in records), Decimal(0))
    assert Decimal(account["balance"]) == CREDIT - charged
    assert Decimal(account["reserved"]) == 0
    status = product.command("status")
    assert status["office"]["calls"] == 0
    assert status["keeper"]["sessions"] == 0
