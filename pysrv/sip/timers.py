"""The values of RFC 3261's timers and one heap of armed ones.

Knows neither transactions nor the clock: every moment is an argument (seconds, monotonic). Cancelling leaves a dead
entry behind, which is swept when the dead outnumber the living, so memory follows what is armed.
Source: RFC 3261 table 4, RFC 6026 section 7.
"""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

_Owner = TypeVar("_Owner")
_What = TypeVar("_What")

MIN_SWEEP = 1024  # below this many dead entries a sweep costs more than it frees


@dataclass(frozen=True, slots=True)
class TimerValues:
    """The durations that the protocol derives everything from, in seconds."""

    t1_s: float = 0.5  # round trip estimate
    t2_s: float = 4.0  # longest interval between repetitions
    t4_s: float = 5.0  # longest life of a message in the network
    trying_s: float = 0.2  # an INVITE not answered by then gets 100 (RFC 3261 17.2.1)
    d_s: float = 32.0  # Timer D over datagrams: "at least 32 seconds"

    @property
    def patience_s(self) -> float:
        """64*T1: Timers B, F, H, J, L, M and the wait after a CANCEL."""
        return 64 * self.t1_s


RFC_VALUES = TimerValues()


class Armed(Generic[_Owner, _What]):
    """A timer that has not fired; `owner` is None once it is cancelled or has fired."""

    __slots__ = ("owner", "what")

    def __init__(self, owner: _Owner, what: _What) -> None:
        self.owner: _Owner | None = owner
        self.what = what


class TimerHeap(Generic[_Owner, _What]):
    """Timers of many owners, soonest first; those of one moment fire in the order of arming."""

    __slots__ = ("_dead", "_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Armed[_Owner, _What]]] = []
        self._sequence = 0
        self._dead = 0

    def __len__(self) -> int:
        """How many timers are armed."""
        return len(self._heap) - self._dead

    def arm(self, at: float, owner: _Owner, what: _What) -> Armed[_Owner, _What]:
        """Let `what` happen to `owner` at the moment `at`."""
        armed = Armed(owner, what)
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, armed))
        return armed

    def cancel(self, armed: Armed[_Owner, _What]) -> None:
        """Forget a timer; harmless when it has fired or was cancelled before."""
        if armed.owner is None:
            return
        armed.owner = None
        self._dead += 1
        if self._dead > MIN_SWEEP and self._dead * 2 > len(self._heap):
            self._sweep()

    def next_at(self) -> float | None:
        """When the soonest timer fires, or None."""
        heap = self._heap
        while heap and heap[0][2].owner is None:
            heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> tuple[_Owner, _What] | None:
        """Take the soonest timer that is due at `now`, or None."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            armed = heappop(heap)[2]
            owner = armed.owner
            if owner is not None:
                armed.owner = None
                return owner, armed.what
            self._dead -= 1
        return None

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[2].owner is not None]
        heapify(self._heap)
        self._dead = 0
