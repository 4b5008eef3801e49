"""maxcps: calls of a second, of one account and of a chain."""

from decimal import Decimal

from pysrv.limits.pace import MOST_BUCKETS, Paces


def allowed(paces: Paces, now: float, *accounts: tuple[str, str]) -> bool:
    return all(pace.within for pace in paces.attempt([(name, Decimal(rate)) for name, rate in accounts], now))


def test_so_many_calls_start_in_a_second_and_no_more() -> None:
    paces = Paces()
    assert [allowed(paces, 1.0, ("alice", "2")) for _ in range(3)] == [True, True, False]
    assert [allowed(paces, 1.5, ("alice", "2")) for _ in range(2)] == [True, False]


def test_half_a_call_a_second_is_one_in_two_seconds() -> None:
    paces = Paces()
    assert [allowed(paces, at, ("alice", "0.5")) for at in (0.0, 1.0, 2.0, 3.9, 4.0)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_without_maxcps_nothing_is_asked() -> None:
    assert Paces().attempt([("alice", Decimal(0))], 1.0) == ()


def test_a_call_that_a_reseller_refuses_takes_nothing_from_the_account_below() -> None:
    paces = Paces()
    assert allowed(paces, 1.0, ("bob", "9"), ("reseller", "1"))
    assert not allowed(paces, 1.0, ("alice", "1"), ("reseller", "1"))
    assert allowed(paces, 1.0, ("alice", "1"))


def test_a_clock_that_stands_still_or_goes_back_gives_nothing_away() -> None:
    paces = Paces()
    assert allowed(paces, 10.0, ("alice", "1"))
    assert not allowed(paces, 9.0, ("alice", "1"))


def test_the_number_of_buckets_is_bounded() -> None:
    paces = Paces()
    for number in range(MOST_BUCKETS + 10):
        paces.attempt([(str(number), Decimal(1))], 1.0)
    assert len(paces._buckets) == MOST_BUCKETS
