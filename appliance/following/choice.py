"""What root chose to follow, and what became of it: STATE/follow, root's alone.

These are no settings of the settings table: the office may write those, and whoever names the source decides whom root
asks, and how old a system may grow. So they stand in a file of root's, `options.toml`. `last.json` beside it says what
came of the last looks. All of it has mode 0600.
"""

import datetime
import fcntl
import hashlib
import json
import os
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from appliance.backup.keys import certificates
from appliance.config.textual import is_zone
from appliance.slots import order

DIRECTORY, OPTIONS, LAST, LOCK = "follow", "options.toml", "last.json", "lock"
MOST_BYTES: Final = 64 * 1024
DAY_H: Final = 24
MOST_TRIED: Final = 50  # versions that are remembered
_AUTHORITY: Final = re.compile(r"authority-[0-9a-f]{16}\.pem")
HIDDEN: Final = ("/root", "/home", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - to the unit that looks (ProtectHome=, PrivateTmp=)
HOW: Final = "https://HOST/PATH/, or an absolute directory, with SHA256SUMS and the updates that it names"


class FollowError(Exception):
    """What was not chosen, looked at or installed: one line, and what to do. `again`: the same may go well in an
    hour, as after a connection that broke; else it is the source that has to change."""

    def __init__(self, message: str, hint: str = "", *, again: bool = False) -> None:
        super().__init__(message)
        self.message, self.hint, self.again = message, hint, again


class Deed(StrEnum):
    """What is done about a newer version."""

    TELL = "tell"
    INSTALL = "install"
    RESTART = "restart"


DEED_WORDS: Final = {
    Deed.TELL: "only said",
    Deed.INSTALL: "written into the other slot; the next restart tries it",
    Deed.RESTART: "written into the other slot, and tried by a restart",
}


@dataclass(frozen=True, slots=True)
class Options:
    """The choice. `at_h`: the hour of the day from which the day's look is due; within `for_h` hours from then on the
    machine may be restarted. `zone`: whose hours (IANA), as the setting `timezone` said when it was chosen, so that the
    office moves no window later; empty: the system's. `authority`: the file in STATE/follow whose certificates vouch
    for the source, in place of those of the machine."""

    source: str
    deed: Deed = Deed.INSTALL
    at_h: int = 3
    for_h: int = 3
    authority: str = ""
    zone: str = ""

    def __post_init__(self) -> None:
        """Raises FollowError that names what is out of range."""
        check_source(self.source)
        _within("at_h", self.at_h, 0, DAY_H - 1)
        _within("for_h", self.for_h, 1, DAY_H)
        if self.authority and not _AUTHORITY.fullmatch(self.authority):
            raise FollowError(
                f"{self.authority!r:.80} is no file of an authority", "'appliance update follow --ca FILE'"
            )

        if self.zone and not (isinstance(self.zone, str) and is_zone(self.zone)):
            raise FollowError(
                f"{self.zone!r:.80} is no time zone", "'appliance update follow SOURCE' writes the file anew"
            )

    @property
    def remote(self) -> bool:
        """Whether the source is a web server."""
        return self.source.startswith("https://")

    @property
    def window(self) -> str:
        """When the machine may restart, in words."""
        if self.for_h == DAY_H:
            return "at any hour"
        return f"from {self.at_h}:00 to {(self.at_h + self.for_h) % DAY_H}:00 ({self.clock})"

    @property
    def clock(self) -> str:
        """Whose hours they are."""
        return self.zone or time.strftime("%Z")

    def _local(self, now: float) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(now, ZoneInfo(self.zone) if self.zone else None)

    def within(self, now: float) -> bool:
        """Whether the machine may restart now."""
        return (self._local(now).hour - self.at_h) % DAY_H < self.for_h

    def turn(self, now: float) -> float:
        """When it was last `at_h` o'clock."""
        turn = self._local(now).replace(hour=self.at_h, minute=0, second=0, microsecond=0, fold=0)
        return turn.timestamp() if turn.timestamp() <= now else (turn - datetime.timedelta(days=1)).timestamp()


@dataclass(frozen=True, slots=True)
class Last:
    """What came of it. Times are Unix seconds, 0: never. `looked_at`: when the source last answered; `found`: its
    newest version above the one that ran; `installed`: the last one that was installed by following; `problem`: why the
    last look came to nothing; `again`: the next hour tries it once more; `waits`: the version that the next restart
    would try when the slots were seen last; `tried`: what is not installed by following again: what it has installed,
    and what did not stay, whoever installed it: `failed` its trial, or was `taken_back` by hand."""

    looked_at: float = 0.0
    found: str = ""
    installed: str = ""
    installed_at: float = 0.0
    problem: str = ""
    again: bool = False
    waits: str = ""
    tried: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = ()

    def having_installed(self, version: str, at: float) -> "Last":
        """After following did; it waits for its restart."""
        return replace(self._having_tried(version), installed=version, installed_at=at, waits=version)

    def _having_tried(self, version: str) -> "Last":
        return replace(self, tried=_with(self.tried, version))

    def having_failed(self, version: str) -> "Last":
        """After its trial; what was taken back before that was over is known already."""
        if version in self.taken_back:
            return self
        return replace(self._having_tried(version), failed=_with(self.failed, version))

    def having_taken_back(self, version: str) -> "Last":
        """After an operator left it; it waits no more, and what it failed once counts no more."""
        failed = tuple(each for each in self.failed if each != version)
        waits = "" if self.waits == version else self.waits
        taken_back = _with(self.taken_back, version)
        return replace(self._having_tried(version), failed=failed, taken_back=taken_back, waits=waits)

    @property
    def gone(self) -> tuple[str, ...]:
        """What did not stay."""
        return (*self.failed, *self.taken_back)

    def bar(self, runs: str) -> str:
        """The highest version above the one that runs that did not stay; empty: none."""
        return max((each for each in self.gone if order(each) > order(runs)), key=order, default="")

    def became(self, version: str) -> str:
        """What became of a version here, in words; empty: nothing yet."""
        if version and version == self.waits:
            return "waits for its restart"
        if version in self.taken_back:
            return "was taken back"
        if version in self.failed:
            return "failed its trial"
        return "was installed, and does not run" if version in self.tried else ""


def _with(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return (*(each for each in versions if each != version), *filter(None, [version]))[-MOST_TRIED:]


def standing(options: Options, last: Last, runs: str) -> str:
    """How it stands with the newest version that the source has above `runs`, in words."""
    bar = last.bar(runs) if options.deed is Deed.RESTART else ""
    if became := last.became(last.found):
        return became
    if order(last.found) < order(bar):
        return f"is below {bar}, which {last.became(bar)}: no restart tries it by itself"
    return "waits to be installed"


def is_due(options: Options, last: Last, now: float) -> bool:
    """Whether the schedule wants a look: one a day, and hourly where that broke off."""
    return last.again or last.looked_at < options.turn(now) or last.looked_at > now


def check_source(text: str) -> None:
    """Raises FollowError for what is neither an absolute directory nor one of a web server behind https."""
    if not isinstance(text, str) or not text.isprintable() or len(text) > 1000 or " " in text:
        raise FollowError(f"{text!r:.80} is no source of updates", HOW)
    if text.startswith("/"):
        return
    try:
        found = urlsplit(text)
        whole = found.scheme == "https" and bool(found.hostname) and found.port != 0
    except ValueError:
        whole = False
    if not whole or "@" in found.netloc or found.query or found.fragment:
        raise FollowError(f"{text!r:.80} is no source of updates", HOW)


def check_visible(directory: Path) -> None:
    """Raises FollowError for a directory that the unit that looks cannot see."""
    for each in (Path(os.path.normpath(directory)), directory.resolve()):
        if hides := next((place for place in HIDDEN if each.is_relative_to(place)), ""):
            words = f"{directory} lies below {hides}, and what looks by itself does not see that"
            raise FollowError(words, "a directory of another place, such as /srv or /mnt")


def _within(name: str, value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise FollowError(f"{name} is {value!r}, and must be a whole number from {least} to {most}")


def parsed(text: str) -> Options | None:
    """What a file of options says; None where it says nothing. Raises FollowError."""
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FollowError(str(error), "'appliance update follow SOURCE' writes the file anew") from None
    if not found:
        return None
    known = {each.name for each in fields(Options)}
    if unknown := sorted(set(found) - known):
        raise FollowError(f"there is no option {unknown[0]!r:.60}", "'appliance update follow SOURCE' writes it anew")
    if not isinstance(found.get("authority", ""), str) or found.get("deed", Deed.TELL) not in list(Deed):
        raise FollowError("authority is a text, deed one of " + ", ".join(Deed), "mend the file")
    return Options(**{"source": "", **found, "deed": Deed(found.get("deed", Deed.INSTALL))})


def remembered(text: str) -> Last:
    """What a record says; an empty one where it cannot be read: then a look is due."""
    try:
        found = json.loads(text)
        lists = {name: tuple(map(str, found.get(name, ()))) for name in ("tried", "failed", "taken_back")}
        known = {each.name for each in fields(Last)}  # a newer version may have written more, before it was taken back
        return Last(**{name: value for name, value in found.items() if name in known} | lists)
    except (ValueError, TypeError, AttributeError):
        return Last()


class Room:
    """STATE/follow of one machine. Every method raises FollowError."""

    def __init__(self, state: Path) -> None:
        self.state, self.directory = state, state / DIRECTORY
        self.options_file, self.last_file = self.directory / OPTIONS, self.directory / LAST

    def options(self) -> Options | None:
        """The choice; None: nothing was chosen."""
        try:
            return parsed(self._text(self.options_file))
        except FollowError as error:
            raise FollowError(f"{self.options_file}: {error.message}", error.hint) from None

    def last(self) -> Last:
        """What came of the last looks."""
        return remembered(self._text(self.last_file))

    def choose(self, options: Options) -> None:
        """From now on. What another source said is forgotten; what was tried here is not."""
        before = self._before()
        lines = ["# Written by 'appliance update follow'; docs/operations.md explains it."]
        lines += [f"{name} = {_toml(value)}" for name, value in asdict(options).items() if value != ""]
        self._write(self.options_file, "\n".join(lines) + "\n")
        if before is None or before.source != options.source:
            self.change(lambda last: replace(last, looked_at=0.0, found="", problem="", again=False))
        self._tidy(options.authority)

    def _before(self) -> Options | None:
        try:
            return self.options()
        except FollowError:  # a file that cannot be read is written anew
            return None

    def change(self, change: Callable[[Last], Last]) -> Last:
        """The record, read and written anew; what it says then. Waits for who does the same, and for no look."""
        self._make()
        held = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            last = change(self.last())
            self._write(self.last_file, json.dumps(asdict(last)) + "\n")
        finally:
            os.close(held)
        return last

    def forget(self) -> bool:
        """Follow nothing any more; whether something was followed. Waits for nobody: a look that runs installs nothing
        from then on, and tidies up."""
        there = self.options_file.exists()
        try:
            self.options_file.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(error) from None
        with suppress(FollowError), self.still():
            pass  # its end tidies up
        return there

    def keep_authority(self, pem: bytes) -> str:
        """Certificates that vouch for the source, written; the name of their file."""
        try:
            text = certificates(pem)
        except ValueError:
            raise FollowError("this file holds no certificate", "give the authority's certificate in PEM") from None
        name = f"authority-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
        self._write(self.directory / name, text)
        return name

    def _tidy(self, authority: str) -> None:
        for path in self.directory.glob("*"):
            if path.suffix in (".part", ".new") or (_AUTHORITY.fullmatch(path.name) and path.name != authority):
                path.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One run at a time, held by the kernel (flock(2))."""
        self._make()
        held = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                words = "an update is looked for or installed now"
                raise FollowError(words, "wait for it; 'appliance update follow'", again=True) from None
            try:
                yield
            finally:
                if not self.options_file.exists():
                    self._tidy("")
        finally:
            os.close(held)

    def still(self) -> AbstractContextManager[None]:
        """Nothing is looked for meanwhile; makes no directory where there is none."""
        return self.alone() if self.directory.is_dir() else nullcontext()

    def _make(self) -> None:
        try:
            self.directory.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unwritable(error) from None

    def _text(self, path: Path) -> str:
        try:
            with path.open(encoding="utf-8") as file:
                return file.read(MOST_BYTES)
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise FollowError(f"{path} cannot be read: {error}", "mend the file, or take it away") from None

    def _write(self, path: Path, text: str) -> None:
        """A file of mode 0600, whole or not at all."""
        self._make()
        fresh = path.with_name(path.name + ".new")
        try:
            fresh.unlink(missing_ok=True)
            held = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(held, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(held)
            fresh.rename(path)
        except OSError as error:
            raise _unwritable(error) from None


def _toml(value: object) -> str:
    """A whole number, or a basic string of TOML; what comes in is printable."""
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unwritable(error: OSError) -> FollowError:
    return FollowError(f"cannot write to {error.filename}: {error.strerror}", "see --state, and the room on its disk")
