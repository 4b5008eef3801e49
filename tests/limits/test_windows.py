"""Sliding windows against a list that forgets nothing."""

from hypothesis import given
from hypothesis import strategies as st

from pysrv.limits.windows import Seen, Window

PERIOD = 10.0
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 8), st.integers(1, 3), st.integers(1, 4), st.booleans()),
    max_size=60,
)


@given(STEPS)
def test_a_window_counts_as_a_list_does_that_forgets_nothing(steps: list[tuple[str, float, int, int, bool]]) -> None:
    window: Window[str] = Window()
    happened: list[tuple[str, float, int, int, bool]] = []
    now = 0.0
    for key, pause, count, port, proven in steps:
        now += pause
        happened.append((key, now, count, port, proven))
        inside = [row for row in happened if row[0] == key and row[1] > now - PERIOD]
        assert window.add(key, now, PERIOD, port=port, proven=proven, count=count) == sum(row[2] for row in inside)
        assert window.proven(key) == sum(row[2] for row in inside if row[4])
        assert window.ports(key) == {p: sum(r[2] for r in inside if r[3] == p) for p in {r[3] for r in inside}}
    assert window.held <= len(steps)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=200))
def test_a_crowded_window_is_never_too_high_and_lags_by_one_grain_at_most(pauses: list[float]) -> None:
    window: Window[str] = Window(exact=16)
    happened: list[float] = []
    now = 0.0
    for pause in pauses:
        now += pause
        happened.append(now)
        count = window.add("a", now, PERIOD)
        assert count <= sum(at > now - PERIOD for at in happened)
        assert count >= sum(at > now - PERIOD + PERIOD / 16 for at in happened)
        assert window.held <= 16 + 17


def test_a_full_table_forgets_whoever_was_silent_longest() -> None:
    window: Window[str] = Window(most=4)
    for at, key in enumerate("aabba"):
        window.add(key, float(at), 100.0)
    assert window.held == 3
    assert window.sources() == ["a"]
    assert window.count("a", 5.0, 100.0) == 3


def test_a_window_holds_so_many_sources_and_no_more() -> None:
    window: Window[int] = Window(sources=10)
    for source in range(1000):
        window.add(source, float(source), 1e9)
    assert window.sources() == list(range(990, 1000))
    assert window.held == 10


def test_what_was_seen_is_known_until_it_is_old_and_the_table_is_bounded() -> None:
    seen = Seen(10.0, most=3)
    assert not seen.again("a", 0.0)
    assert seen.again("a", 9.9)
    assert not seen.again("a", 10.0)
    for thing in "bcde":
        seen.again(thing, 11.0)
    assert len(seen) == 3
