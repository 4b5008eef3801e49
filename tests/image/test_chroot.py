"""The provisioners that need no machine, run in a small Debian: users, files, units and what was taken away."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from image import build
from image.packages import PACKAGES
from tests.image import chroot

pytestmark = pytest.mark.timeout(900)  # a Debian is made, over the network, where none is from an earlier run


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.product(tmp_path_factory.mktemp("product"))


@pytest.fixture(scope="module")
def told(product: Path) -> dict[str, Any]:
    return chroot.provisioned(chroot.tree(), product)


def test_each_provisioner_is_run_here_or_says_why_not() -> None:
    assert sorted([*chroot.RUN, *chroot.LEFT_OUT]) == sorted(path.name for path in chroot.SCRIPTS.glob("*.sh"))
    assert set(chroot.PACKAGES) <= set(PACKAGES)


def test_every_script_ends_well(told: dict[str, Any]) -> None:
    assert {name: code for name, (code, _) in told["scripts"].items()} == dict.fromkeys(chroot.RUN, 0), told["scripts"]
    assert all("STEP " in said for _, said in told["scripts"].values())


def test_the_office_has_its_user_and_root_no_password(told: dict[str, Any]) -> None:
    assert told["office"].split(":")[2:4] == ["600", "600"]
    assert told["office"].endswith(":/nonexistent:/usr/sbin/nologin")
    assert told["root"].split()[:2] == ["root", "L"]
    code, said = told["again"]  # a script stops at its first fault
    assert code != 0
    assert "already exists" in said


def test_files_are_roots_and_only_programs_can_be_run(told: dict[str, Any]) -> None:
    assert len(told["modes"]) > 30
    for path, (uid, gid, mode) in told["modes"].items():
        wanted = "755" if path.startswith("usr/local/lib/appliance/") else "644"
        assert (uid, gid, mode) == (0, 0, wanted), path


def test_files_are_as_the_table_of_owners_says_and_a_loose_one_is_found(told: dict[str, Any]) -> None:
    code, said = told["owners"]
    assert (code, said.rpartition(" looked at, ")[2]) == (0, "0 wrong"), said
    code, said = told["owners_of_a_loose_one"]
    assert code == 1
    assert "/etc/nftables.conf has mode 666, not 644" in said


def test_what_shall_run_is_enabled_and_what_shall_not_cannot_be(told: dict[str, Any]) -> None:
    states = {name: told["units"][name] for name in chroot.units("enable")}
    assert len(states) > 10
    assert states == dict.fromkeys(states, "enabled")
    states = {name: told["units"][name] for name in chroot.units("mask")}
    assert len(states) > 15
    assert states == dict.fromkeys(states, "masked")
    assert told["ssh"] == "disabled"


def test_nobody_becomes_root(told: dict[str, Any]) -> None:
    assert "/usr/bin/su" in told["set_id_before"]
    assert told["set_id"] == []
    assert told["absent"] == ["sudo", "doas", "pkexec"]


def test_the_state_and_the_counters_are_mounted_without_programs(told: dict[str, Any]) -> None:
    rows = [line.split() for line in told["fstab"] if line.startswith("PARTLABEL=")]
    assert [row[1] for row in rows] == ["/var/lib/appliance", "/boot/efi"]
    assert all({"nodev", "nosuid", "noexec"} <= set(row[3].split(",")) for row in rows)


@pytest.mark.parametrize("name", ["etc/nftables.conf", "etc/ssh/sshd_config.d/10-appliance.conf"])
def test_a_file_that_its_program_refuses_ends_the_build(product: Path, name: str) -> None:
    told = chroot.provisioned(chroot.tree(), product, name)
    assert told["scripts"]["20-users.sh"][0] == 0
    assert told["scripts"]["40-system.sh"][0] != 0
    assert "50-harden.sh" not in told["scripts"]


def test_nothing_of_a_run_stays_mounted(told: dict[str, Any]) -> None:
    assert told["scripts"]
    mounted = subprocess.run(
        ["findmnt", "--noheadings", "--output", "SOURCE"], capture_output=True, text=True, check=True
    )
    assert "provision" not in mounted.stdout.split()
