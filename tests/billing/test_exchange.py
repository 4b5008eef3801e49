from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.exchange import ExchangeError, between, currency, parse, tax_ppm
from pysrv.billing.quote import converted, for_payer
from pysrv.billing.tariff import Rate, price

KNOWN = {"USD": Fraction(92, 100), "HUF": Fraction(1, 400)}


@pytest.mark.parametrize(
    ("text", "rate"), [("0.92", Fraction(23, 25)), ("23/25", Fraction(23, 25)), (" 1 ", Fraction(1)), ("400", 400)]
)
def test_a_rate_is_exact(text: str, rate: Fraction) -> None:
    assert parse(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "1/0", "0.0", "1e3", "0,92", "1" * 13, "nan"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ExchangeError):
        parse(text)


@pytest.mark.parametrize(("text", "ppm"), [("19%", 190_000), ("7.7 %", 77_000), ("0%", 0), ("100%", 1_000_000)])
def test_a_tax_is_millionths(text: str, ppm: int) -> None:
    assert tax_ppm(text) == ppm


@pytest.mark.parametrize("text", ["19", "-1%", "101%", "7.77777%", ""])
def test_what_is_no_tax_is_refused(text: str) -> None:
    with pytest.raises(ExchangeError):
        tax_ppm(text)


def test_a_currency_is_three_letters() -> None:
    assert currency(" eur ") == "EUR"
    with pytest.raises(ExchangeError):
        currency("EURO")


@pytest.mark.setting("basecurrency")
def test_currencies_are_exchanged_over_the_base_currency() -> None:
    assert between("USD", "EUR", "EUR", KNOWN) == Fraction(23, 25)
    assert between("EUR", "USD", "EUR", KNOWN) == Fraction(25, 23)
    assert between("USD", "HUF", "EUR", KNOWN) == 368
    assert between("USD", "EUR", "USD", {"EUR": Fraction(2)}) == Fraction(1, 2)


def test_a_currency_without_a_rate_is_never_taken_as_one_to_one() -> None:
    assert between("GBP", "EUR", "EUR", KNOWN) is None
    assert between("EUR", "GBP", "EUR", KNOWN) is None
    assert between("GBP", "USD", "EUR", KNOWN) is None
    assert between("GBP", "GBP", "EUR", KNOWN) == 1  # the same money


fractions = st.fractions(min_value=Fraction(1, 10_000), max_value=10_000, max_denominator=10**6)


@given(st.integers(0, 10**7), st.integers(1, 7200), fractions)
def test_an_exchanged_price_is_the_price_times_the_rate_rounded_up_once(
    micro: int, seconds: int, rate: Fraction
) -> None:
    deck = Rate("49", micro)
    exact = Fraction(micro * seconds, 60) * rate
    assert exact <= price(for_payer(deck, rate, "", 0, "USD"), seconds) < exact + 1


@given(fractions, fractions)
def test_there_and_back_is_nothing(one: Fraction, other: Fraction) -> None:
    known = {"AAA": one, "BBB": other}
    there, back = between("AAA", "BBB", "EUR", known), between("BBB", "AAA", "EUR", known)
    assert there is not None and back is not None
    assert there * back == 1


def test_amounts_are_compared_rounded_half_up() -> None:
    assert converted(5, Fraction(1, 10)) == 1
    assert converted(4, Fraction(1, 10)) == 0
    assert converted(-5, Fraction(1, 10)) == 0
    assert converted(1, None) is None
