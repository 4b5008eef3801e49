"""How many calls rules in report-only would have refused, by setting and day."""

from pysrv.store.database import Reading, Writing

KEPT_DAYS = 400
_ADD = "INSERT INTO reported (setting, day, calls) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1"


class ReportReading(Reading):
    """Questions about reports."""

    def reported_on(self, day: int) -> dict[str, int]:
        """Calls by setting, of one day."""
        return {row[0]: row[1] for row in self._all("SELECT setting, calls FROM reported WHERE day = ?", (day,))}


class ReportWriting(ReportReading, Writing):
    """What is counted."""

    def note_reported(self, setting: str, day: int) -> None:
        """One more call that a rule would have refused."""
        self._write(_ADD, (setting, day))

    def drop_old_reports(self, day: int) -> None:
        """Forgets what is too old to be asked about."""
        self._write("DELETE FROM reported WHERE day < ?", (day - KEPT_DAYS,))
