"""How fast an account starts calls: one token bucket for each that has maxcps. Pure; seconds are monotonic.

A bucket holds as many calls as may start in a second, at least one, and refills at that rate.
"""

from collections.abc import Iterable
from decimal import Decimal
from math import ceil

from pysrv.limits.facts import Pace

MOST_BUCKETS = 100_000


class Paces:
    """The buckets; of an account that is not asked about for a second nothing needs to be remembered."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # account -> calls left, at

    def attempt(self, accounts: Iterable[tuple[str, Decimal]], now: float) -> tuple[Pace, ...]:
        """One call of a chain of (name, maxcps; 0: off). A call that one of them refuses takes a token of none."""
        asked = [(name, float(rate), str(rate)) for name, rate in accounts if rate]
        left = {name: self._left(name, rate, now) for name, rate, _ in asked}
        within = all(tokens >= 1 for tokens in left.values())
        for name, tokens in left.items():
            self._keep(name, tokens - 1 if within else tokens, now)
        return tuple(Pace(name, text, left[name] >= 1) for name, _, text in asked)

    def _left(self, name: str, rate: float, now: float) -> float:
        depth = float(max(1, ceil(rate)))
        tokens, at = self._buckets.get(name, (depth, now))
        return min(depth, tokens + max(0.0, now - at) * rate)

    def _keep(self, name: str, tokens: float, now: float) -> None:
        if name not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[name] = tokens, now
