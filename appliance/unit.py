"""The office as a unit of systemd's own, which closes it in and starts it again; the keeper says when and with what.

A service gives the office directives that no child can give itself (systemd.exec(5)). What stays the keeper's: the
options, which it writes where the unit reads them before it says that it may start; and the end, because a keeper that
is told to stop takes the office with it. One that dies leaves it: the office reconnects to the next keeper. The office
opens nothing before the keeper's socket is there.

Knows the unit by its control group alone, so the keeper asks nothing of systemd.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from appliance.supervise import Identity, Report, end_process, ended

CONTROL_GROUPS = Path("/sys/fs/cgroup/system.slice")
ENVIRONMENT = "office.env"
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in '"\\`$'})
_ITS_OWN = frozenset({"JOURNAL_STREAM"})  # the keeper's stream is not the office's
LOOK_S = 0.2


def environment_file(values: Mapping[str, str]) -> str:
    """As EnvironmentFile= reads it: systemd.exec(5)."""
    return "".join(f'{name}="{value.translate(_ESCAPED)}"\n' for name, value in values.items() if name not in _ITS_OWN)


def notify_ready() -> None:
    """Tell systemd that what waits for the keeper can start: sd_notify(3). Does nothing where nobody listens."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if place:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as said:
            said.connect("\0" + place[1:] if place.startswith("@") else place)
            said.send(b"READY=1")


def running(name: str, uid: int, control_groups: Path = CONTROL_GROUPS) -> Identity | None:
    """The first living process of the unit that is this user's: what prepares a start is root's."""
    try:
        numbers = (control_groups / name / "cgroup.procs").read_text().split()
    except OSError:
        return None
    owned = (each for each in sorted(map(int, numbers)) if _owner(each) == uid and not _is_prepared(each))
    return next((found for each in owned if (found := Identity.of(each)) is not None), None)


def _is_prepared(pid: int) -> bool:
    """Whether systemd still makes this process ready; until it executes its program its name stands in parentheses."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().startswith("(")
    except OSError:
        return True


def _owner(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return -1


class Unit:
    """Watches the office that a unit runs, and ends it with the keeper that is told to end."""

    def __init__(
        self, name: str, uid: int, values: Mapping[str, str], runtime: Path, report: Report,
        groups: Path = CONTROL_GROUPS,
    ) -> None:  # fmt: skip
        self._name, self._uid, self._values, self._report, self._groups = name, uid, values, report, groups
        self._file = runtime / ENVIRONMENT

    def prepare(self) -> None:
        """Write what the unit starts the office with; root's alone, because settings may hold secrets. A keeper that
        dies leaves it, so that the unit may start the office again meanwhile."""
        unready = self._file.with_suffix(".new")
        unready.unlink(missing_ok=True)
        descriptor = os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(environment_file(self._values))
        unready.rename(self._file)

    async def run(self) -> int:
        """Say when the office comes and goes. Never returns: the unit decides whether another start would help."""
        while True:
            found = running(self._name, self._uid, self._groups)
            if found is None:
                await asyncio.sleep(LOOK_S)
                continue
            self._report(f"the office runs as process {found.pid} of {self._name}")
            await ended(found.pid)
            self._report(f"the office ended; {self._name} starts it again")

    async def stop(self) -> None:
        """TERM, then KILL after a grace. The unit starts it again once a keeper is ready, and not without one."""
        self._file.unlink(missing_ok=True)
        found = running(self._name, self._uid, self._groups)
        if found is not None:
            with suppress(ProcessLookupError):
                await asyncio.to_thread(end_process, found)
