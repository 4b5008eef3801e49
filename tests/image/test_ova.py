"""The OVF package: its order and format, its manifest, its references, and the disk within."""

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from lxml import etree

from image import formats, ova
from image.layout import MIB
from image.progress import BuildError, Progress

DISK_MIB = 64
NAMES = {prefix: getattr(ova, prefix.upper()) for prefix in ("ovf", "rasd", "vssd")}
OURS = [f"appliance-1.2.3{end}" for end in (".ovf", ".mf", "-disk1.vmdk")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> formats.Named:
    """What `formats=vmdk,ova` makes of a disk whose first bytes are known."""
    place = tmp_path_factory.mktemp("formats")
    raw, disk = place / "disk.raw", place / "disk.qcow2"
    with raw.open("wb") as file:
        file.write(b"appliance" * 9999)
        file.truncate(DISK_MIB * MIB)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk], check=True)
    named = formats.Named(place, "appliance", "1.2.3", 1735689600)
    formats.write(disk, ("vmdk", "ova"), named, Progress(place / "logs"))
    return named


def parts(path: Path) -> dict[str, bytes]:
    """The archive's files in their order."""
    with tarfile.open(path) as tar:
        return {row.name: tar.extractfile(row).read() for row in tar}  # type: ignore[union-attr]


def test_the_archive_has_the_order_and_format_of_the_standard(built: formats.Named) -> None:
    path = built.path("ova")
    assert list(parts(path)) == OURS
    with tarfile.open(path) as tar:
        assert {(row.mtime, row.mode, row.uid, row.gid, row.uname) for row in tar} == {(1735689600, 0o644, 0, 0, "")}
    assert path.read_bytes()[257:265] == b"ustar\x0000"


def test_the_manifest_has_the_digest_of_every_other_file(built: formats.Named) -> None:
    found = parts(built.path("ova"))
    lines = found.pop(OURS[1]).decode().splitlines()
    assert lines == [f"SHA256({name})= {hashlib.sha256(content).hexdigest()}" for name, content in found.items()]


def test_every_reference_of_the_descriptor_leads_to_what_is_there(built: formats.Named) -> None:
    found = parts(built.path("ova"))
    tree = etree.fromstring(found[OURS[0]])
    (file,), (disk,) = tree.findall(".//ovf:File", NAMES), tree.findall(".//ovf:Disk", NAMES)
    named = {etree.QName(key).localname: value for each in (file, disk) for key, value in each.items()}
    assert named["id"] == named["fileRef"]
    assert named["href"] == OURS[2]
    assert int(named["size"]) == len(found[OURS[2]])
    assert int(named["capacity"]) == DISK_MIB * MIB
    items = {
        item.findtext("rasd:InstanceID", namespaces=NAMES): {
            etree.QName(field).localname: field.text or "" for field in item
        }
        for item in tree.findall(".//ovf:Item", NAMES)
    }
    assert all(list(item) == sorted(item) for item in items.values()), "the schema has the fields in this order"
    (kept,) = (item for item in items.values() if item["ResourceType"] == "17")
    assert kept["HostResource"] == f"ovf:/disk/{named['diskId']}"
    assert items[kept["Parent"]]["ResourceType"] == "20"
    (card,) = (item for item in items.values() if item["ResourceType"] == "10")
    assert card["Connection"] in tree.xpath("//ovf:Network/@ovf:name", namespaces=NAMES)
    sections = [etree.QName(each).localname for each in tree]
    assert sections == ["References", "DiskSection", "NetworkSection", "VirtualSystem"]


def test_its_disk_is_stream_optimised_and_the_one_that_went_in(built: formats.Named, tmp_path: Path) -> None:
    (tmp_path / "disk.vmdk").write_bytes(parts(built.path("ova"))[OURS[2]])
    info = subprocess.run(
        ["qemu-img", "info", "--output=json", tmp_path / "disk.vmdk"], check=True, capture_output=True
    ).stdout
    assert json.loads(info)["format-specific"]["data"]["create-type"] == "streamOptimized"
    both = [str(tmp_path / "disk.vmdk"), str(built.directory / "disk.qcow2")]
    compare = ["qemu-img", "compare", "-f", "vmdk", "-F", "qcow2", *both]
    assert subprocess.run(compare, check=False).returncode == 0


def test_a_package_alone_leaves_no_disk_beside_it(built: formats.Named, tmp_path: Path) -> None:
    alone = formats.Named(tmp_path, "appliance", "1.2.3", built.at)
    formats.write(built.directory / "disk.qcow2", ("ova",), alone, Progress(tmp_path / "logs"))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["appliance-1.2.3.ova"]
    assert list(parts(alone.path("ova"))) == OURS


def test_a_disk_that_the_archive_cannot_hold_is_refused(built: formats.Named, tmp_path: Path) -> None:
    large = formats.Named(tmp_path, "appliance", "1.2.3", built.at)
    with large.path("vmdk").open("wb") as file:
        file.truncate(9 << 30)
    with pytest.raises(BuildError, match="has 9216 MiB, and the archive can hold 8192"):
        formats.write(built.directory / "disk.qcow2", ("ova",), large, Progress(tmp_path / "logs"))
