"""What goes of a cloud image's tree: files that no package brought, and accounts; what is judged after."""

import os
from pathlib import Path

import pytest

from image import exact, remains
from image.packages import LEFT_OUT

LIST = """/.
/bin
/etc
/etc/cloud
/etc/cloud/cloud.cfg
/lib/systemd/system/ssh.service
/usr/bin
/usr/bin/tool
/usr/share/man/man1
/usr/share/man/man1/tool.1.gz
/usr/share/doc/tool
/usr/share/doc/tool/copyright
/usr/share/doc/tool/changelog.gz
/usr/share/doc/linked
/var/lib/tool
"""
BROUGHT = (
    *("etc/cloud/cloud.cfg", "usr/lib/systemd/system/ssh.service", "usr/bin/tool", "usr/bin/tool.real"),
    "usr/share/doc/tool/copyright",
)
ADDED = (
    *("home/debian/.ssh/authorized_keys", "root/.ssh/authorized_keys", "etc/sudoers.d/90-cloud-init-users"),
    *("etc/cloud/cloud.cfg.d/01_debian_cloud.cfg", "etc/netplan/90-default.yaml", "etc/ssh/ssh_host_ed25519_key"),
    *("etc/machine-id", "var/log/cloud-init.log", "var/lib/cloud/instance-id", "usr/local/bin/agent", "opt/agent/run"),
    *("etc/systemd/system/vendor.service", "boot/grub/grub.cfg", "srv/x", "usr/lib/systemd/system/vendor.service"),
)
LEFT = ("usr/share/man/man1/tool.1.gz", "usr/share/doc/tool/changelog.gz")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (root / "var/lib/tool").mkdir()
    (info / "tool.list").write_text(LIST)
    (info.parent / "diversions").write_text("/usr/bin/tool\n/usr/bin/tool.real\nother\n")
    (info.parent / "statoverride").write_text("root root 4755 /usr/bin/tool\n")
    for name in (*BROUGHT, *ADDED, *LEFT, "etc/apt/sources.list", "etc/passwd", "run/x", "proc/1/stat"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/share/doc/linked").symlink_to("tool")
    (root / "etc/systemd/system/multi-user.target.wants").mkdir()
    (root / "etc/systemd/system/multi-user.target.wants/vendor.service").symlink_to("../vendor.service")
    return root


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}


def test_what_no_package_brought_goes_and_what_dpkg_and_mmdebstrap_need_stays(tree: Path) -> None:
    links = {"bin", "usr/share/doc/linked"}
    before = files(tree)
    gone = remains.sweep(tree, LEFT_OUT)
    stay = {"etc/apt/sources.list", "etc/passwd", "run/x", "proc/1/stat", *BROUGHT, *links}
    assert files(tree) - {path for path in files(tree) if path.startswith("var/lib/dpkg/")} == stay
    assert set(gone) == before - files(tree)
    assert {*ADDED, *LEFT, "etc/systemd/system/multi-user.target.wants/vendor.service"} == set(gone)
    assert (tree / "var/lib/dpkg/statoverride").read_text() == ""


def test_directories_go_with_what_was_in_them_unless_a_package_has_them(tree: Path) -> None:
    remains.sweep(tree, LEFT_OUT)
    there = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_dir() and not path.is_symlink()}
    assert "var/lib/tool" in there  # empty, and a package's
    assert not there & {"home", "opt", "root", "srv", "etc/netplan", "etc/cloud/cloud.cfg.d", "usr/share/man/man1"}


