"""One heap of timers: order, cancelling, sweeping (RFC 3261 table 4)."""

import random

from pysrv.sip.timers import MIN_SWEEP, TimerHeap, TimerValues


def _drain(heap: TimerHeap[str, str], now: float) -> list[str]:
    fired = []
    while (due := heap.pop_due(now)) is not None:
        fired.append("".join(due))
    return fired


def test_the_default_values_are_those_of_the_rfc() -> None:
    values = TimerValues()
    assert (values.t1_s, values.t2_s, values.t4_s, values.patience_s) == (0.5, 4.0, 5.0, 32.0)


def test_timers_fire_in_order_of_time_and_then_of_arming() -> None:
    heap: TimerHeap[str, str] = TimerHeap()
    for at, owner in ((3.0, "c"), (1.0, "a"), (1.0, "b"), (2.0, "x")):
        heap.arm(at, owner, "!")
    assert heap.next_at() == 1.0
    assert _drain(heap, 0.9) == []
    assert _drain(heap, 2.0) == ["a!", "b!", "x!"]
    assert heap.next_at() == 3.0
    assert len(heap) == 1


def test_a_cancelled_timer_neither_fires_nor_is_waited_for() -> None:
    heap: TimerHeap[str, str] = TimerHeap()
    early = heap.arm(1.0, "early", "")
    heap.arm(2.0, "late", "")
    heap.cancel(early)
    heap.cancel(early)
    assert (heap.next_at(), len(heap)) == (2.0, 1)
    assert _drain(heap, 9.0) == ["late"]
    assert (heap.next_at(), len(heap)) == (None, 0)


def test_cancelling_what_has_fired_does_not_disturb_the_count() -> None:
    heap: TimerHeap[str, str] = TimerHeap()
    armed = heap.arm(1.0, "a", "")
    assert _drain(heap, 1.0) == ["a"]
    heap.cancel(armed)
    assert len(heap) == 0


def test_dead_entries_are_swept_so_that_memory_follows_what_is_armed() -> None:
    heap: TimerHeap[str, str] = TimerHeap()
    for n in range(20 * MIN_SWEEP):
        heap.cancel(heap.arm(float(n), "dead", ""))
    assert len(heap) == 0
    assert len(heap._heap) <= MIN_SWEEP + 1


def test_any_mixture_of_arming_and_cancelling_fires_what_a_sorted_list_would() -> None:
    source = random.Random(17)
    heap: TimerHeap[int, None] = TimerHeap()
    expected: list[tuple[float, int]] = []
    handles = {}
    for n in range(5000):
        at = round(source.random() * 50, 1)
        handles[n] = heap.arm(at, n, None)
        expected.append((at, n))
        if source.random() < 0.6:
            victim = source.choice(list(handles)[-20:])
            heap.cancel(handles.pop(victim))
            expected = [row for row in expected if row[1] != victim]
    fired = []
    while (due := heap.pop_due(100.0)) is not None:
        fired.append(due[0])
    assert fired == [n for _, n in sorted(expected)]
