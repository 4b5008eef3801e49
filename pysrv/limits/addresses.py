"""What came from each source address (IPv6: its /64) within a sliding window: calls, seconds of talk, cost. Pure.

A finished call counts with what it came to, a running one with what its lease has reserved; both from its setup on,
and until that is older than the window. Times are Unix seconds.
"""

from collections import deque
from dataclasses import dataclass, field

from pysrv.limits.facts import AddressUse
from pysrv.limits.sources import subject_of

MOST_ADDRESSES = 65_536


@dataclass(slots=True)
class Window:
    """One address: finished calls as (setup_at, seconds, cost), oldest first, their sums, and what runs."""

    done: deque[tuple[float, int, int]] = field(default_factory=deque)
    seconds: int = 0
    cost: int = 0
    running: dict[str, tuple[int, int]] = field(default_factory=dict)  # call -> seconds, cost

    def forget(self, before: float) -> None:
        """Lets go of what is older than the window."""
        while self.done and self.done[0][0] < before:
            _, seconds, cost = self.done.popleft()
            self.seconds -= seconds
            self.cost -= cost

    @property
    def use(self) -> AddressUse:
        """The sums."""
        held = self.running.values()
        return AddressUse(
            len(self.done) + len(self.running),
            self.seconds + sum(seconds for seconds, _ in held),
            self.cost + sum(cost for _, cost in held),
        )


class Addresses:
    """The windows. `window_s` is maxcallperperiod."""

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self._windows: dict[str, Window] = {}

    def use(self, source: str, now: float) -> AddressUse:
        """What came from an address until now."""
        window = self._windows.get(subject_of(source))
        if window is None:
            return AddressUse()
        window.forget(now - self.window_s)
        return window.use

    def holds(self, call_id: str, source: str, seconds: int, cost: int) -> None:
        """A running call has reserved so much by now."""
        self._of(source).running[call_id] = seconds, cost

    def ended(self, call_id: str, source: str, setup_at: float, seconds: int, cost: int) -> None:
        """A call is settled. One that was refused does not come here."""
        window = self._of(source)
        window.running.pop(call_id, None)
        window.done.append((setup_at, seconds, cost))
        window.seconds += seconds
        window.cost += cost

    def _of(self, source: str) -> Window:
        source = subject_of(source)
        window = self._windows.get(source)
        if window is None:
            if len(self._windows) >= MOST_ADDRESSES:
                self._drop_one()
            window = self._windows[source] = Window()
        return window

    def _drop_one(self) -> None:
        """Room for one more: an address from which nothing runs goes, the one that was seen first."""
        idle = next((source for source, window in self._windows.items() if not window.running), None)
        if idle is not None:
            del self._windows[idle]
