"""The operating system around the appliance: mounts, packages and their updates, clock, journal, room."""

import os
import re
from typing import Final

from appliance.audit import mending
from appliance.audit.machine import Machine, demand_systemd
from appliance.audit.row import Check, Grade, Judge, Reading, Step, Unreadable, none_of, passed, verdict

LEAST_FREE: Final = 0.10
STATE: Final = "/var/lib/appliance"
OLD_LISTS_S: Final = 7 * 86_400.0
OLD_PACKAGES: Final = (
    "telnetd", "inetutils-telnetd", "rsh-server", "ftpd", "vsftpd", "proftpd-core", "tftpd-hpa", "samba",
    "nfs-kernel-server", "rpcbind", "nis", "snmpd", "avahi-daemon", "cups-daemon", "xserver-xorg-core", "xinetd",
    "openbsd-inetd",
)  # fmt: skip
WEB: Final = ("apache2", "nginx", "lighttpd", "caddy", "tomcat10", "php-fpm", "haproxy", "squid")
BUILDERS: Final = (
    "gcc",
    "g++",
    "clang",
    "make",
    "build-essential",
    "gdb",
    "strace",
    "tcpdump",
    "nmap",
    "netcat-traditional",
)
SERVERS: Final = (
    "mariadb-server",
    "postgresql",
    "redis-server",
    "docker.io",
    "docker-ce",
    "asterisk",
    "freeswitch",
    "kamailio",
)


def _options(place: str, wanted: frozenset[str]) -> Check:
    def judge(machine: Machine) -> Reading:
        mount = machine.mounts.get(place)
        if mount is None:
            if not machine.is_there(place):
                raise Unreadable(f"there is no {place}")
            return Reading(Grade.WARN, "no file system of its own")
        missing = sorted(wanted - mount.options)
        return verdict(not missing, f"without {', '.join(missing)}" if missing else ", ".join(sorted(wanted)))

    words = ",".join(sorted(wanted))
    return Check(
        f"system.mount{place.replace('/', '_')}", f"{place} is mounted as narrow as can be",
        "What lies where many may write must not become a program of root's.",
        "/proc/mounts", 1, judge, f"mount it with {words} (/etc/fstab)",
    )  # fmt: skip


def _packages(machine: Machine) -> dict[str, str]:
    """Status of each package: dpkg's own table."""
    found = {}
    for block in machine.text("/var/lib/dpkg/status").split("\n\n"):
        rows = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(" "))
        if "Package" in rows:
            found[rows["Package"]] = rows.get("Status", "")
    return found


def _lacks(names: tuple[str, ...], otherwise: Grade = Grade.WARN) -> Judge:
    def judge(machine: Machine) -> Reading:
        installed = _packages(machine)
        return none_of([name for name in names if installed.get(name, "").endswith(" installed")], otherwise)

    return judge


def _halves(machine: Machine) -> Reading:
    found = [
        name
        for name, status in _packages(machine).items()
        if status.split()[-1:] not in (["installed"], ["config-files"], ["not-installed"])
    ]
    return none_of(found, nothing="every package is whole")


def _waiting(machine: Machine) -> Reading:
    """Updates by the lists that apt has: none is fetched."""
    if not machine.many("/var/lib/apt/lists/*Packages*"):
        raise Unreadable("apt has no lists of packages")
    said = machine.output("apt-get", "--simulate", "--quiet", "--quiet", "upgrade")
    waiting = [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]
    urgent = [line.split()[1] for line in said.splitlines() if line.startswith("Inst ") and "-security" in line.lower()]
    return none_of(urgent) if urgent else none_of(waiting, Grade.WARN)


def _lists(machine: Machine) -> Reading:
    places = machine.many("/var/lib/apt/lists/*Packages*")
    if not places:
        raise Unreadable("apt has no lists of packages")
    age = max(
        0.0,
        machine.now
        - max(machine.stat("/var/lib/apt/lists").st_mtime, *(machine.stat(each).st_mtime for each in places)),
    )
    return verdict(age < OLD_LISTS_S, f"{age / 86_400:.0f} days old", Grade.WARN)


def _restart(machine: Machine) -> Reading:
    """Whether something newer waits for a restart."""
    if machine.is_there("/run/reboot-required"):
        return Reading(Grade.WARN, "an update waits for a restart")
    newest = max(
        (place.name.removeprefix("vmlinuz-") for place in machine.many("/boot/vmlinuz-*")), key=_version, default=""
    )
    if not newest:
        raise Unreadable("there is no kernel in /boot")
    running = machine.text("/proc/sys/kernel/osrelease").strip()
    return verdict(_version(running) >= _version(newest), f"{running} runs, {newest} is installed", Grade.WARN)


