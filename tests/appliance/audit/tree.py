"""A machine's tree that is as it should be, made of the image's own files and what its kernel would say.

`said` is what programs of such a machine print; keeper and office answer with what their own types make.
"""

import dataclasses
import json
import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance import wire
from appliance.audit import built, sysctls
from appliance.audit.machine import Machine
from appliance.config.schema import ROWS
from appliance.following.choice import Last
from pysrv.control.single import run_once
from pysrv.store import Store

REPOSITORY = Path(__file__).resolve().parents[3]
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
NOW = 1_800_000_000.0
OFFICE_PID, KEEPER_PID = 700, 600
UID, GID = pwd.getpwnam("pysrv")[2:4]
PASSWD = f"""root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
pysrv:x:{UID}:{UID}::/nonexistent:/usr/sbin/nologin
"""
SHADOW = "root:!*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\npysrv:!:19000::::::\n"
GROUP = f"root:x:0:\nsudo:x:27:\ndocker:x:99:\npysrv:x:{UID}:\n"
MOUNTS = """/dev/vda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw,nosuid,nodev 0 0
tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0
tmpfs /run tmpfs rw,nosuid,nodev,mode=755 0 0
/dev/mapper/state /var/lib/appliance ext4 rw,nosuid,nodev,noexec,noatime 0 0
"""
TCP = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
NO_POWERS = "CapInh:\t0\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
KEEPER_POWERS = "CapPrm:\t000000c000001023\nCapEff:\t000000c000001023\nCapBnd:\t000000c000001023\n"
PACKAGE = "Package: {}\nStatus: install ok {}\nVersion: 1\nDescription: words\n more: words\n\n"
ACCEPT = {"accept": None}
FROM_LO = {"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}
NEW = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}
INSIDE = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "appl-tunnel"}}
NEAR = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@administrators"}}
NEAR6 = {"match": {"op": "==", "left": {"payload": {"protocol": "ip6", "field": "saddr"}}, "right": "@administrators6"}}
TO_SSH = {"jump": {"target": "ssh"}}
CHAINS = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "machine", "handle": 1}},
        *(
            {
                "chain": {
                    "family": "inet", "table": "machine", "name": hook, "handle": number, "type": "filter",
                    "hook": hook, "prio": 0, "policy": "drop",
                }
            }
            for number, hook in enumerate(("input", "forward"), 1)
        ),
        {"rule": {"family": "inet", "table": "machine", "chain": "input", "handle": 5, "expr": [FROM_LO, ACCEPT]}},
        *(
            {
                "rule": {
                    "family": "inet", "table": "machine", "chain": "input", "handle": number,
                    "expr": [NEW, where, TO_SSH],
                }
            }
            for number, where in enumerate((INSIDE, NEAR, NEAR6), 6)
        ),
        {
            "set": {
                "family": "inet", "table": "machine", "name": "administrators", "type": "ipv4_addr",
                "elem": ["192.168.0.7", {"prefix": {"addr": "10.0.0.0", "len": 8}}],
            }
        },
        {"set": {"family": "inet", "table": "machine", "name": "administrators6", "type": "ipv6_addr"}},
    ]
}  # fmt: skip
NFT = ("nft", "--json", "list", "ruleset")
APT = ("apt-get", "--simulate", "--quiet", "--quiet", "upgrade")
LINKS = ("ip", "--json", "--details", "link", "show")
ADDRESSES = ("ip", "--json", "address", "show", "scope", "global", "up")
FAILED = ("systemctl", "list-units", "--failed", "--plain", "--no-legend")
SAID = {
    NFT: json.dumps(CHAINS),
    APT: "",
    LINKS: json.dumps([{"ifname": "lo"}, {"ifname": "eth0", "xdp": {"mode": 1, "prog": {"id": 7}}}]),
    ADDRESSES: json.dumps([{"ifname": "eth0", "flags": ["UP"], "addr_info": [{"local": "192.0.2.1"}]}]),
    FAILED: "",
    built.AIDE: json.dumps({"number_of_entries": {"total": 20_000}}),
}
STATUS = wire.GateStatus(
    1, (wire.Interface("eth0", "native"),), "kernel", pinned=True, generation=7, started_at=NOW, queue_delay_ms=0.2
)


