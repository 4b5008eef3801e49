"""The media range: which RTP ports are free, in use, or resting after a call.

A port here stands for the pair (even port RTP, the next one RTCP; RFC 3550 section 11). A returned pair rests for a
while, so that late packets of one call never reach the next. Knows no sockets and no clock.
"""

from collections import deque
from collections.abc import Callable

from pysrv.media.errors import PortsExhausted

QUARANTINE_S = 5.0


class PortPool:
    """RTP ports from `first` to `last` inclusive, even ones only, each together with its odd neighbour.

    `pick(n)` chooses an index below n among the free ports (give `secrets.randbelow`: ports that cannot be foreseen
    are harder to spray); without it the longest unused one comes first. Raises ValueError for a range without a pair.
    """

    def __init__(
        self,
        first: int,
        last: int,
        *,
        quarantine_s: float = QUARANTINE_S,
        pick: Callable[[int], int] | None = None,
    ) -> None:
        start = first + first % 2
        if not (first >= 1024 and start + 1 <= last <= 65_535):
            raise ValueError(f"media ports {first}-{last}: need an even port and the next one, within 1024-65535")
        self.first, self.last = first, last
        self._quarantine_s, self._pick = quarantine_s, pick
        self._free = deque(range(start, last, 2))
        self._in_use: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()  # (free again at, port), in the order of time

    @property
    def in_use(self) -> int:
        """Pairs that calls hold now."""
        return len(self._in_use)

    @property
    def capacity(self) -> int:
        """Pairs in the whole range."""
        return len(self._free) + len(self._in_use) + len(self._resting)

    def available(self, now: float) -> int:
        """Pairs that could be taken at `now`."""
        self._wake(now)
        return len(self._free)

    def take(self, now: float) -> int:
        """An even port that is the caller's, with its neighbour, until given back. Raises PortsExhausted."""
        self._wake(now)
        if not self._free:
            raise PortsExhausted
        if self._pick is not None:
            self._free.rotate(-self._pick(len(self._free)))
        port = self._free.popleft()
        self._in_use.add(port)
        return port

    def give_back(self, port: int, now: float) -> None:
        """Return a port; it rests before anyone gets it again. Returning it twice, or a stranger, changes nothing."""
        if port in self._in_use:
            self._in_use.remove(port)
            self._resting.append((now + self._quarantine_s, port))

    def reserve(self, port: int) -> bool:
        """Take this very port, for a call that outlived a restart; False when it is not free."""
        try:
            self._free.remove(port)
        except ValueError:
            return False
        self._in_use.add(port)
        return True

    def _wake(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
