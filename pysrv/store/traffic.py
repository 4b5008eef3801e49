"""Traffic of days, added up from call records: what Analyze compares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pysrv.store.database import Reading, Row

DAY_S: Final = 86_400.0
NUMBER_DIGITS: Final = 7  # enough to know a number's country by
KEYS: Final = {
    "account": "account",
    "address": "source",
    "destination": "substr(callee, 1, 4)",
    "country": f"substr(callee, 1, {NUMBER_DIGITS})",
}
_SUMS = (
    "count(*), sum(CASE WHEN answered_at IS NULL THEN 0.0 ELSE duration_s END), sum(charge), "
    "sum(answered_at IS NOT NULL AND duration_s < ?4), sum(answered_at IS NULL)"
)

_COUNT = "SELECT currency, count(*), sum(answered_at IS NOT NULL), sum(refused_by <> ''), sum(charge) FROM cdrs WHERE "
_COUNT_ALL = _COUNT + "setup_at >= ? AND id > ? GROUP BY currency"  # by the index of times
_COUNT_NEW = _COUNT + "+setup_at >= ? AND id > ? GROUP BY currency"  # by the key


@dataclass(frozen=True, slots=True)
class DayOf:
    """One day (0 is the first) of one key in one currency; `charge` in micro-units."""

    key: str
    day: int
    currency: str
    calls: int
    seconds: float
    charge: int
    short: int
    failed: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Calls set up since a moment that have ended, those of them that were answered, those that were refused, and what
    was charged, micro-units by currency; up to the call record `newest`."""

    since: float = 0.0
    newest: int = 0
    calls: int = 0
    answered: int = 0
    refused: int = 0
    charged: Mapping[str, int] = field(default_factory=dict)

    def plus(self, newest: int, rows: Sequence[Row]) -> "Counted":
        """With further rows of (currency, calls, answered, refused, charge)."""
        calls, answered, refused = (sum(row[place] for row in rows) for place in (1, 2, 3))
        charged = Counter(self.charged) + Counter({row[0]: row[4] for row in rows})
        return Counted(
            self.since, newest, self.calls + calls, self.answered + answered, self.refused + refused, charged
        )


class TrafficReading(Reading):
    """Questions about traffic."""

    _counted = Counted()

    def count_records(self, since: float, until: float) -> int:
        """How many calls were set up in that time."""
        row = self._one("SELECT count(*) FROM cdrs WHERE setup_at >= ? AND setup_at < ?", (since, until))
        return int(row[0]) if row else 0

    def counted_since(self, since: float) -> Counted:
        """What became of the calls that were set up since then and have ended.

        Call records are only ever added, so what was counted is remembered, and asking again reads the new ones alone.
        """
        held = self._counted if self._counted.since == since else Counted(since)
        (newest,) = self._one("SELECT max(id) FROM cdrs") or (None,)
        if newest is None or newest == held.newest:
            return held
        rows = self._all(_COUNT_NEW if held.newest else _COUNT_ALL, (since, held.newest))
        self._counted = held.plus(newest, rows)
        return self._counted

    def trunk_calls(self) -> dict[str, int]:
        """How many running calls each trunk carries."""
        return dict(self._all("SELECT trunk, count(*) FROM open_calls WHERE trunk <> '' GROUP BY trunk"))

    def traffic(self, by: str, since: float, elapsed_s: float, until: float, short_s: float) -> list[DayOf]:
        """Sums by key, day and currency, days of 24 hours from `since` on, of each its first `elapsed_s` seconds. `by`
        is one of KEYS; an answered call below `short_s` is a short one."""
        key = KEYS[by]
        sql = (
            f"SELECT {key}, CAST((setup_at - ?1) / {DAY_S} AS INTEGER) AS day, currency, {_SUMS} FROM cdrs "  # noqa: S608
            f"WHERE setup_at >= ?1 AND setup_at < ?3 AND {key} <> '' AND NOT emergency "
            f"AND (setup_at - ?1) - {DAY_S} * CAST((setup_at - ?1) / {DAY_S} AS INTEGER) <= ?2 GROUP BY 1, 2, 3"
        )
        return [DayOf(*row) for row in self._all(sql, (since, elapsed_s, until, short_s))]
