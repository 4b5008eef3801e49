"""The office as a unit of systemd's own, which closes it in and starts it again; the keeper says when and with what.

A service gives the office directives that no child can give itself (systemd.exec(5)). What stays the keeper's: the
options, which it writes where the unit reads them before it says that it may start; and the end, because a keeper that
is told to stop takes the office with it. One that dies leaves it: the office reconnects to the next keeper. The office
opens nothing before the keeper's socket is there.

Knows the unit by its control group alone, so the keeper asks nothing of systemd. What its processes call themselves
decides what is said and how long one has, never which of them end.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from appliance.supervise import GRACE_S, Identity, Report, ended

CONTROL_GROUPS = Path("/sys/fs/cgroup/system.slice")
ENVIRONMENT = "office.env"
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in '"\\`$'})
_ITS_OWN = frozenset({"JOURNAL_STREAM"})  # the keeper's stream is not the office's
LOOK_S = 0.2
AGAIN_S = 0.02  # between two looks at a group that ends


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
    owned = (each for each in sorted(members(control_groups / name)) if _is_started(each, uid))
    return next((found for each in owned if (found := Identity.of(each)) is not None), None)


def members(group: Path) -> frozenset[int]:
    """The processes of a control group and of those below it, but this one: a zombie is none."""
    found: set[int] = set()
    for place, _below, _files in os.walk(group):  # what goes meanwhile is no error
        with suppress(OSError):
            found.update(map(int, Path(place, "cgroup.procs").read_text().split()))
    return frozenset(found - {0, os.getpid()})  # 0: of another namespace


def end_group(group: Path, uid: int, grace_s: float = GRACE_S) -> int:
    """TERM to what this user has started in a control group, then KILL to all that is in it; blocks for at most twice
    `grace_s`. Returns how many are left: who forks faster than that is systemd's to end, because the
    unit's main process is dead.
    """
    told: set[int] = set()

    def is_new(pid: int) -> bool:
        return pid not in told and _is_started(pid, uid)

    until = time.monotonic() + grace_s
    while members(group) and time.monotonic() < until:
        told |= _signal(group, signal.SIGTERM, is_new)
        time.sleep(AGAIN_S)
    until += grace_s
    while members(group) and time.monotonic() < until:
        _signal(group, signal.SIGKILL, lambda _pid: True)
        time.sleep(AGAIN_S)
    return len(members(group))


def _signal(group: Path, number: signal.Signals, chosen: Callable[[int], bool]) -> set[int]:
    """To those members that are chosen; returns whom. A descriptor is opened before it is asked again who is a member:
    whoever has the number of one that ended meanwhile is none of ours."""
    with ExitStack() as held:
        opened: dict[int, int] = {}
        for pid in filter(chosen, members(group)):
            with suppress(OSError):  # it has ended; or there are more than fit, and the others are next
                opened[pid] = os.pidfd_open(pid)
                held.callback(os.close, opened[pid])
        sent = opened.keys() & members(group)
        for pid in sent:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(opened[pid], number)
    return set(sent)


def _is_started(pid: int, uid: int) -> bool:
    """Whether it is the user's, and executes its program already: while systemd makes a process ready, its name stands
    in parentheses. The name is the process' own word (prctl(2))."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        values = dict(line.split(":\t", 1) for line in lines if line.startswith(("Name:", "Uid:")))
        return int(values["Uid"].split()[0]) == uid and not values["Name"].startswith("(")
    except (OSError, ValueError, KeyError):
        return False


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
        """Ends all that its group holds. The unit starts it again once a keeper is ready, and not without one."""
        self._file.unlink(missing_ok=True)
        left = await asyncio.to_thread(end_group, self._groups / self._name, self._uid)
        if left:
            self._report(f"{left} processes of {self._name} do not end")
