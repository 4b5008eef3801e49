"""What an account may pay, and what it is told otherwise."""

from dataclasses import dataclass

import pytest

from appliance.config.settings import Settings
from pysrv.payments.offer import MOST_TRIES, PaymentRefused, check
from tests.payments.servers import NOW


@dataclass
class Payer:
    enabled: bool = True


def refused(amount: int = 20_000_000, payer: Payer | None = None, tries: int = 0, ago_s: float = 0.0,
            gateway: str = "stripe", currency: str = "EUR", **texts: str) -> str:  # fmt: skip
    settings = Settings().with_changes(texts, 1)
    try:
        check(gateway, payer or Payer(), amount, currency, [NOW - ago_s] * tries, NOW, settings)
    except PaymentRefused as error:
        return error.message
    return ""


@pytest.mark.setting("paymentmin")
def test_less_than_paymentmin_is_refused() -> None:
    assert refused(4_990_000) == "at least 5.00 EUR can be paid (paymentmin)"
    assert refused(5_000_000) == ""
    assert refused(4_990_000, paymentmin="0") == ""
    assert "cannot be paid" in refused(0, paymentmin="0")


@pytest.mark.setting("paymentmax")
def test_more_than_paymentmax_is_refused() -> None:
    assert refused(500_010_000) == "at most 500.00 EUR can be paid at a time (paymentmax)"
    assert refused(500_000_000) == ""
    assert refused(500_010_000, paymentmax="0") == ""


def test_an_account_begins_no_endless_row_of_payments() -> None:
    assert "within an hour" in refused(tries=MOST_TRIES)
    assert refused(tries=MOST_TRIES - 1) == ""
    assert refused(tries=MOST_TRIES, ago_s=3600.0) == ""


def test_a_disabled_account_and_one_that_is_not_there_pay_nothing() -> None:
    assert "disabled" in refused(payer=Payer(enabled=False))
    with pytest.raises(PaymentRefused, match="no such account"):
        check("stripe", None, 20_000_000, "EUR", [], NOW, Settings())


def test_what_the_gateway_cannot_take_is_refused_in_words() -> None:
    assert "smallest step is 0.01" in refused(20_001_000)
    assert "smallest step is 1.00" in refused(20_500_000, gateway="paypal", currency="HUF")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("paymentapiurl", "http://api.example.org"),
        ("paymentapiurl", "https://api.example.org/?key=1"),
        ("paymentcurrency", "eur"),
        ("stripekey", "sk_live\r\nX: 1"),
        ("paypalclientid", "two words"),
    ],
)
def test_settings_that_could_not_work_are_refused(name: str, bad: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Settings().with_changes({name: bad}, 1)
