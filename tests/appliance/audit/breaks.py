"""What breaks the thing of each check, as tables: in a file, in what a program says, keeper, office and database."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance import wire
from appliance.audit import built, service, ssh, sysctls, units
from tests.appliance.audit import tree
from tests.appliance.audit.tree import ADDRESSES, APT, CHAINS, FAILED, LINKS, NFT, NOW, OFFICE_PID, UID, link, put

Breaks = Callable[[Path], object]
# These say what a process over a network answers: tests/appliance/audit/test_command.py asks a running appliance.
RUNNING = {"service.tls_old", "service.tls_new", "service.tls_weak", "service.headers"}


def text(path: str, words: str, mode: int = 0o644) -> Breaks:
    """Another file there."""
    return lambda root: put(root, path, words, mode)


def more(path: str, words: str) -> Breaks:
    """The same file, with more in it."""
    return lambda root: (root / path.lstrip("/")).write_text((root / path.lstrip("/")).read_text() + words)


def mode(path: str, bits: int) -> Breaks:
    return lambda root: (root / path.lstrip("/")).chmod(bits)


def owner(path: str, uid: int) -> Breaks:
    return lambda root: os.chown(root / path.lstrip("/"), uid, uid)


def gone(path: str) -> Breaks:
    return lambda root: (root / path.lstrip("/")).unlink()


def instead(path: str, old: str, new: str) -> Breaks:
    def do(root: Path) -> None:
        place = root / path.lstrip("/")
        assert old in place.read_text()
        place.write_text(place.read_text().replace(old, new))

    return do


def listens(port: int, protocol: str = "tcp") -> Breaks:
    return more(f"/proc/net/{protocol}", tree.socket(port, 0, 99, "0A" if protocol == "tcp" else "07"))


STATUS = f"/proc/{OFFICE_PID}/status"
FILES: dict[str, Breaks] = {
    "network.listeners": listens(4444),
    "network.legacy_services": listens(137, "udp"),
    "network.desktops": listens(3389),
    "network.databases": more("/proc/net/tcp", tree.socket(5432, 0, 99, address="0100007F")),
    "network.filter_kept": gone("/etc/systemd/system/multi-user.target.wants/nftables.service"),
    "network.promiscuous": text("/sys/class/net/eth0/flags", "0x1103\n"),
    "network.wireless": lambda root: (root / "sys/class/net/eth0/wireless").mkdir(),
    "network.names_by_shout": instead("/etc/systemd/resolved.conf.d/appliance.conf", "LLMNR=no", "LLMNR=yes"),
    "network.trusted_hosts": text("/root/.rhosts", "+ +\n"),
    "kernel.lockdown": text("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n"),
    "kernel.secure_boot": text(
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\6\0\0\0\0"
    ),
    "kernel.command_line": text("/proc/cmdline", "root=/dev/vda1 mitigations=off\n"),
    "kernel.holes": text("/sys/devices/system/cpu/vulnerabilities/mds", "Vulnerable: no microcode\n"),
    "kernel.tainted": text("/proc/sys/kernel/tainted", "4096\n"),
    "kernel.sysctl_files": text("/proc/sys/kernel/sysrq", "438\n"),
    "kernel.rare_protocols": instead("/etc/modprobe.d/appliance.conf", "install sctp /bin/false\n", ""),
    "kernel.rare_file_systems": instead("/etc/modprobe.d/appliance.conf", "install udf /bin/false", "#"),
    "kernel.buses": instead(
        "/etc/modprobe.d/appliance.conf", "install usb-storage /bin/false", "install usb-storage /bin/sh"
    ),
    "kernel.loaded": more("/proc/modules", "usb_storage 1 0 - Live\n"),
    "kernel.apparmor": text("/sys/module/apparmor/parameters/enabled", "N\n"),
    "kernel.profiles": text("/sys/kernel/security/apparmor/profiles", "appliance-office (complain)\n"),
    "kernel.swap": more("/proc/swaps", "/dev/vda3 partition 1 0 -2\n"),
    "system.mount_tmp": instead("/proc/mounts", "/tmp tmpfs rw,nosuid,nodev", "/tmp tmpfs rw,nosuid"),
    "system.mount_dev_shm": instead("/proc/mounts", "/dev/shm tmpfs rw,nosuid,nodev", "/dev/shm tmpfs rw,nodev"),
    "system.mount_run": instead("/proc/mounts", "/run tmpfs rw,nosuid,nodev", "/run tmpfs rw"),
    "system.mount_var_lib_appliance": instead("/proc/mounts", "nodev,noexec", "nodev"),
    "system.remote_mounts": more("/proc/mounts", "nas:/x /mnt nfs4 rw 0 0\n"),
    "system.shared_mounts": more("/proc/mounts", "host /mnt virtiofs rw 0 0\n"),
    "system.old_services": more("/var/lib/dpkg/status", tree.PACKAGE.format("telnetd", "installed")),
    "system.web_servers": more("/var/lib/dpkg/status", tree.PACKAGE.format("nginx", "installed")),
    "system.other_servers": more("/var/lib/dpkg/status", tree.PACKAGE.format("redis-server", "installed")),
    "system.builders": more("/var/lib/dpkg/status", tree.PACKAGE.format("gcc", "installed")),
    "system.packages": more("/var/lib/dpkg/status", tree.PACKAGE.format("curl", "half-configured")),
    "system.lists": lambda root: [
        os.utime(root / path, (NOW - 9 * 86_400,) * 2)
        for path in ("var/lib/apt/lists/deb_Packages", "var/lib/apt/lists")
    ],
    "system.restart": text("/boot/vmlinuz-6.1.0-41-amd64", ""),
    "system.clock": gone("/run/systemd/timesync/synchronized"),
    "system.journal_storage": instead("/etc/systemd/journald.conf.d/appliance.conf", "persistent", "volatile"),
    "system.journal_systemmaxuse": instead("/etc/systemd/journald.conf.d/appliance.conf", "SystemMaxUse=200M", ""),
    "system.journal_maxretentionsec": instead("/etc/systemd/journald.conf.d/appliance.conf", "90day", "0"),
    "system.updates_followed": gone("/var/lib/appliance/follow/last.json"),
    "system.state_encrypted": text("/sys/class/block/dm-0/dm/uuid", "LVM-volume\n"),
    "system.cores": gone("/etc/security/limits.d/90-appliance.conf"),
    "system.keys": gone("/etc/systemd/system/debug-shell.service"),
    "access.roots": more("/etc/passwd", "toor:x:0:0::/root:/bin/bash\n"),
    "access.empty_passwords": instead("/etc/shadow", "daemon:*", "daemon:"),
    "access.weak_hashes": instead("/etc/shadow", "daemon:*", "daemon:$1$salt$hash"),
    "access.root_password": instead("/etc/shadow", "root:!*", "root:$y$j9T$x$y"),
    "access.passwords": instead("/etc/shadow", "daemon:*", "daemon:$y$j9T$x$y"),
    "access.same_number": more("/etc/passwd", "twin:x:1:1::/:/usr/sbin/nologin\n"),
    "access.service_shells": instead("/etc/passwd", "/usr/sbin:/usr/sbin/nologin", "/usr/sbin:/bin/sh"),
    "access.people": more("/etc/passwd", "ann:x:1000:1000::/home/ann:/bin/bash\n"),
    "access.office_user": instead("/etc/group", "docker:x:99:", "docker:x:99:pysrv"),
    "access.mighty_groups": instead("/etc/group", "sudo:x:27:", "sudo:x:27:ann"),
    "access.entrances": text("/usr/bin/sudo", "", 0o755),
    "access.sudo_password": text("/etc/sudoers.d/ann", "ann ALL=(ALL) NOPASSWD: ALL\n", 0o440),
    "access.weak_keys": text("/root/.ssh/authorized_keys", "ssh-dss AAAAB3NzaC1kc3MAAACB ann\n"),
    "access.unnamed_keys": text("/etc/ssh/authorized_keys/ann", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n"),
    "access.private_keys": text("/root/.ssh/id_ed25519", ""),
    "access.umask": text("/etc/login.defs", "UMASK 022\n"),
    "access.consoles": text(
        "/etc/systemd/system/serial-getty@ttyS0.service.d/a.conf", "ExecStart=agetty --autologin root\n"
    ),
    "access.greeting": text("/etc/issue", "Debian GNU/Linux 12 \\n \\l\n"),
    "access.ssh_who": instead("/etc/ssh/sshd_config.d/10-appliance.conf", "AllowUsers root", ""),
    "access.ssh_host_keys": text("/etc/ssh/ssh_host_dsa_key", "", 0o600),
    "files.table": mode("/etc/nftables.conf", 0o664),
    "files.code": owner("/opt/appliance/appliance/keeper.py", UID),
    "files.open": mode("/etc/crontab", 0o646),
    "files.set_id": text("/usr/bin/find", "", 0o4755),
    "files.listed": gone(built.LIST),
    "files.sticky": mode("/tmp", 0o777),
    "files.path": mode("/usr/local/bin", 0o757),
    "files.shadow": mode("/etc/shadow", 0o644),
    "files.passwd": mode("/etc/passwd", 0o666),
    "files.sudoers": owner("/etc/sudoers", 1),
    "files.host_keys": mode("/etc/ssh/ssh_host_ed25519_key", 0o640),
    "files.ssh_configuration": mode("/etc/ssh/sshd_config", 0o660),
    "files.authorized_keys": mode("/etc/ssh/authorized_keys/root", 0o664),
    "files.root_home": mode("/root", 0o755),
    "files.cron": mode("/etc/crontab", 0o664),
    "files.units": mode("/etc/systemd/system/appliance.service", 0o664),
    "files.grub": mode("/boot/grub/grub.cfg", 0o644),
    "files.kernel_map": mode("/boot/System.map-6.1.0-40-amd64", 0o644),
    "files.packet_filter": mode("/etc/nftables.conf", 0o775),
    "files.start_options": owner("/etc/appliance/start", UID),
    "files.logs": mode("/var/log/auth.log", 0o644),
    "units.keeper_capabilities": text(
        "/etc/systemd/system/appliance.service.d/a.conf", "CapabilityBoundingSet=CAP_SYS_ADMIN\n"
    ),
    "units.changed": text("/etc/systemd/system/appliance.service.d/a.conf", "[Service]\nNice=1\n"),
    "units.started": gone("/etc/systemd/system/multi-user.target.wants/appliance.service"),
    "units.office_powers": instead(STATUS, "CapEff:\t0000000000000000", "CapEff:\t0000000000200000"),
    "units.keeper_powers": instead("/proc/600/status", "CapEff:\t000000c000001023", "CapEff:\t000000ffffffffff"),
    "units.office_seccomp": instead(STATUS, "Seccomp:\t2", "Seccomp:\t0"),
    "units.office_confined": text(f"/proc/{OFFICE_PID}/attr/current", "unconfined\n"),
    "units.keeper_confined": text("/proc/600/attr/current", "appliance-keeper (complain)\n"),
    "units.office_programs": lambda root: tree.process(root, 900, "nc", "nc -l 4444", "", "/x", UID),
    "units.keeper_socket": mode("/run/appliance/keeper.sock", 0o666),
    "gate.pins": mode("/sys/fs/bpf/appliance/bans", 0o644),
    "database.closed": mode("/var/lib/appliance/office/appliance.db", 0o640),
    "database.key": mode("/var/lib/appliance/office/secrets.key", 0o644),
    "database.links": lambda root: link(root, "/var/lib/appliance/office/out", "/etc/shadow"),
    "database.above": mode("/var/lib", 0o777),
    "database.file_system": instead("/proc/mounts", "/var/lib/appliance ext4", "/var/lib/appliance nfs4"),
    "database.memory": instead("/proc/mounts", "/var/lib/appliance ext4", "/var/lib/appliance tmpfs"),
    "database.log": lambda root: os.truncate(put(root, "/var/lib/appliance/office/appliance.db-wal", ""), 1 << 30),
    "database.room": lambda root: os.truncate(root / "var/lib/appliance/office/appliance.db", 1 << 42),
    "database.settings_file": owner("/var/lib/appliance/settings.toml", UID),
}
FILES |= {
    check.name: text(f"/proc/sys/{row.name.replace('.', '/')}", "7777\n")
    for row in (*sysctls.NETWORK, *sysctls.KERNEL)
    for check in (row.check("network" if row in sysctls.NETWORK else "kernel"),)
}


def _bad_word(word: ssh.Word) -> str:
    candidates = ("yes", "no", "99", "0", "aes256-cbc", "hmac-md5", "diffie-hellman-group1-sha1", "quiet")
    return next(each for each in candidates if not word.good(each))


FILES |= {
    f"access.ssh_{word.name.lower()}": more(
        "/etc/ssh/sshd_config", f"Match Address 192.0.2.0/24\n  {word.name} {_bad_word(word)}\n"
    )
    for word in ssh.WORDS
}
FILES |= {
    f"units.{who}_{hold.name.lower()}": text(
        f"/etc/systemd/system/{name}.d/z.conf", f"[Service]\n{hold.name}={'no' if hold.good else ''}\n"
    )
    for name, who in ((units.KEEPER, "keeper"), (units.OFFICE, "office"))
    for hold in units.HOLDS
    if who == "office" or not hold.office_alone
}


def chains(**changes: str | None) -> str:
    """The packet filter with other policies by hook."""
    said = json.loads(json.dumps(CHAINS))
    for row in said["nftables"]:
        chain = row.get("chain", {})
        if chain.get("hook") in changes:
            chain["policy"] = changes[chain["hook"]]
    return json.dumps(said)


WIDE = json.dumps(
    {"nftables": [*CHAINS["nftables"], {"rule": {"family": "inet", "table": "machine", "chain": "input", "handle": 9,
                                                 "expr": [{"counter": {"packets": 0, "bytes": 0}}, {"accept": None}]}}]}
)  # fmt: skip
HALVES = ({"range": ["::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]}, {"prefix": {"addr": "8000::", "len": 1}})
ADMINISTRATORS6 = {"family": "inet", "table": "machine", "name": "administrators6", "elem": HALVES}
EVERYBODY = json.dumps({"nftables": [*CHAINS["nftables"], {"set": ADMINISTRATORS6}]})


def aide(kind: str, path: str) -> str:
    """Its report of one difference, in JSON."""
    return json.dumps({"number_of_entries": {"total": 20_000, kind: 1}, kind: {path: "f"}})


PROGRAMS: dict[str, dict[tuple[str, ...], str]] = {
    "network.filter_input": {NFT: chains(input="accept")},
    "network.filter_forward": {NFT: chains(forward="accept")},
    "network.filter_wide": {NFT: WIDE},
    "network.ssh_sources": {NFT: EVERYBODY},
    "system.updates": {APT: "Inst libssl3 [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])\nConf libssl3\n"},
    "files.built": {built.AIDE: aide("changed", "/usr/bin/nft")},
    "files.configured": {built.AIDE: aide("added", "/etc/systemd/system/other.service")},
    "units.failed": {FAILED: "ssh.service loaded failed failed OpenBSD Secure Shell server\n"},
    "gate.kernel": {LINKS: json.dumps([{"ifname": "eth0"}])},
    "gate.uncovered": {
        ADDRESSES: json.dumps([{"ifname": "eth1", "flags": ["UP"], "addr_info": [{"local": "198.51.100.1"}]}])
    },
}
KEEPER: dict[str, dict[str, Any]] = {
    "gate.native": {"interfaces": (wire.Interface("eth0", "nftables", "no XDP"),)},
    "gate.relay": {"relay": "user", "relay_reason": "--relay user was chosen"},
    "gate.missing": {"missing": ("challenge",)},
    "gate.pinned": {"pinned": False},
    "gate.steered": {"queue_delay_ms": -1.0},
    "gate.evidence": {"lost_offences": 3, "offences": 9},
}
RULE = {
    "id": 1,
    "action": "allow",
    "prefix": "0.0.0.0/0",
    "country": "",
    "protocol": "any",
    "port": 0,
    "match": "0.0.0.0/0",
}
CERTIFICATE = {"begins_at": NOW - 1, "ends_at": NOW + 86_400 * 40, "problem": ""}
OFFICE: dict[str, dict[str, Any]] = {
    "gate.rules_act": {"rules.list": {"report_only": ["banned"], "pending": None}},
    "gate.plan": {"status": {"generation": 6}},
    "gate.pending": {"rules.list": {"report_only": [], "pending": {"what": "settings"}}},
    "gate.wide_rules": {"firewall.list": {"rules": [RULE]}},
    "gate.idle_rules": {"firewall.list": {"rules": [RULE | {"idle": True, "match": "country DE"}]}},
    "gate.old_lists": {"lists.list": {"lists": [{"name": "drop", "imported_at": NOW - 40 * 86_400}]}},
    "service.runs": {"status": {"running": False}},
    "service.certificate_days": {"certificate.show": {"certificate": CERTIFICATE | {"ends_at": NOW + 86_400}}},
    "service.certificate_begun": {"certificate.show": {"certificate": CERTIFICATE | {"begins_at": NOW + 60}}},
    "service.certificate_used": {
        "certificate.show": {"certificate": CERTIFICATE | {"problem": "the key does not fit"}}
    },
    "service.stored_settings": {"settings.list": {"settings": [], "problems": ["maxcps must be a number"]}},
}
OFFICE |= {
    f"service.{name}": {"checklist.show": {"findings": [{"name": name, "grade": "fail", "value": "ann"}]}}
    for name in service.FINDINGS
}
RECORDS: dict[str, dict[str, Any]] = {
    "database.whole": {"damage": ["row 3 missing from index"]},
    "database.schema": {"schema": 1},
    "database.trail": {"broken_at": 12},
}
