"""All that a check may look with: files below a root, programs of the running machine, keeper and office.

The root is `/`, or a tree that is no running machine: an image's disk that is mounted, a copy. What only a running
machine can say is then Unreadable. Nothing here changes anything, and nothing is a shell's.
"""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Final

from appliance.audit.row import NotRunning, Unreadable
from appliance.config.options import DEFAULT_RUNTIME, DEFAULT_STATE

PROGRAM_S: Final = 60.0
MOST_FILE_BYTES: Final = 8 * 1024 * 1024
BITE_BYTES: Final = 64 * 1024
ENVIRONMENT: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

Ask = Callable[[str], Mapping[str, Any] | None]
"""A verb without arguments, to what it says; None: nobody answers."""


def _bites(file: IO[bytes]) -> Iterator[bytes]:
    """Piece by piece: the kernel's files refuse to be read in large ones."""
    left = MOST_FILE_BYTES
    while left > 0 and (bite := file.read(BITE_BYTES)):
        left -= len(bite)
        yield bite


def nobody(_verb: str) -> None:
    """Nobody answers."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One row of proc_mounts(5)."""

    place: str
    kind: str
    options: frozenset[str]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its kernel's status by name, its command's words, its control group."""

    pid: int
    status: Mapping[str, str]
    words: tuple[str, ...]
    group: str

    @property
    def uid(self) -> int:
        """Whose it is, effectively."""
        return int(self.status.get("Uid", "0 0").split()[1])


@dataclass(frozen=True)
class Machine:
    """One look at a machine. What is asked twice is read once, so a machine serves one run."""

    root: Path = Path("/")
    state: Path = Path(DEFAULT_STATE)
    runtime: Path = Path(DEFAULT_RUNTIME)
    ask_keeper: Ask = nobody
    ask_office: Ask = nobody
    ask_records: Ask = nobody  # a process that reads the database beside the office; its verb is ignored
    now: float = field(default_factory=time.time)
    _said: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)

    @property
    def live(self) -> bool:
        """Whether this is the machine that runs."""
        return self.root == Path("/")

    def at(self, path: str | Path) -> Path:
        """`path` of the machine, where it is to be found from here."""
        return self.root / str(path).lstrip("/")

    def text(self, path: str | Path) -> str:
        """A whole file. Raises Unreadable."""
        try:
            with self.at(path).open("rb", buffering=0) as file:
                return b"".join(_bites(file)).decode(errors="replace")
        except FileNotFoundError:
            raise Unreadable(f"there is no {path}") from None
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from None

    def lines(self, path: str | Path) -> list[str]:
        """A file's lines without comments and blanks. Raises Unreadable."""
        stripped = (line.strip() for line in self.text(path).splitlines())
        return [line for line in stripped if line and not line.startswith(("#", ";"))]

    def many(self, *patterns: str) -> list[Path]:
        """What of the machine fits one of the patterns, dangling links included, by the machine's own paths."""
        found = set()
        for pattern in patterns:
            above, _, last = pattern.lstrip("/").rpartition("/")
            if "*" in last:
                found |= set(self.root.glob(f"{above}/{last}" if above else last))
            else:  # glob asks what a link leads to
                places = self.root.glob(above) if "*" in above else (self.root / above,)
                found |= {place / last for place in places if os.path.lexists(place / last)}
        return sorted(Path("/") / place.relative_to(self.root) for place in found)

    def is_there(self, path: str | Path) -> bool:
        """Whether there is such a thing, a dangling link included."""
        return os.path.lexists(self.at(path))

    def stat(self, path: str | Path) -> os.stat_result:
        """Of the thing itself, not of what a link names. Raises Unreadable."""
        try:
            return self.at(path).lstat()
        except FileNotFoundError:
            raise Unreadable(f"there is no {path}") from None
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from None

    def output(self, *command: str, ends: Container[int] = (0,), patience_s: float = PROGRAM_S) -> str:
        """What a program of the running machine prints, run once. Raises Unreadable when it cannot be run, takes
        longer, or ends with a status that is none of `ends`."""
        if command not in self._said:
            self._said[command] = self._run(command, ends, patience_s)
        said = self._said[command]
        if isinstance(said, Unreadable):
            raise said
        return str(said)

    def _run(self, command: tuple[str, ...], ends: Container[int], patience_s: float) -> str | Unreadable:
        if not self.live:
            return NotRunning("only a running machine can say it")
        program = shutil.which(command[0], path=ENVIRONMENT["PATH"])
        if program is None:
            return Unreadable(f"there is no program {command[0]}")
        try:
            done = subprocess.run(  # noqa: S603 - words of this program, no shell
                (program, *command[1:]), capture_output=True, text=True, errors="replace", timeout=patience_s,
                check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return Unreadable(f"{command[0]}: {error}")
        if done.returncode not in ends:
            words = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
            return Unreadable(f"{command[0]}: {words}")
        return done.stdout

    def keeper(self, verb: str) -> Mapping[str, Any]:
        """What the keeper says. Raises Unreadable when it does not run."""
        return self._asked("keeper", self.ask_keeper, verb)

    def office(self, verb: str) -> Mapping[str, Any]:
        """What the office says. Raises Unreadable when it does not run."""
        return self._asked("office", self.ask_office, verb)

    def records(self) -> Mapping[str, Any]:
        """What a walk through the database found. Raises Unreadable when there is none."""
        return self._asked("records", self.ask_records, "check")

    def _asked(self, whom: str, ask: Ask, verb: str) -> Mapping[str, Any]:
        key = (whom, verb)
        if key not in self._said:
            self._said[key] = ask(verb)
        said: Mapping[str, Any] | None = self._said[key]
        if said is None:
            raise Unreadable("the records cannot be read here" if whom == "records" else f"the {whom} does not run")
        return said

    @cached_property
    def mounts(self) -> dict[str, Mount]:
        """Mounts by their place; what lies on top counts. Raises Unreadable."""
        rows = (line.split() for line in self.text("/proc/mounts").splitlines())
        return {row[1]: Mount(row[1], row[2], frozenset(row[3].split(",")), row[0]) for row in rows if len(row) > 3}

    @cached_property
    def processes(self) -> list[Process]:
        """All that run. Raises Unreadable where nothing runs."""
        found = [self._process(int(place.name)) for place in self.at("/proc").glob("[0-9]*")]
        if not found:
            raise Unreadable("only a running machine has processes")
        return [each for each in found if each is not None]

    def _process(self, pid: int) -> Process | None:
        place = self.at(f"/proc/{pid}")
        try:
            rows = (line.partition(":") for line in (place / "status").read_text(errors="replace").splitlines())
            words = (place / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
            group = (place / "cgroup").read_text().strip().rpartition(":")[2]
        except OSError:  # it has ended meanwhile
            return None
        return Process(pid, {name: value.strip() for name, _, value in rows}, tuple(words), group)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for this look."""
        if (key,) not in self._said:
            self._said[(key,)] = make()
        return self._said[(key,)]

    def walk(self, *places: str) -> Iterator[tuple[str, os.stat_result]]:
        """Everything below, on the same file system, by the machine's own paths; links are not followed."""
        for place in places:
            start = self.at(place)
            if start.is_symlink() or not start.is_dir():
                continue
            yield from self._below(str(start), start.stat().st_dev)

    def _below(self, directory: str, device: int) -> Iterator[tuple[str, os.stat_result]]:
        try:
            entries = sorted(os.scandir(directory), key=lambda each: each.name)
        except OSError:
            return
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield entry.path if self.live else entry.path.removeprefix(str(self.root)), found
            if stat.S_ISDIR(found.st_mode) and found.st_dev == device:
                yield from self._below(entry.path, device)


def demand_systemd(machine: Machine, running: bool = False) -> None:
    """Raises Unreadable where systemd is not what runs the machine; of a tree it is enough that it is set up."""
    if not machine.is_there("/run/systemd/system" if machine.live or running else "/etc/systemd/system"):
        raise Unreadable("systemd does not run here")
