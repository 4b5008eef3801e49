"""Money is enforced by the kernel: audio ends at the lease's deadline, whatever has become of the service."""

import os
import signal
import time
from collections.abc import Callable

from appliance.cli.link import Link
from tests.e2e.test_calls import closed, newest_cdr, pause
from tests.lab.ear import Ear
from tests.lab.network import Lab
from tests.lab.phones import Phone
from tests.lab.product import Product

# 0.60 a minute and 0.05 to connect: 0.08 buys three seconds, 0.11 six
BUDGET, SECONDS = "0.08", 3.0
LONGER_BUDGET, LONGER_S = "0.11", 6.0

NEVER_LATER_S = 0.1  # the kernel judges each packet
SOONER_S = 0.5  # a phone and an echo on a busy machine may have been silent for a moment just then


def lasted_until(ear: Ear, deadline: float) -> bool:
    """Whether the audio ended at a moment (Unix time)."""
    last = max(ear.times()) + time.time() - time.monotonic()
    return deadline - SOONER_S < last <= deadline + NEVER_LATER_S


def test_a_call_ends_when_the_credit_does(
    lab: Lab, product: Product, phone: Callable[..., Phone], carrier: Callable[..., object]
) -> None:
    product.command("accounts", "set", "carol", "--credit", BUDGET)
    carrier()
    ear = Ear(lab, "carol")
    carol = phone("carol")
    carol.dial("4989123456")
    carol.wait("CALL_ESTABLISHED")
    closed(carol)
    ear.close()
    record = newest_cdr(product)
    assert (record["charge"], record["refused_by"], record["billable_seconds"]) == (BUDGET, "credit", 3)
    assert record["duration_s"] >= SECONDS - 0.1
    assert lasted_until(ear, record["answered_at"] + SECONDS)
    assert product.command("accounts", "list")["accounts"][2]["balance"] == "0.00"


def test_audio_ends_at_the_deadline_though_the_service_is_stopped(
    lab: Lab, product: Product, phone: Callable[..., Phone], carrier: Callable[..., object]
) -> None:
    product.command("accounts", "set", "carol", "--credit", LONGER_BUDGET)
    carrier()
    ear = Ear(lab, "carol")
    carol = phone("carol")
    carol.dial("4989123456")
    carol.wait("CALL_ESTABLISHED")
    (call,) = Link(product.state, product.runtime).running_office("calls.list")["calls"]  # there are six seconds
    office = product.office_pid()
    os.kill(office, signal.SIGSTOP)
    # until the service stopped, the lease may have been renewed: by whole seconds, up to what was paid for
    paid = call["answered_at"] + LONGER_S
    deadlines = [paid - seconds for seconds in range(1 + round(paid - call["lease_ends_at"]))]
    assert time.time() < deadlines[0]
    try:
        pause(deadlines[0] - time.time() + 1.5)
    finally:
        os.kill(office, signal.SIGCONT)
        ear.close()
    assert any(lasted_until(ear, deadline) for deadline in deadlines)
    closed(carol)
