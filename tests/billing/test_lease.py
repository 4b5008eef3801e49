import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.lease import LONGEST_S, Lease, Means, Share, extend, renewal_margin_s, target_s
from pysrv.billing.tariff import Rate, billable_seconds, charge, price, seconds_affordable
from tests.billing.rates import rates

ONE = 1_000_000
BY_SECOND = Rate("49", per_minute=ONE)


@pytest.mark.parametrize(
    ("headroom", "running", "seconds"),
    [
        (10 * ONE, ONE, 60),  # ten minutes are covered
        (100 * ONE, ONE, 60),
        (5 * ONE, ONE, 30),  # five of ten: half
        (10 * ONE, 2 * ONE, 30),  # two calls share it
        (ONE, ONE, 6),
        (ONE // 60, ONE, 1),
        (0, ONE, 1),
        (None, ONE, 60),
        (0, 0, 60),
    ],
)
def test_the_aim_shrinks_with_the_share_of_ten_minutes_that_is_covered(
    headroom: int | None, running: int, seconds: int
) -> None:
    assert target_s(headroom, running) == seconds


def test_a_free_call_has_a_lease_of_sixty_seconds_without_money() -> None:
    first = extend(Lease(None), [Means(0)])
    assert first == Lease(None, 60, 0)
    assert extend(first, [Means(0)]) == Lease(None, 120, 0)


def test_a_postpaid_lease_is_full_length_and_its_money_is_written_down() -> None:
    assert extend(Lease(BY_SECOND), [Means(None, ONE)]) == Lease(BY_SECOND, 60, ONE)


def test_increments_are_reserved_whole() -> None:
    minutes = Rate("49", per_minute=ONE, initial_increment_s=60, next_increment_s=60)
    assert extend(Lease(minutes), [Means(2 * ONE, ONE)]) == Lease(minutes, 60, ONE)


def test_a_renewal_takes_the_last_increments_that_can_be_paid() -> None:
    first = Lease(BY_SECOND, 60, ONE)
    assert extend(first, [Means(50_000, ONE)]) == Lease(BY_SECOND, 61, price(BY_SECOND, 61))
    assert extend(first, [Means(10_000, ONE)]) is None


@given(rates, st.one_of(st.none(), st.integers(-(10**6), 10**9)), st.integers(0, 10**8), st.integers(0, 5))
def test_a_lease_can_be_paid_and_pays_for_every_talk_time_it_covers(
    rate: Rate, headroom: int | None, others: int, renewals: int
) -> None:
    lease, left = Lease(rate), headroom
    for _ in range(1 + renewals):
        longer = extend(lease, [Means(left, others + rate.per_minute)])
        if longer is None:
            assert left is not None
            assert seconds_affordable(rate, max(0, left) + lease.reserved) <= lease.covered_s
            return
        assert longer.covered_s > lease.covered_s
        assert billable_seconds(rate, longer.covered_s) == longer.covered_s
        if left is not None:
            left -= longer.reserved - lease.reserved
            assert left >= min(0, headroom or 0)
        lease = longer
        for talk_s in (1, lease.covered_s // 2, lease.covered_s):
            assert charge(rate, talk_s).total <= lease.reserved


@given(rates, st.integers(0, 10**9))
def test_a_lease_is_no_longer_than_sixty_seconds_and_the_increment_it_ends_in(rate: Rate, headroom: int) -> None:
    lease = extend(Lease(rate), [Means(headroom, rate.per_minute)])
    if lease is not None:
        assert lease.covered_s <= billable_seconds(rate, LONGEST_S)


@pytest.mark.parametrize(("length", "margin"), [(60, 10.0), (20, 5.0), (1, 0.3), (4, 1.0)])
def test_a_lease_is_renewed_a_quarter_before_its_end(length: float, margin: float) -> None:
    assert renewal_margin_s(length) == margin


def test_the_poorest_account_of_a_chain_decides_how_long_the_lease_is() -> None:
    dear = Rate("49", per_minute=2 * ONE)
    lease = extend(Lease(BY_SECOND, above=(Share(7, dear),)), [Means(100 * ONE, ONE), Means(ONE, 2 * ONE)])
    assert lease == Lease(BY_SECOND, 3, price(BY_SECOND, 3), (Share(7, dear, price(dear, 3)),))


def test_seconds_that_are_left_bound_a_lease_whatever_money_there_is() -> None:
    assert extend(Lease(BY_SECOND), [Means(None, ONE, headroom_s=10)]) == Lease(BY_SECOND, 1, price(BY_SECOND, 1))
    assert extend(Lease(None, 50), [Means(None, 0, headroom_s=0)]) is None


def test_seconds_that_are_left_are_shared_by_running_calls() -> None:
    lease = extend(Lease(BY_SECOND), [Means(None, ONE, headroom_s=600, running_calls=10)])
    assert lease is not None
    assert lease.covered_s == 6
