"""What can be seen of the machine without asking keeper or office: programs' words, files' modes, versions.

Reads names and modes of the state's files, never what is in them. A program that is not there says so in its place.
"""

import grp
import importlib.metadata
import json
import os
import platform
import pwd
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

PATIENCE_S: Final = 30.0
UNITS: Final = ("appliance", "appliance-office", "appliance-wizard", "appliance-cloud", "nftables", "systemd-timesyncd")
STATES: Final = "Id,ActiveState,SubState,Result,NRestarts,MemoryCurrent"
IMAGE_VERSION: Final = Path("/etc/appliance/version")


def said(*command: str) -> str:
    """What a program prints, or why it cannot be run."""
    try:
        done = subprocess.run(  # noqa: S603 - the words stand in this file
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        return f"! {command[0]} did not end within {PATIENCE_S:.0f} s\n"
    except OSError as error:
        return f"! {command[0]}: {error.strerror}\n"
    return done.stdout + (f"! {done.stderr}" if done.returncode else "")


def versions(appliance: str) -> dict[str, Any]:
    """Of everything that takes part, and how large the machine is."""
    memory = dict(line.split(":", 1) for line in _text("/proc/meminfo").splitlines() if ":" in line)
    release = dict(line.replace('"', "").split("=", 1) for line in _text("/etc/os-release").splitlines() if "=" in line)
    return {
        "appliance": appliance,
        "image": _text(str(IMAGE_VERSION)).strip(),
        "system": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {row.metadata["Name"]: row.version for row in importlib.metadata.distributions()},
        "processors": os.cpu_count() or 0,
        "memory_kib": int(memory.get("MemTotal", "0").split()[0]),
        "load": list(os.getloadavg()),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "virtualisation": said("systemd-detect-virt").strip(),
    }


def machine() -> str:
    """Disks, interfaces and their drivers, and the state of the units."""
    parts = [
        ("uptime", said("uptime")),
        ("disks", said("df", "-h", "-x", "tmpfs", "-x", "devtmpfs")),
        ("interfaces", said("ip", "-d", "-s", "link", "show")),
        ("addresses", said("ip", "-br", "address", "show")),
        ("routes", said("ip", "route", "show")),
        ("sockets", said("ss", "-H", "-l", "-t", "-u", "-n", "-p")),
        *((f"driver of {name}", said("ethtool", "-i", name)) for name in _cards()),
        (
            "units",
            said("systemctl", "show", f"--property={STATES}", *UNITS),
        ),
        ("lockdown", _text("/sys/kernel/security/lockdown")),
        ("packet filter", said("nft", "list", "table", "inet", "machine")),
    ]
    return "".join(f"== {title}\n{text.rstrip()}\n\n" for title, text in parts)


def _cards() -> list[str]:
    return sorted(path.parent.name for path in Path("/sys/class/net").glob("*/device"))


def journal(lines: int) -> str:
    """The newest lines of the product's units, one a line: time, unit, text. Empty where they have no journal."""
    units = [f"--unit={unit}" for unit in UNITS[:4]]
    told = said("journalctl", "--no-pager", "--output=json", f"--lines={lines}", *units)
    return "".join(_entries(told)) if not told.startswith("! ") else told


def _entries(told: str) -> Iterator[str]:
    for line in told.splitlines():
        try:
            row = json.loads(line)
            at = datetime.fromtimestamp(int(row["__REALTIME_TIMESTAMP"]) / 1e6, UTC).isoformat(timespec="milliseconds")
        except (ValueError, KeyError):
            continue  # "-- No entries --"
        text = row.get("MESSAGE", "")
        if isinstance(text, list):  # bytes that are no text
            text = bytes(text).decode(errors="backslashreplace")
        yield f"{at} {row.get('_SYSTEMD_UNIT', '')} {text}\n"


def modes(*places: Path) -> str:
    """Kind, mode, owner, group, size and path of everything below `places`: what an audit of rights looks at."""
    rows = [_row(path) for place in places for path in [place, *sorted(place.rglob("*"))]]
    return "".join(f"{row}\n" for row in rows)


def _row(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError as error:
        return f"! {path}: {error.strerror}"
    owner, group = _name(pwd.getpwuid, found.st_uid), _name(grp.getgrgid, found.st_gid)
    return f"{stat.filemode(found.st_mode)} {owner}:{group} {found.st_size:>12} {path}"


def _name(find: Any, number: int) -> str:
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
