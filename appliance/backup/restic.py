"""The repository, by the program restic: what is asked of it and what it says, in few words.

Knows nothing of what a backup holds. The password and the repository reach restic as files, and credentials by its
environment, so that no process list shows them.
"""

import json
import os
import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from appliance.backup.place import KEPT, BackupError, Options, Place
from appliance.backup.said import HOST_KEY, NO_SESSION, is_hopeless, judged
from appliance.backup.ssh import Client, target_of

PROGRAM: Final = "/usr/bin/restic"
TAG: Final = "appliance"
CACHE: Final = "cache"
# What may lie in a repository's directory: restic's own, of a `make` that was interrupted, and a file system's.
OWN: Final = frozenset({"config", "data", "index", "keys", "locks", "snapshots", "lost+found"})
_IDENT: Final = re.compile(r"[0-9a-f]{64}")
MOST_SAID: Final = 400  # characters of a message that are told
PATIENCE_S = 30.0  # with a place that does not answer, while somebody only wants to look

MOST_LINES: Final = 200
UNEXPLAINED: Final = "'appliance backup show' says which place; the line is restic's"

Heard = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One backup. `at` is Unix seconds; `size_bytes` is 0 where nobody noted it; `kind` is full or incremental."""

    ident: str
    at: float
    host: str
    path: str
    kind: str
    size_bytes: int
    version: str

    @property
    def short(self) -> str:
        """As people name it."""
        return self.ident[:8]


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup came to. `added_bytes` were new to the repository."""

    snapshot: str
    size_bytes: int
    added_bytes: int


KINDS = ("full", "incremental")  # a tag is whatever somebody with the repository wrote


class Repository:
    """One repository, as the options say. Every method raises BackupError. `password_file`: another one than the
    place's."""

    def __init__(
        self, place: Place, options: Options, program: str = PROGRAM, password_file: Path | None = None
    ) -> None:
        self._place, self._options, self._program = place, options, program
        self._password_file = password_file or place.password_file
        self._ssh = Client(place)
        self._target = target_of(options.repository) if options.repository.startswith("sftp:") else None

    def exists(self) -> bool:
        """Whether there is one that the password opens. False: there is none. Raises BackupError for another password
        or a place that cannot be reached."""
        done = self._run("cat", "config", "--no-lock", patience_s=PATIENCE_S)
        if done.returncode == 0:
            return True
        found = judged(done.stderr).meaning
        if found is not None and found.absent:
            return False
        raise self._failed(done, "cannot be opened")

    def make(self) -> None:
        """A new one. A directory of this machine has to hold nothing else: restic itself does not ask for that."""
        if self._options.is_local:
            _demand_empty(Path(self._options.repository))
        self._demand(self._run("init"), "cannot be made")

    def snapshots(self) -> list[Snapshot]:
        """All backups of the appliance, oldest first."""
        done = self._run("snapshots", "--json", "--no-lock", "--tag", TAG, patience_s=PATIENCE_S)
        self._demand(done, "cannot be listed")
        try:
            return sorted((_snapshot(each) for each in json.loads(done.stdout or "[]") or []), key=lambda each: each.at)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise BackupError(f"restic listed what cannot be read: {error}") from None

    def save(self, directory: Path, tags: Sequence[str], *, full: bool, heard: Heard) -> Made:
        """Take all of `directory`. `full`: read it all again, whatever earlier backups hold."""
        words = ["backup", ".", "--json", "--host", socket.gethostname(), "--tag", ",".join((TAG, *tags))]
        done = self._watched([*words, *(("--force",) if full else ())], directory, heard)
        try:
            said = done.stdout.strip().splitlines()
            last = next(each for each in map(json.loads, reversed(said)) if each.get("message_type") == "summary")
            return Made(str(last["snapshot_id"]), int(last["total_bytes_processed"]), int(last["data_added"]))
        except (StopIteration, ValueError, KeyError):
            raise BackupError("restic did not say what it saved", "'appliance backup check' looks") from None

    def restore(self, snapshot: Snapshot, target: Path) -> Path:
        """Write a backup below `target`, and read it again to compare; where the set lies there."""
        self._demand(self._run("restore", snapshot.ident, "--target", str(target), "--verify"), "cannot be restored")
        return target  # what was saved as "." lies at the top

    def check(self, *, data: bool) -> None:
        """Its structure; with `data` every byte too."""
        self._demand(self._run("check", *(("--read-data",) if data else ())), "is damaged")

    def forget(self, idents: Sequence[str] = ()) -> None:
        """Drop these backups, or what the options do not keep, and the space that only they took."""
        kept = [word for name in KEPT for word in (f"--{name.replace('_', '-')}", str(getattr(self._options, name)))]
        chosen = [*idents] if idents else [*kept, "--tag", TAG, "--group-by", "host"]
        self._demand(self._run("forget", "--prune", *chosen), "could not be tidied")

    def unlock(self, *, everybodys: bool = False) -> None:
        """Take away locks of runs of this machine that were killed; those of runs that live stay. `everybodys`: those
        of other machines too, whether they live or not."""
        done = self._run("unlock", *(("--remove-all",) if everybodys else ()), patience_s=PATIENCE_S)
        if everybodys:
            self._demand(done, "could not be unlocked")

    # -- the program ----------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        """Nothing of the caller's: what restic needs, and the credentials that the options name."""
        fixed = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self._place.directory.absolute()),  # nothing of root's own is looked at
            "LANG": "C.UTF-8",
            "RESTIC_PASSWORD_FILE": str(self._password_file.absolute()),
            "RESTIC_REPOSITORY": self._options.repository,
            "RESTIC_CACHE_DIR": str((self._place.directory / CACHE).absolute()),
            "RESTIC_PROGRESS_FPS": "2",
        }
        kept = {name: os.environ[name] for name in ("TMPDIR",) if name in os.environ}
        return {**kept, **self._options.environment, **fixed}

    def _begin(self, *words: str) -> list[str]:
        """The command line up to the command's own words: nothing that is secret stands in it."""
        found = [self._program, *words]
        if self._options.authority:
            vouching = self._place.directory / self._options.authority
            if not vouching.is_file():
                raise BackupError(f"{vouching} is gone", "'appliance backup init --ca FILE' gives it anew")
            found += ["--cacert", str(vouching.absolute())]
        if self._target is not None:
            option = f"sftp.command={self._ssh.command(self._target)}".replace('"', '""')
            found += ["-o", f'"{option}"']  # restic reads options as fields of CSV
        return found

    def _run(self, *words: str, patience_s: float | None = None) -> subprocess.CompletedProcess[str]:
        """A run to its end. `patience_s`: it is ended after so long, and when it repeats what no repetition mends."""
        self._place.password(self._password_file)  # said in our words when there is none
        said: list[str] = []
        with _found(self._program), tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = subprocess.Popen(  # noqa: S603
                [*self._begin("--quiet"), *words],
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True,
                errors="replace",
            )  # fmt: skip
            assert process.stderr is not None
            over = threading.Event()

            def give_up() -> None:
                over.set()
                process.terminate()

            patience = threading.Timer(patience_s or 0, give_up)
            if patience_s is not None:
                patience.start()
            try:
                with process:
                    for line in process.stderr:
                        said = [*said[-MOST_LINES:], line]
                        if patience_s is not None and is_hopeless(line):
                            process.terminate()
            finally:
                patience.cancel()
            said += [f"for {patience_s:g} s it does not answer\n"] if over.is_set() else []
            output.seek(0)
            return subprocess.CompletedProcess(words, process.returncode, output.read(), "".join(said))

    def _watched(self, words: list[str], directory: Path, heard: Heard) -> subprocess.CompletedProcess[str]:
        """A run in a directory; each status line goes to `heard`, the last lines are returned."""
        self._place.password(self._password_file)
        kept: list[str] = []
        with _found(self._program), (self._place.directory / "restic.log").open("w+", encoding="utf-8") as errors:
            process = subprocess.Popen(  # noqa: S603
                [*self._begin(), *words],
                cwd=directory, env=self._environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors, text=True,
            )  # fmt: skip
            assert process.stdout is not None
            with process:
                for line in process.stdout:
                    if not _progress(line, heard):
                        kept = [*kept[-20:], line]
            errors.seek(0)
            said = errors.read()[-10_000:]
        return self._demand(
            subprocess.CompletedProcess(words, process.returncode, "".join(kept), said), "took no backup"
        )

    def _demand(self, done: subprocess.CompletedProcess[str], what: str) -> subprocess.CompletedProcess[str]:
        if done.returncode != 0:
            raise self._failed(done, what)
        return done

    def _failed(self, done: subprocess.CompletedProcess[str], what: str) -> BackupError:
        said = judged(done.stderr)
        if self._target is not None and NO_SESSION in done.stderr:  # restic is often gone before ssh has said why
            words = self._ssh.knock(self._target)
            if HOST_KEY in words:
                stranger = self._ssh.stranger(self._target)
                return BackupError(f"the repository {what}: {stranger.message}", stranger.hint)
            said = judged(words) if words else said
        line, hint = self._options.told(said.line)[:MOST_SAID], UNEXPLAINED
        if (found := said.meaning) is not None:
            hint = found.hint.format(password=self._place.password_file)
            host = self._target.shown if self._target is not None else "the place"
            line = f"{found.words.format(host=host)} ({line})" if found.words else line
        return BackupError(f"the repository {what}: {line}", hint)


