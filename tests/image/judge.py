"""What a booted image said of itself, held against what it should be: a row for each check. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MARK = "@image "
OFFICE_CAPABILITIES = {"CapEff": 0, "CapBnd": 0}
# (protocol, port) of the appliance, as it is set up by itself, and the clients of DHCP.
SERVED = frozenset({("udp", 5060), ("tcp", 5060), ("tcp", 5061), ("tcp", 8443)})
CLIENTS = frozenset({("udp", 68), ("udp", 546)})
OWNERS = frozenset({"python", "python3"})
SET_ID = ("/usr/lib/dbus-1.0/dbus-daemon-launch-helper",)
PROFILES = {"appliance": "appliance-keeper", "appliance-office": "appliance-office"}
OUTLIVES = {"office": True, "keeper": True}
# Of the audit, what only an operator can put right: people, prices, notices, policy; and whom the clock follows.
BUILT = ("files.listed", "files.built", "files.configured")
OPERATORS, NO_NETWORK, MANY = ("service.", "settings."), frozenset({"system.clock"}), 200
UNREAD = frozenset({"debugfs", "tracefs", "configfs", "fusectl", "hugetlbfs", "mqueue"})  # masked by 40-system.sh
SET_UP = ("Address", "Name", "SSH")
KEY_FILE, SERVER = "/etc/ssh/authorized_keys/root", "192.0.2.53"
# Exposures of 10, by `systemd-analyze security`: the keeper needs what it has.
LAXEST = {"appliance.service": 3.0, "appliance-office.service": 2.0}


@dataclass(frozen=True, slots=True)
class Check:
    """One row: what was asked, whether it is so, and what was found."""

    what: str
    good: bool
    found: str = ""


def heard(said: str) -> dict[str, Any]:
    """The guest's object; empty when it said none."""
    for line in said.splitlines():
        if line.startswith(MARK):
            return dict(json.loads(line.removeprefix(MARK)))
    return {}


def judge(told: dict[str, Any], console: str, disk_mib: int, greeting: str = "", handed: str = "") -> list[Check]:
    """All checks of one machine. `greeting` is what SSH says to the outside, `handed` the name that was handed in."""
    if not told or "fault" in told:
        return [Check("the machine says what it is", False, told.get("fault", "it said nothing"))]
    boot = _handed(told, greeting, handed) if handed else _untouched(told, greeting)
    rest = _first_boot(told, console, disk_mib)
    return [*_service(told), *_closed(told), *_hardened(told), *_audited(told), *_screen(told), *boot, *rest]


def _service(told: dict[str, Any]) -> Iterable[Check]:
    keeper = told["status"].get("keeper") or {}
    modes = [f"{each['name']} {each['mode']}" for each in keeper.get("interfaces", ())]
    yield Check("the gate is native XDP", modes == ["eth0 native"], ", ".join(modes) or "none")
    attached = [each.get("mode") for each in told["xdp"]]
    yield Check("so says the kernel", attached == [1], str(told["xdp"]))  # linux/if_link.h: XDP_ATTACHED_DRV
    yield Check("audio is relayed by the kernel", keeper.get("relay") == "kernel", str(keeper.get("relay")))
    yield Check("an office outlives its keeper", told["outlives"] == OUTLIVES, str(told["outlives"]))
    clock = told["active"].get("systemd-timesyncd", "")
    yield Check("the clock is kept", clock == "active", clock)
    yield Check("no unit failed", told["running"] == "running" and not told["failed"], ", ".join(told["failed"]))


def _closed(told: dict[str, Any]) -> Iterable[Check]:
    opened = {("tcp", 22, "sshd")} if told["active"].get("ssh") == "active" else set()
    strange = [line for line in told["listens"] if not _ours(line) and _socket(line) not in opened]
    yield Check("nothing listens but the appliance", not strange, " | ".join(strange))
    missing = SERVED - {_socket(line)[:2] for line in told["listens"]}
    yield Check("the appliance listens", not missing, str(sorted(missing)) if missing else "")
    yield Check("nobody could log in", not told["people"], ", ".join(told["people"]))
    yield Check("nothing of the build is left", not told["left"], ", ".join(told["left"]))
    rules = told["firewall"]
    shown = sorted(UNREAD & set(told["file_systems"]))
    yield Check("of the kernel's file systems those that nothing reads are not there", not shown, ", ".join(shown))
    yield Check("the packet filter drops by itself", "policy drop" in rules, rules[:60])
    yield Check(
        "and knows the appliance", 'socket cgroupv2 level 2 "system.slice/appliance-office.service"' in rules, ""
    )


def _audited(told: dict[str, Any]) -> Iterable[Check]:
    """The machine's own audit; of a machine that nobody has set up yet, without a network that leads anywhere."""
    rows = told["audit"]
    failed = [row["name"] for row in rows if row["grade"] == "fail" and not row["name"].startswith(OPERATORS)]
    wrong = sorted({*failed} - NO_NETWORK)
    judged = sum(row["grade"] in ("pass", "warn", "fail") for row in rows)
    yield Check(
        "its own audit finds no fault of the image", judged > MANY and not wrong, ", ".join(wrong) or f"{judged}"
    )
    found = {row["name"]: row for row in rows}
    seen = {name: found.get(name, {}) for name in BUILT}
    other = [f"{name}: {row.get('value', '')}" for name, row in seen.items() if row.get("grade") != "pass"]
    yield Check("every file is as it was built", not other, "; ".join(other))


