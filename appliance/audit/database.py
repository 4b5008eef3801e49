"""The office's records: whose they are, whether they are whole, whether there is a copy of them.

The office's own program reads the database (`python -m pysrv check`, beside the one that serves); nothing here does.
"""

import os
import stat
from pathlib import Path
from typing import Final

from appliance.audit import mending
from appliance.audit.machine import Machine, Mount
from appliance.audit.network import office_uid
from appliance.audit.row import Check, Grade, Reading, Step, Unreadable, none_of, verdict

DATABASE: Final = "appliance.db"
KEY: Final = "secrets.key"
LOCAL: Final = frozenset({"ext4", "ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay"})
LARGE_LOG_BYTES: Final = 512 * 1024 * 1024


def _directory(machine: Machine) -> Path:
    """The office's part of the state directory. Raises Unreadable."""
    place = machine.state / "office"
    if not machine.is_there(place):
        raise Unreadable(f"there is no {place}")
    return place


def _database(machine: Machine) -> Path:
    place = _directory(machine) / DATABASE
    if not machine.is_there(place):
        raise Unreadable(f"there is no {place}: the appliance was never started")
    return place


def _loose(machine: Machine) -> list[tuple[Path, str, int]]:
    """What in there somebody else could read or write: (path, what is wrong, mode that it may have)."""
    uid, top = office_uid(machine), _directory(machine)
    found = []
    for name, seen in [(str(top), machine.stat(top)), *machine.walk(str(top))]:
        path, most = Path(name), 0o700 if stat.S_ISDIR(seen.st_mode) else 0o600
        mode = stat.S_IMODE(seen.st_mode)
        if stat.S_ISLNK(seen.st_mode):
            continue
        if mode & ~most:
            found.append((path, f"{path} has mode {mode:o}", most))
        elif seen.st_uid != uid:
            found.append((path, f"{path} is user {seen.st_uid}'s", most))
    return found


def _closed(machine: Machine) -> Reading:
    return none_of([said for _, said, _ in _loose(machine)], nothing="the office's alone")


def _close(machine: Machine) -> list[Step]:
    return [
        step for path, _, most in _loose(machine) for step in mending.mode(machine, path, most, office_uid(machine))
    ]


def _key(machine: Machine) -> Reading:
    place = _directory(machine) / KEY
    found = machine.stat(place)
    mode = stat.S_IMODE(found.st_mode)
    return verdict(
        found.st_uid == office_uid(machine) and not mode & 0o077 and stat.S_ISREG(found.st_mode), f"mode {mode:o}"
    )


def _linked(machine: Machine) -> Reading:
    """Links out of the office's directory: the office would write where they point to."""
    found = [str(path) for path, seen in machine.walk(str(_directory(machine))) if stat.S_ISLNK(seen.st_mode)]
    return none_of(found)


def _above(machine: Machine) -> Reading:
    """Directories above the state, by which it could be exchanged as a whole."""
    place = machine.state
    if not machine.is_there(place):
        raise Unreadable(f"there is no {place}")
    found = []
    for each in (place, *place.parents):
        seen = machine.stat(each)
        if seen.st_uid != 0 or (seen.st_mode & 0o002 and not seen.st_mode & stat.S_ISVTX):
            found.append(f"{each} has mode {stat.S_IMODE(seen.st_mode):o}, user {seen.st_uid}")
    return none_of(found, nothing="root's")


def _lies_on(machine: Machine) -> Mount:
    """The file system of the records. Raises Unreadable."""
    place = _directory(machine)
    for each in (place, *place.parents):
        if str(each) in machine.mounts:
            return machine.mounts[str(each)]
    raise Unreadable("nothing is mounted")


def _file_system(machine: Machine) -> Reading:
    mount = _lies_on(machine)
    return verdict(mount.kind in LOCAL, f"{mount.kind} at {mount.place}")


def _memory(machine: Machine) -> Reading:
    mount = _lies_on(machine)
    return verdict(mount.kind not in ("tmpfs", "ramfs"), f"{mount.kind} at {mount.place}")


