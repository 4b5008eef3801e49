"""Rates for property tests."""

from hypothesis import strategies as st

from pysrv.billing.money import MICRO
from pysrv.billing.tariff import Rate

rates = st.builds(
    Rate,
    prefix=st.just("49"),
    per_minute=st.one_of(st.integers(0, 100), st.integers(0, 10 * MICRO)),
    connect_fee=st.one_of(st.just(0), st.integers(0, MICRO)),
    initial_increment_s=st.integers(1, 90),
    next_increment_s=st.integers(1, 90),
    minimum_s=st.one_of(st.just(0), st.integers(0, 120)),
)
