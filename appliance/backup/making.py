"""One backup from beginning to end: the copy by the office, the set, the repository, what is forgotten, who is told."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from appliance.backup import contents, record
from appliance.backup.place import BackupError, Options, Place
from appliance.backup.restic import Made, Repository, Snapshot

SET, LOCK = "set", "lock"
STEPS: Final = ("copy", "save", "tidy")
TELL_S: Final = 1.0
MOST_TOLD: Final = 500  # snapshots that the office is told of

Heard = Callable[[str, int, int], None]  # step, done, in all


class Office(Protocol):
    """What the office does for a backup, and hears of it. Both raise BackupError."""

    def copies(self, verb: str, state: Path, heard: Callable[[int, int], None]) -> dict[str, Any]:
        """`copy` or `verify`, as the office's user, over the office's directory below `state`."""

    def tell(self, report: Mapping[str, Any]) -> None:
        """The verb `backups.report`, by the running office or a single run of it."""

    def progress(self, step: str, done: int, total: int) -> None:
        """The same of how far it is, to an office that runs; never raises."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """What `init` came to. `password`: a new one, to be shown once; empty where it was known before."""

    options: Options
    password: str
    made: bool


class Backups:
    """The backups of one appliance. Every method raises BackupError."""

    def __init__(self, state: Path, version: str, clock: Callable[[], float] = time.time) -> None:
        self.place = Place(state)
        self._version, self._clock = version, clock

    def repository(self) -> tuple[Options, Repository]:
        """The repository as it is set up."""
        options = self.place.options()
        return options, Repository(self.place, options)

    def set_up(self, options: Options, password: str = "") -> SetUp:
        """Make the repository, or take one over that `password` opens. Nothing is chosen before that has worked."""
        try:
            return self._set_up(options, password)
        finally:
            self.place.drop_authorities()

    def _set_up(self, options: Options, password: str) -> SetUp:
        self.place.make()
        chosen = options if options.repository else replace(options, repository=str(self.place.local))
        fresh, file = "", self.place.password_file
        if password:  # the one that opened the place so far is kept until this one has opened it
            file = self.place.tried_file
            self.place.write(file, password + "\n")
        elif not file.exists():
            fresh = self.place.make_password()
        repository = Repository(self.place, chosen, password_file=file)
        try:
            made = not repository.exists()
            if made:
                repository.make()
        except BaseException:
            if password or fresh:
                file.unlink(missing_ok=True)
            raise
        if password:
            file.replace(self.place.password_file)
        self.place.choose(chosen)
        return SetUp(chosen, fresh, made)

    def make(self, office: Office, heard: Heard, *, full: bool = False) -> Made:
        """One backup; what fails is noted, and told to the office, before it is raised."""
        options, repository = self.repository()
        heard = _both(heard, office)
        with self.alone():
            heard("copy", 0, 1)
            repository.unlock()
            try:
                made, kind, taken_at = self._made(repository, office, heard, full)
                record.write(
                    self.place,
                    record.read(self.place).succeeded(taken_at, made.snapshot, made.size_bytes, made.added_bytes),
                )
                heard("tidy", 0, 1)
                repository.forget()
                heard("tidy", 1, 1)
            except BackupError as error:
                self._failed(office, error)
                raise
            report = {"event": "made", "snapshot": made.snapshot, "kind": kind, "added_bytes": made.added_bytes}
            office.tell(report | {"size_bytes": made.size_bytes} | self.held(options, repository))
        return made

    def _made(self, repository: Repository, office: Office, heard: Heard, full: bool) -> tuple[Made, str, float]:
        earlier = repository.snapshots()
        kind = "full" if full or not earlier else "incremental"
        room = self.place.directory / SET
        shutil.rmtree(room, ignore_errors=True)
        taken_at = self._clock()
        try:
            database = office.copies("copy", self.place.state, lambda done, total: heard("copy", done, total))
            size = contents.lay_out(self.place.state, room, self._version, taken_at, database)
            tags = (f"kind={kind}", f"bytes={size}", f"version={self._version}")
            made = repository.save(room, tags, full=full, heard=lambda done, total: heard("save", done, total))
            return replace(made, size_bytes=size), kind, taken_at
        finally:
            shutil.rmtree(room, ignore_errors=True)
            (self.place.state / contents.OFFICE / contents.COPY).unlink(missing_ok=True)

    def _failed(self, office: Office, error: BackupError) -> None:
        record.write(self.place, record.read(self.place).failed(self._clock(), error.message))
        told = {"event": "failed", "place": self.place.options().shown}
        try:
            try:
                office.tell(told | {"failure": error.message})
            except BackupError:  # the words are another program's, and may be such as the office does not take
                office.tell(told | {"failure": "'appliance backup show' says why"})
        except BackupError as silent:
            raise BackupError(f"{error.message}; and the office was not told: {silent.message}", error.hint) from None

    def check(self, office: Office, *, data: bool = False) -> int:
        """Look whether the repository is whole; how many backups it holds."""
        options, repository = self.repository()
        with self.alone():
            office.progress("check", 0, 0)
            repository.unlock()
            try:
                repository.check(data=data)
            except BackupError as error:
                self._failed(office, error)
                raise
            record.write(self.place, replace(record.read(self.place), checked_at=self._clock()))
            held = self.held(options, repository)
            office.tell({"event": "checked"} | held)
        return len(held["snapshots"])

    def forget(self, office: Office, named: Sequence[str] = ()) -> tuple[Snapshot, ...]:
        """Drop the named backups, or what is not to be kept; which."""
        options, repository = self.repository()
        with self.alone():
            before = repository.snapshots()
            repository.forget([self.find(before, each).ident for each in named])
            left = {each.ident for each in repository.snapshots()}
            office.tell({"event": "listed"} | self.held(options, repository))
        return tuple(each for each in before if each.ident not in left)

    def held(self, options: Options, repository: Repository) -> dict[str, Any]:
        """What the office is told of the repository: all of it, each time."""
        rows = [asdict(each) for each in repository.snapshots()[-MOST_TOLD:]]
        kept = ("ident", "at", "host", "kind", "size_bytes", "version")
        checked_at = record.read(self.place).checked_at
        return {
            "place": options.shown,
            "local": options.is_local,
            "every_h": options.every_h,
            "checked_at": checked_at,
            "snapshots": [{name: each[name] for name in kept} for each in rows],
        }

    @staticmethod
    def find(snapshots: Sequence[Snapshot], named: str) -> Snapshot:
        """The one that a word means: `latest`, or how its name begins."""
        if not snapshots:
            raise BackupError("there is no backup yet", "'appliance backup now' makes one")
        if named == "latest":
            return snapshots[-1]
        found = [each for each in snapshots if each.ident.startswith(named)]
        if len(found) != 1 or len(named) < 4:
            words = f"{named!r:.80} names {'no backup' if not found else 'more than one backup'}"
            raise BackupError(words, "'appliance backup list' shows their names; latest is the newest")
        return found[0]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One run at a time, held by the kernel (flock(2)). Raises BackupError."""
        self.place.make()
        held = os.open(self.place.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError("another backup runs now", "wait for it; 'appliance backup show'") from None
            yield
        finally:
            os.close(held)


def under_way(state: Path) -> bool:
    """Whether a run has this appliance's backups to itself now."""
    try:
        held = os.open(Place(state).directory / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # none was made yet
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


def _both(heard: Heard, office: Office) -> Heard:
    """Tells the caller each time, and the office about once a second."""
    told_at, step_told = 0.0, ""

    def tell(step: str, done: int, total: int) -> None:
        nonlocal told_at, step_told
        heard(step, done, total)
        if step != step_told or time.monotonic() - told_at >= TELL_S:
            told_at, step_told = time.monotonic(), step
            office.progress(step, done, total)

    return tell
