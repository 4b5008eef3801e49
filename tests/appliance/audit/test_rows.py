"""Every check of the audit: right on a tree that is right, and not right as soon as its thing is broken."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance import wire
from appliance.audit import service, settings, ssh, sysctls, table, units
from appliance.audit.row import CREDIT, Area, Check, Grade
from appliance.config.fields import BadValue
from appliance.config.schema import ROWS
from pysrv.control.walk import walked
from pysrv.limits import checklist
from pysrv.store import Reader, Store
from tests.appliance.audit import tree
from tests.appliance.audit.tree import ADDRESSES, APT, CHAINS, FAILED, LINKS, NFT, NOW, OFFICE_PID, SAID, UID, link, put

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
    "system.state_encrypted": text("/sys/class/block/dm-0/dm/uuid", "LVM-volume\n"),
    "system.cores": gone("/etc/security/limits.d/10-appliance.conf"),
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
PROGRAMS: dict[str, dict[tuple[str, ...], str]] = {
    "network.filter_input": {NFT: chains(input="accept")},
    "network.filter_forward": {NFT: chains(forward="accept")},
    "network.filter_wide": {NFT: WIDE},
    "system.updates": {APT: "Inst libssl3 [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])\nConf libssl3\n"},
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree.make(tmp_path / "root")


def good_office(directory: Path) -> dict[str, Mapping[str, Any]]:
    """A real office's words, its settings strict and its findings passed; it is said to run."""
    told = tree.office(directory)
    found = [each | {"grade": "pass"} for each in told["checklist.show"]["findings"]]
    strict = {"settings": tree.strict_settings(told), "problems": []}
    return told | {
        "settings.list": strict,
        "checklist.show": {"findings": found},
        "status": {"running": True, "generation": 7},
    }


def good_records(root: Path) -> dict[str, Any]:
    with Reader.open(root / "var/lib/appliance/office/appliance.db") as reader:
        return walked(reader)


def judged(check: str, machine: tree.Machine) -> tuple[Grade, str]:
    found = table.judged(table.BY_NAME[check], machine)
    return found.grade, found.value


def test_a_tree_that_is_right_passes_every_check(root: Path, tmp_path: Path) -> None:
    office = good_office(tmp_path)
    report = table.run(tree.machine(root, SAID, tree.keeper(), office, good_records(root)))
    not_in_force = {
        f"settings.{row.name}" for row in ROWS.values() if row.strict and not row.in_force and not row.partly
    }
    rest = {each.name: (str(each.grade), each.value) for each in report.findings if each.grade is not Grade.PASS}
    assert {name: said for name, said in rest.items() if name not in RUNNING | not_in_force} == {}
    assert report.score == 100
    assert len(report.findings) > 150


@pytest.mark.parametrize("check", sorted(FILES))
def test_a_file_that_is_wrong_is_found(check: str, root: Path) -> None:
    before, _ = judged(check, tree.machine(root))
    FILES[check](root)
    after, value = judged(check, tree.machine(root))
    assert before is Grade.PASS
    assert after in (Grade.WARN, Grade.FAIL), value


@pytest.mark.parametrize("check", sorted(PROGRAMS))
def test_what_a_program_says_is_judged(check: str, root: Path) -> None:
    assert judged(check, tree.machine(root, SAID, tree.keeper()))[0] is Grade.PASS
    assert judged(check, tree.machine(root, SAID | PROGRAMS[check], tree.keeper()))[0] in (Grade.WARN, Grade.FAIL)


def test_a_filter_of_one_family_is_found_where_there_is_another(root: Path) -> None:
    put(root, "/proc/net/if_inet6", "fe80 02 40 20 80 eth0\n")
    four = SAID[NFT].replace('"inet"', '"ip"')
    assert judged("network.filter_ipv6", tree.machine(root))[0] is Grade.PASS
    assert judged("network.filter_ipv6", tree.machine(root, SAID | {NFT: four}))[0] is Grade.FAIL


@pytest.mark.parametrize("check", sorted(KEEPER))
def test_what_the_keeper_says_is_judged(check: str, root: Path) -> None:
    broken = dataclasses.replace(tree.STATUS, **KEEPER[check])
    assert judged(check, tree.machine(root, keeper_says=tree.keeper()))[0] is Grade.PASS
    assert judged(check, tree.machine(root, keeper_says=tree.keeper(broken)))[0] in (Grade.WARN, Grade.FAIL)


def test_what_the_office_says_is_judged(root: Path, tmp_path: Path) -> None:
    keeper, office = tree.keeper(), good_office(tmp_path)
    for check, changes in OFFICE.items():
        good = tree.machine(root, keeper_says=keeper, office_says=office)
        broken = tree.machine(root, keeper_says=keeper, office_says=office | changes)
        assert judged(check, good)[0] is Grade.PASS, check
        assert judged(check, broken)[0] in (Grade.WARN, Grade.FAIL), check


