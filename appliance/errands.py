"""What the keeper has done by others: a backup, when the office asks for one or the schedule wants it.

As a service of systemd the keeper starts no program: it lays a word into its runtime directory, which the unit
appliance-backup.path waits for. Elsewhere it starts the command itself, and looks from time to time whether one is
due. The office says that it wants one, and nothing else: place, schedule and retention are root's
(appliance/backup/place.py).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.launch import CODE
from appliance.wire import BackupWork, WireError

WANTED: Final = "backup.wanted"  # below the runtime directory; appliance-backup.path names it too
LOOK_S: Final = 900.0  # how often it is looked whether one is due
END_S: Final = 5.0
WORDS: Final = {BackupWork.NOW: ("backup", "now"), BackupWork.CHECK: ("backup", "check")}
IF_DUE: Final = ("backup", "now", "--if-due")

Report = Callable[[str], None]


def lay(runtime: Path, work: BackupWork) -> None:
    """Say that this is wanted. Raises WireError."""
    fresh = runtime / f"{WANTED}.new"
    try:
        fresh.unlink(missing_ok=True)
        held = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(held, "w") as file:
            file.write(f"{work}\n")
        fresh.rename(runtime / WANTED)
    except OSError as error:
        raise WireError("failed", f"{error.filename}: {error.strerror}", "see the keeper's log") from None


def take(runtime: Path) -> BackupWork | None:
    """What was wanted, once; None: nothing was. Raises OSError."""
    path = runtime / WANTED
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return None
    path.unlink()
    return BackupWork.CHECK if text == BackupWork.CHECK else BackupWork.NOW


class Errands:
    """Of one keeper. `by_unit`: systemd starts what is wanted."""

    def __init__(self, state: Path, runtime: Path, report: Report, *, by_unit: bool, look_s: float = LOOK_S) -> None:
        self._state, self._runtime, self._report = state, runtime, report
        self._by_unit, self._look_s = by_unit, look_s
        self._process: subprocess.Popen[bytes] | None = None

    def backup(self, work: BackupWork) -> None:
        """Have it done, unless it is being done. Raises WireError."""
        if self._by_unit:
            lay(self._runtime, work)
        elif self._busy():
            raise WireError("conflict", "a backup runs already", "wait for it")
        else:
            self._start(WORDS[work])

    async def run(self) -> None:
        """See to the schedule, for ever; as a service that is a timer's."""
        while not self._by_unit:
            if not self._busy() and (self._state / "backup" / "options.toml").exists():
                self._start(IF_DUE)
            await asyncio.sleep(self._look_s)
        await asyncio.Event().wait()

    def stop(self) -> None:
        """End what was started."""
        if self._process is not None and self._busy():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_S)

    def _busy(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self, words: tuple[str, ...]) -> None:
        """The command as a child. What it says to standard output may be a password, and is dropped; what went wrong
        comes on the keeper's own standard error."""
        places = ("--state", str(self._state), "--runtime", str(self._runtime))
        command = [sys.executable, "-P", "-m", "appliance", *places, *words]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - no word of it comes from the office
                command,
                cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(CODE)},
            )  # fmt: skip
        except OSError as error:
            self._report(f"no backup can be started: {error.strerror}")