def _version(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def _clock(machine: Machine) -> Reading:
    if machine.is_there("/run/systemd/timesync/synchronized"):
        return passed("kept by systemd-timesyncd")
    keepers = {"chronyd", "ntpd", "systemd-timesyn", "openntpd", "ptp4l"}
    found = sorted({each.status.get("Name", "") for each in machine.processes} & keepers)
    if "systemd-timesyn" in found:
        return Reading(Grade.FAIL, "systemd-timesyncd runs, and has reached no server")
    if found:
        return passed(f"kept by {found[0]}")
    demand_systemd(machine, running=True)
    return Reading(Grade.FAIL, "nobody keeps it")


def journal(machine: Machine) -> dict[str, str]:
    """journald.conf(5), drop-ins over it. Raises Unreadable."""
    demand_systemd(machine)
    files = machine.many(
        "/etc/systemd/journald.conf", "/usr/lib/systemd/journald.conf.d/*.conf", "/etc/systemd/journald.conf.d/*.conf"
    )
    if not files:
        raise Unreadable("journald is not set up")
    ordered = sorted(files, key=lambda path: (path.parent.name == "journald.conf.d", path.name))
    rows = (line.partition("=") for path in ordered for line in machine.lines(path))
    return {name.strip(): value.strip() for name, equals, value in rows if equals}


def _journal(name: str, good: tuple[str, ...], wanted: str, what: str, why: str) -> Check:
    def judge(machine: Machine) -> Reading:
        value = journal(machine).get(name, "")
        if name == "Storage" and value in ("", "auto") and machine.is_there("/var/log/journal"):
            return passed("auto, and /var/log/journal is there")
        return verdict(value in good if good else bool(value) and value != "0", value or "not set", Grade.WARN)

    def mend(machine: Machine) -> list[Step]:
        return mending.journal(machine, name, wanted)

    return Check(
        f"system.journal_{name.lower()}", what, why, f"{name} in journald.conf(5)", 1, judge,
        f"{name}={wanted} in /etc/systemd/journald.conf.d", mend,
    )  # fmt: skip


def _cores(machine: Machine) -> Reading:
    """The last word counts: pam_limits(8) reads the files in their order."""
    rows = [
        line.split()
        for path in machine.many("/etc/security/limits.conf", "/etc/security/limits.d/*.conf")
        for line in machine.lines(path)
    ]
    words = [row[3] for row in rows if len(row) == 4 and row[0] == "*" and row[1] in ("hard", "-") and row[2] == "core"]
    said = words[-1] if words else "not limited"
    return verdict(said == "0", f"hard core {said}" if words else said, Grade.WARN)


def _no_cores(machine: Machine) -> list[Step]:
    return mending.line(machine, mending.LIMITS_FILE, "* hard core", "* hard core 0")


def _room(*places: str) -> Judge:
    def judge(machine: Machine) -> Reading:
        short = []
        for place in places:
            where = machine.at(machine.state if place == STATE else place)
            if where.exists():
                found = os.statvfs(where)
                free = found.f_bavail / found.f_blocks if found.f_blocks else 1.0
                nodes = found.f_favail / found.f_files if found.f_files else 1.0
                short += [
                    f"{place}: {share:.0%} {what} free"
                    for share, what in ((free, ""), (nodes, "inodes"))
                    if share < LEAST_FREE
                ]
        return none_of(short, Grade.FAIL, f"more than {LEAST_FREE:.0%} free")

    return judge


UNENCRYPTED: Final = ("INTEGRITY", "VERITY", "SUBDEV")  # cryptsetup's mappings that hide nothing


def _encrypted(machine: Machine) -> Reading:
    """Whether everything that the state lies on is dm-crypt's, or lies on that."""
    above = [each for each in machine.mounts.values() if _within(str(machine.state), each.place)]
    if not above:
        raise Unreadable(f"no file system has {machine.state}")
    mount = max(above, key=lambda each: len(each.place))
    if not mount.source.startswith("/dev/"):
        raise Unreadable(f"{mount.place} lies on {mount.source}, which is no disk of this machine")
    layers, seen, kinds = [_block(machine, mount.source)], set[str](), set[str]()
    while layers:
        name = layers.pop()
        seen.add(name)
        place = f"/sys/class/block/{name}"
        if not machine.is_there(place):
            raise Unreadable(f"there is no {place}")
        kind = machine.text(f"{place}/dm/uuid") if machine.is_there(f"{place}/dm/uuid") else ""
        if kind.startswith("CRYPT-") and (format_ := kind.split("-")[1]) not in UNENCRYPTED:
            kinds.add(format_)
            continue
        below = [each.name for each in machine.many(f"{place}/slaves/*")]
        if not below:
            return Reading(Grade.WARN, f"{mount.source}: plain")
        layers += [each for each in below if each not in seen]  # parts of a volume may share a disk
    return passed(f"{mount.source}: {', '.join(sorted(kinds))}")


def _block(machine: Machine, device: str) -> str:
    """The kernel's name of a device: a mapping has another one in /dev."""
    mapped = device.removeprefix("/dev/mapper/")
    for place in machine.many("/sys/class/block/*/dm"):
        if mapped != device and machine.text(place / "name").strip() == mapped:
            return place.parent.name
    return device.rpartition("/")[2]


def _within(place: str, above: str) -> bool:
    return place == above or place.startswith(above.rstrip("/") + "/")


def _shells(machine: Machine) -> Reading:
    """Whether the first process offers keys and shells that nobody asked for."""
    demand_systemd(machine)
    wanted = ("ctrl-alt-del.target", "debug-shell.service")
    loose = [name for name in wanted if not _masked(machine, name)]
    return none_of(loose, Grade.WARN, "masked")


def _masked(machine: Machine, unit: str) -> bool:
    place = machine.at(f"/etc/systemd/system/{unit}")
    return place.is_symlink() and str(place.readlink()) == "/dev/null"


def _virtual(machine: Machine) -> Reading:
    """Bits by which a guest shares more with its host than it must."""
    found = [
        mount.place
        for mount in machine.mounts.values()
        if mount.kind in ("9p", "virtiofs", "vboxsf", "fuse.vmhgfs-fuse")
    ]
    return none_of(found, Grade.WARN)


def _remote(machine: Machine) -> Reading:
    kinds = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph")
    return none_of(
        [f"{mount.place} ({mount.kind})" for mount in machine.mounts.values() if mount.kind in kinds], Grade.WARN
    )


def _installed(
    name: str, what: str, why: str, weight: int, names: tuple[str, ...], otherwise: Grade = Grade.WARN
) -> Check:
    return Check(
        f"system.{name}", what, why, "/var/lib/dpkg/status", weight, _lacks(names, otherwise),
        "apt-get purge PACKAGE",
    )  # fmt: skip


CHECKS: Final = (
    *(_options(place, frozenset(options.split(","))) for place, options in (
        ("/tmp", "nodev,nosuid"), ("/dev/shm", "nodev,nosuid"), ("/run", "nodev,nosuid"),  # noqa: S108
        (STATE, "nodev,noexec,nosuid"),
    )),
    Check(
        "system.remote_mounts", "No file system of another machine is mounted",
        "Who has that machine has these files.", "/proc/mounts", 1, _remote,
        "umount it, and take it out of /etc/fstab",
    ),
    Check(
        "system.shared_mounts", "No directory is shared with the host", "It is a door in both directions.",
        "/proc/mounts", 1, _virtual, "remove the share in the hypervisor",
    ),
    Check(
        "system.state_encrypted", "The state's disk is encrypted",
        "Whoever gets the disk, a copy of it or the hypervisor's backup has the customers, their calls and the keys.",
        "/proc/mounts, /sys/class/block", 2, _encrypted,
        "a new machine with a virtual TPM 2, or with a key (image/README.md), and a backup restored into it; on a "
        "machine of your own: LUKS below the file system",
    ),
    _installed(
        "old_services", "No package of old services is there", "What is installed is started by some update.", 2,
        OLD_PACKAGES, Grade.FAIL,
    ),
    _installed(
        "web_servers", "No other web server is there",
        "Its holes are the way to this one's files: pages live elsewhere.", 2, WEB,
    ),
    _installed("other_servers", "No other server is there", "This machine is for telephony alone.", 2, SERVERS),
    _installed(
        "builders", "No tools for builders and listeners are there", "They save an intruder from bringing his own.", 1,
        BUILDERS,
    ),
    Check(
        "system.packages", "Every package is whole", "One that stopped halfway runs with old files.",
        "/var/lib/dpkg/status", 1, _halves, "dpkg --configure -a",
    ),
    Check(
        "system.updates", "No update waits", "What is mended is known to everybody.", "apt-get --simulate upgrade", 3,
        _waiting, "apt-get upgrade (docs/operations.md says how the image is updated)",
    ),
    Check(
        "system.lists", "The lists of packages are fresh", "With old ones nobody knows whether an update waits.",
        "/var/lib/apt/lists", 1, _lists, "apt-get update",
    ),
    Check(
        "system.restart", "What was updated runs", "The old kernel runs until the next start.",
        "/boot, /run/reboot-required", 2, _restart, "restart the machine",
    ),
    Check(
        "system.clock", "The clock is kept", "Nonces, certificates, bills and logs are only as right as the clock.",
        "/run/systemd/timesync, processes", 2, _clock, "systemctl enable --now systemd-timesyncd",
    ),
    _journal(
        "Storage", ("persistent",), "persistent", "The journal outlives a restart",
        "An intruder restarts the machine first.",
    ),
    _journal(
        "SystemMaxUse", (), "200M", "The journal's size has a limit", "A log that fills the disk stops the service.",
    ),
    _journal(
        "MaxRetentionSec", (), "90day", "The journal forgets after a while", "It names people, numbers and addresses.",
    ),
    Check(
        "system.cores", "Nobody writes cores", "They hold keys and passwords.", "limits.conf(5)", 1, _cores,
        "* hard core 0 in /etc/security/limits.d", _no_cores,
    ),
    Check(
        "system.room", "There is room", "Without room no call is written down, and so none is let through.",
        "statvfs(3)", 2, _room("/", "/var", STATE), "make the disk larger, or remove what is not needed",
    ),
    Check(
        "system.keys", "Keyboard and console start nothing", "Ctrl-Alt-Del restarts, a debug shell is root's.",
        "/etc/systemd/system", 1, _shells, "systemctl mask ctrl-alt-del.target debug-shell.service",
    ),
)  # fmt: skip
