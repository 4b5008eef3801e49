"""`appliance audit` itself: a running appliance is read, a namespace's kernel and filter too, and fixes fix."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.audit import mending
from appliance.cli.link import exchange
from appliance.config.schema import ROWS
from tests.appliance.audit import tree
from tests.appliance.namespaces import Namespace
from tests.appliance.test_running import SERVES, appliance
from tests.appliance.trees import REPOSITORY

AUDIT = (sys.executable, "-m", "appliance", "audit")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree.make(tmp_path / "root")


def audit(*words: str, before: tuple[str, ...] = (), user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *AUDIT, *words], capture_output=True, text=True, cwd=REPOSITORY, user=user, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def inside(namespace: Namespace) -> tuple[str, ...]:
    return (*namespace.enter, f"--wdns={REPOSITORY}")


def grades(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {each["name"]: each["grade"] for each in json.loads(done.stdout)["findings"]}


@pytest.mark.timeout(300)  # it walks over all of /usr
def test_a_running_appliance_is_read(namespace: Namespace, tmp_path: Path) -> None:
    where = (f"--state={tmp_path}/state", f"--runtime={tmp_path}/run")
    before = inside(namespace)
    with appliance(namespace, tmp_path) as process:
        process.line(SERVES)
        done = audit(*where, "--record", "--json", before=before)
        assert done.stdout, done.stderr
        [shown] = exchange(tmp_path / "run" / "office.sock", [("audit.show", {})])
    found = grades(done)
    assert shown["report"]["score"] == json.loads(done.stdout)["score"]
    assert {each["name"]: each["grade"] for each in shown["report"]["findings"]} == found
    assert done.returncode == 1, done.stderr  # nobody has a second factor yet
    passed = {"gate.answers", "gate.native", "gate.kernel", "gate.steered", "gate.plan", "gate.rules_act",
              "database.closed", "database.whole", "database.schema", "database.trail",
              "service.runs", "service.tls_old", "service.tls_new", "service.tls_weak", "service.headers",
              "service.certificate_days", "service.stored_settings", "service.weak_passwords",
              "units.office_powers", "units.keeper_socket", "settings.allownoauthcalls"}  # fmt: skip
    assert {name: found[name] for name in passed} == dict.fromkeys(passed, "pass")
    assert found["service.second_factor"] == "fail"
    assert found["gate.pinned"] == "warn"
    idle = {f"settings.{row.name}" for row in ROWS.values() if not row.in_force and not row.partly}
    silent = {name for name, grade in found.items() if name.startswith(("service.", "settings."))}
    assert {name for name in silent if found[name] == "not here"} <= idle
    assert grades(audit(*where, "--area=gate", "--json", before=before))["gate.answers"] == "fail"


def test_a_filter_is_judged_by_the_kernels_word(namespace: Namespace) -> None:
    names = ("network.filter_input", "network.filter_forward", "network.filter_wide")
    assert grades(audit("--area=network", "--json", before=inside(namespace)))["network.filter_input"] == "fail"
    namespace.run("nft", "-f", str(REPOSITORY / "image/files/etc/nftables.conf"))
    found = grades(audit("--area=network", "--json", before=inside(namespace)))
    assert [found[name] for name in names] == ["pass"] * 3
    namespace.run("nft", "add", "rule", "inet", "machine", "input", "accept")
    assert grades(audit("--area=network", "--json", before=inside(namespace)))["network.filter_wide"] == "fail"


def test_a_fix_changes_the_running_kernel_and_lasts(namespace: Namespace) -> None:
    name = "network.ipv4.conf.all.accept_redirects"
    namespace.run("mount", "-t", "tmpfs", "etc", "/etc/sysctl.d")
    namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.accept_redirects=1")
    assert grades(audit("--area=network", "--json", before=inside(namespace)))[name] == "fail"
    done = audit("--area=network", "--json", "--fix", "--yes", before=inside(namespace))
    assert grades(done)[name] == "pass"
    assert "sets net.ipv4.conf.all.accept_redirects = 0 in the running kernel" in done.stderr
    assert namespace.run("sysctl", "-n", "net.ipv4.conf.all.accept_redirects") == "0\n"
    assert "net.ipv4.conf.all.accept_redirects = 0\n" in namespace.run("cat", mending.SYSCTL_FILE)
    assert namespace.run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"  # whoever routes would lose a network
    assert not (Path(mending.SYSCTL_FILE)).exists()


BROKEN = {
    "/etc/shadow": 0o644, "/etc/crontab": 0o666,
    "/var/lib/appliance/office/appliance.db": 0o644, "/boot/grub/grub.cfg": 0o644,
}  # fmt: skip


def test_fixes_mend_a_tree_and_touch_nothing_else(root: Path) -> None:
    for path, mode in BROKEN.items():
        (root / path.lstrip("/")).chmod(mode)
    (root / "etc/modprobe.d/appliance.conf").unlink()
    (root / "etc/security/limits.d/90-appliance.conf").unlink()
    tree.put(root, "/etc/systemd/journald.conf.d/appliance.conf", "[Journal]\nStorage=volatile\n")
    tree.put(root, "/etc/ssh/sshd_config", "PasswordAuthentication yes\n", 0o600)
    mended = ("files.shadow", "files.cron", "files.open", "files.grub", "database.closed", "kernel.rare_protocols",
              "kernel.buses", "system.cores", "system.journal_storage")  # fmt: skip
    before = grades(audit(f"--root={root}", "--json"))
    assert [name for name in mended if before[name] == "pass"] == []
    done = audit(f"--root={root}", "--json", "--fix", "--yes")
    after = grades(done)
    assert {name: after[name] for name in mended} == dict.fromkeys(mended, "pass")
    assert after["access.ssh_passwordauthentication"] == before["access.ssh_passwordauthentication"] == "fail"
    assert (root / "etc/ssh/sshd_config").read_text() == "PasswordAuthentication yes\n"
    assert "changes the mode of /etc/shadow from 644 to 640" in done.stderr
    again = audit(f"--root={root}", "--json", "--fix", "--yes")
    assert "changes the mode" not in again.stderr


def test_without_a_terminal_nothing_is_mended_unless_it_is_said(root: Path) -> None:
    (root / "etc/shadow").chmod(0o644)
    done = audit(f"--root={root}", "--area=files", "--fix")
    assert done.returncode == 2
    assert "--yes applies every safe fix" in done.stderr
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o644


def test_a_tree_that_is_right_ends_well_and_shows_its_score(root: Path) -> None:
    done = audit(f"--root={root}", "--area=files", "--area=access")
    assert done.returncode == 0, done.stdout
    assert "score 100 of 100" in done.stdout
    (root / "etc/shadow").chmod(0o644)
    done = audit(f"--root={root}", "--area=files")
    assert done.returncode == 1
    assert "fail      files.shadow" in done.stdout
    assert "files.cron" not in done.stdout
    assert "files.cron" in audit(f"--root={root}", "--area=files", "--all").stdout


def test_a_check_is_explained_to_anybody() -> None:
    done = audit("--explain", "files.shadow", user=65534)
    assert done.returncode == 0, done.stderr
    assert "They are guessed at home, without a limit." in done.stdout
    done = audit("--explain", "shadow")
    assert done.returncode == 5
    assert "perhaps files.shadow" in done.stderr


def test_only_root_can_audit() -> None:
    done = audit(user=65534)
    assert done.returncode == 4
    assert "only root can read what the audit reads" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.geteuid() == 0


def test_a_root_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = audit(f"--root={tmp_path}/nowhere")
    assert done.returncode == 5
    assert "there is no directory" in done.stderr
    done = audit(f"--root={tmp_path}", "--fix", "--yes")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "is no tree of a machine" in done.stderr


def test_what_a_fix_lays_down_is_whole_and_said_once(root: Path) -> None:
    machine = tree.machine(root)
    for value in ("1", "2"):
        for step in mending.line(machine, mending.LIMITS_FILE, "* hard core", f"* hard core {value}"):
            step.do()
    written = (root / mending.LIMITS_FILE.lstrip("/")).read_text()
    assert written == f"{mending.HEAD}* hard core 2\n"
    assert list((root / mending.LIMITS_FILE.lstrip("/")).parent.glob(".*")) == []


def test_a_mode_is_not_changed_through_a_link(root: Path) -> None:
    place: Any = root / "etc/shadow"
    steps = list(mending.mode(tree.machine(root), "/etc/issue", 0o600))
    (root / "etc/issue").unlink()
    (root / "etc/issue").symlink_to("shadow")
    with pytest.raises(OSError):
        steps[0].do()
    assert place.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("way", ["a link further up", "another file", "a link of root's own"])
def test_nothing_of_roots_is_given_away_through_what_the_office_lays_there_meanwhile(root: Path, way: str) -> None:
    office = root / "var/lib/appliance/office"
    (office / "d").mkdir(parents=True)
    os.chown(office, tree.UID, tree.UID)
    (office / "d" / "shadow").write_text("left there by root")
    shadow = root / "etc/shadow"
    before = shadow.stat()
    steps = mending.mode(tree.machine(root), "/var/lib/appliance/office/d/shadow", 0o600, tree.UID)
    assert len(steps) == 2  # shown to somebody, who reads for a while
    (office / "d").rename(office / "e")
    if way == "a link further up":
        (office / "d").symlink_to(root / "etc")
        os.chown(office / "d", tree.UID, tree.UID, follow_symlinks=False)
    elif way == "another file":
        (office / "d").mkdir()
        os.link(shadow, office / "d" / "shadow")
    else:
        (office / "d").symlink_to(root / "etc")
    for step in steps:
        with pytest.raises(OSError):
            step.do()
    assert (shadow.stat().st_uid, shadow.stat().st_mode) == (before.st_uid, before.st_mode)


def test_a_file_of_the_offices_is_closed_and_given_to_it(root: Path) -> None:
    place = root / "var/lib/appliance/office/d/x"
    place.parent.mkdir(parents=True)
    place.touch(0o644)
    for step in mending.mode(tree.machine(root), "/var/lib/appliance/office/d/x", 0o600, tree.UID):
        step.do()
    assert (place.stat().st_mode & 0o777, place.stat().st_uid) == (0o600, tree.UID)
