import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pysrv.billing.tariff import (
    FREE,
    MAX_TALK_S,
    LineKind,
    Rate,
    TariffError,
    billable_seconds,
    charge,
    price,
    seconds_affordable,
    talk_seconds,
)
from tests.billing.rates import rates

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


@given(rates, st.integers(0, 20_000))
def test_the_lines_of_a_charge_sum_to_its_total(rate: Rate, seconds: int) -> None:
    explained = charge(rate, seconds)
    assert sum(line.amount for line in explained.lines) == explained.total == price(rate, seconds)
    assert sum(line.seconds for line in explained.lines) == explained.billable_seconds >= min(seconds, 1)


@given(rates, st.integers(0, 20_000))
def test_rounding_adds_less_than_a_micro_unit_per_call(rate: Rate, seconds: int) -> None:
    exact_times_60 = rate.per_minute * billable_seconds(rate, seconds)
    time_price = price(rate, seconds) - (rate.connect_fee if seconds else 0)
    assert exact_times_60 <= time_price * 60 < exact_times_60 + 60


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
    ],
)
def test_a_rate_that_cannot_be_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(TariffError):
        Rate("49", **fields)
