"""What makes a payment wait: each reason alone, in words."""

from dataclasses import replace

import pytest

from appliance.config.settings import Settings
from pysrv.billing.payment import Fact, FactKind, History
from pysrv.payments.judge import Ordered, reasons

GOOD = History(first=False, age_s=90_000.0, email="alice@example.org")
PAID = Fact(FactKind.CAPTURED, "pi_1", "pi_1", 20_000_000, "EUR", payer_email="Alice@Example.org", payer_country="DE")
ORDERED = Ordered(20_000_000, "EUR")
SETTINGS = Settings().with_changes({"homecountry": "DE"}, 1)


def test_a_payment_like_those_before_is_credited_at_once() -> None:
    assert reasons(PAID, ORDERED, GOOD, SETTINGS) == ()
    assert reasons(replace(PAID, payer_email="", payer_country=""), ORDERED, GOOD, SETTINGS) == ()


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (replace(GOOD, first=True), "first payment"),
        (replace(GOOD, exists=False), "removed"),
        (replace(GOOD, enabled=False), "disabled"),
        (replace(GOOD, locklevel=2), "locklevel 2"),
        (replace(GOOD, age_s=86_399.0), "24 hours old"),
        (replace(GOOD, recent=3), "number 4 of the account within an hour"),
        (replace(GOOD, failed=3), "3 tries of the last day"),
        (replace(GOOD, usual=3_999_999), "5 times the account's usual payment"),
        (replace(GOOD, disputed=True), "disputed"),
        (replace(GOOD, email="bob@example.org"), "mail address"),
        (replace(GOOD, countries=frozenset({"AT", "CH"})), "in DE, not in AT, CH"),
    ],
)
def test_each_doubt_alone_makes_it_wait(history: History, words: str) -> None:
    [reason] = reasons(PAID, ORDERED, history, SETTINGS)
    assert words in reason


@pytest.mark.parametrize(
    "history",
    [
        replace(GOOD, age_s=86_400.0),
        replace(GOOD, recent=2),
        replace(GOOD, failed=2),
        replace(GOOD, usual=4_000_000),
        replace(GOOD, email="bob@example.org", emails=frozenset({"alice@example.org"})),
        replace(GOOD, email=""),
        replace(GOOD, countries=frozenset({"DE", "CH"})),
    ],
)
def test_just_before_the_doubt_it_does_not_wait(history: History) -> None:
    assert reasons(PAID, ORDERED, history, SETTINGS) == ()


def test_a_payer_from_abroad_waits_where_the_home_is_known() -> None:
    assert "in US, not in DE" in reasons(replace(PAID, payer_country="us"), ORDERED, GOOD, SETTINGS)[0]
    assert reasons(replace(PAID, payer_country="US"), ORDERED, GOOD, Settings()) == ()


@pytest.mark.parametrize("captured", [replace(PAID, amount=19_990_000), replace(PAID, currency="USD")])
def test_what_differs_from_the_order_waits(captured: Fact) -> None:
    assert "the order was for 20.00 EUR" in reasons(captured, ORDERED, GOOD, SETTINGS)[0]


@pytest.mark.parametrize(("most", "waits"), [("0", True), ("19.99", True), ("20", False), ("100", False)])
def test_above_paymentmaxauto_it_waits_and_at_0_always(most: str, waits: bool) -> None:
    found = reasons(PAID, ORDERED, GOOD, SETTINGS.with_changes({"paymentmaxauto": most}, 2))
    assert any("paymentmaxauto" in reason for reason in found) is waits


def test_the_first_payment_does_not_wait_where_it_need_not() -> None:
    lenient = SETTINGS.with_changes({"paymentfirstmanual": "false"}, 2)
    assert reasons(PAID, ORDERED, replace(GOOD, first=True), lenient) == ()