def put(root: Path, path: str, text: str | bytes, mode: int = 0o644, uid: int = 0) -> Path:
    """A file of the tree, with all that is above it."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text.encode() if isinstance(text, str) else text)
    os.chown(place, uid, GID if uid == UID else uid)
    place.chmod(mode)  # last: another owner takes set-id bits away
    return place


def link(root: Path, path: str, target: str) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def process(root: Path, pid: int, name: str, words: str, more: str, group: str, uid: int = 0, parent: int = 1) -> None:
    """A process as proc(5) shows it."""
    status = f"Name:\t{name}\nPid:\t{pid}\nPPid:\t{parent}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n{more}"
    put(root, f"/proc/{pid}/status", status)
    put(root, f"/proc/{pid}/cmdline", words.replace(" ", "\0") + "\0")
    put(root, f"/proc/{pid}/cgroup", f"0::{group}\n")
    (root / f"proc/{pid}/fd").mkdir()


def socket(port: int, uid: int, inode: int, state: str = "0A", address: str = "00000000") -> str:
    """A row of /proc/net/tcp."""
    rest = f"00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5d} 0 {inode} 1 0\n"
    return f"   0: {address}:{port:04X} {rest}"


def make(root: Path) -> Path:
    """The whole tree."""
    shutil.copytree(REPOSITORY / "image" / "files", root, dirs_exist_ok=True)
    for place in root.rglob("*"):
        place.chmod(0o755 if place.is_dir() or "usr/local/lib" in str(place) else 0o644)
    for row in (*sysctls.NETWORK, *sysctls.KERNEL):
        put(root, f"/proc/sys/{row.name.replace('.', '/')}", row.good[0] + "\n")
    _kernel(root)
    _system(root)
    _access(root)
    _processes(root)
    _state(root)
    return root


def _kernel(root: Path) -> None:
    for path, text in {
        "/proc/sys/kernel/tainted": "0\n",
        "/proc/sys/kernel/hostname": "appliance\n",
        "/proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
        "/proc/cmdline": "root=/dev/vda1 lockdown=integrity quiet\n",
        "/proc/modules": "ext4 1 0 - Live\n",
        "/proc/swaps": "Filename Type Size Used Priority\n",
        "/proc/mounts": MOUNTS,
        "/proc/net/tcp": TCP + socket(5060, UID, 11) + socket(22, 0, 14),
        "/proc/net/udp": TCP + socket(5060, UID, 12, "07") + socket(68, 0, 13, "07"),
        "/proc/net/if_inet6": "",
        "/sys/kernel/security/lockdown": "none [integrity] confidentiality\n",
        "/sys/kernel/security/apparmor/profiles": "appliance-keeper (enforce)\nappliance-office (enforce)\n",
        "/sys/module/apparmor/parameters/enabled": "Y\n",
        "/sys/devices/system/cpu/vulnerabilities/meltdown": "Mitigation: PTI\n",
        "/sys/class/net/eth0/flags": "0x1003\n",
        SECURE_BOOT: "\6\0\0\0\1",
    }.items():
        put(root, path, text)
    put(root, "/sys/class/block/dm-0/dm/name", "state\n")
    put(root, "/sys/class/block/dm-0/dm/uuid", "CRYPT-LUKS2-2c70212b20494543-state\n")
    put(root, "/boot/vmlinuz-6.1.0-40-amd64", "", 0o600)
    put(root, "/boot/System.map-6.1.0-40-amd64", "", 0o600)
    put(root, "/boot/grub/grub.cfg", "", 0o600)


def _system(root: Path) -> None:
    put(root, "/var/lib/dpkg/status", "".join(PACKAGE.format(name, "installed") for name in ("dpkg", "python3")))
    lists = put(root, "/var/lib/apt/lists/deb_Packages", "")
    for place in (lists, lists.parent):
        os.utime(place, (NOW, NOW))
    put(root, "/run/systemd/timesync/synchronized", "")
    (root / "run/systemd/system").mkdir()
    for name in ("tmp", "var/tmp", "dev/shm"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(0o1777)
    for name in ("ctrl-alt-del.target", "debug-shell.service"):
        link(root, f"/etc/systemd/system/{name}", "/dev/null")
    for name in ("nftables.service", "appliance.service"):
        link(root, f"/etc/systemd/system/multi-user.target.wants/{name}", f"/usr/lib/systemd/system/{name}")
    put(root, "/etc/crontab", "")
    put(root, "/var/log/auth.log", "", 0o640)
    put(root, "/usr/bin/passwd", "", 0o4755)
    for path in (built.LIST, "/usr/bin/aide"):
        put(root, path, "")
    for name in ("usr/local/sbin", "usr/local/bin", "usr/sbin", "opt/appliance/appliance"):
        (root / name).mkdir(parents=True, exist_ok=True)
    put(root, "/opt/appliance/appliance/keeper.py", "")
    put(root, "/etc/appliance/version", "1")


def _access(root: Path) -> None:
    put(root, "/etc/passwd", PASSWD)
    put(root, "/etc/shadow", SHADOW, 0o640)
    put(root, "/etc/group", GROUP)
    put(root, "/etc/login.defs", "UMASK 027\n")
    put(root, "/etc/issue", "This system is private.\n")
    put(root, "/etc/sudoers", "root ALL=(ALL:ALL) ALL\n", 0o440)
    put(root, "/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n", 0o600)
    put(root, "/etc/ssh/ssh_host_ed25519_key", "", 0o600)
    put(root, "/etc/ssh/authorized_keys/root", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ann@example.com\n", 0o600)
    (root / "root").mkdir(mode=0o700, exist_ok=True)


def _processes(root: Path) -> None:
    slices = "/system.slice"
    keeper, office = "/v/python -P -m appliance run --pin", "/srv/code/.venv/bin/python -m pysrv"
    process(root, KEEPER_PID, "python", keeper, KEEPER_POWERS + "NoNewPrivs:\t1\n", f"{slices}/appliance.service")
    more = f"{NO_POWERS}NoNewPrivs:\t1\nSeccomp:\t2\n"
    process(root, OFFICE_PID, "python", office, more, f"{slices}/appliance-office.service", UID)
    process(
        root, 500, "systemd-network", "/usr/lib/systemd/systemd-networkd", "", f"{slices}/systemd-networkd.service", 998
    )
    process(root, 510, "sshd", "sshd: /usr/sbin/sshd -D", "", f"{slices}/ssh.service")
    put(root, f"/proc/{KEEPER_PID}/attr/current", "appliance-keeper (enforce)\n")
    put(root, f"/proc/{OFFICE_PID}/attr/current", "appliance-office (enforce)\n")
    for number, (pid, inode) in enumerate(((OFFICE_PID, 11), (OFFICE_PID, 12), (500, 13), (510, 14)), 3):
        link(root, f"/proc/{pid}/fd/{number}", f"socket:[{inode}]")


def _state(root: Path) -> None:
    office = root / "var/lib/appliance/office"
    office.mkdir(parents=True)
    office.parent.chmod(0o755)
    Store.open(office / "appliance.db").close()
    put(root, "/var/lib/appliance/office/secrets.key", "k" * 32, 0o600)
    put(root, "/var/lib/appliance/settings.toml", "", 0o600)
    put(root, "/var/lib/appliance/follow/options.toml", 'source = "https://updates.example/"\n', 0o600)
    put(root, "/var/lib/appliance/follow/last.json", json.dumps(dataclasses.asdict(Last(looked_at=NOW - 7200))), 0o600)
    (root / "var/lib/appliance/follow").chmod(0o700)
    put(root, "/sys/fs/bpf/appliance/bans", "", 0o600)
    (root / "sys/fs/bpf/appliance").chmod(0o700)
    for place in (office, *office.iterdir()):
        place.chmod(0o700 if place.is_dir() else 0o600)
        os.chown(place, UID, GID)
    (root / "run/appliance").mkdir(parents=True)
    import socket as sockets

    listener = sockets.socket(sockets.AF_UNIX)
    directory = os.open(root / "run/appliance", os.O_RDONLY)  # a path of tests is longer than sun_path
    listener.bind(f"/proc/self/fd/{directory}/keeper.sock")
    os.close(directory)
    listener.close()
    (root / "run/appliance/keeper.sock").chmod(0o660)
    os.chown(root / "run/appliance/keeper.sock", 0, GID)


def keeper(status: wire.GateStatus = STATUS) -> dict[str, Mapping[str, Any]]:
    """What the keeper says, by verb."""
    return {"status": dataclasses.asdict(status)}


def office(directory: Path, *requests: tuple[str, dict[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What an office says by verb: a real one, run once for each, after what was asked of it before."""
    verbs = ("status", "settings.list", "checklist.show", "rules.list", "firewall.list", "lists.list", "allows.list")
    lines = [
        wire.request(number, name, args)
        for number, (name, args) in enumerate([*requests, *((verb, {}) for verb in verbs)], 1)
    ]
    said: list[bytes] = []
    run_once(lambda: Store.open(directory / "office.db"), "root", lines, said.append)
    results = [json.loads(each) for each in said]
    assert all(each["ok"] for each in results), results
    told = {verb: each["result"] for verb, each in zip(verbs, results[len(requests) :], strict=True)}
    certificate = {"begins_at": NOW - 86_400, "ends_at": NOW + 90 * 86_400, "problem": ""}
    return told | {"certificate.show": {"certificate": certificate}}


def strict_settings(office_says: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The office's settings, each with a value that its strict column accepts."""
    wanted = {row.name: row.strict.target or "x" for row in ROWS.values() if row.strict is not None}
    return [
        dict(each) | {"value": wanted.get(each["name"], each["value"])}
        for each in office_says["settings.list"]["settings"]
    ]


def machine(
    root: Path,
    said: Mapping[tuple[str, ...], str] = SAID,
    keeper_says: Mapping[str, Any] | None = None,
    office_says: Mapping[str, Any] | None = None,
    records: Mapping[str, Any] | None = None,
) -> Machine:
    """A look at the tree, with what programs and processes say."""
    return Machine(
        root,
        ask_keeper=(keeper_says or {}).get,
        ask_office=(office_says or {}).get,
        ask_records=lambda _: records,
        now=NOW,
        _said=dict(said),
    )
