"""What each account was used to: on each day the most that its calls cost a minute at once, and its dearest call.

Days on which the exposure brake was pulled are marked and teach nothing.
"""

from pysrv.store.database import Reading, Writing

KEPT_DAYS = 60
_NOTE = (
    "INSERT INTO exposure_days (account_id, day, per_minute, dearest, alarmed) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (account_id, day) DO UPDATE SET per_minute = max(per_minute, excluded.per_minute), "
    "dearest = max(dearest, excluded.dearest), alarmed = max(alarmed, excluded.alarmed)"
)


class UsualReading(Reading):
    """Questions about days."""

    def usual_exposure(self, account_id: int, day: int) -> tuple[int, int]:
        """Most that its calls cost a minute together, and its dearest call a minute, on days before `day`."""
        row = self._one(
            "SELECT max(per_minute), max(dearest) FROM exposure_days "
            "WHERE account_id = ? AND day < ? AND day >= ? AND alarmed = 0",
            (account_id, day, day - KEPT_DAYS),
        )
        return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)


class UsualWriting(UsualReading, Writing):
    """What a day taught."""

    def note_exposure(self, account_id: int, day: int, per_minute: int, dearest: int, *, alarmed: bool) -> None:
        """The largest figures of the day so far; an alarm stays."""
        self._write(_NOTE, (account_id, day, per_minute, dearest, int(alarmed)))

    def prune_exposure(self, day: int) -> int:
        """Forgets days that teach nothing any more."""
        if not self._one("SELECT 1 FROM exposure_days WHERE day < ? LIMIT 1", (day - KEPT_DAYS,)):
            return 0
        return self._write("DELETE FROM exposure_days WHERE day < ?", (day - KEPT_DAYS,)).rowcount
