"""Rates for property tests."""

from hypothesis import strategies as st

from pysrv.billing.money import MICRO
from pysrv.billing.tariff import Rate, Rounding

rates = st.builds(
    Rate,
    prefix=st.just("49"),
    per_minute=st.one_of(st.integers(0, 100), st.integers(0, 10 * MICRO)),
    connect_fee=st.one_of(st.just(0), st.integers(0, MICRO)),
    initial_increment_s=st.integers(1, 90),
    next_increment_s=st.integers(1, 90),
    minimum_s=st.one_of(st.just(0), st.integers(0, 120)),
    free_seconds=st.one_of(st.just(0), st.integers(0, 90)),
    rounding=st.sampled_from(Rounding),
    places=st.sampled_from((6, 4, 2, 0)),
    exchange_num=st.one_of(st.just(1), st.integers(1, 10_000)),
    exchange_den=st.one_of(st.just(1), st.integers(1, 10_000)),
    tax_ppm=st.one_of(st.just(0), st.integers(0, 300_000)),
)
plain_rates = st.builds(
    Rate,
    prefix=st.just("49"),
    per_minute=st.integers(0, 10 * MICRO),
    connect_fee=st.integers(0, MICRO),
    initial_increment_s=st.integers(1, 90),
    next_increment_s=st.integers(1, 90),
)
