"""What a booted image says is judged: a good one passes, and each fault is found by the check that is for it."""

import json
from typing import Any

import pytest

from tests.image.judge import BUILT, MARK, heard, judge, shared, table

SOCKETS = [
    'udp UNCONN 0 0 10.0.2.15:5060 0.0.0.0:* users:(("python",pid=9,fd=8))',
    'tcp LISTEN 0 100 10.0.2.15:5060 0.0.0.0:* users:(("python",pid=9,fd=9))',
    'tcp LISTEN 0 100 [fec0::1]:5061 [::]:* users:(("python",pid=9,fd=10))',
    'tcp LISTEN 0 100 10.0.2.15:8443 0.0.0.0:* users:(("python",pid=9,fd=11))',
    'udp UNCONN 0 0 10.0.2.15%eth0:68 0.0.0.0:* users:(("systemd-network",pid=3,fd=4))',
]
GOOD: dict[str, Any] = {
    "status": {"keeper": {"interfaces": [{"name": "eth0", "mode": "native"}], "relay": "kernel"}},
    "xdp": [{"mode": 1}],
    "running": "running",
    "failed": [],
    "listens": SOCKETS,
    "people": [],
    "left": [],
    "setid": ["/usr/lib/dbus-1.0/dbus-daemon-launch-helper"],
    "firewall": 'chain x { socket cgroupv2 level 2 "system.slice/appliance-office.service" accept } policy drop;',
    "office": {"Uid": "990\t990", "CapEff": "0000000000000000", "CapBnd": "0", "NoNewPrivs": "1", "Seccomp": "2"},
    "sysctl": [],
    "confined": {"appliance": "appliance-keeper (enforce)", "appliance-office": "appliance-office (enforce)"},
    "denied": [],
    "owners": ["9129 looked at, 0 wrong"],
    "audit": [
        *({"name": f"kernel.row{number}", "grade": "pass"} for number in range(250)),
        {"name": "service.backup", "grade": "fail"},
        {"name": "settings.minpwdlength", "grade": "fail"},
        {"name": "system.clock", "grade": "fail"},
        {"name": "kernel.secure_boot", "grade": "warn"},
        *({"name": name, "grade": "pass", "value": "all as built"} for name in BUILT),
    ],
    "screen": "https://10.0.2.15:8443/panel/ (certificate SHA-256 AB)\nuser 'admin'\n1 Address\n2 Name\n3 SSH closed",
    "active": {"systemd-timesyncd": "active", "appliance-wizard": "active", "ssh": "inactive"},
    "cores": "0",
    "file_systems": ["ext4", "overlay", "proc", "bpf", "tmpfs"],
    "outlives": {"office": True, "keeper": True},
    "name": "appliance",
    "names_by": "Link 2 (eth0): 10.0.2.3",
    "user_data_ran": False,
    "taken": [],
    "lockdown": "none [integrity] confidentiality",
    "scores": [
        {"unit": "appliance.service", "exposure": "2.4"},
        {"unit": "appliance-office.service", "exposure": "1.2"},
    ],
    "disk_bytes": 4096 << 20,
    "state_bytes": 1900 << 20,
    "state_options": "rw,nosuid,nodev,noexec,noatime",
    "password_in_journal": False,
}
CONSOLE = "state on https://10.0.2.15:8443/ (certificate SHA-256 AB)\nadministrator: user 'admin', password 'x'"


def faults(told: dict[str, Any], console: str = CONSOLE) -> list[str]:
    return [row.what for row in judge(told, console, 4096) if not row.good]


