"""What trunks did with numbers, counted by hour; and the quotes that calls were priced by, kept with their records."""

from typing import Any

from pysrv.billing.quote import CallQuotes
from pysrv.store.coding import quotes_of, quotes_text, rate_of
from pysrv.store.database import Reading, Writing
from pysrv.store.rows import ChargeRow, TrunkHours

HOUR_S = 3600
KEPT_HOURS = 31 * 24
_COLUMNS = "trunk, prefix, hour, attempts, answered, talk_s"
_COUNT = (
    "INSERT INTO trunk_hours (trunk, prefix, hour, attempts, answered, talk_s) VALUES (?, ?, ?, 1, ?, ?) "
    "ON CONFLICT (trunk, prefix, hour) DO UPDATE SET attempts = attempts + 1, answered = answered + excluded.answered, "
    "talk_s = talk_s + excluded.talk_s"
)


class QualityReading(Reading):
    """Questions about trunks' past, and calls' quotes."""

    def trunk_hours(self, since: float, trunk: str = "", prefix: str | None = None) -> list[TrunkHours]:
        """Counts of the hours from `since` on: of one trunk or all, of one prefix or all."""
        sql = (
            f"SELECT {_COLUMNS} FROM trunk_hours WHERE hour >= ?1 AND (?2 = '' OR trunk = ?2) "  # noqa: S608
            "AND (?3 IS NULL OR prefix = ?3) ORDER BY trunk, prefix, hour"
        )
        return [TrunkHours(*row) for row in self._all(sql, (int(since // HOUR_S), trunk, prefix))]

    def call_quotes(self, call_id: str) -> CallQuotes | None:
        """What a call was priced by; None: nothing was kept."""
        row = self._one("SELECT quotes FROM call_quotes WHERE call_id = ?", (call_id,))
        return quotes_of(row[0]) if row else None

    def charges(self, call_id: str) -> list[ChargeRow]:
        """What each level paid for a call, the caller's account first; levels that paid nothing are left out."""
        sql = (
            "SELECT level, account_id, amount, billable_seconds, currency, rate FROM charges "
            "WHERE call_id = ? ORDER BY level"
        )
        found: list[list[Any]] = [[*row[:5], rate_of(row[5])] for row in self._all(sql, (call_id,))]
        return [ChargeRow(*fields) for fields in found]


class QualityWriting(QualityReading, Writing):
    """Counting."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._swept_hour = 0

    def count_attempt(self, trunk: str, prefix: str, at: float, talk_s: int = 0) -> None:
        """One call that was offered to a trunk; `talk_s` 0: it was not answered."""
        hour = int(at // HOUR_S)
        self._write(_COUNT, (trunk, prefix, hour, bool(talk_s), talk_s))
        if hour != self._swept_hour:
            self._swept_hour = hour
            self._write("DELETE FROM trunk_hours WHERE hour < ?", (hour - KEPT_HOURS,))

    def keep_quotes(self, call_id: str, quotes: CallQuotes) -> None:
        """Keeps what a call is priced by."""
        sql = "INSERT OR REPLACE INTO call_quotes (call_id, quotes) VALUES (?, ?)"
        self._write(sql, (call_id, quotes_text(quotes)))
