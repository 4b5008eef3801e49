"""The office's life: started, watched, started again with growing pauses, ended when the keeper ends.

Without pins the office ends with the keeper, however the keeper ends (PR_SET_PDEATHSIG in launch.py): a keeper that
was killed leaves no program on an interface, so there would be nothing for the office to steer. As a service with
pins the kernel's half stays, so the office stays too: it reconnects to the next keeper, which finds it by
`office.pid` and takes it over instead of starting a second one.

Knows processes, not what the office does. A pid is trusted only with the start time that proc(5) gives beside it.
"""

import asyncio
import json
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.config.options import CANNOT_RUN
from appliance.launch import CANNOT_LAUNCH, Launch

GRACE_S = 3.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
STEADY_S = 60.0  # an office that ran this long was well: the next pause is the first one again
HOPELESS = frozenset({CANNOT_RUN, CANNOT_LAUNCH})

Report = Callable[[str], None]


def pause_s(failures: int) -> float:
    """Seconds before start number `failures` + 1, at least FIRST_PAUSE_S and at most LONGEST_PAUSE_S."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 16)))


def ending(status: int | None) -> str:
    """How a process ended, in the operator's words. `status` as subprocess gives it; None: nobody knows."""
    if status is None:
        return "ended"
    if status < 0:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-status).name}"
        return f"was killed by signal {-status}"
    return f"ended with status {status}"


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told from a later one with the same number by its start time in clock ticks since boot."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The living process `pid`; None when there is none, or a zombie."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def read(cls, path: Path) -> "Identity | None":
        """The process that `path` names, if it still lives."""
        try:
            pid, start_ticks = json.loads(path.read_text())
        except (OSError, ValueError, TypeError):
            return None
        found = cls.of(pid)
        return found if found is not None and found.start_ticks == start_ticks else None

    def write(self, path: Path) -> None:
        """Remember the process for the next keeper."""
        path.write_text(json.dumps([self.pid, self.start_ticks]))


def end_process(identity: Identity, grace_s: float = GRACE_S) -> None:
    """TERM, then KILL after `grace_s`: for an office whose keeper is gone. Waits until it has ended."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(identity.pid)
        try:
            if Identity.of(identity.pid) != identity:
                return
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not select.select([descriptor], [], [], grace_s)[0]:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], grace_s)
        finally:
            os.close(descriptor)


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


class Supervisor:
    """Keeps one office running until `stop`.

    `survive`: the office outlives the keeper, and one that a former keeper left is taken over.
    """

    def __init__(self, launch: Launch, runtime: Path, report: Report, *, survive: bool = False) -> None:
        self._launch, self._report, self._survive = launch, report, survive
        self._pid_file = runtime / "office.pid"
        self._pid = 0
        self._stopping = False
        self._ended = asyncio.Event()  # as far as this loop has heard

    @property
    def pid(self) -> int:
        """The office's process; 0 while there is none."""
        return self._pid

    async def run(self) -> int:
        """Start, watch and start again. Returns only when another start would not help: the office's last status."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_at = loop.time()
            self._ended.clear()
            try:
                status = await self._live()
            finally:
                self._pid = 0
                self._ended.set()
            if self._stopping:
                return 0
            if status in HOPELESS:
                self._report(f"the office {ending(status)}: it says above what to put right")
                return int(status or 0)
            failures = 0 if loop.time() - started_at >= STEADY_S else failures + 1
            pause = pause_s(max(failures - 1, 0))
            self._report(f"the office {ending(status)}; it is started again in {pause:g} s")
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """TERM, then KILL after GRACE_S; returns when the office has ended and `run` knows it."""
        self._stopping = True
        if self._pid:
            identity = Identity.of(self._pid)
            if identity is not None:
                await asyncio.to_thread(end_process, identity)
            with suppress(TimeoutError):  # a loop that is closed earlier is complained about by asyncio's watcher
                await asyncio.wait_for(self._ended.wait(), GRACE_S)
        self._pid_file.unlink(missing_ok=True)

    async def _live(self) -> int | None:
        left = Identity.read(self._pid_file) if self._survive else None
        if left is not None:
            self._pid = left.pid
            self._report(f"took over the office that runs as process {left.pid}")
            await ended(left.pid)
            return None
        command = self._launch.command()
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
        self._pid = process.pid
        identity = Identity.of(process.pid)
        if identity is not None:
            identity.write(self._pid_file)
        return await process.wait()
