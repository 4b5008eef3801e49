"""What holds keeper and office: the sandbox of their units by the files that systemd reads, and the kernel's word about
the processes that run.

A machine without the units (a clone that was started by hand) has no sandbox of theirs to judge; its processes it has.
"""

import json
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.audit.machine import Machine, Process, demand_systemd
from appliance.audit.network import OFFICE_USER, office_uid
from appliance.audit.row import Check, Grade, Reading, Unreadable, none_of, verdict

KEEPER, OFFICE = "appliance.service", "appliance-office.service"
PROFILES: Final = {KEEPER: "appliance-keeper", OFFICE: "appliance-office"}
YES: Final = frozenset({"yes", "true", "1", "on"})
# capabilities(7), as bits: CHOWN, DAC_OVERRIDE, KILL, NET_ADMIN, PERFMON, BPF; a keeper that starts the office itself
# has SETGID, SETUID, SETPCAP and SYS_ADMIN besides.
KEEPER_POWERS: Final = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 12 | 1 << 38 | 1 << 39
PARENT_POWERS: Final = KEEPER_POWERS | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 21
NAMES: Final = {2: "DAC_READ_SEARCH", 16: "SYS_MODULE", 17: "SYS_RAWIO", 19: "SYS_PTRACE", 21: "SYS_ADMIN",
                22: "SYS_BOOT", 25: "SYS_TIME", 27: "MKNOD", 33: "MAC_ADMIN"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hold:
    """One directive that both units have: its good values (empty: any but none), and what it is for."""

    name: str
    good: tuple[str, ...]
    weight: int
    what: str
    office_alone: bool = False


HOLDS: Final = (
    Hold("NoNewPrivileges", ("yes",), 3, "can get no more rights by a program"),
    Hold("ProtectSystem", ("strict",), 2, "sees the system read-only"),
    Hold("ProtectHome", ("yes", "tmpfs"), 1, "sees no home"),
    Hold("PrivateTmp", ("yes", "disconnected"), 1, "has temporary files of its own"),
    Hold("PrivateDevices", ("yes",), 1, "sees no device"),
    Hold("ProtectKernelModules", ("yes",), 2, "loads no module"),
    Hold("ProtectKernelLogs", ("yes",), 1, "reads no log of the kernel"),
    Hold("ProtectControlGroups", ("yes", "private", "strict"), 1, "changes no control group"),
    Hold("ProtectClock", ("yes",), 1, "sets no clock"),
    Hold("ProtectHostname", ("yes", "private"), 1, "gives no name"),
    Hold("RestrictNamespaces", ("yes",), 2, "makes no namespace"),
    Hold("RestrictSUIDSGID", ("yes",), 1, "makes no set-id program"),
    Hold("RestrictAddressFamilies", (), 2, "opens known kinds of socket alone"),
    Hold("LockPersonality", ("yes",), 1, "stays of its architecture"),
    Hold("MemoryDenyWriteExecute", ("yes",), 2, "runs nothing that it wrote into memory"),
    Hold("SystemCallFilter", (), 3, "has a filter for system calls"),
    Hold("SystemCallArchitectures", ("native",), 1, "calls the kernel by one architecture alone"),
    Hold("AppArmorProfile", (), 3, "has an AppArmor profile"),
    Hold("LimitCORE", ("0",), 2, "writes no core"),
    Hold("PrivateUsers", ("yes",), 1, "sees no user but its own", office_alone=True),
    Hold("ProtectKernelTunables", ("yes",), 1, "writes no parameter of the kernel", office_alone=True),
    Hold("ProtectProc", ("invisible", "noaccess"), 1, "sees no process of others", office_alone=True),
    Hold("User", (OFFICE_USER,), 3, "is a user without rights", office_alone=True),
)


def unit(machine: Machine, name: str) -> dict[str, list[str]]:
    """A unit's directives with their values, drop-ins over it; an empty value takes back what was said before.

    Raises Unreadable.
    """
    places = machine.many(*(f"{directory}/{name}" for directory in
                            ("/usr/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system")))  # fmt: skip
    if not places:
        raise Unreadable(f"there is no unit {name}")
    order = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
    main = min(places, key=lambda place: order.index(str(place.parent)))
    found: dict[str, list[str]] = {}
    for path in (main, *drop_ins(machine, name)):
        for line in machine.text(path).replace("\\\n", " ").splitlines():
            word, equals, value = (part.strip() for part in line.partition("="))
            if equals and word and not word.startswith(("#", ";", "[")):
                found[word] = [*found.get(word, []), value] if value else []
    return found


def drop_ins(machine: Machine, name: str) -> list[Path]:
    """Files that change a unit, in systemd's order."""
    places = machine.many(*(f"{directory}/{name}.d/*.conf" for directory in
                            ("/usr/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system")))  # fmt: skip
    return sorted(places, key=lambda place: place.name)


def _hold(hold: Hold, name: str, who: str) -> Check:
    def judge(machine: Machine) -> Reading:
        values = unit(machine, name).get(hold.name, [])
        value = values[-1] if values else ""
        said = "yes" if value.lower() in YES else value
        good = bool(value) if not hold.good else said in hold.good
        return verdict(good, " | ".join(values) if not hold.good and values else value or "not set")

    return Check(
        f"units.{who}_{hold.name.lower()}", f"The {who} {hold.what}",
        "What is taken over can do what its unit leaves it, and no more.", f"{hold.name} of {name}, drop-ins included",
        hold.weight, judge, f"{hold.name}={' or '.join(hold.good) or '... as delivered'} in {name}; remove drop-ins",
    )  # fmt: skip


def _bounds(machine: Machine) -> Reading:
    """The keeper's capabilities, by its unit."""
    values = " ".join(unit(machine, KEEPER).get("CapabilityBoundingSet", [])).split()
    if not values or values[0].startswith("~"):
        return Reading(Grade.FAIL, "not bounded")
    meant = {"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL"}
    return none_of(sorted(set(values) - meant), nothing=", ".join(values))


def _changed(machine: Machine) -> Reading:
    unit(machine, KEEPER)
    found = [str(path) for name in PROFILES for path in drop_ins(machine, name)]
    return none_of(found, Grade.WARN, "no drop-in changes them")


def _started(machine: Machine) -> Reading:
    unit(machine, KEEPER)
    return verdict(bool(machine.many("/etc/systemd/system/*.wants/appliance.service")), "by multi-user.target")


def _failed(machine: Machine) -> Reading:
    demand_systemd(machine, running=True)
    rows = machine.output("systemctl", "list-units", "--failed", "--plain", "--no-legend").splitlines()
    return none_of([row.split()[0] for row in rows if row.strip()])


def _of_group(machine: Machine, name: str) -> list[Process]:
    return [each for each in machine.processes if each.group.endswith(f"/{name}")]


def office(machine: Machine) -> Process:
    """The office of this appliance. Raises Unreadable when it does not run."""
    uid = office_uid(machine)
    running = [each for each in machine.processes if "pysrv" in each.words and each.words[-1] == "pysrv"]
    held = _of_group(machine, OFFICE)
    chosen = [each for each in running if each in held] if held else _by_number(machine, running)
    if not chosen:
        raise Unreadable("the office does not run")
    return next((each for each in chosen if each.uid == uid), chosen[0])


def _by_number(machine: Machine, running: list[Process]) -> list[Process]:
    """Of several appliances the one whose keeper wrote its number down."""
    try:
        number, _ = json.loads(machine.text(machine.runtime / "office.pid"))
    except (ValueError, TypeError):
        return []
    return [each for each in running if each.pid == number]


def keeper(machine: Machine) -> Process:
    """The keeper of this appliance. Raises Unreadable when it does not run."""
    held = _of_group(machine, KEEPER)
    if held:
        return held[0]
    parent = int(office(machine).status.get("PPid", "0"))
    found = next((each for each in machine.processes if each.pid == parent and "run" in each.words), None)
    if found is None:
        raise Unreadable("the keeper does not run")
    return found


def _powers(process: Process, most: int) -> list[str]:
    found = []
    for name in ("CapEff", "CapPrm", "CapBnd"):
        over = int(process.status.get(name, "0"), 16) & ~most
        found += [f"{name} {NAMES.get(bit, bit)}" for bit in range(over.bit_length()) if over >> bit & 1]
    return found


def _office_powers(machine: Machine) -> Reading:
    process = office(machine)
    wrong = _powers(process, 0)
    if process.uid == 0:
        wrong.append("is root")
    if process.status.get("NoNewPrivs") != "1":
        wrong.append("may get more by a program")
    return none_of(wrong, nothing=f"process {process.pid} has none")


def _keeper_powers(machine: Machine) -> Reading:
    process = keeper(machine)
    child = office(machine).status.get("PPid") == str(process.pid)
    return none_of(_powers(process, PARENT_POWERS if child else KEEPER_POWERS), Grade.WARN, f"process {process.pid}")


def _seccomp(machine: Machine) -> Reading:
    value = office(machine).status.get("Seccomp", "0")
    return verdict(value == "2", "filtered" if value == "2" else "not filtered", Grade.WARN)


def _confined(machine: Machine, process: Process, name: str) -> Reading:
    if not machine.is_there("/sys/kernel/security/apparmor"):
        raise Unreadable("there is no AppArmor")
    said = machine.text(f"/proc/{process.pid}/attr/current").strip("\0\n")
    return verdict(said == f"{PROFILES[name]} (enforce)", said)


def _programs(machine: Machine) -> Reading:
    """What runs as the office's user and is not the office."""
    uid = office_uid(machine)
    foreign = {
        each.status.get("Name", "")
        for each in machine.processes
        if each.uid == uid and not any(word == "pysrv" for word in each.words) and each.words != ("",)
    }
    return none_of(sorted(foreign))


def _runtime(machine: Machine) -> Reading:
    """Sockets by which the keeper is steered."""
    path = machine.runtime / "keeper.sock"
    found = machine.stat(path)
    mode = stat.S_IMODE(found.st_mode)
    good = stat.S_ISSOCK(found.st_mode) and found.st_uid == 0 and not mode & 0o007
    return verdict(good, f"user {found.st_uid}, mode {mode:o}")


CHECKS: Final = (
    *(_hold(each, KEEPER, "keeper") for each in HOLDS if not each.office_alone),
    *(_hold(each, OFFICE, "office") for each in HOLDS),
    Check(
        "units.keeper_capabilities", "The keeper's unit bounds its capabilities",
        "Root without them is a user with a name.", f"CapabilityBoundingSet of {KEEPER}", 3, _bounds,
        "CapabilityBoundingSet as delivered",
    ),
    Check(
        "units.changed", "Nobody changed these units", "A drop-in may take back what the unit holds.",
        "drop-ins of both units", 1, _changed,
        "look at 'systemctl cat appliance appliance-office'; systemctl revert UNIT",
    ),
    Check(
        "units.started", "The appliance starts with the machine",
        "After a restart nobody would be served, nor protected.", "/etc/systemd/system/*.wants", 2, _started,
        "systemctl enable appliance",
    ),
    Check(
        "units.failed", "No unit has failed", "Something that should run does not.", "systemctl list-units --failed",
        2, _failed, "systemctl status UNIT; systemctl reset-failed after it was mended",
    ),
    Check(
        "units.office_powers", "The running office has no power", "It is the one that strangers talk to.",
        "/proc/PID/status", 3, _office_powers, "restart the appliance; it gives all of them up by itself",
    ),
    Check(
        "units.keeper_powers", "The running keeper has the powers that it needs alone",
        "What it has beyond them, whoever takes it over has too.", "/proc/PID/status", 1, _keeper_powers,
        "run it as the unit of the image does",
    ),
    Check(
        "units.office_seccomp", "The running office's system calls are filtered",
        "Most holes of a kernel are in calls that no telephone needs.", "Seccomp in /proc/PID/status", 2, _seccomp,
        "run it as the unit of the image does",
    ),
    Check(
        "units.office_confined", "AppArmor holds the running office",
        "A profile that is not on the process holds nobody.", "/proc/PID/attr/current", 3,
        lambda machine: _confined(machine, office(machine), OFFICE),
        "apparmor_parser -r /etc/apparmor.d/appliance-office; systemctl restart appliance",
    ),
    Check(
        "units.keeper_confined", "AppArmor holds the running keeper",
        "A profile that is not on the process holds nobody.", "/proc/PID/attr/current", 3,
        lambda machine: _confined(machine, keeper(machine), KEEPER),
        "apparmor_parser -r /etc/apparmor.d/appliance-keeper; systemctl restart appliance",
    ),
    Check(
        "units.office_programs", "Nothing else runs as the office's user",
        "The office starts nothing but itself: this is somebody who got in.", "/proc", 3, _programs,
        "look at the process before you end it; see docs/operations.md",
    ),
    Check(
        "units.keeper_socket", "The keeper hears root and the office alone", "Its verbs steer the gate.",
        "owner and mode of keeper.sock", 3, _runtime, "restart the appliance",
    ),
)  # fmt: skip
