"""aide itself, with the image's own configuration, over a small tree, and what the audit reads out of its report."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from appliance.audit import built, table
from appliance.audit.row import Grade, Unreadable
from tests.appliance.audit import tree

CONFIGURATION = tree.REPOSITORY / "image/files/usr/local/share/appliance/aide.conf"
LISTED = tree.REPOSITORY / "image/provision/85-built.sh"
WHOSE = ("machine-id", "appliance/start", "hostname", ".updated",
         "ssh/ssh_host_ed25519_key", "ssh/authorized_keys/root",
         "systemd/network/05-wizard.network", "systemd/network/10-cloud-init-eth0.100.network")  # fmt: skip
LINKS = {"usr/bin/nftables": "nft", "bin": "usr/bin", "etc/rc2.d/K01ssh": "../init.d/ssh"}
FILES = ("usr/bin/nft", "opt/appliance/appliance/keeper.py", "boot/vmlinuz", "etc/passwd", "boot/efi/grubenv")
SILENT = ("", "{}", "[]", '{"number_of_entries": {"total": 0}}', '{"number_of_entries": {"total": 9, "changed": 1}}')


class Sealed:
    """A tree whose files are written down, as at the end of a build."""

    def __init__(self, place: Path) -> None:
        self.root, self._list = place / "root", place / "built.db"
        self._words = place / "aide.conf"
        text = CONFIGURATION.read_text()
        assert text.count(built.LIST) == 2
        self._words.write_text(text.replace(built.LIST, str(self._list)) + f"root_prefix={self.root}\n")
        for path in FILES:
            tree.put(self.root, path, path)
        for path, target in LINKS.items():
            tree.link(self.root, path, target)
        for name in WHOSE:  # the image has every directory in which they will lie
            (self.root / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        self._run("--init")

    def differences(self) -> list[str]:
        return [f"{path} is {word}" for path, word in built.differences(self.report())]

    def report(self) -> str:
        return self._run("--check")

    def written_down(self) -> None:
        """Once more, as the build leaves it."""
        self._run("--init")
        self.numbered_anew()

    def numbered_anew(self) -> None:
        """As the build leaves it: no file's number on this disk."""
        program = LISTED.read_text().partition("<<'PYTHON'\n")[2].partition("\nPYTHON\n")[0]
        subprocess.run(["python3", "-c", program, self._list], check=True)

    def _run(self, verb: str) -> str:
        done = subprocess.run(
            ["aide", "--config", self._words, verb],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
        )
        assert done.returncode in built.ENDS, done.stderr
        return done.stdout


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path)


def test_a_machine_that_is_as_it_was_built_has_no_difference(sealed: Sealed) -> None:
    assert sealed.differences() == []
    sealed.numbered_anew()
    assert sealed.differences() == []
    assert " 0 " in (sealed.root.parent / "built.db").read_text().splitlines()[2]


def test_what_the_seal_takes_away_is_not_missed(sealed: Sealed) -> None:
    kept = ("root/.profile", "etc/ssh/ssh_host_rsa_key")
    for path in kept:
        tree.put(sealed.root, path, "the build's")
    sealed.written_down()
    for path in kept:
        (sealed.root / path).unlink()
    assert sealed.differences() == []
    tree.put(sealed.root, kept[1], "mine")
    assert sealed.differences() == ["/etc/ssh/ssh_host_rsa_key is new"]


def test_what_is_the_machines_own_may_differ(sealed: Sealed) -> None:
    for name in WHOSE:
        tree.put(sealed.root, f"etc/{name}", "mine")
    tree.put(sealed.root, "boot/efi/grubenv", "counted")
    assert sealed.differences() == []


@pytest.mark.parametrize(
    ("path", "changed", "said"),
    [
        ("usr/bin/nft", "other", "changed"),
        ("opt/appliance/appliance/keeper.py", "", "changed"),
        ("usr/lib/preloaded.so", "new", "new"),
        ("etc/ld.so.preload", "/usr/lib/preloaded.so", "new"),
        ("etc/systemd/system/sshd.service.d/key.conf", "[Service]", "new"),
        ("root/.profile", "/etc/other", "new"),
        ("etc/modprobe.d/zz-appliance-audit.conf", "install wireguard /bin/sh -c id", "new"),
        ("boot/vmlinuz", None, "gone"),
    ],
)
def test_what_was_exchanged_is_named(sealed: Sealed, path: str, changed: str | None, said: str) -> None:
    if changed is None:
        (sealed.root / path).unlink()
    else:
        tree.put(sealed.root, path, changed)
    assert f"/{path} is {said}" in sealed.differences()


