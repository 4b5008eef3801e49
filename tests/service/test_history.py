"""Samples out of counters, and when drops are an attack."""

from pysrv.service.history import LEAST_PPS, QUIET, SAMPLES, History, Reading

ACTIONS = {"sip": "PASS", "over_rate_stranger": "DROP", "banned": "DROP", "relayed": "FORWARD", "ban_expired": "NOTE"}


def reading(at: float, **packets: int) -> Reading:
    return Reading(at, packets, ACTIONS, 3, 2, 7, {"EUR": 1500}, 4.5)


def test_a_sample_is_what_came_in_between_a_second() -> None:
    history = History()
    history.add(reading(100.0, sip=1000, banned=500, relayed=10, ban_expired=1))
    assert history.since() == []
    history.add(reading(102.0, sip=1100, banned=900, relayed=30, over_rate_stranger=40, ban_expired=9))
    (sample,) = history.since()
    assert (sample.passed, sample.dropped, sample.forwarded) == (50.0, 220.0, 10.0)
    assert sample.top == (("banned", 200.0), ("over_rate_stranger", 20.0), ("sip", 50.0), ("relayed", 10.0))
    assert (sample.calls, sample.answered, sample.registrations, sample.spend) == (3, 2, 7, (("EUR", 1500),))
    assert history.newest == sample and history.since(102.0) == []


def test_a_gate_that_was_loaded_anew_counts_from_nothing_and_its_first_word_is_no_flood() -> None:
    history = History()
    history.add(reading(100.0))
    history.add(reading(102.0, sip=10_000_000))
    history.add(reading(104.0, sip=60))
    assert [sample.passed for sample in history.since()] == [0.0, 30.0]


def test_the_ring_is_as_long_as_it_may_be_and_a_clock_that_was_set_does_no_harm() -> None:
    history = History(span_s=10.0, every_s=2.0)
    for turn in range(100):
        history.add(reading(100.0 + 2 * turn, sip=turn))
    assert len(history.since()) == 5
    assert not history.is_due(298.5) and history.is_due(300.0) and history.is_due(50.0)
    history.add(reading(50.0, sip=1))
    assert len(history.since()) == 5
    history.add(reading(52.0, sip=3))
    assert history.newest is not None and history.newest.passed == 1.0


def run(history: History, at: float, rates: list[int]) -> float:
    """One sample every two seconds with so many drops a second each; returns the time of the last."""
    dropped = run.total  # type: ignore[attr-defined]
    for rate in rates:
        at, dropped = at + 2.0, dropped + 2 * rate
        history.add(reading(at, over_rate_stranger=dropped, sip=1))
    run.total = dropped  # type: ignore[attr-defined]
    return at


def watched() -> tuple[History, float]:
    history = History()
    run.total = 0  # type: ignore[attr-defined]
    history.add(reading(0.0, over_rate_stranger=0, sip=1))
    return history, run(history, 0.0, [3, 5, 2, 4, 3] * 12)


def test_drops_far_above_their_mean_are_an_attack_from_its_first_sample_on() -> None:
    history, at = watched()
    run(history, at, [4000])
    assert history.watch.under_way is None  # one sample is none yet
    run(history, at + 2.0, [9000] * (SAMPLES - 1))
    attack = history.watch.under_way
    assert attack is not None
    assert (attack.began_at, attack.peak, attack.verdict) == (at + 2.0, 9000.0, "over_rate_stranger")
    assert 2.5 <= attack.usual <= 4.0


def test_an_attack_ends_after_some_quiet_and_the_next_one_is_another() -> None:
    history, at = watched()
    at = run(history, at, [5000] * 10 + [3] * (QUIET - 1))
    assert history.watch.under_way is not None
    at = run(history, at, [3])
    assert history.watch.under_way is None and history.watch.attacks[-1].ended_at == at
    run(history, at, [5000] * 3)
    assert len(history.watch.attacks) == 2 and history.watch.under_way is not None


def test_a_long_attack_does_not_become_what_is_usual() -> None:
    history, at = watched()
    run(history, at, [5000] * 450)
    assert history.watch.under_way is not None


def test_little_is_no_attack_however_quiet_it_was_before() -> None:
    history, at = watched()
    run(history, at, [int(LEAST_PPS) - 1] * 5)
    assert history.watch.under_way is None


def test_what_is_always_there_is_no_attack() -> None:
    history = History()
    run.total = 0  # type: ignore[attr-defined]
    history.add(reading(0.0, over_rate_stranger=0, sip=1))
    run(history, 0.0, [4000, 4400, 3900, 4100] * 40)
    assert history.watch.under_way is None and not history.watch.attacks