def _screen(told: dict[str, Any]) -> Iterable[Check]:
    lacking = [word for word in ("/panel/", "SHA-256", "'admin'", *SET_UP) if word not in told["screen"]]
    yield Check("the screen shows address, code and set-up", not lacking, ", ".join(lacking))


def _untouched(told: dict[str, Any], greeting: str) -> Iterable[Check]:
    closed = told["active"].get("ssh") == "inactive" and not told["taken"]
    yield Check(
        "SSH is closed, and has no key", closed and not greeting, f"{told['active']} {told['taken']} {greeting}"
    )


def _handed(told: dict[str, Any], greeting: str, name: str) -> Iterable[Check]:
    """What cloud-init took of what the hypervisor said, and what not."""
    yield Check("the name that was handed in is taken", told["name"] == name, told["name"])
    yield Check("so is the network", SERVER in told["names_by"], told["names_by"])
    opened = told["active"].get("ssh") == "active" and told["taken"] == [KEY_FILE] and greeting.startswith("SSH-2.0-")
    yield Check("the key opens SSH", opened, f"{told['active']} {told['taken']} {greeting}")
    yield Check("user data runs no program", not told["user_data_ran"], "")


def _ours(line: str) -> bool:
    protocol, port, owner = _socket(line)
    return (protocol, port) in CLIENTS or ((protocol, port) in SERVED and owner in OWNERS)


def _socket(line: str) -> tuple[str, int, str]:
    """(protocol, port, program) of a line of `ss -H -l -t -u -n -p`."""
    words = line.split()
    owner = re.search(r'users:\(\("([^"]+)"', line)
    return words[0], int(words[4].rpartition(":")[2]), owner[1] if owner else "?"


def _hardened(told: dict[str, Any]) -> Iterable[Check]:
    office = told["office"]
    powers = {name: int(office.get(name, "1"), 16) for name in OFFICE_CAPABILITIES}
    bare = powers == OFFICE_CAPABILITIES and office.get("NoNewPrivs") == "1" and office.get("Uid", "0\t")[:2] != "0\t"
    yield Check("the office has no power", bare, str(office))
    yield Check("the office's system calls are filtered", office.get("Seccomp") == "2", "")
    for unit, profile in PROFILES.items():
        found = told["confined"].get(unit, "")
        yield Check(f"AppArmor holds {unit}", found == f"{profile} (enforce)", found)
    yield Check("and has refused it nothing", not told["denied"], " | ".join(told["denied"]))
    owners = told["owners"] or ["?"]
    yield Check("every file is whose the table says", owners[-1].endswith(", 0 wrong"), " | ".join(owners[-6:]))
    yield Check("no core is written", told["cores"] == "0", told["cores"])
    yield Check("every sysctl is in force", not told["sysctl"], ", ".join(told["sysctl"]))
    yield Check("no program is set-id but one", tuple(told["setid"]) == SET_ID, ", ".join(told["setid"]))
    yield Check("the kernel is locked down", "[integrity]" in told["lockdown"], told["lockdown"])
    scores = {row["unit"]: float(row["exposure"]) for row in told["scores"]}
    for unit, most in LAXEST.items():
        score = scores.get(unit, 10.0)
        yield Check(f"the exposure of {unit} is below {most:g}", score < most, f"{score:g}")


def _first_boot(told: dict[str, Any], console: str, disk_mib: int) -> Iterable[Check]:
    yield Check("the disk is as large as it was made", told["disk_bytes"] == disk_mib << 20, f"{told['disk_bytes']}")
    rest = told["disk_bytes"] - (2560 << 20) - (256 << 20)
    yield Check("the state has the rest of it", told["state_bytes"] > rest * 0.85, f"{told['state_bytes'] >> 20} MiB")
    options = set(told["state_options"].split(","))
    yield Check("nothing on it is executed", {"nodev", "nosuid", "noexec"} <= options, told["state_options"])
    shown = [word for word in ("certificate SHA-256", "administrator: user 'admin'") if word not in console]
    yield Check("the console shows fingerprint and password", not shown, ", ".join(shown))
    yield Check("the journal does not", not told["password_in_journal"], "")


def shared(first: dict[str, str], second: dict[str, str]) -> Check:
    """Whether two machines from one image have a secret in common, or lack one."""
    same = sorted(name for name, value in first.items() if second.get(name) == value)
    lacking = sorted(first.keys() ^ second.keys())
    found = f"{len(first)} compared" if not same and not lacking else f"the same: {same}; on one alone: {lacking}"
    return Check("no secret is on two machines", not same and not lacking and len(first) > 3, found)


def table(rows: Iterable[tuple[str, Check]]) -> str:
    """A line for each check; `rows` are (machine, check)."""
    form, shown = "{:4} {:5} {:46} {}", {True: 60, False: 2000}
    return "\n".join(
        form.format(
            "ok" if row.good else "FAIL", name, row.what, " ".join(row.found.split())[: shown[row.good]]
        ).rstrip()
        for name, row in rows
    )
