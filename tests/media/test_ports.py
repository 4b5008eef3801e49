"""The media range: pairs go out once, come back, rest, and run out with an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.media.errors import PortsExhausted
from pysrv.media.ports import PortPool


def test_ports_are_even_and_distinct_and_then_exhausted() -> None:
    pool = PortPool(20_001, 20_009)
    assert [pool.take(0.0) for _ in range(4)] == [20_002, 20_004, 20_006, 20_008]
    with pytest.raises(PortsExhausted) as caught:
        pool.take(0.0)
    assert caught.value.status == 503


def test_a_returned_port_rests_before_it_is_used_again() -> None:
    pool = PortPool(20_000, 20_001, quarantine_s=5.0)
    port = pool.take(0.0)
    pool.give_back(port, 10.0)
    with pytest.raises(PortsExhausted):
        pool.take(14.9)
    assert pool.available(14.9) == 0
    assert pool.take(15.0) == port


def test_a_port_returned_twice_is_free_once() -> None:
    pool = PortPool(20_000, 20_003, quarantine_s=0.0)
    port = pool.take(0.0)
    pool.give_back(port, 0.0)
    pool.give_back(port, 0.0)
    pool.give_back(5060, 0.0)
    assert pool.available(1.0) == 2


def test_a_reserved_port_goes_to_nobody_else() -> None:
    pool = PortPool(20_000, 20_003)
    assert pool.reserve(20_000) and not pool.reserve(20_000) and not pool.reserve(5060)
    assert pool.take(0.0) == 20_002


def test_the_choice_of_ports_can_be_left_to_chance() -> None:
    pool = PortPool(20_000, 20_007, pick=lambda n: n - 1)
    assert [pool.take(0.0) for _ in range(4)] == [20_006, 20_004, 20_002, 20_000]


@pytest.mark.parametrize(("first", "last"), [(0, 100), (20_001, 20_002), (20_000, 20_000), (60_000, 70_000)])
def test_a_range_without_a_pair_is_an_error(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="media ports"):
        PortPool(first, last)


@given(st.lists(st.integers(-1, 9), max_size=60))
def test_no_port_is_ever_lost_or_shared(steps: list[int]) -> None:
    pool = PortPool(20_000, 20_019, quarantine_s=3.0)
    held: list[int] = []
    for now, step in enumerate(steps):
        if step < 0 or not held:
            try:
                port = pool.take(float(now))
            except PortsExhausted:
                assert len(held) + len(pool._resting) == 10
                continue
            assert port not in held
            held.append(port)
        else:
            pool.give_back(held.pop(step % len(held)), float(now))
        assert pool.in_use == len(held)
        assert pool.capacity == 10
