"""Sliding windows over many sources, exact and of bounded memory; and the things seen once. Pure.

A window holds the moment of every event. A source with more than EXACT of them has further events of one 4096th of
the period put together under the moment of the first, so that a count is never too high. When there are more
than `sources` of them, or all together hold more than `most` moments, the one that was silent longest is forgotten.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

EXACT: Final = 4096
MOST_STAMPS: Final = 200_000  # of one window over all its sources: about 25 MB
MOST_SOURCES: Final = 50_000  # of one window: about 25 MB
MOST_SEEN: Final = 100_000

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Stamp:
    """Events of one moment: when, from which port, how many, and whether the address was proven."""

    at: float
    port: int
    proven: bool
    count: int = 1


@dataclass(slots=True)
class _Source:
    stamps: list[Stamp] = field(default_factory=list)
    total: int = 0


class Window(Generic[K]):
    """Events by source within a period that ends now. The period is an argument: a changed setting holds at once."""

    def __init__(self, most: int = MOST_STAMPS, exact: int = EXACT, sources: int = MOST_SOURCES) -> None:
        """`most`: moments that all sources together may hold; `exact`: those of one before events are put together."""
        self._sources: OrderedDict[K, _Source] = OrderedDict()
        self._most, self._exact, self._most_sources, self._held = most, exact, sources, 0

    def add(self, key: K, at: float, period: float, *, port: int = 0, proven: bool = False, count: int = 1) -> int:
        """Counts `count` events at `at`; returns how many lie in the period that ends then, these included."""
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = _Source()
        self._sources.move_to_end(key)
        self._drop(source, at - period)
        last = source.stamps[-1] if source.stamps else None
        if last is not None and len(source.stamps) >= self._exact and at - last.at < period / self._exact:
            last.count += count
        else:
            source.stamps.append(Stamp(at, port, proven, count))
            self._held += 1
        source.total += count
        self._make_room(key)
        return source.total

    def count(self, key: K, now: float, period: float) -> int:
        """How many events lie in the period that ends now."""
        source = self._sources.get(key)
        if source is None:
            return 0
        self._drop(source, now - period)
        return source.total

    def ports(self, key: K) -> dict[int, int]:
        """Events by port, of what is held."""
        found: dict[int, int] = {}
        for stamp in self._stamps(key):
            found[stamp.port] = found.get(stamp.port, 0) + stamp.count
        return found

    def proven(self, key: K) -> int:
        """How many of the events that are held came from a proven address."""
        return sum(stamp.count for stamp in self._stamps(key) if stamp.proven)

    def forget(self, key: K) -> None:
        """Begins anew for one source."""
        source = self._sources.pop(key, None)
        if source is not None:
            self._held -= len(source.stamps)

    def clear(self) -> None:
        """Begins anew for everybody."""
        self._sources.clear()
        self._held = 0

    def sources(self) -> list[K]:
        """The sources that are held, the one that was silent longest first."""
        return list(self._sources)

    @property
    def held(self) -> int:
        """Moments held, of all sources."""
        return self._held

    def _stamps(self, key: K) -> tuple[Stamp, ...]:
        source = self._sources.get(key)
        return tuple(source.stamps) if source is not None else ()

    def _drop(self, source: _Source, until: float) -> None:
        stamps, gone = source.stamps, 0
        for stamp in stamps:
            if stamp.at > until:
                break
            source.total -= stamp.count
            gone += 1
        if gone:
            del stamps[:gone]
            self._held -= gone

    def _make_room(self, newest: K) -> None:
        while self._held > self._most or len(self._sources) > self._most_sources:
            key, source = self._sources.popitem(last=False)
            self._held -= len(source.stamps)
            if key == newest:
                break


class Seen:
    """What was seen within the last `keep_s` seconds; at most `most`, the oldest go first."""

    def __init__(self, keep_s: float, most: int = MOST_SEEN) -> None:
        self._keep_s, self._most = keep_s, most
        self._at: OrderedDict[Hashable, float] = OrderedDict()

    def again(self, thing: Hashable, now: float) -> bool:
        """Whether it was seen before; it is from now on."""
        while self._at and next(iter(self._at.values())) <= now - self._keep_s:
            self._at.popitem(last=False)
        if thing in self._at:
            return True
        if len(self._at) >= self._most:
            self._at.popitem(last=False)
        self._at[thing] = now
        return False

    def __len__(self) -> int:
        return len(self._at)
