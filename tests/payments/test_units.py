"""Amounts as gateways write them: exact both ways, and refused where a gateway cannot take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.payments.units import MOST, BadAmount, of_paypal, of_stripe, payable, step, to_paypal, to_stripe

CASES = [
    ("EUR", 12_500_000, 1250, "12.50"),
    ("JPY", 500_000_000, 500, "500"),
    ("ISK", 500_000_000, 50_000, "500.00"),
    ("UGX", 500_000_000, 50_000, "500.00"),
    ("HUF", 500_000_000, 50_000, "500"),
    ("KWD", 12_500_000, 12_500, "12.50"),
]


@pytest.mark.parametrize(("currency", "micro", "units", "text"), CASES)
def test_each_gateway_has_its_own_way_to_write_an_amount(currency: str, micro: int, units: int, text: str) -> None:
    assert to_stripe(micro, currency) == units
    assert of_stripe(units, currency) == micro
    assert to_paypal(micro, currency) == text
    assert of_paypal(text) == micro


@pytest.mark.parametrize(
    ("gateway", "amount", "currency"),
    [
        ("stripe", 1_005_000, "EUR"),
        ("stripe", 1_500_000, "JPY"),
        ("stripe", 1_500_000, "UGX"),
        ("stripe", 1_001_000, "KWD"),
        ("paypal", 1_500_000, "HUF"),
        ("paypal", 0, "EUR"),
        ("stripe", -1_000_000, "EUR"),
        ("stripe", MOST + 1_000_000, "EUR"),
    ],
)
def test_what_cannot_be_paid_is_refused(gateway: str, amount: int, currency: str) -> None:
    with pytest.raises(BadAmount, match="cannot be paid"):
        payable(gateway, amount, currency)


@pytest.mark.parametrize("units", [-1, 1.5, "100", None, True, 10**30])
def test_nonsense_is_no_amount_of_stripe(units: object) -> None:
    with pytest.raises(BadAmount):
        of_stripe(units, "EUR")


@pytest.mark.parametrize("text", ["-1.00", "1e9", "", None, 12.5, "9" * 40, "NaN", "1.0000001"])
def test_nonsense_is_no_amount_of_paypal(text: object) -> None:
    with pytest.raises(BadAmount):
        of_paypal(text)


@given(st.sampled_from(["EUR", "JPY", "ISK", "KWD", "HUF"]), st.integers(1, 10_000_000))
def test_what_is_written_is_read_as_the_same(currency: str, steps: int) -> None:
    amount = steps * step("stripe", currency)
    assert of_stripe(to_stripe(amount, currency), currency) == amount
    amount = steps * step("paypal", currency)
    assert of_paypal(to_paypal(amount, currency)) == amount
