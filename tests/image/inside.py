"""Runs inside a booted image, as root, and says on the second serial line what it found, as one JSON object.

It comes in as a credential, so it is one file of the standard library alone, for the image's own Python.
"""

import hashlib
import json
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

READY_S = 900.0
LEFT = ("/root/.ssh", "/root/seal", "/root/contents.json", "/usr/local/share/appliance-build", "/tmp/product.tar",
        "/usr/bin/sudo", "/usr/bin/gcc", "/usr/bin/cc", "/usr/bin/clang", "/usr/bin/make")  # fmt: skip
PYTHON = "/opt/appliance/.venv/bin/python"
ACTIVE = ("systemd-timesyncd", "appliance-wizard", "ssh")
SECRETS = {"machine id": "/etc/machine-id", "SSH host key": "/etc/ssh/ssh_host_ed25519_key.pub"}


def out(*command: str, patience_s: float = 300) -> str:
    """What a program prints; empty when it cannot be run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=patience_s).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"! {error}"


def ready() -> float:
    """Seconds of this boot until the appliance was ready; -1: it never was."""
    context = ssl._create_unverified_context()
    while time.clock_gettime(time.CLOCK_BOOTTIME) < READY_S:
        for line in out("ip", "-4", "-br", "address", "show", "scope", "global").splitlines():
            address = line.split()[2].partition("/")[0]
            try:
                with urllib.request.urlopen(f"https://{address}:8443/readyz", context=context, timeout=20) as answer:
                    if answer.status == 200:
                        return time.clock_gettime(time.CLOCK_BOOTTIME)
            except OSError:
                pass
        time.sleep(0.5)
    return -1.0


def office() -> dict[str, str]:
    """The kernel's words about the office's process."""
    wanted = ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"pysrv" in words:
                rows = dict(
                    line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line
                )
                return {name: rows[name].strip() for name in wanted}
        except OSError:
            continue
    return {}


def confined() -> dict[str, str]:
    """The AppArmor profile of the main process of each unit that has one."""
    found = {}
    for unit in ("appliance", "appliance-office"):
        pid = out("systemctl", "show", "--property=MainPID", "--value", unit)
        try:
            found[unit] = Path("/proc", pid, "attr/current").read_text().strip("\0\n")
        except OSError as error:
            found[unit] = f"! {error}"
    return found


def screen() -> str:
    """What the first screen shows: vcs(4), 80 columns."""
    text = Path("/dev/vcs1").read_bytes().decode(errors="replace")
    return "\n".join(text[at : at + 80].rstrip() for at in range(0, len(text), 80)).strip()


def outlives() -> dict[str, Any]:
    """A keeper that is killed: whether the office stays, and the next keeper finds it."""
    main = ("systemctl", "show", "--property=MainPID", "--value")
    office, keeper = out(*main, "appliance-office"), out(*main, "appliance")
    out("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "appliance")
    until = time.monotonic() + 240
    while time.monotonic() < until and not json.loads(out("appliance", "status", "--json") or "{}").get("keeper"):
        time.sleep(1)
    now = out(*main, "appliance")
    return {"office": office == out(*main, "appliance-office") != "0", "keeper": keeper != now != "0"}


def settings() -> list[str]:
    """Those of the image's sysctl lines that are not in force."""
    wrong = []
    for line in Path("/etc/sysctl.d/60-appliance.conf").read_text().splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        path = Path("/proc/sys", *name.split("."))
        if equals and not name.startswith("#") and path.exists() and path.read_text().split() != value.split():
            wrong.append(f"{name} is {path.read_text().strip()}, not {value}")
    return wrong


def secrets() -> dict[str, str]:
    """Digests of all that no two machines may share."""
    state = Path("/var/lib/appliance/office")
    files = {name: Path(place) for name, place in SECRETS.items()}
    for path in state.glob("*"):
        if path.is_file() and path.stat().st_size and not path.name.endswith(("-wal", "-shm")):
            files[f"state/{path.name}"] = path
    found = {name: hashlib.sha256(_with_log(path)).hexdigest() for name, path in files.items() if path.exists()}
    found["state partition"] = out("blkid", "-s", "PARTUUID", "-o", "value", "/dev/disk/by-partlabel/state")
    return found


