"""What the keeper has done by others: a backup or an audit of the machine, when the office or the schedule wants one.

As a service of systemd the keeper starts no program: it lays a word into its runtime directory, which the units
appliance-backup.path and appliance-audit.path wait for. Elsewhere it starts the command itself, and looks from time to
time whether one is due. The office says that it wants one, and nothing else: place, schedule and retention of backups
are root's (appliance/backup/place.py), and so is what an audit looks at.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.launch import CODE
from appliance.wire import BackupWork, WireError

WANTED: Final = "backup.wanted"  # below the runtime directory; appliance-backup.path names it too
AUDIT_WANTED: Final = "audit.wanted"  # appliance-audit.path
MOST_WANTED, WITHIN_S = 5, 600.0  # of each kind: who took the office over may not keep root busy without end
LOOK_S: Final = 900.0  # how often it is looked whether one is due
END_S: Final = 5.0
WORDS: Final = {BackupWork.NOW: ("backup", "now"), BackupWork.CHECK: ("backup", "check")}
IF_DUE: Final = ("backup", "now", "--if-due")
AUDIT: Final = ("audit", "--record")
AUDIT_AFTER_S: Final = 900.0  # the first of a keeper; then each day: as appliance-audit.timer
AUDIT_EVERY_S: Final = 86_400.0
NICE: Final = 15  # calls and pages come first

Report = Callable[[str], None]


def lay(runtime: Path, name: str, word: str) -> None:
    """Say that this is wanted, in the file of that name. Raises WireError."""
    fresh = runtime / f"{name}.new"
    try:
        fresh.unlink(missing_ok=True)
        held = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(held, "w") as file:
            file.write(f"{word}\n")
        fresh.rename(runtime / name)
    except OSError as error:
        raise WireError("failed", f"{error.filename}: {error.strerror}", "see the keeper's log") from None


def take(runtime: Path) -> BackupWork | None:
    """What was wanted of backups, once; None: nothing was. Raises OSError."""
    path = runtime / WANTED
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    path.unlink()
    return BackupWork.CHECK if text == BackupWork.CHECK else BackupWork.NOW


def take_audit(runtime: Path) -> None:
    """An audit begins: whoever wanted one is served. Raises OSError."""
    (runtime / AUDIT_WANTED).unlink(missing_ok=True)


class Errands:
    """Of one keeper. `by_unit`: systemd starts what is wanted."""

    def __init__(
        self, state: Path, runtime: Path, report: Report, *, by_unit: bool, look_s: float = LOOK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._state, self._runtime, self._report = state, runtime, report
        self._by_unit, self._look_s = by_unit, look_s
        self._clock, self._audit_due_at = clock, clock() + AUDIT_AFTER_S
        self._wanted_at: dict[str, deque[float]] = {}  # by the file that says so
        self._processes: dict[str, subprocess.Popen[bytes]] = {}  # by the command's first word

    def backup(self, work: BackupWork) -> None:
        """Have it done, unless it is being done, which does not count. Raises WireError."""
        if self._busy("backup"):
            raise WireError("conflict", "a backup runs already", "wait for it")
        self._in_bounds(WANTED, "too many backups were asked for")
        if self._by_unit:
            lay(self._runtime, WANTED, work)
        else:
            self._start(WORDS[work])

    def audit(self) -> None:
        """Have the machine audited, unless it is being audited, which does not count. Raises WireError."""
        if self._busy("audit"):
            raise WireError("conflict", "an audit of the machine runs already", "wait for it")
        self._in_bounds(AUDIT_WANTED, "too many audits were asked for")
        if self._by_unit:
            lay(self._runtime, AUDIT_WANTED, "now")
        else:
            self._start(AUDIT)

    async def run(self) -> None:
        """See to the schedule, for ever; as a service that is a timer's."""
        while not self._by_unit:
            if not self._busy("backup") and (self._state / "backup" / "options.toml").exists():
                self._start_due(IF_DUE)
            if self._clock() >= self._audit_due_at and not self._busy("audit"):
                self._audit_due_at = self._clock() + AUDIT_EVERY_S
                self._start_due(AUDIT)
            await asyncio.sleep(self._look_s)
        await asyncio.Event().wait()

    def stop(self) -> None:
        """End what was started."""
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)

    def _in_bounds(self, name: str, words: str) -> None:
        now, asked = self._clock(), self._wanted_at.setdefault(name, deque(maxlen=MOST_WANTED))
        if len(asked) == MOST_WANTED and now - asked[0] < WITHIN_S:
            raise WireError("too_many", words, "wait ten minutes; root's command on the machine works at once")
        asked.append(now)

    def _busy(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def _start_due(self, words: tuple[str, ...]) -> None:
        """Nobody waits for an answer: what went wrong is said to the operator."""
        try:
            self._start(words)
        except WireError as error:
            self._report(error.message)

    def _start(self, words: tuple[str, ...]) -> None:
        """The command as a child. What it says to standard output may be a password, and is dropped; what went wrong
        comes on the keeper's own standard error. Raises WireError."""
        places = ("--state", str(self._state), "--runtime", str(self._runtime))
        command = [sys.executable, "-P", "-m", "appliance", *places, *words]
        try:
            process = subprocess.Popen(  # noqa: S603 - no word of it comes from the office
                command,
                cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(CODE)},
            )  # fmt: skip
        except OSError as error:
            raise WireError(
                "failed", f"no {words[0]} can be started: {error.strerror}", "see the keeper's log"
            ) from None
        self._processes[words[0]] = process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
