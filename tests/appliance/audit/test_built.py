"""aide itself, with the image's own configuration, over a small tree, and what the audit reads out of its report."""

import subprocess
from pathlib import Path

import pytest

from appliance.audit import built, table
from appliance.audit.row import Grade, Unreadable
from tests.appliance.audit import tree

CONFIGURATION = tree.REPOSITORY / "image/files/usr/local/share/appliance/aide.conf"
LISTED = tree.REPOSITORY / "image/provision/85-built.sh"
WHOSE = ("machine-id", "hostname", ".updated", "ssh/ssh_host_ed25519_key", "ssh/authorized_keys/root",
         "systemd/network/05-wizard.network", "systemd/network/10-cloud-init-eth0.network",
         "systemd/system/sshd.service", "systemd/system/multi-user.target.wants/ssh.service", "rc2.d/S01ssh",
         "sysctl.d/zz-appliance-audit.conf", "systemd/journald.conf.d/zz-appliance-audit.conf")  # fmt: skip
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
        tree.link(self.root, "usr/bin/nftables", "nft")
        self._run("--init")

    def differences(self) -> list[str]:
        return built.differences(self._run("--check"))

    def numbered_anew(self) -> None:
        """As the build leaves it: no file's number on this disk."""
        program = LISTED.read_text().partition("<<'PYTHON'\n")[2].partition("\nPYTHON\n")[0]
        subprocess.run(["python3", "-c", program, self._list], check=True)

    def _run(self, verb: str) -> str:
        done = subprocess.run(
            ["aide", "--config", self._words, verb], capture_output=True, text=True, check=False, timeout=60
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


def test_what_is_the_machines_own_may_differ(sealed: Sealed) -> None:
    for name in WHOSE:
        tree.put(sealed.root, f"etc/{name}", "mine")
    tree.put(sealed.root, "boot/efi/grubenv", "counted")
    paths = {each.rpartition(" is ")[0] for each in sealed.differences()}
    assert {path for path in paths if (sealed.root / path.lstrip("/")).is_file()} == set()


@pytest.mark.parametrize(
    ("path", "changed", "said"),
    [
        ("usr/bin/nft", "other", "changed"),
        ("opt/appliance/appliance/keeper.py", "", "changed"),
        ("usr/lib/preloaded.so", "new", "new"),
        ("etc/ld.so.preload", "/usr/lib/preloaded.so", "new"),
        ("etc/systemd/system/sshd.service.d/key.conf", "[Service]", "new"),
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
    assert table.judged(table.BY_NAME["files.built"], machine).grade is Grade.ABSENT


def test_settings_and_programs_are_two_rows(tmp_path: Path) -> None:
    root = tree.make(tmp_path / "root")
    report = '{"number_of_entries": {"total": 9, "added": 2}, "added": {"/etc/a": "f", "/usr/b": "f"}}'
    machine = tree.machine(root, tree.SAID | {built.AIDE: report})
    programs, settings = (table.judged(table.BY_NAME[f"files.{name}"], machine) for name in ("built", "configured"))
    assert (programs.grade, programs.value) == (Grade.FAIL, "/usr/b is new")
    assert (settings.grade, settings.value) == (Grade.WARN, "/etc/a is new")
