"""What became of the last backups, for whoever asks when the next one is due: STATE/backup/last.json."""

import json
import time
from dataclasses import asdict, dataclass, replace
from typing import Final

from appliance.backup.place import Options, Place

FILE: Final = "last.json"
HOUR_S: Final = 3600.0
RETRY_S: Final = HOUR_S  # after one that failed


@dataclass(frozen=True, slots=True)
class Record:
    """Times are Unix seconds, 0: never."""

    succeeded_at: float = 0.0
    snapshot: str = ""
    size_bytes: int = 0
    added_bytes: int = 0
    failed_at: float = 0.0
    failure: str = ""
    checked_at: float = 0.0

    def succeeded(self, at: float, snapshot: str, size_bytes: int, added_bytes: int) -> "Record":
        """After one that was made."""
        return Record(at, snapshot, size_bytes, added_bytes, checked_at=self.checked_at)

    def failed(self, at: float, why: str) -> "Record":
        """After one that was not."""
        return replace(self, failed_at=at, failure=why)


def read(place: Place) -> Record:
    """The record; an empty one where there is none or it cannot be read: then a backup is due."""
    try:
        found = json.loads((place.directory / FILE).read_text(encoding="utf-8"))
        return Record(**found)
    except (OSError, ValueError, TypeError):
        return Record()


def write(place: Place, record: Record) -> None:
    """Raises BackupError."""
    place.write(place.directory / FILE, json.dumps(asdict(record)) + "\n")


def is_due(options: Options, record: Record, now: float) -> bool:
    """Whether a scheduled backup is to be made now. Those of a day or more begin at `at_h` of the local clock; one that
    failed is tried again after an hour."""
    if not options.every_h or now - record.failed_at < RETRY_S:
        return False
    if not record.succeeded_at:
        return True
    if options.every_h < 24:
        return now - record.succeeded_at >= options.every_h * HOUR_S - HOUR_S / 4
    return record.succeeded_at < _last_turn(options.at_h, now) - (options.every_h // 24 - 1) * 24 * HOUR_S


def _last_turn(hour: int, now: float) -> float:
    """When it was last `hour` o'clock."""
    local = time.localtime(now)
    turn = time.mktime((local.tm_year, local.tm_mon, local.tm_mday, hour, 0, 0, 0, 0, -1))
    if turn > now:
        turn = time.mktime((local.tm_year, local.tm_mon, local.tm_mday - 1, hour, 0, 0, 0, 0, -1))
    return turn