def test_a_good_image_passes() -> None:
    assert faults(GOOD) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"status": {"keeper": {"interfaces": [{"name": "eth0", "mode": "generic"}], "relay": "kernel"}}}, "native"),
        ({"status": {}}, "native"),
        ({"xdp": [{"mode": 2}]}, "so says the kernel"),
        ({"running": "degraded", "failed": ["a.service failed"]}, "no unit failed"),
        ({"listens": [*SOCKETS, 'tcp LISTEN 0 9 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))']}, "nothing listens"),
        ({"listens": [*SOCKETS[1:], SOCKETS[0].replace("python", "nc")]}, "nothing listens"),
        ({"listens": SOCKETS[1:]}, "the appliance listens"),
        ({"people": ["user debian"]}, "nobody could log in"),
        ({"left": ["/root/.ssh"]}, "nothing of the build"),
        ({"file_systems": ["ext4", "debugfs"]}, "file systems those that nothing reads"),
        ({"audit": [each for each in GOOD["audit"] if each["name"] != "files.built"]}, "as it was built"),
        ({"audit": [*GOOD["audit"], {"name": "files.configured", "grade": "warn"}]}, "as it was built"),
        ({"firewall": "policy accept"}, "drops by itself"),
        ({"firewall": "policy drop"}, "knows the appliance"),
        ({"office": GOOD["office"] | {"CapBnd": "1"}}, "no power"),
        ({"audit": []}, "its own audit"),
        ({"audit": [each | {"grade": "not here"} for each in GOOD["audit"]]}, "its own audit"),
        ({"audit": [*GOOD["audit"], {"name": "access.empty", "grade": "fail"}]}, "its own audit"),
        ({"office": GOOD["office"] | {"Uid": "0\t0"}}, "no power"),
        ({"sysctl": ["kernel.sysrq is 1, not 0"]}, "every sysctl"),
        ({"setid": ["/usr/bin/su"]}, "set-id"),
        ({"confined": GOOD["confined"] | {"appliance": "unconfined"}}, "holds appliance"),
        (
            {"confined": GOOD["confined"] | {"appliance-office": "appliance-office (complain)"}},
            "holds appliance-office",
        ),
        ({"denied": ['apparmor="DENIED" operation="open"']}, "refused it nothing"),
        ({"owners": ["/opt/appliance/x is daemon:root, not root:root", "9129 looked at, 1 wrong"]}, "whose the table"),
        ({"owners": []}, "whose the table"),
        ({"screen": GOOD["screen"].replace("SSH", "")}, "the screen shows"),
        ({"active": GOOD["active"] | {"ssh": "active"}}, "SSH is closed"),
        ({"taken": ["/etc/ssh/authorized_keys/root"]}, "SSH is closed"),
        ({"active": GOOD["active"] | {"systemd-timesyncd": "failed"}}, "clock is kept"),
        ({"cores": "infinity"}, "no core"),
        ({"outlives": {"office": False, "keeper": True}}, "outlives its keeper"),
        ({"lockdown": "[none] integrity"}, "locked down"),
        ({"scores": GOOD["scores"][1:]}, "exposure of appliance.service"),
        ({"scores": [*GOOD["scores"][:1], {"unit": "appliance-office.service", "exposure": "2"}]}, "office.service is"),
        ({"disk_bytes": 1 << 30}, "as large as"),
        ({"state_bytes": 300 << 20}, "the rest of it"),
        ({"state_options": "rw,nosuid,nodev"}, "executed"),
        ({"password_in_journal": True}, "the journal does not"),
    ],
)
def test_each_fault_is_found(change: dict[str, Any], found: str) -> None:
    assert any(found in what for what in faults(GOOD | change))


HANDED: dict[str, Any] = GOOD | {
    "name": "handed",
    "names_by": "Link 2 (eth0): 192.0.2.53",
    "taken": ["/etc/ssh/authorized_keys/root"],
    "active": GOOD["active"] | {"ssh": "active"},
    "listens": [*SOCKETS, 'tcp LISTEN 0 9 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))'],
}


def handed_faults(told: dict[str, Any], greeting: str = "SSH-2.0-OpenSSH") -> list[str]:
    return [row.what for row in judge(told, CONSOLE, 4096, greeting, "handed") if not row.good]


def test_a_machine_that_was_told_something_is_what_it_was_told() -> None:
    assert handed_faults(HANDED) == []
    assert handed_faults(HANDED, "") == ["the key opens SSH"]
    assert handed_faults(HANDED | {"name": "appliance"}) == ["the name that was handed in is taken"]
    assert handed_faults(HANDED | {"names_by": ""}) == ["so is the network"]
    assert handed_faults(HANDED | {"taken": []}) == ["the key opens SSH"]
    assert handed_faults(HANDED | {"user_data_ran": True}) == ["user data runs no program"]
    assert handed_faults(
        HANDED | {"listens": [*HANDED["listens"][:-1], HANDED["listens"][-1].replace("sshd", "nc")]}
    ) == ["nothing listens but the appliance"]


def test_a_machine_that_was_told_nothing_greets_nobody() -> None:
    assert [row.what for row in judge(GOOD, CONSOLE, 4096, "SSH-2.0-OpenSSH") if not row.good] == [
        "SSH is closed, and has no key"
    ]


def test_an_office_that_is_not_there_is_a_fault_and_no_crash() -> None:
    assert any("no power" in what for what in faults(GOOD | {"office": {}}))


def test_a_silent_console_is_a_fault() -> None:
    assert faults(GOOD, "") == ["the console shows fingerprint and password"]


def test_a_machine_that_says_nothing_or_fails_is_one_fault() -> None:
    assert heard("noise\n") == {}
    assert [row.found for row in judge({}, "", 4096)] == ["it said nothing"]
    assert [row.found for row in judge({"fault": "KeyError"}, "", 4096)] == ["KeyError"]
    assert heard(f"noise\n{MARK}{json.dumps({'left': []})}\n@end") == {"left": []}


def test_a_secret_on_two_machines_or_on_one_alone_is_found() -> None:
    first = {"a": "1", "b": "2", "c": "3", "d": "4"}
    second = {name: value + "x" for name, value in first.items()}
    assert shared(first, second).good
    assert not shared(first, second | {"b": "2"}).good
    assert not shared(first, {name: value for name, value in second.items() if name != "a"}).good
    assert not shared({}, {}).good


def test_the_table_has_a_line_for_each_check() -> None:
    rows = judge(GOOD | {"left": ["/root/seal"]}, CONSOLE, 4096)
    drawn = table([("bios", row) for row in rows]).splitlines()
    assert len(drawn) == len(rows)
    assert next(line for line in drawn if line.startswith("FAIL")).endswith("/root/seal")
