"""What a backup holds: a copy of the database, what else the office keeps, the settings file, and a list of it all.

The set is laid out in STATE/backup/set, saved from there, and taken away. What is the office's is read as something
that a stranger may have written: no link is followed, and nothing but files and directories is taken or put back.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from appliance.backup.place import BackupError

FORMAT: Final = 1
LIST: Final = "contents.json"
OFFICE: Final = "office"
DATABASE, COPY = "appliance.db", "copy.db"  # of pysrv.store and pysrv.control.copies; a test compares
SETTINGS: Final = "settings.toml"
WRITER_LOCK: Final = f"{DATABASE}.lock"
# The database's own files, of which the copy takes the place, and what is half written.
PASSED_OVER: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", WRITER_LOCK, COPY)
BITE: Final = 1 << 20
MOST_LIST_BYTES: Final = 16 * 1024 * 1024
LABEL: Final = "security.selinux"  # every file has one where it is used, and it cannot be taken away


@dataclass(frozen=True, slots=True)
class Contents:
    """The list of one backup. `files`: digest (SHA-256) by path below the set; `database`: what the office said of
    it."""

    version: str
    made_at: float
    files: Mapping[str, str]
    database: Mapping[str, Any]


def lay_out(state: Path, target: Path, version: str, made_at: float, database: Mapping[str, Any]) -> int:
    """Fill the new directory `target` with all that a backup holds; how many bytes. The copy of the database that the
    office has just made is moved. Raises BackupError."""
    try:
        target.mkdir(mode=0o700)
        office = target / OFFICE
        office.mkdir(mode=0o700)
        os.rename(state / OFFICE / COPY, office / DATABASE)
        _demand_file(office / DATABASE)
        _take(state / OFFICE, office)
        _take_file(state / SETTINGS, target / SETTINGS)
        files = {name: _digest(target / name) for name in _files(target)}
        written = Contents(version, made_at, files, dict(database))
        _write(target / LIST, written)
        return sum((target / name).stat().st_size for name in files)
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}", "see --state, and the room on its disk") from None


def read(place: Path) -> Contents:
    """The list of a set that was put back, after every file was held against it. Raises BackupError."""
    try:
        with _opened(place / LIST) as file:
            found = json.loads(file.read(MOST_LIST_BYTES))
        if found["format"] != FORMAT:
            hint = "restore it with the version of the appliance that made it"
            raise BackupError(f"this backup has format {found['format']!r:.20}, this version reads {FORMAT}", hint)
        contents = Contents(
            str(found["version"]), float(found["made_at"]), dict(found["files"]), dict(found["database"])
        )
    except OSError as error:
        raise BackupError(f"this is no backup of the appliance: {LIST}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise BackupError(f"this backup's {LIST} cannot be read", "take another one") from None
    _compare(place, contents)
    return contents


def make_plain(place: Path) -> None:
    """Nothing but names and bytes is left of a set that `read` found good: everything is root's, closed, without bits
    that change a program's user, without capabilities and access lists. What a repository has of these was written by
    whoever writes to it. Raises OSError."""
    for directory, _, files in os.walk(place, followlinks=False):
        for path, mode in [(directory, 0o700), *((os.path.join(directory, name), 0o600) for name in files)]:
            os.chown(path, 0, 0, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False):
                if name != LABEL:
                    os.removexattr(path, name, follow_symlinks=False)
            os.chmod(path, mode)


def _compare(place: Path, contents: Contents) -> None:
    """Raises BackupError unless the set holds what its list names, all of it and nothing else."""
    there = set(_files(place)) - {LIST}
    if odd := sorted(there ^ set(contents.files)):
        raise BackupError(f"this backup is not whole: {odd[0]!r:.200}", "take another one")
    for name, digest in contents.files.items():
        if _digest(place / name) != digest:
            raise BackupError(f"{name!r:.200} is not as it was saved", "take another one")
    if f"{OFFICE}/{DATABASE}" not in there:
        raise BackupError("this backup holds no database", "take another one")


def _files(root: Path) -> Iterator[str]:
    """Every file below `root`, relative. Raises BackupError for what is neither a file nor a directory."""
    for place, directories, files in os.walk(root, followlinks=False):
        for name in directories + files:
            path = Path(place, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                yield path.relative_to(root).as_posix()
            elif not stat.S_ISDIR(mode):
                raise BackupError(f"{path} is neither a file nor a directory", "it has no place in a backup")


def _take(source: Path, target: Path) -> None:
    """The files of a directory of the office's, through no link, whatever is laid there meanwhile."""
    for place, directories, files, descriptor in os.fwalk(source, follow_symlinks=False):
        into = target / Path(place).relative_to(source)
        directories[:] = [name for name in directories if not _is_link(name, descriptor)]
        for name in directories:
            (into / name).mkdir(mode=0o700, exist_ok=True)
        top = Path(place) == source
        for name in files:
            if not (top and name in PASSED_OVER) and not name.endswith(".new") and not _is_link(name, descriptor):
                _take_file(Path(name), into / name, descriptor)


def _is_link(name: str, directory: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def _take_file(source: Path, target: Path, directory: int | None = None) -> None:
    """One file, if it is one and is there."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        held = os.open(source, flags, dir_fd=directory)
    except FileNotFoundError:
        return
    with os.fdopen(held, "rb") as file:
        if stat.S_ISREG(os.fstat(held).st_mode):
            made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(made, "wb") as copy:
                shutil.copyfileobj(file, copy, BITE)


def _demand_file(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise BackupError(f"{path} is no file of its own", "something else writes into the office's directory")


def _opened(path: Path) -> BinaryIO:
    """A file that lies in a set. Raises OSError; BackupError for what is none, such as a pipe that nobody writes to."""
    held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(held, "rb")
    if not stat.S_ISREG(os.fstat(held).st_mode):
        file.close()
        raise BackupError(f"{path} is no file", "it has no place in a backup")
    return file


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with _opened(path) as file:
        while bite := file.read(BITE):
            found.update(bite)
    return found.hexdigest()


def _write(path: Path, contents: Contents) -> None:
    text = json.dumps(
        {
            "format": FORMAT,
            "version": contents.version,
            "made_at": contents.made_at,
            "database": dict(contents.database),
            "files": dict(contents.files),
        },
        indent=1,
    )
    path.write_text(text + "\n", encoding="utf-8")