def test_what_is_lax_in_the_settings_is_found(root: Path, tmp_path: Path) -> None:
    office = good_office(tmp_path)
    for check in settings.CHECKS:
        row = ROWS[check.name.removeprefix("settings.")]
        lax = _lax(row)
        if lax is None or not (row.in_force or row.partly):
            continue
        changed = [
            each | {"value": lax if each["name"] == row.name else each["value"]}
            for each in office["settings.list"]["settings"]
        ]
        broken = office | {"settings.list": {"settings": changed, "problems": []}}
        assert judged(check.name, tree.machine(root, office_says=broken))[0] in (Grade.WARN, Grade.FAIL), check.name


def _lax(row: Any) -> str | None:
    """A value that can be set and that the strict column does not accept."""
    for each in (row.default_text, "", "0", "1", "2", "false", "true", "9"):
        try:
            if not row.strict.accepts(row.kind, row.kind.parse(each)):
                return str(each)
        except BadValue:
            continue
    return None


def test_what_a_walk_through_the_database_found_is_judged(root: Path) -> None:
    good = good_records(root)
    for check, changes in RECORDS.items():
        assert judged(check, tree.machine(root, records=good))[0] is Grade.PASS
        assert judged(check, tree.machine(root, records=good | changes))[0] is Grade.FAIL


def test_a_damaged_database_and_a_changed_trail_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store.open(path) as store:
        store.note("root", "a", "b")
        store.note("root", "c", "d")
        store.commit()
    with Reader.open(path) as reader:
        assert walked(reader)["broken_at"] == 0
        assert walked(reader)["damage"] == []
        (page,) = reader._one("SELECT rootpage FROM sqlite_master WHERE name = 'cdrs'") or (0,)
        (size,) = reader._one("PRAGMA page_size") or (0,)
    raw = path.read_bytes()
    path.write_bytes(raw[: (page - 1) * size] + b"\xff" * size + raw[page * size :])
    with Reader.open(path) as reader:
        assert walked(reader)["damage"]


def test_every_check_is_broken_by_some_test() -> None:
    of_settings = {check.name for check in settings.CHECKS}
    tried = {*FILES, *PROGRAMS, *KEEPER, *OFFICE, *RECORDS, *RUNNING, *of_settings, "network.filter_ipv6"}
    left = {"gate.answers", "system.room"}  # the command's test stops the keeper; a full disk is a full disk
    assert {check.name for check in table.CHECKS} - tried == left
    assert tried <= set(table.BY_NAME)


def test_a_state_is_encrypted_by_whichever_layer_below_it_is(root: Path) -> None:
    put(root, "/sys/class/block/dm-0/dm/uuid", "LVM-volume\n")
    link(root, "/sys/class/block/dm-0/slaves/vda2", "../../vda2")
    (root / "sys/class/block/vda2").mkdir()
    assert judged("system.state_encrypted", tree.machine(root)) == (Grade.WARN, "/dev/mapper/state: plain")
    link(root, "/sys/class/block/vda2/slaves/dm-1", "../../dm-1")
    put(root, "/sys/class/block/dm-1/dm/uuid", "CRYPT-LUKS2-4e93\n")
    assert judged("system.state_encrypted", tree.machine(root)) == (Grade.PASS, "/dev/mapper/state: LUKS2")
    (root / "proc/mounts").write_text("overlay / overlay rw 0 0\n")
    assert judged("system.state_encrypted", tree.machine(root))[0] is Grade.ABSENT


def test_every_finding_of_the_office_has_its_row() -> None:
    of_settings = {check.name.removeprefix("settings.") for check in settings.CHECKS}
    own = {check.name for check in checklist.CHECKS} | set(checklist.SETTINGS)
    assert own - set(service.FINDINGS) - of_settings == {"strict"}  # each of those settings has a row of its own
    assert set(service.FINDINGS) <= own


@pytest.mark.parametrize("check", table.CHECKS, ids=lambda check: check.name)
def test_a_row_says_everything(check: Check) -> None:
    assert all((check.what, check.why, check.reads, check.fix))
    assert check.weight in (1, 2, 3)
    assert check.area in Area


def test_names_are_one_for_each_row() -> None:
    assert len(table.BY_NAME) == len(table.CHECKS)


def test_an_empty_tree_passes_nothing_that_it_cannot_show(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    report = table.run(tree.machine(tmp_path / "empty", {}))
    passed = [each.name for each in report.findings if each.grade in CREDIT and each.grade is Grade.PASS]
    assert set(passed) <= {"files.open", "files.set_id", "files.sticky", "files.path", "network.trusted_hosts",
                           "access.entrances", "access.weak_keys", "access.unnamed_keys", "access.private_keys",
                           "access.consoles", "access.greeting", "system.room", "network.filter_ipv6"}  # fmt: skip


def test_nothing_that_is_broken_in_a_file_ends_the_run(root: Path) -> None:
    for path in ("/etc/passwd", "/etc/group", "/proc/mounts", "/proc/net/tcp", "/etc/ssh/sshd_config", "/proc/swaps"):
        put(root, path, b"\xff\x00:::\n[")
    assert table.run(tree.machine(root)).findings


def test_a_report_is_read_back_as_it_was_written(root: Path) -> None:
    report = table.run(tree.machine(root), table.CHECKS[:20])
    assert table.Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    with pytest.raises(ValueError, match="no result of an audit"):
        table.Report.from_dict({"made_at": 1})
