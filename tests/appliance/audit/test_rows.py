"""Every check of the audit: right on a tree that is right, and not right as soon as its thing is broken."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import service, settings, table
from appliance.audit.row import CREDIT, Area, Check, Grade
from appliance.config.fields import BadValue
from appliance.config.schema import ROWS
from pysrv.control.walk import walked
from pysrv.limits import checklist
from pysrv.store import Reader, Store
from tests.appliance.audit import tree
from tests.appliance.audit.breaks import EVERYBODY, FILES, KEEPER, OFFICE, PROGRAMS, RECORDS, RUNNING, listens
from tests.appliance.audit.tree import NFT, SAID, link, put


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


def test_a_later_file_that_allows_cores_counts(root: Path) -> None:
    put(root, "/etc/security/limits.d/10-coredump-debian.conf", "* hard core infinity\n")
    assert judged("system.cores", tree.machine(root)) == (Grade.PASS, "hard core 0")
    put(root, "/etc/security/limits.d/95-other.conf", "* - core unlimited\n")
    assert judged("system.cores", tree.machine(root)) == (Grade.WARN, "hard core unlimited")


@pytest.mark.parametrize("check", sorted(PROGRAMS))
def test_what_a_program_says_is_judged(check: str, root: Path) -> None:
    assert judged(check, tree.machine(root, SAID, tree.keeper()))[0] is Grade.PASS
    assert judged(check, tree.machine(root, SAID | PROGRAMS[check], tree.keeper()))[0] in (Grade.WARN, Grade.FAIL)


@pytest.mark.parametrize(
    ("wrong", "grade", "value"),
    [
        (SAID[NFT].replace('"@administrators"', '"@friends"'), Grade.FAIL, "everybody, by input handle 7"),
        (SAID[NFT].replace('"appl-tunnel"', '"eth0"'), Grade.FAIL, "everybody, by input handle 6"),
        (
            SAID[NFT].replace('"=="', '"!="'),
            Grade.FAIL,
            "everybody, by input handle 5, input handle 6, input handle 7, input handle 8",
        ),
        (
            SAID[NFT].replace('"hook": "input"', '"hook": "output"'),
            Grade.WARN,
            "everybody, unless another packet filter keeps it",
        ),
        (EVERYBODY, Grade.WARN, "everybody"),
    ],
    ids=["another set", "another interface", "all but what is meant", "no filter of what comes in", "a set of all"],
)
def test_whoever_else_ssh_answers_is_found_by_the_rule_that_lets_him_in(
    wrong: str, grade: Grade, value: str, root: Path
) -> None:
    assert judged("network.ssh_sources", tree.machine(root, SAID | {NFT: wrong})) == (grade, value)


def test_whom_ssh_answers_is_said_by_name_and_nobody_where_it_is_closed(root: Path) -> None:
    assert judged("network.ssh_sources", tree.machine(root)) == (Grade.PASS, "the tunnel, 10.0.0.0/8, 192.168.0.7/32")
    put(root, "/proc/net/tcp", tree.TCP + tree.socket(22, 0, 14, address="0100007F"))
    assert judged("network.ssh_sources", tree.machine(root)) == (Grade.PASS, "it is closed")


def test_whom_ssh_answers_is_held_against_what_the_office_says(root: Path, tmp_path: Path) -> None:
    """A real office: before anybody is trusted it names private networks, then the allow list alone."""
    told = tree.office(tmp_path)
    passed = (Grade.PASS, "the tunnel, 10.0.0.0/8, 192.168.0.7/32")
    assert judged("network.ssh_sources", tree.machine(root, office_says=told)) == passed
    settings = ("settings.set", {"changes": {"allowtrustedip": "3"}})
    told = tree.office(tmp_path, settings, ("allows.add", {"prefix": "10.0.0.0/8"}))
    left = (Grade.WARN, "others than the office names: 192.168.0.7/32 by input handle 7")
    assert judged("network.ssh_sources", tree.machine(root, office_says=told)) == left


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
    put(root, "/sys/class/block/dm-1/dm/uuid", "CRYPT-INTEGRITY-sums\n")
    assert judged("system.state_encrypted", tree.machine(root))[0] is Grade.WARN
    put(root, "/sys/class/block/dm-1/dm/uuid", "CRYPT-LUKS2-4e93\n")
    link(root, "/sys/class/block/dm-0/slaves/vdb", "../../vdb")  # a volume over two disks
    (root / "sys/class/block/vdb").mkdir()
    assert judged("system.state_encrypted", tree.machine(root))[0] is Grade.WARN
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


@pytest.mark.parametrize(
    ("book", "grade"),
    [
        ('{"on": true, "port": 51820}', Grade.PASS),
        ('{"on": false, "port": 51820}', Grade.FAIL),
        ('{"on": true, "port": 51821}', Grade.FAIL),
        ("[]", Grade.FAIL),
        ("{", Grade.FAIL),
    ],
)
def test_the_tunnels_port_is_the_kernels_to_hold_while_the_tunnel_is_on(book: str, grade: Grade, root: Path) -> None:
    listens(51820, "udp")(root)
    assert judged("network.listeners", tree.machine(root)) == (Grade.FAIL, "udp 51820 (user 0)")
    tree.put(root, "/var/lib/appliance/tunnel/tunnel.json", book, 0o600)
    assert judged("network.listeners", tree.machine(root))[0] is grade
