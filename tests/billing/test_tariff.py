import json
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pysrv.billing.tariff import (
    FREE,
    MAX_TALK_S,
    PPM,
    LineKind,
    Rate,
    Rounding,
    TariffError,
    billable_seconds,
    charge,
    net_price,
    price,
    seconds_affordable,
    talk_seconds,
)
from tests.billing.rates import plain_rates, rates

BY_SECOND = Rate("49", per_minute=10_000)
BY_MINUTE = Rate("49", per_minute=120_000, connect_fee=50_000, initial_increment_s=60, next_increment_s=60)
SIX = Rate("49", per_minute=60_000, initial_increment_s=30, next_increment_s=6)


@pytest.mark.parametrize(
    ("rate", "seconds", "billable", "total"),
    [
        (BY_SECOND, 60, 60, 10_000),
        (BY_SECOND, 1, 1, 167),
        (BY_SECOND, 0, 0, 0),
        (BY_MINUTE, 1, 60, 170_000),
        (BY_MINUTE, 60, 60, 170_000),
        (BY_MINUTE, 61, 120, 290_000),
        (SIX, 29, 30, 30_000),
        (SIX, 31, 36, 36_000),
        (Rate("1", 60_000, minimum_s=20), 3, 20, 20_000),
        (Rate("1", 60_000, minimum_s=20, initial_increment_s=15, next_increment_s=10), 3, 25, 25_000),
        (Rate("1", 0, connect_fee=100_000), 500, 500, 100_000),
    ],
)
def test_a_talk_time_has_its_price(rate: Rate, seconds: int, billable: int, total: int) -> None:
    assert billable_seconds(rate, seconds) == billable
    assert charge(rate, seconds).total == price(rate, seconds) == total


def test_an_unanswered_call_costs_nothing_even_with_a_connect_fee() -> None:
    assert charge(BY_MINUTE, 0) == FREE


def test_a_charge_explains_itself_line_by_line() -> None:
    explained = charge(BY_MINUTE, 130)
    assert [(line.kind, line.seconds, line.amount) for line in explained.lines] == [
        (LineKind.CONNECT, 0, 50_000),
        (LineKind.INITIAL, 60, 120_000),
        (LineKind.NEXT, 120, 240_000),
    ]
    assert [line.text for line in explained.lines] == ["connect fee", "first 60 s at 0.12/min", "2 x 60 s at 0.12/min"]


@pytest.mark.parametrize(
    ("duration", "seconds"), [(0.0, 1), (0.0004, 1), (1.0, 1), (1.001, 2), (59.9999999, 60), (60.0000001, 60)]
)
def test_an_answered_call_counts_in_whole_seconds_rounded_up_from_milliseconds(duration: float, seconds: int) -> None:
    assert talk_seconds(duration) == seconds


def exact_price(rate: Rate, seconds: int) -> Fraction:
    """The price before it is rounded."""
    if not seconds:
        return Fraction(0)
    paid = billable_seconds(rate, seconds) - rate.free_seconds
    net = rate.connect_fee + Fraction(rate.per_minute * paid, 60)
    return net * Fraction(rate.exchange_num, rate.exchange_den) * (1 + Fraction(rate.tax_ppm, 1_000_000))


@given(rates, st.integers(0, 20_000))
def test_the_lines_of_a_charge_sum_to_its_total(rate: Rate, seconds: int) -> None:
    explained = charge(rate, seconds)
    assert sum(line.amount for line in explained.lines) == explained.total == price(rate, seconds)
    assert sum(line.seconds for line in explained.lines) == explained.billable_seconds >= min(seconds, 1)


@given(rates, st.integers(0, 20_000))
def test_a_price_is_the_exact_one_rounded_once(rate: Rate, seconds: int) -> None:
    step = 10 ** (6 - rate.places)
    paid = price(rate, seconds)
    exact = exact_price(rate, seconds)
    if rate.rounding is Rounding.NEAREST:
        assert abs(paid - exact) * 2 <= step
    else:
        assert exact <= paid < exact + step
    assert paid % step == 0


