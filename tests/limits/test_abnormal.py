"""What is abnormal, and by which measure."""

from dataclasses import replace

from pysrv.limits.abnormal import Figures, judge

USUAL = [Figures(calls=calls, minutes=2.0 * calls, spend=0.1 * calls, failed=5) for calls in (100, 110, 90, 105, 95)]


def test_a_day_like_the_others_is_nothing() -> None:
    found = judge("alice", Figures(100, 200, 10, 0, 5), USUAL)
    assert (found.score, found.measure) == (0.0, "")
    assert found.usual.calls == 100 and found.usual.failed == 5


def test_the_worst_measure_is_the_score() -> None:
    found = judge("alice", Figures(calls=130, minutes=210, spend=100, failed=6), USUAL)
    assert found.measure == "spend" and found.score > 15
    assert judge("alice", Figures(calls=90, failed=80), USUAL).measure == "failed"
    assert judge("alice", Figures(calls=100, short=60), USUAL).measure == "short"


def test_the_more_days_differ_the_less_one_of_them_says() -> None:
    wild = [replace(day, calls=calls) for day, calls in zip(USUAL, (0, 200, 0, 200, 100), strict=True)]
    today = Figures(calls=300)
    assert judge("a", today, wild).score < judge("a", today, USUAL).score


def test_a_first_call_is_no_alarm_and_a_first_flood_is() -> None:
    assert judge("new", Figures(calls=1, minutes=3, spend=0.2, failed=1), [Figures()] * 7).score < 1
    assert judge("new", Figures(calls=200, minutes=900, spend=400), [Figures()] * 7).score > 30
    assert judge("new", Figures(calls=200), []).score > 30


def test_less_than_usual_is_nothing() -> None:
    assert judge("alice", Figures(), USUAL).score == 0.0
