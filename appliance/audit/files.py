"""Owners and modes: the image's table where there is one, and what is secret or root's on every machine."""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from appliance import ownership
from appliance.audit import mending
from appliance.audit.machine import Machine
from appliance.audit.network import office_uid
from appliance.audit.row import Check, Grade, Reading, Step, Unreadable, none_of

# Set-id programs of Debian that a login needs; the image has the first alone.
SET_ID: Final = frozenset(
    {"/usr/lib/dbus-1.0/dbus-daemon-launch-helper", "/usr/bin/passwd", "/usr/bin/su", "/usr/bin/sudo", "/usr/bin/mount",
     "/usr/bin/umount", "/usr/bin/newgrp", "/usr/bin/chsh", "/usr/bin/chfn", "/usr/bin/gpasswd", "/usr/bin/chage",
     "/usr/bin/expiry", "/usr/bin/crontab", "/usr/bin/ssh-agent", "/usr/bin/wall", "/usr/bin/write",
     "/usr/lib/openssh/ssh-keysign", "/usr/sbin/unix_chkpwd", "/usr/bin/dotlockfile", "/usr/sbin/pam_extrausers_chkpwd",
     "/usr/libexec/openssh/ssh-keysign", "/usr/lib/x86_64-linux-gnu/utempter/utempter", "/usr/bin/fusermount3",
     "/usr/lib/polkit-1/polkit-agent-helper-1", "/usr/bin/pkexec"}
)  # fmt: skip
SYSTEM: Final = ("/etc", "/usr", "/opt")
OTHERS: Final = ("/srv", "/var/lib", "/home", "/root")
WORLD: Final = 0o002


class Mode:
    """Files that may have these bits at most and belong to one of these users; each a row of its own."""

    def __init__(self, patterns: tuple[str, ...], most: int, owners: tuple[str, ...] = ("root",)) -> None:
        self._patterns, self._most, self._owners = patterns, most, owners

    def _loose(self, machine: Machine) -> Iterator[tuple[Path, str, int | None]]:
        """(file, what is wrong, the owner that it should have)."""
        places = machine.many(*self._patterns)
        if not places:
            raise Unreadable(f"there is no {self._patterns[0]}")
        numbers = [_number(machine, owner) for owner in self._owners]
        for place in places:
            found = machine.stat(place)
            if stat.S_ISLNK(found.st_mode):
                continue
            foreign = found.st_uid not in numbers
            mode = stat.S_IMODE(found.st_mode)
            if foreign or mode & ~self._most:
                said = f"{place} has mode {mode:o}" if mode & ~self._most else f"{place} is user {found.st_uid}'s"
                yield place, said, numbers[0] if foreign else None

    def judge(self, machine: Machine) -> Reading:
        """All of them."""
        return none_of([said for _, said, _ in self._loose(machine)], nothing=f"{self._most:o} at most")

    def mend(self, machine: Machine) -> list[Step]:
        """Takes the bits and the owner away."""
        return [
            step for place, _, owner in self._loose(machine) for step in mending.mode(machine, place, self._most, owner)
        ]


def _number(machine: Machine, user: str) -> int:
    if user == "root":
        return 0
    if machine.live:
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            raise Unreadable(f"there is no user {user}") from None
    return office_uid(machine)


def _mode(
    name: str,
    what: str,
    why: str,
    weight: int,
    patterns: tuple[str, ...],
    most: int,
    owners: tuple[str, ...] = ("root",),
) -> Check:
    row = Mode(patterns, most, owners)
    return Check(
        f"files.{name}", what, why, f"owner and mode of {', '.join(patterns)}", weight, row.judge,
        f"chmod {most:o} and chown {owners[0]} for {', '.join(patterns)}", row.mend,
    )  # fmt: skip


def _table(machine: Machine) -> Reading:
    try:
        rows = ownership.read(machine.text(ownership.TABLE))
    except ownership.BadTable as error:
        return Reading(Grade.FAIL, str(error))
    count, found = ownership.faults(rows, machine.root)
    above = "" if machine.live else str(machine.root)
    return none_of([line.removeprefix(above) for line in found], nothing=f"{count} looked at")


@dataclass(slots=True)
class Seen:
    """What one walk over the system came by: paths with their status."""

    open: list[tuple[str, os.stat_result]] = field(default_factory=list)
    set_id: list[str] = field(default_factory=list)


def _seen(machine: Machine) -> Seen:
    def walk() -> Seen:
        seen = Seen()
        for path, found in machine.walk(*SYSTEM, *OTHERS):
            mode = found.st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID) and path not in SET_ID:
                seen.set_id.append(path)
            if mode & WORLD and not mode & stat.S_ISVTX and not stat.S_ISLNK(mode) and path.startswith(SYSTEM):
                seen.open.append((path, found))
        return seen

    return cast(Seen, machine.once("files.seen", walk))


def _open_files(machine: Machine) -> Reading:
    return none_of([path for path, _ in _seen(machine).open])


def _close_files(machine: Machine) -> list[Step]:
    return [step for path, _ in _seen(machine).open for step in mending.mode(machine, path, 0o7777 & ~WORLD)]


def _set_id(machine: Machine) -> Reading:
    found = [path for path in _seen(machine).set_id if not path.startswith("/etc/")]
    return none_of(found, nothing="none that is not Debian's")


