"""Which disk is which: one of this build's own, Debian's cloud image, what is refused. Small disks, never mounted."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from image import base, cloudbase, download, layout
from image.progress import BuildError, Progress
from image.variables import Variables

MIB = layout.MIB
RELEASE = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n'
STATUS = "Package: adduser\nArchitecture: all\n\nPackage: dpkg\nStatus: install ok installed\nArchitecture: amd64\n"
DEBIAN = {"etc/debian_version": "13.1\n", "usr/lib/os-release": RELEASE, "var/lib/dpkg/status": STATUS}
# As Debian's cloud images have it; MiB.
TABLE = """label: gpt
first-lba: 34
1: start=8MiB, size=16MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
14: start=1MiB, size=3MiB, type=21686148-6449-6E6F-744E-656564454649
15: start=4MiB, size=4MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
"""


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "logs")


def disk(place: Path, files: Mapping[str, str], table: str = TABLE, at_mib: int = 8) -> Path:
    """A raw disk of 32 MiB with a file system of these files in its first partition."""
    tree, raw = place / "tree", place / "cloud.raw"
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    tree.mkdir(exist_ok=True)
    with raw.open("wb") as file:
        file.truncate(32 * MIB)
    subprocess.run(["sfdisk", "-q", raw], input=table, text=True, check=True)
    offset = f"offset={at_mib * MIB}"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", offset, "-d", tree, raw, "16M"], check=True)
    return raw


def packed(raw: Path) -> Path:
    made = raw.with_suffix(".qcow2")
    subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-c", raw, made], check=True)
    return made


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_cloud_image_is_known_by_what_its_partition_holds(tmp_path: Path, form: str) -> None:
    raw = disk(tmp_path, DEBIAN)
    given = cloudbase.look(raw if form == "raw" else packed(raw), tmp_path)
    assert (given.format, given.size, given.own) == (form, 32 * MIB, False)
    row = cloudbase.root_partition(raw, given)
    assert (row["start"], row["size"]) == (8 * 2048, 16 * 2048)
    cloudbase.fits(raw, row, "trixie")
    assert not (tmp_path / "base-table").exists()


def test_a_base_disk_of_an_earlier_build_is_told_by_its_slots_and_taken_as_it_is(
    tmp_path: Path, progress: Progress
) -> None:
    raw, whole = tmp_path / "base.raw", layout.disk(800, 100)
    with raw.open("wb") as file:
        file.truncate(whole.size)
    subprocess.run(["sfdisk", "-q", raw], input=layout.sfdisk_script(whole), text=True, check=True)
    made = packed(raw)
    assert cloudbase.look(made, tmp_path).own
    assert base.provide(Variables(base=str(made)), tmp_path, progress) == made
    assert base.provide(Variables(base=made.as_uri()), tmp_path, progress) == made


@pytest.mark.parametrize(
    ("files", "suite", "why"),
    [
        (DEBIAN, "forky", "the base is debian trixie, and suite=forky was asked for: take Debian's cloud image of"),
        (
            DEBIAN | {"usr/lib/os-release": "ID=ubuntu\nVERSION_CODENAME=noble\n"}, "trixie",
            "the base is ubuntu noble, and suite=trixie",
        ),
        (DEBIAN | {"var/lib/dpkg/status": STATUS.replace("amd64", "arm64")}, "trixie", "not for amd64"),
        (DEBIAN | {"var/lib/dpkg/status": ""}, "trixie", "not for amd64"),
    ],
)  # fmt: skip
def test_another_system_is_refused_with_what_to_take(
    tmp_path: Path, files: dict[str, str], suite: str, why: str
) -> None:
    raw = disk(tmp_path, files)
    row = cloudbase.root_partition(raw, cloudbase.look(raw, tmp_path))
    with pytest.raises(BuildError, match=why):
        cloudbase.fits(raw, row, suite)


def test_a_wrong_suite_is_said_before_anything_is_mounted_or_made(tmp_path: Path, progress: Progress) -> None:
    given = packed(disk(tmp_path, DEBIAN))
    with pytest.raises(BuildError, match="suite=forky was asked for"):
        base.provide(Variables(base=str(given), suite="forky"), tmp_path, progress)
    assert not [*tmp_path.glob("base-*")]


def test_a_disk_without_debian_is_refused(tmp_path: Path) -> None:
    raw = disk(tmp_path, {"etc/hostname": "other\n"})
    with pytest.raises(BuildError, match="none of its partitions is Debian on ext4"):
        cloudbase.root_partition(raw, cloudbase.look(raw, tmp_path))


def test_a_file_that_is_no_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar.xz").write_bytes(b"\xfd7zXZ\x00" * 1000)
    with pytest.raises(BuildError, match=r"image\.tar\.xz is no disk with a partition table, qcow2 or raw"):
        cloudbase.look(tmp_path / "image.tar.xz", tmp_path)
    assert not (tmp_path / "base-table").exists()


def test_a_disk_that_would_read_another_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    behind, front = tmp_path / "secret.raw", tmp_path / "front.qcow2"
    behind.write_bytes(bytes(MIB))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", behind, "-F", "raw", front], check=True)
    with pytest.raises(BuildError, match="leans on another file"):
        cloudbase.look(front, tmp_path)
    apart = ["-o", f"data_file={tmp_path / 'data.raw'},data_file_raw=on"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *apart, tmp_path / "apart.qcow2", "1M"], check=True)
    with pytest.raises(BuildError, match="leans on another file"):
        cloudbase.look(tmp_path / "apart.qcow2", tmp_path)


def test_a_disk_of_a_size_that_nobody_has_room_for_is_refused(tmp_path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "large.qcow2", "65G"], check=True)
    with pytest.raises(BuildError, match="a disk of 65 GiB, and 64 are the most"):
        cloudbase.look(tmp_path / "large.qcow2", tmp_path)


def test_a_digest_that_does_not_fit_ends_the_build_and_one_that_fits_does_not(
    tmp_path: Path, progress: Progress
) -> None:
    given = packed(disk(tmp_path, DEBIAN))
    for kind in ("sha256", "sha512"):
        right = f"{kind}:{download.digest(given, kind).upper()}"
        chosen = Variables(base=str(given), base_digest=right)
        assert cloudbase.given(chosen, tmp_path, progress).path == given
        with pytest.raises(BuildError, match=f"has {kind}:[0-9a-f]+, not base_digest={kind}:0"):
            cloudbase.given(Variables(base=str(given), base_digest=f"{kind}:{'0' * 64}"), tmp_path, progress)
    assert given.exists()


def test_a_file_that_is_not_there_is_said(tmp_path: Path, progress: Progress) -> None:
    for name in (str(tmp_path / "none.qcow2"), (tmp_path / "none.qcow2").as_uri()):
        with pytest.raises(BuildError, match="there is no such file"):
            cloudbase.given(Variables(base=name), tmp_path, progress)


def test_the_base_disk_is_named_by_the_cloud_image_that_it_is_made_of(tmp_path: Path) -> None:
    raw = disk(tmp_path, DEBIAN)
    names = {base.digest(Variables()), base.digest(Variables(), cloudbase.look(raw, tmp_path))}
    with raw.open("r+b") as file:
        file.seek(31 * MIB)
        file.write(b"another")
    names.add(base.digest(Variables(), cloudbase.look(raw, tmp_path)))
    assert len(names) == 3


def test_what_debugfs_reads_is_the_file_and_nothing_else(tmp_path: Path) -> None:
    raw = disk(tmp_path, DEBIAN)
    rows = json.loads(subprocess.check_output(["sfdisk", "--json", raw]))["partitiontable"]["partitions"]
    assert cloudbase.read(raw, rows[0], "/usr/lib/os-release") == RELEASE
    assert [cloudbase.read(raw, row, "/usr/lib/os-release") for row in rows[1:]] == ["", ""]
    assert cloudbase.read(raw, rows[0], "/none") == ""