def _demand_empty(directory: Path) -> None:
    try:
        foreign = sorted(each.name for each in directory.iterdir() if each.name not in OWN)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupError(f"{directory} cannot hold a repository: {error.strerror}", "name a directory") from None
    if foreign:
        words = f"{directory} holds other things, such as {foreign[0]!r:.80}"
        raise BackupError(words, f"name a directory of its own, such as {directory / 'backup'}")


@contextmanager
def _found(program: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BackupError(f"there is no program {program}", "'make setup', or 'apt-get install restic'") from None
    except PermissionError as error:
        raise BackupError(f"{error.filename}: {error.strerror}", "run it as root") from None


def _progress(line: str, heard: Heard) -> bool:
    """Whether a line of `backup --json` only tells how far it is."""
    try:
        said = json.loads(line)
    except ValueError:
        return False
    if not isinstance(said, dict) or said.get("message_type") != "status":
        return False
    heard(int(said.get("bytes_done", 0)), int(said.get("total_bytes", 0)))
    return True


def _snapshot(row: dict[str, Any]) -> Snapshot:
    noted = dict(tag.partition("=")[::2] for tag in row.get("tags") or () if "=" in tag)
    at = datetime.fromisoformat(_shortened(str(row["time"]))).timestamp()
    size, kind = noted.get("bytes", ""), noted.get("kind")
    if not _IDENT.fullmatch(row["id"]):  # it becomes a word of restic's command line
        raise ValueError(f"{row['id']!r:.80} is no backup's number")
    return Snapshot(
        row["id"], at, str(row.get("hostname", "")), str(row["paths"][0]), kind if kind in KINDS else KINDS[0],
        int(size) if size.isdecimal() else 0, noted.get("version", ""),
    )  # fmt: skip


def _shortened(text: str) -> str:
    """RFC 3339 with nanoseconds, as datetime reads it."""
    head, dot, tail = text.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)]:0<6}{tail[digits:]}" if dot else text