def _sticky(machine: Machine) -> Reading:
    wrong = [
        f"{place} has mode {mode:o}"
        for place in ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked at
        if machine.is_there(place) and (mode := stat.S_IMODE(machine.stat(place).st_mode)) & WORLD and not mode & 0o1000
    ]
    return none_of(wrong, nothing="sticky")


def _code(machine: Machine) -> Reading:
    """The program and its libraries: whoever can write there is the keeper, that is root, at the next start."""
    place = Path(__file__).resolve().parents[2] if machine.live else Path("/opt/appliance")
    if not machine.is_there(place):
        raise Unreadable(f"there is no {place}")
    found = [
        str(path)
        for path, seen in [
            (place, machine.stat(place)),
            *machine.walk(*(str(place / each) for each in ("appliance", "bpf", "pysrv"))),
        ]
        if not stat.S_ISLNK(seen.st_mode)
        and (seen.st_uid != 0 or (seen.st_mode & 0o022 and seen.st_gid != 0) or seen.st_mode & WORLD)
    ]
    return none_of(found, nothing="root's alone")


def _root_path(machine: Machine) -> Reading:
    """Directories of root's PATH, and all above them. Debian lets its group staff (50) write below /usr/local."""
    places = {
        each
        for start in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
        for each in (Path(start), *Path(start).parents)
        if machine.is_there(each)
    }
    found = []
    for place in sorted(places):
        seen = machine.stat(place)
        shared = seen.st_mode & WORLD or (seen.st_mode & 0o020 and seen.st_gid not in (0, 50))
        if not stat.S_ISLNK(seen.st_mode) and (seen.st_uid != 0 or shared):
            found.append(f"{place} has mode {stat.S_IMODE(seen.st_mode):o}")
    return none_of(found, nothing="root's alone")


CHECKS: Final = (
    Check(
        "files.table", "Every file of the appliance is whose the table says",
        "A file that another may write is his program.", f"{ownership.TABLE}", 3, _table,
        "'python -m appliance.ownership' lists all; chown and chmod as the table says",
    ),
    Check(
        "files.code", "The program is root's", "Whoever writes it is root at the next start.",
        "owner and mode of appliance, bpf, pysrv", 3, _code, "chown -R root:root and chmod -R go-w",
    ),
    Check(
        "files.open", "No file of the system is for everybody to write",
        "A user would change what root reads or runs.", "modes below /etc, /usr, /opt", 3, _open_files,
        "chmod o-w FILE", _close_files,
    ),
    Check(
        "files.set_id", "No foreign program changes its user", "A hole in it is a hole for every user.",
        "mode bits 6000", 2, _set_id, "chmod ug-s FILE, after looking which package it is of ('dpkg -S FILE')",
    ),
    Check(
        "files.sticky", "In directories for everybody nobody removes what is another's",
        "Files would be exchanged while they are used.", "modes of the directories for everybody", 2, _sticky,
        "chmod 1777 DIRECTORY",
    ),
    Check(
        "files.path", "Nobody but root can lay a program into root's path", "Root would run it.", "PATH of root", 3,
        _root_path, "chmod go-w DIRECTORY",
    ),
    _mode(
        "shadow", "Passwords' hashes are root's", "They are guessed at home, without a limit.", 3,
        ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-"), 0o640,
    ),
    _mode(
        "passwd", "The list of users is root's to write", "A line there is a user.", 3,
        ("/etc/passwd", "/etc/group", "/etc/passwd-", "/etc/group-"), 0o644,
    ),
    _mode(
        "sudoers", "sudo's rules are root's", "A line there is root.", 3, ("/etc/sudoers", "/etc/sudoers.d/*"), 0o640,
    ),
    _mode(
        "host_keys", "The host's private keys are root's", "Whoever has them is this machine.", 3,
        ("/etc/ssh/ssh_host_*_key",), 0o600,
    ),
    _mode(
        "ssh_configuration", "SSH's settings are root's to write", "A line there opens the door.", 3,
        ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*"), 0o644,
    ),
    _mode(
        "authorized_keys", "Keys that open SSH are root's to write", "A line there is a login.", 3,
        ("/etc/ssh/authorized_keys/*", "/root/.ssh/authorized_keys"), 0o644,
    ),
    _mode("root_home", "Root's home is closed", "History and keys lie there.", 1, ("/root",), 0o750),
    _mode(
        "cron", "What runs by the clock is root's to write", "Root runs it.", 3, ("/etc/crontab", "/etc/cron.*/*"),
        0o755,
    ),
    _mode(
        "units", "Units are root's to write", "The first process runs them as root.", 3,
        ("/etc/systemd/system/*.service", "/etc/systemd/system/*.timer", "/etc/systemd/system/*.d/*"), 0o644,
    ),
    _mode(
        "grub", "The boot loader's file is root's", "It holds the kernel's command line, and perhaps a password.", 1,
        ("/boot/grub/grub.cfg",), 0o600,
    ),
    _mode(
        "kernel_map", "The kernel's map is root's", "It says where everything lies.", 1, ("/boot/System.map-*",),
        0o600,
    ),
    _mode(
        "packet_filter", "The packet filter's file is root's to write", "A line there opens a port.", 2,
        ("/etc/nftables.conf",), 0o755,
    ),
    _mode(
        "start_options", "The appliance's own options are root's to write", "They say what the keeper does as root.",
        3, ("/etc/appliance/*",), 0o644,
    ),
    _mode(
        "logs", "Logs are not for everybody", "They name people, numbers and addresses.", 1,
        ("/var/log/auth.log", "/var/log/syslog"), 0o640,
    ),
)  # fmt: skip
