"""A calling card with a real telephone: keys as RTP through the gate, tones from the office, a call the card pays."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.conftest import ALICE_HZ
from tests.e2e.test_calls import closed, newest_cdr, pause, priced
from tests.lab.phones import Phone
from tests.lab.product import Product
from tests.lab.waiting import until

ACCESS, NUMBER = "9000", "4989123456"
WRONG = "000000000000"
BEEP_S = 0.05  # a window of which two fit into the shortest tone that the office says
MakePhone = Callable[..., Phone]


@pytest.fixture()
def card(product: Product) -> Iterator[dict[str, Any]]:
    """A card with 1.00 and its PIN; the access number is served meanwhile."""
    product.command("settings", "set", "ivrnumbers", ACCESS)
    made = product.command(
        "accounts", "add", "card", "--type", "calling_card", "--credit", "1.00", "--deck", "retail"
    )  # fmt: skip
    yield made
    product.command("accounts", "remove", "card")
    product.command("settings", "reset", "ivrnumbers")


def keys(phone: Phone, digits: str) -> None:
    """Press keys as a person does; baresip sends each as packets of an RFC 4733 event."""
    for digit in digits:
        phone.command("sndcode", digit)
        pause(0.25)


def tally(product: Product, verdict: str) -> int:
    rows = {row["verdict"]: row["packets"] for row in product.command("status")["keeper"]["tallies"]}
    return int(rows.get(verdict, 0))


def refused(product: Product, times: int) -> bool:
    """Whether so many wrong PINs stand in the log."""
    return product.log().count("wrong PIN ") == times


def test_a_card_s_holder_keys_in_pin_and_number_and_the_card_pays(
    product: Product, phone: MakePhone, carrier: Callable[..., object], card: dict[str, Any]
) -> None:
    carrier()
    alice = phone("alice", tone_hz=ALICE_HZ)
    money = product.command("accounts", "show", "alice")["account"]["balance"]
    before = tally(product, "rtp_to_office")
    alice.dial(ACCESS)
    alice.wait("CALL_ESTABLISHED")
    alice.hears(1000, 0.2, BEEP_S)  # the office asks for the PIN
    keys(alice, card["pin"] + "#")
    alice.hears(660, BEEP_S, BEEP_S)  # and says the credit
    until(lambda: tally(product, "rtp_to_office") > before + 100)  # what alice says passes the gate
    keys(alice, NUMBER + "#")
    # the carrier echoes: what alice hears of herself has crossed the kernel both ways
    alice.hears(ALICE_HZ, 3.0)
    alice.hang_up()
    closed(alice)
    record = newest_cdr(product)
    assert (record["account"], record["callee"], record["trunk"]) == ("card", NUMBER, "carrier")
    assert priced(record) and record["billable_seconds"] >= 3
    left = product.command("accounts", "show", "card")["account"]
    assert float(left["balance"]) == pytest.approx(1.00 - float(record["charge"]))
    assert left["reserved"] == "0.00"
    assert product.command("accounts", "show", "alice")["account"]["balance"] == money
    assert min(record[side]["packets"] for side in ("from_caller", "from_callee")) > 100


def test_wrong_pins_are_refused_counted_and_end_the_call(
    product: Product, phone: MakePhone, card: dict[str, Any]
) -> None:
    alice = phone("alice")
    alice.dial(ACCESS)
    alice.wait("CALL_ESTABLISHED")
    alice.hears(1000, BEEP_S, BEEP_S)
    for asked in range(3):
        keys(alice, WRONG + "#")
        until(partial(refused, product, asked + 1), product.log)
    alice.wait("CALL_CLOSED")
    record = newest_cdr(product)
    assert (record["account"], record["refused_by"], record["charge"]) == ("alice", "callingcardauth", "0.00")
    assert product.log().count("wrong PIN ") == 3
    assert WRONG not in product.log()
    assert card["pin"] not in product.log()