def _with_log(path: Path) -> bytes:
    """A young database has everything in its write-ahead log, and is itself an empty page."""
    log = path.with_name(path.name + "-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


def people() -> list[str]:
    """Who could log in: people's user numbers, and whoever has a password or a key."""
    named = [row.split(":") for row in Path("/etc/passwd").read_text().splitlines()]
    shadow = [row.split(":") for row in Path("/etc/shadow").read_text().splitlines()]
    found = [f"user {row[0]}" for row in named if 1000 <= int(row[2]) < 65000]
    found += [f"password of {row[0]}" for row in shadow if not row[1].startswith(("!", "*"))]
    homes = {row[5] for row in named}
    return found + [f"key in {home}" for home in homes if Path(home, ".ssh", "authorized_keys").exists()]


def look() -> dict[str, Any]:
    """Everything."""
    ready_s = ready()
    size = int(Path("/sys/class/block/vda/size").read_text()) * 512
    state = out("findmnt", "-n", "-b", "-o", "SIZE,OPTIONS", "/var/lib/appliance").split(None, 1)
    return {
        "ready_s": ready_s,
        "running": out("systemctl", "is-system-running"),
        "failed": out("systemctl", "--failed", "--plain", "--no-legend").splitlines(),
        "status": json.loads(out("appliance", "status", "--json") or "{}"),
        "xdp": [row.get("xdp", {}) for row in json.loads(out("ip", "-j", "-d", "link", "show", "eth0") or "[{}]")],
        "listens": out("ss", "-H", "-l", "-t", "-u", "-n", "-p").splitlines(),
        "people": people(),
        "left": [place for place in LEFT if Path(place).exists()],
        "setid": out("find", "/", "-xdev", "-type", "f", "-perm", "/6000").splitlines(),
        "secrets": secrets(),
        "office": office(),
        "sysctl": settings(),
        "confined": confined(),
        "denied": [line for line in out("journalctl", "-k", "-b", "-o", "cat").splitlines() if '"DENIED"' in line][:20],
        "file_systems": out("findmnt", "-n", "-l", "-o", "FSTYPE").split(),
        "audit": json.loads(out("appliance", "audit", "--json", patience_s=900) or "{}").get("findings", []),
        "owners": out("env", "PYTHONPATH=/opt/appliance", PYTHON, "-P", "-m", "appliance.ownership").splitlines()[-20:],
        "screen": screen(),
        "active": {
            unit: out("systemctl", "is-active", unit) for unit in ("systemd-timesyncd", "appliance-wizard", "ssh")
        },
        "cores": out("systemctl", "show", "--property=LimitCORE", "--value", "appliance-office"),
        "outlives": outlives(),
        "name": Path("/proc/sys/kernel/hostname").read_text().strip(),
        "names_by": out("resolvectl", "dns", "eth0"),
        "user_data_ran": Path("/etc/user-data-ran").exists(),
        "taken": [str(path) for path in Path("/etc/ssh/authorized_keys").glob("*")],
        "firewall": out("nft", "list", "table", "inet", "machine"),
        "scores": json.loads(out("systemd-analyze", "security", "--json=short") or "[]"),
        "times": out("systemd-analyze", "time"),
        "slowest": out("systemd-analyze", "blame").splitlines()[:12],
        "keeper": out("journalctl", "-b", "-u", "appliance", "-o", "cat").splitlines()[:40],
        "errors": out("journalctl", "-b", "-p", "err", "-o", "short-monotonic", "--no-hostname").splitlines()[:30],
        "password_in_journal": "password '" in out("journalctl", "-b", "-o", "cat"),
        "disk_bytes": size,
        "state_bytes": int(state[0]) if state else 0,
        "state_options": state[1] if len(state) > 1 else "",
        "root_used_bytes": int(out("df", "--output=used", "-B1", "/").split()[-1]),
        "memory_used_bytes": _memory(),
        "lockdown": Path("/sys/kernel/security/lockdown").read_text().strip(),
        "kernel": out("uname", "-r"),
    }


def _memory() -> int:
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(rows["MemTotal"].split()[0]) - int(rows["MemAvailable"].split()[0])) * 1024


if __name__ == "__main__":
    try:
        answer = look()
    except Exception as error:  # said to whoever waits for an answer
        answer = {"fault": f"{type(error).__name__}: {error}"}
    with open("/dev/ttyS1", "w") as line:
        line.write("\n@image " + json.dumps(answer) + "\n@end\n")