@given(rates, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_longer_call_never_costs_less(rate: Rate, one: int, other: int) -> None:
    assert price(rate, min(one, other)) <= price(rate, max(one, other))


@given(rates, st.integers(0, 10**9))
def test_what_is_affordable_can_be_paid_and_one_second_more_cannot(rate: Rate, funds: int) -> None:
    seconds = seconds_affordable(rate, funds)
    assert price(rate, seconds) <= funds
    if seconds < MAX_TALK_S:
        assert price(rate, seconds + 1) > funds


@given(rates, st.integers(1, 10_000))
def test_the_price_of_a_talk_time_affords_all_seconds_billed_for_it(rate: Rate, seconds: int) -> None:
    assume(not rate.free and rate.per_minute)
    affordable = seconds_affordable(rate, price(rate, seconds))
    assert affordable >= billable_seconds(rate, seconds)
    assert price(rate, affordable) == price(rate, seconds)


@pytest.mark.parametrize("funds", [-1, 0, 49_999, 169_999])
def test_funds_below_the_first_increment_afford_nothing(funds: int) -> None:
    assert seconds_affordable(BY_MINUTE, funds) == 0


def test_a_free_rate_affords_as_long_as_any_call_lasts() -> None:
    assert seconds_affordable(Rate("1", 0), 0) == MAX_TALK_S


@pytest.mark.parametrize(
    "fields",
    [
        {"per_minute": -1},
        {"per_minute": 1, "connect_fee": -1},
        {"per_minute": 1, "initial_increment_s": 0},
        {"per_minute": 1, "next_increment_s": 0},
        {"per_minute": 1, "minimum_s": -1},
        {"per_minute": 1, "free_seconds": -1},
        {"per_minute": 1, "places": 7},
        {"per_minute": 1, "exchange_den": 0},
        {"per_minute": 1, "tax_ppm": 1_000_001},
        {"per_minute": 1, "valid_from": 5.0, "valid_until": 5.0},
    ],
)
def test_a_rate_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(TariffError):
        Rate("49", **fields)  # type: ignore[arg-type]


@given(rates)
def test_a_rate_that_was_written_down_is_read_back(rate: Rate) -> None:
    assert Rate.from_dict(json.loads(json.dumps(rate.to_dict()))) == rate


@given(plain_rates, st.integers(1, 20_000))
def test_a_rate_without_the_new_fields_costs_what_it_always_did(rate: Rate, seconds: int) -> None:
    assert price(rate, seconds) == rate.connect_fee - (-rate.per_minute * billable_seconds(rate, seconds) // 60)


@given(rates, st.integers(0, 20_000))
def test_tax_is_a_line_of_its_own_on_the_net_price(rate: Rate, seconds: int) -> None:
    lines = charge(rate, seconds).lines
    taxed = sum(line.amount for line in lines if line.kind is LineKind.TAX)
    assert price(rate, seconds) - taxed == net_price(rate, seconds) or not seconds
    assert taxed >= 0


@given(rates, st.integers(1, 3_600))
def test_what_is_reserved_for_a_talk_time_pays_for_every_shorter_one(rate: Rate, seconds: int) -> None:
    reserved = price(rate, seconds)
    assert all(price(rate, shorter) <= reserved for shorter in range(0, seconds, 7))


@given(rates, st.integers(1, 100_000))
def test_billable_seconds_are_billed_as_themselves(rate: Rate, seconds: int) -> None:
    billable = billable_seconds(rate, seconds)
    assert billable >= seconds
    assert billable_seconds(rate, billable) == billable
    assert price(rate, billable) == price(rate, seconds)


@given(rates)
def test_the_price_per_minute_of_sums_is_never_too_low(rate: Rate) -> None:
    minute = Fraction(rate.per_minute * rate.exchange_num, rate.exchange_den) * (1 + Fraction(rate.tax_ppm, PPM))
    assert minute <= rate.paid_per_minute < minute + 1