def _whole(machine: Machine) -> Reading:
    _database(machine)
    return none_of([str(each) for each in machine.records()["damage"]], nothing="every page is in order")


def _schema(machine: Machine) -> Reading:
    said = machine.records()
    return verdict(said["schema"] == said["newest"], f"{said['schema']} of {said['newest']}")


def _trail(machine: Machine) -> Reading:
    said = machine.records()
    broken = int(said["broken_at"])
    return verdict(not broken, f"broken at row {broken}" if broken else f"{said['trail']} rows")


def _log(machine: Machine) -> Reading:
    place = Path(f"{_database(machine)}-wal")
    size = machine.stat(place).st_size if machine.is_there(place) else 0
    return verdict(size < LARGE_LOG_BYTES, f"{size / 1_048_576:.0f} MB", Grade.WARN)


def _room(machine: Machine) -> Reading:
    """Room for a copy of the whole, which backups and updates make."""
    place = _database(machine)
    size, found = machine.stat(place).st_size, os.statvfs(machine.at(place.parent))
    free = found.f_bavail * found.f_frsize
    return verdict(free > 2 * size, f"{free / 1_048_576:.0f} MB free, {size / 1_048_576:.0f} MB used", Grade.WARN)


def _settings_file(machine: Machine) -> Reading:
    place = machine.state / "settings.toml"
    found = machine.stat(place)
    mode = stat.S_IMODE(found.st_mode)
    return verdict(found.st_uid == 0 and not mode & 0o022, f"user {found.st_uid}, mode {mode:o}")


CHECKS: Final = (
    Check(
        "database.closed", "The office's records are the office's alone",
        "Accounts, calls, numbers and keys lie there.", "owners and modes below STATE/office", 3, _closed,
        "chmod -R go= and chown -R pysrv: STATE/office", _close,
    ),
    Check(
        "database.key", "The key of secrets is the office's alone",
        "With it and a copy of the database every password is open.", f"STATE/office/{KEY}", 3, _key,
        f"chmod 600 STATE/office/{KEY}",
    ),
    Check(
        "database.links", "No link leads out of the records", "The office would write elsewhere.", "STATE/office", 2,
        _linked, "look who laid the link, then remove it",
    ),
    Check(
        "database.above", "Nobody can exchange the records as a whole", "Who may write above them moves them away.",
        "owners and modes above STATE", 3, _above, "chown root and chmod go-w for each directory above",
    ),
    Check(
        "database.file_system", "The records lie on a disk of this machine",
        "Locks of SQLite do not hold over a network.", "/proc/mounts", 2, _file_system,
        "move STATE to a local file system",
    ),
    Check(
        "database.memory", "And not in memory", "With the power the money's books would be gone.", "/proc/mounts", 3,
        _memory, "move STATE to a disk",
    ),
    Check(
        "database.whole", "The database is whole", "A damaged page is found by the call that needs it.",
        "PRAGMA quick_check, read by a process of its own", 3, _whole, "restore a backup (docs/operations.md)",
    ),
    Check(
        "database.schema", "The database is of this version", "An older program must not write it.", "schema version",
        2, _schema, "start this version's office, which brings it forward",
    ),
    Check(
        "database.trail", "The audit trail is unbroken", "Somebody changed what was done and by whom.",
        "the chain of digests in the table audit", 3, _trail,
        "compare with a backup; 'appliance trail verify' says what a break means",
    ),
    Check(
        "database.log", "The write-ahead log is short", "A long one means that a reader never ends.",
        "size of the -wal file", 1, _log, "end programs that hold the database open",
    ),
    Check(
        "database.room", "There is room for a copy", "Backups and updates make one.", "statvfs(3)", 1, _room,
        "make the disk larger",
    ),
    Check(
        "database.settings_file", "The settings file is root's to write", "What stands there steers limits and money.",
        "STATE/settings.toml", 3, _settings_file, "chown root and chmod 600",
    ),
)  # fmt: skip