def test_a_link_that_leads_out_of_the_tree_takes_nothing_with_it(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    (tree / "var/cache").mkdir()
    for name in ("home/elsewhere", "etc/elsewhere", "var/cache/apt"):
        (tree / name).symlink_to(outside)
    remains.before(tree)
    remains.sweep(tree, LEFT_OUT)
    assert (outside / "precious").read_text() == "x"
    assert not any(os.path.lexists(tree / name) for name in ("home/elsewhere", "etc/elsewhere", "var/cache/apt"))


def test_mmdebstrap_finds_no_archive_network_or_device(tree: Path) -> None:
    for name in ("etc/apt/sources.list.d/x.sources", "etc/resolv.conf", "etc/fstab", "dev/null", "tmp/x"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    remains.before(tree)
    assert not [*(tree / "etc/apt").iterdir(), *(tree / "dev").iterdir(), *(tree / "tmp").iterdir()]
    assert not any((tree / name).exists() for name in ("etc/resolv.conf", "etc/fstab", "boot/grub/grub.cfg"))


def test_accounts_begin_with_base_passwd_s_own_and_nobody_has_a_password(tree: Path) -> None:
    masters = tree / "usr/share/base-passwd"
    masters.mkdir(parents=True)
    (masters / "passwd.master").write_text("root:*:0:0:root:/root:/bin/bash\n")
    (masters / "group.master").write_text("root:*:0:\n")
    (tree / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\ndebian:x:1000:1000::/home/debian:/bin/bash\n")
    (tree / "etc/shadow").write_text("root::1::::::\n")
    remains.accounts(tree)
    assert (tree / "etc/passwd").read_text() == "root:*:0:0:root:/root:/bin/bash\n"
    assert (tree / "etc/group").read_text() == "root:*:0:\n"
    assert not (tree / "etc/shadow").exists()


@pytest.mark.parametrize(
    ("path", "way", "out"),
    [
        ("/usr/share/man/man1/x.1.gz", False, True),
        ("/usr/share/man/man1", True, True),
        ("/usr/share/man", True, False),
        ("/usr/share/doc/x/copyright", False, False),
        ("/usr/share/doc/x/README", False, True),
        ("/usr/share/doc/x", True, False),
        ("/usr/share/documents/x", False, False),
    ],
)
def test_files_are_left_out_as_dpkg_leaves_them_out(path: str, way: bool, out: bool) -> None:
    assert remains.excluded(path, LEFT_OUT, way) is out


STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Config-Version: 2.41-11
Conffiles:
 /etc/x 123
Description: a library
 Status: is no field here

Package: curl
Status: hold ok installed
Architecture: amd64
Version: 8.14

Package: sudo
Status: deinstall ok config-files
Architecture: amd64
Version: 1.9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.41-12
"""


def test_dpkg_is_told_that_nothing_was_configured() -> None:
    lines = remains.unconfigured(STATUS).splitlines()
    assert lines.count("Status: install ok unpacked") == 4
    assert not [line for line in lines if "installed" in line or line.startswith("Config-Version")]
    assert [line for line in lines if line.startswith(" ")] == [" /etc/x 123", " Status: is no field here"]


def test_what_is_installed_is_read_with_its_state() -> None:
    assert exact.installed(STATUS) == {
        "libc6": "2.41-12", "curl": "8.14", "sudo": "1.9 config-files", "libc6:i386": "2.41-12",
    }  # fmt: skip


def test_what_apt_would_install_is_read() -> None:
    said = (
        "Reading package lists...\n"
        "Inst libc6 (2.41-12 Debian:13.1/stable [amd64]) []\n"
        "Inst sed [4.8-1] (4.9-2 Debian:13.1/stable [amd64])\nConf libc6 (2.41-12 Debian:13.1/stable [amd64])\n"
    )
    assert exact.planned(said) == {"libc6": "2.41-12", "sed": "4.9-2"}
    with pytest.raises(exact.Inexact, match="of no package"):
        exact.planned("Reading package lists...\n")


def test_a_tree_is_judged_by_its_packages_versions_states_and_files() -> None:
    wanted = {"libc6": "2.41-12"}
    exact.judge(wanted, {"libc6": "2.41-12"}, [])
    for found in ({}, {"libc6": "2.41-11"}, {"libc6": "2.41-12 unpacked"}, wanted | {"sudo": "1.9"}):
        with pytest.raises(exact.Inexact, match="these packages differ"):
            exact.judge(wanted, found, [])
    with pytest.raises(exact.Inexact, match="not as their packages have them: /usr/bin/x"):
        exact.judge(wanted, wanted, ["/usr/bin/x"])


def test_outside_of_mmdebstrap_it_touches_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(tree)
    assert exact.main(["trixie", str(tree)]) == 1
    assert "mmdebstrap did not say" in capsys.readouterr().out
    assert files(tree) == before
