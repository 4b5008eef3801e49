"""A backup comes back: into an empty directory to look at, or in the place of what is there, which is kept aside.

Everything is fetched, held against its list and judged by the office's own checks before anything is replaced. The swap
is one exchange of two names (renameat2(2)), so there is no moment without a state.
"""

import ctypes
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from appliance.backup import contents
from appliance.backup.making import Backups, Office
from appliance.backup.place import BackupError
from appliance.backup.restic import Snapshot
from appliance.launch import LaunchError, account
from appliance.prerequisites import CannotStart, RuntimeLock
from appliance.reset import under_way

ROOM: Final = "restore"  # in the state directory: the swap is by name, so it has to be the same file system
RENAME_EXCHANGE: Final = 2
AT_FDCWD: Final = -100
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. `database`: what the office says of it; `aside`: where what it replaced lies, None: there was
    nothing."""

    snapshot: Snapshot
    made_at: float
    version: str
    place: Path
    database: dict[str, Any]
    aside: Path | None


def restore_into(backups: Backups, named: str, target: Path) -> Restored:
    """Write a backup into a directory that is empty or not there; nothing of the appliance is touched."""
    _, repository = backups.repository()
    snapshot = backups.find(repository.snapshots(), named)
    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(target.iterdir()):
            raise BackupError(f"{target} is not empty", "name a directory that is, or one that is not there")
        room = target / f".{ROOM}"
        room.mkdir(mode=0o700)
        place = repository.restore(snapshot, room)
        found = contents.read(place)
        contents.make_plain(place)
        for each in sorted(place.iterdir()):
            each.rename(target / each.name)
        shutil.rmtree(room)
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}") from None
    return Restored(snapshot, found.made_at, found.version, target, dict(found.database), None)


def restore(backups: Backups, office: Office, named: str, runtime: Path) -> Restored:
    """Put a backup in the place of the state that is there. Raises BackupError, and nothing has changed then."""
    if under_way(backups.place.state):
        raise BackupError("a reset is under way", "'appliance reset' or a start finishes it; then restore")
    lock = RuntimeLock(runtime)
    try:
        lock.take()
    except CannotStart as error:
        hint = "stop it ('systemctl stop appliance', or Ctrl-C where it runs), then restore; --into DIR only looks"
        raise BackupError(f"the appliance runs: {error.reasons[0]}", hint) from None
    try:
        with backups.alone(), unused(backups.place.state):
            return _replaced(backups, office, named)
    finally:
        lock.release()


@contextmanager
def unused(state: Path) -> Iterator[None]:
    """Hold the writer's lock of the database: an office may outlive its keeper (--pin). Raises BackupError."""
    path = state / contents.OFFICE / contents.WRITER_LOCK
    try:
        held = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}", "it is no file of the database's: remove it") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupError(
            f"an office still uses {state}", "end it ('systemctl stop appliance appliance-office'), then restore"
        ) from None
    finally:
        os.close(held)


def _replaced(backups: Backups, office: Office, named: str) -> Restored:
    state = backups.place.state
    _, repository = backups.repository()
    snapshot = backups.find(repository.snapshots(), named)
    room = state / ROOM
    shutil.rmtree(room, ignore_errors=True)
    try:
        room.mkdir(mode=0o700)
        place = repository.restore(snapshot, room)
        found = contents.read(place)
        contents.make_plain(place)
        _give(place / contents.OFFICE)
        judged = office.copies("verify", place, lambda _done, _total: None)
        aside = _swap(state, place)
        return Restored(snapshot, found.made_at, found.version, state, judged, aside)
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}", "nothing was replaced") from None
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _give(office: Path) -> None:
    """To the office's user; there is no link in it, and it is closed (contents.read, make_plain)."""
    try:
        user = account()
    except LaunchError as error:
        raise BackupError(str(error)) from None
    for place, _, files in os.walk(office):
        for path in (Path(place), *(Path(place, name) for name in files)):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _swap(state: Path, place: Path) -> Path | None:
    """Exchange the office's directory and the settings file; where what was there lies now."""
    aside = state / f"before-restore-{time.strftime('%Y%m%dT%H%M%S')}"
    aside.mkdir(mode=0o700)
    done: list[str] = []
    try:
        for name in (contents.SETTINGS, contents.OFFICE):
            _put(place / name, state / name, aside / name)
            done.append(name)
    except OSError:
        for name in reversed(done):
            _put(aside / name, state / name, place / name)
        aside.rmdir()
        raise
    if any(aside.iterdir()):
        return aside
    aside.rmdir()
    return None


def _put(fresh: Path, where: Path, aside: Path) -> None:
    """`fresh`, if there is one, in the place of `where`, which goes to `aside` if there is one. Raises OSError, and all
    is as it was."""
    there, comes = os.path.lexists(where), os.path.lexists(fresh)
    if there and comes:
        _exchange(fresh, where)
        try:
            fresh.rename(aside)
        except OSError:
            _exchange(fresh, where)
            raise
    elif there:
        where.rename(aside)
    elif comes:
        fresh.rename(where)


def _exchange(one: Path, other: Path) -> None:
    """Two names change places at once. Where the file system cannot, one after the other."""
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) != 0:
        between = other.with_name(f"{other.name}.replaced")
        other.rename(between)
        try:
            one.rename(other)
        except OSError:
            between.rename(other)
            raise
        between.rename(one)
