"""Fixes that lock nobody out: sysctls, modes, owners, lines of files that nothing but a hardening reads.

What a fix writes stands in files of the audit's own name, so that taking it back is removing one file. Nothing here
touches SSH, users, the packet filter, mounts, units or the network's addresses.
"""

import os
import stat
from pathlib import Path
from typing import Final

from appliance.audit.machine import Machine
from appliance.audit.row import Step

SYSCTL_FILE: Final = "/etc/sysctl.d/zz-appliance-audit.conf"
MODPROBE_FILE: Final = "/etc/modprobe.d/zz-appliance-audit.conf"
JOURNAL_FILE: Final = "/etc/systemd/journald.conf.d/zz-appliance-audit.conf"
LIMITS_FILE: Final = "/etc/security/limits.d/zz-appliance-audit.conf"
HEAD: Final = "# Written by `appliance audit --fix`. Remove a line to take it back.\n"


def sysctl(machine: Machine, name: str, value: str) -> list[Step]:
    """In force now, and after the next start."""
    live = machine.at(f"/proc/sys/{name.replace('.', '/')}")
    return [
        Step(f"sets {name} = {value} in the running kernel", lambda: _write_live(live, value)),
        Step(f"writes it to {SYSCTL_FILE}", lambda: put(machine, SYSCTL_FILE, f"{name} =", f"{name} = {value}")),
    ]


def _write_live(place: Path, value: str) -> None:
    with place.open("w") as file:
        file.write(value)


def line(machine: Machine, path: str, begins: str, text: str) -> list[Step]:
    """One line of a file of the audit's own."""
    return [Step(f"writes '{text}' to {path}", lambda: put(machine, path, begins, text))]


def put(machine: Machine, path: str, begins: str, text: str, head: str = HEAD) -> None:
    """Make `text` the file's one line that begins with `begins`; the file appears whole or not at all."""
    place = machine.at(path)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    old = place.read_text().splitlines(keepends=True) if place.exists() else head.splitlines(keepends=True)
    kept = [each for each in old if not each.startswith(begins)]
    unready = place.with_name(f".{place.name}.new")
    unready.unlink(missing_ok=True)
    descriptor = os.open(unready, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w") as file:
        file.writelines([*kept, text + "\n"])
        file.flush()
        os.fsync(file.fileno())
    unready.rename(place)


def mode(machine: Machine, path: str | Path, most: int, owner: int | None = None) -> list[Step]:
    """Take the bits away that are not in `most`; give it to user and group `owner` when that is another's."""
    found = machine.stat(path)
    if stat.S_ISLNK(found.st_mode):
        return []
    now = stat.S_IMODE(found.st_mode)
    steps = []
    if now & ~most:
        steps.append(
            Step(f"changes the mode of {path} from {now:o} to {now & most:o}", lambda: _mode(machine, path, most))
        )
    if owner is not None and found.st_uid != owner:
        steps.append(Step(f"gives {path} to user {owner}", lambda: _own(machine, path, owner)))
    return steps


def _mode(machine: Machine, path: str | Path, most: int) -> None:
    """Never through a link that somebody laid there meanwhile."""
    descriptor = os.open(machine.at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & most)
    finally:
        os.close(descriptor)


def _own(machine: Machine, path: str | Path, owner: int) -> None:
    os.chown(machine.at(path), owner, -1, follow_symlinks=False)


def journal(machine: Machine, name: str, value: str) -> list[Step]:
    """A line of journald's, which reads it at its next start."""

    def do() -> None:
        put(machine, JOURNAL_FILE, f"{name}=", f"{name}={value}", f"{HEAD}[Journal]\n")

    return [Step(f"writes '{name}={value}' to {JOURNAL_FILE} (in force with the next start)", do)]
