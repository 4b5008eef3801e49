"""Fixes that lock nobody out: sysctls, modes, owners, lines of files that nothing but a hardening reads.

What a fix writes stands in files of the audit's own name, so that taking it back is removing one file. Nothing here
touches SSH, users, the packet filter, mounts, units or the network's addresses.
"""

import errno
import os
import stat
from collections.abc import Callable
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
    """Take the bits away that are not in `most`; give it to user `owner` when that is another's."""
    found = machine.stat(path)
    if stat.S_ISLNK(found.st_mode):
        return []
    now = stat.S_IMODE(found.st_mode)
    steps = []
    if now & ~most:
        steps.append(
            Step(
                f"changes the mode of {path} from {now:o} to {now & most:o}",
                lambda: _on(machine, path, found, lambda held: os.fchmod(held, _mode_of(held) & most)),
            )
        )
    if owner is not None and found.st_uid != owner:
        steps.append(
            Step(
                f"gives {path} to user {owner}",
                lambda: _on(machine, path, found, lambda held: _give(held, owner)),
            )
        )
    return steps


def _mode_of(descriptor: int) -> int:
    return stat.S_IMODE(os.fstat(descriptor).st_mode)


def _give(descriptor: int, owner: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISDIR(found.st_mode) and found.st_nlink != 1:
        raise OSError(errno.EMLINK, "it has another name somewhere else")
    os.fchown(descriptor, owner, -1)


def _on(machine: Machine, path: str | Path, judged: os.stat_result, deed: Callable[[int], None]) -> None:
    """Do it to the very file that was judged, or not at all. Raises OSError.

    What lies below the office's directory is the office's to rename: between the question and the answer it could lay a
    link to a file of root's, or to a directory of root's further up, or give a file of root's another name.
    """
    descriptor = _opened(machine, path)
    try:
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino, found.st_uid) != (judged.st_dev, judged.st_ino, judged.st_uid):
            raise OSError(errno.ESTALE, "it is another one than was looked at", str(path))
        deed(descriptor)
    finally:
        os.close(descriptor)


def _opened(machine: Machine, path: str | Path) -> int:
    """A descriptor of it: each directory is opened in the one above it, and a link is followed only where nobody but
    root can lay one."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    place = machine.at(path)
    held = os.open("/", flags | os.O_DIRECTORY)
    try:
        for name in place.parts[1:-1]:
            above = os.fstat(held)
            safe = above.st_uid == 0 and not above.st_mode & 0o022
            way = flags & ~os.O_NOFOLLOW if safe else flags
            held, left = os.open(name, way | os.O_DIRECTORY, dir_fd=held), held
            os.close(left)
        return os.open(place.name, flags, dir_fd=held)
    finally:
        os.close(held)


def journal(machine: Machine, name: str, value: str) -> list[Step]:
    """A line of journald's, which reads it at its next start."""

    def do() -> None:
        put(machine, JOURNAL_FILE, f"{name}=", f"{name}={value}", f"{HEAD}[Journal]\n")

    return [Step(f"writes '{name}={value}' to {JOURNAL_FILE} (in force with the next start)", do)]