def test_mode_owner_and_target_count_and_times_do_not(sealed: Sealed) -> None:
    (sealed.root / "usr/bin/nft").touch()
    assert sealed.differences() == []
    (sealed.root / "usr/bin/nft").chmod(0o4755)
    assert sealed.differences() == ["/usr/bin/nft is changed"]
    (sealed.root / "usr/bin/nftables").unlink()
    tree.link(sealed.root, "usr/bin/nftables", "/tmp/nft")
    assert "/usr/bin/nftables is changed" in sealed.differences()


@pytest.mark.parametrize("said", SILENT)
def test_a_report_that_says_nothing_does_not_pass(said: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        built.differences(said)
    root = tree.make(tmp_path / "root")
    machine = tree.machine(root, tree.SAID | {built.AIDE: said})
    for name in ("files.built", "files.configured"):
        assert table.judged(table.BY_NAME[name], machine).grade is Grade.FAIL


def test_two_names_that_cannot_be_decoded_hide_nothing(sealed: Sealed) -> None:
    for name in (b"a\xfe", b"a\xff"):
        (sealed.root / "etc" / os.fsdecode(name)).touch()
    tree.put(sealed.root, "usr/bin/nft", "other")
    assert "/usr/bin/nft is changed" in sealed.differences()
    assert len(sealed.differences()) == 3


def test_a_directory_in_place_of_a_link_at_the_top_is_seen(sealed: Sealed) -> None:
    (sealed.root / "bin").unlink()
    tree.put(sealed.root, "bin/sh", "mine")
    assert "/bin is changed" in sealed.differences()


def test_ssh_may_be_opened_by_its_links_and_by_nothing_else(sealed: Sealed, tmp_path: Path) -> None:
    root = sealed.root
    for path, target in {
        "etc/systemd/system/sshd.service": "/usr/lib/systemd/system/ssh.service", "etc/rc2.d/S01ssh": "../init.d/ssh",
    }.items():  # fmt: skip
        tree.link(root, path, target)
    (root / "etc/rc2.d/K01ssh").unlink()
    tree.put(root, "etc/appliance/version", "1")
    said = {built.AIDE: sealed.report()}
    opened = table.judged(table.BY_NAME["files.configured"], tree.machine(root, said))
    assert opened.value == "/etc/appliance/version is new, /etc/systemd/system is new"
    (root / "etc/systemd/system/sshd.service").unlink()
    tree.put(root, "etc/systemd/system/sshd.service", "[Service]\nExecStart=/bin/sh\n")
    spoilt = table.judged(table.BY_NAME["files.configured"], tree.machine(root, said))
    assert "/etc/systemd/system/sshd.service is new" in spoilt.value


def test_a_mark_that_was_removed_does_not_make_it_another_machine(tmp_path: Path) -> None:
    root = tree.make(tmp_path / "root")
    (root / "etc/appliance/version").unlink()
    report = '{"number_of_entries": {"total": 9, "changed": 1}, "changed": {"/usr/bin/nft": "f"}}'
    machine = tree.machine(root, tree.SAID | {built.AIDE: report})
    assert table.judged(table.BY_NAME["files.built"], machine).grade is Grade.FAIL
    (root / built.LIST.lstrip("/")).unlink()
    assert table.judged(table.BY_NAME["files.built"], machine).grade is Grade.ABSENT


def test_settings_and_programs_are_two_rows(tmp_path: Path) -> None:
    root = tree.make(tmp_path / "root")
    report = '{"number_of_entries": {"total": 9, "added": 2}, "added": {"/etc/a": "f", "/usr/b": "f"}}'
    machine = tree.machine(root, tree.SAID | {built.AIDE: report})
    programs, settings = (table.judged(table.BY_NAME[f"files.{name}"], machine) for name in ("built", "configured"))
    assert (programs.grade, programs.value) == (Grade.FAIL, "/usr/b is new")
    assert (settings.grade, settings.value) == (Grade.WARN, "/etc/a is new")


def test_aide_gives_up_before_its_unit_ends_the_whole_audit() -> None:
    unit = (tree.REPOSITORY / "image/files/etc/systemd/system/appliance-audit.service").read_text()
    (limit,) = re.findall(r"^TimeoutStartSec=(\d+)$", unit, re.M)
    assert int(limit) / 2 >= built.PATIENCE_S


BESIDE = ("etc/ssh/authorized_keys/ann", "etc/ssh/sshd_config.d/99-mine.conf", "etc/appliance/other")


@pytest.mark.parametrize("path", BESIDE)
def test_beside_what_is_the_machines_own_a_file_is_seen(sealed: Sealed, path: str) -> None:
    tree.put(sealed.root, path, "mine")
    assert f"/{path} is new" in sealed.differences()
