"""What is known of the backups: those that the repository holds, and how the last ones ended."""

from collections.abc import Iterable
from dataclasses import dataclass

from pysrv.store.database import Reading, Writing


@dataclass(frozen=True, slots=True)
class BackupRow:
    """One backup that the repository holds. `at` is Unix seconds, `kind` full or incremental; `size_bytes` 0: nobody
    noted it."""

    ident: str
    at: float
    host: str
    kind: str
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class BackupState:
    """Where they lie and how it went. Times are Unix seconds, 0: never; `every_h` 0: none by themselves; a `place` that
    is empty: nothing was told so far."""

    place: str = ""
    local: bool = False
    every_h: int = 0
    checked_at: float = 0.0
    made_at: float = 0.0
    size_bytes: int = 0
    added_bytes: int = 0
    failed_at: float = 0.0
    failure: str = ""


class BackupReading(Reading):
    """Questions about them."""

    def backups(self) -> list[BackupRow]:
        """All, newest first."""
        rows = self._all("SELECT ident, at, host, kind, size_bytes, version FROM backups ORDER BY at DESC, ident")
        return [BackupRow(*row) for row in rows]

    def backup_state(self) -> BackupState:
        """How it stands."""
        place, local, *others = self._one(
            "SELECT place, local, every_h, checked_at, made_at, size_bytes, added_bytes, failed_at, failure "
            "FROM backup_state"
        ) or ("", 0, 0, 0.0, 0.0, 0, 0, 0.0, "")
        return BackupState(str(place), bool(local), *others)


class BackupWriting(BackupReading, Writing):
    """What root tells."""

    def backups_held(self, place: str, local: bool, every_h: int, checked_at: float, rows: Iterable[BackupRow]) -> None:
        """The repository as it is now: what is not named is not there any more."""
        with self._atomic():
            self._write(
                "UPDATE backup_state SET place = ?, local = ?, every_h = ?, checked_at = ?",
                (place, int(local), every_h, checked_at),
            )
            self._write("DELETE FROM backups")
            for row in rows:
                self._write(
                    "INSERT OR REPLACE INTO backups VALUES (?, ?, ?, ?, ?, ?)",
                    (row.ident, row.at, row.host, row.kind, row.size_bytes, row.version),
                )

    def backup_made(self, who: str, ident: str, kind: str, size_bytes: int, added_bytes: int) -> None:
        """One was made."""
        with self._atomic():
            self._write(
                "UPDATE backup_state SET made_at = ?, size_bytes = ?, added_bytes = ?, failed_at = 0, failure = ''",
                (self._clock(), size_bytes, added_bytes),
            )
            self._audit(who, "backup", ident[:8], "", f"{kind}, {size_bytes} bytes")

    def backup_failed(self, who: str, failure: str) -> None:
        """One was not made, or the repository is damaged."""
        with self._atomic():
            self._write("UPDATE backup_state SET failed_at = ?, failure = ?", (self._clock(), failure))
            self._audit(who, "backup.failed", "backup", "", failure)

    def restored(self, who: str, ident: str, made_at: float) -> None:
        """This database came out of a backup, and is in use again."""
        self._audit(who, "restore", ident[:8], "", f"as it was at {made_at:.0f}")
