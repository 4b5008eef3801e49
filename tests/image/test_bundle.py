"""The update, made small: RAUC takes it with the certificate that goes with its key, and with no other."""

import configparser
import json
import os
import subprocess
from pathlib import Path

import pytest

from appliance.slots import VERSION
from image import bundle, layout
from image.layout import MIB
from image.progress import BuildError, Progress
from image.variables import Variables
from tests.appliance.audit import tree
from tests.image import updates
from tests.image.test_provision import FILES


def taken(update: Path, certificate: Path) -> dict[str, object]:
    """What RAUC says of an update that it takes; empty when it does not."""
    command = ["rauc", f"--keyring={certificate}", "info", "--output-format=json", str(update)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def test_an_update_is_taken_by_machines_with_its_signers_certificate_alone(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "logs")
    system = tmp_path / "system"
    content = os.urandom(MIB)
    system.write_bytes(content)
    ours = bundle.signer(Variables(), tmp_path / "work", progress)
    assert bundle.signer(Variables(), tmp_path / "work", progress) == ours
    assert ours[0].stat().st_mode & 0o077 == 0
    update = bundle.write(system, "1.2.3", ours, tmp_path / "update.raucb", progress)
    told = taken(update, ours[1])
    assert (told["compatible"], told["version"]) == (bundle.COMPATIBLE, "1.2.3")
    assert json.dumps(told["images"]).count("root.ext4") == 1
    other = bundle.signer(Variables(), tmp_path / "other", progress)
    assert taken(update, other[1]) == {}
    changed = tmp_path / "changed.raucb"
    signed, place = bytearray(update.read_bytes()), tmp_path / "out"
    signed[MIB // 2] ^= 1  # in its file system
    changed.write_bytes(signed)
    command = ["rauc", f"--keyring={ours[1]}", "extract", str(changed), str(tmp_path / "never")]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    signed[MIB // 2] ^= 1
    signed[-600] ^= 1  # in its signature
    changed.write_bytes(signed)
    assert taken(changed, ours[1]) == {}
    subprocess.run(["rauc", f"--keyring={ours[1]}", "extract", update, place], check=True, capture_output=True)
    assert (place / bundle.CONTENT).read_bytes() == content


def test_the_same_system_as_a_newer_version_is_what_a_machine_that_was_built_here_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the acceptance run offers to the machine."""
    monkeypatch.setattr(updates, "WORK", tmp_path / "work")
    progress, system = Progress(tmp_path / "logs"), tmp_path / "system"
    tree.put(tmp_path / "root", str(VERSION), "1.2.3\n")
    tree.put(tmp_path / "root", "/usr/bin/nft", "a program")
    tree.put(tmp_path / "root", "/boot/vmlinuz", os.urandom(MIB))
    system.touch()
    os.truncate(system, 8 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "root", system], check=True)
    ours = bundle.signer(Variables(), tmp_path / "work", progress)
    update = bundle.write(system, "1.2.3", ours, tmp_path / "update.raucb", progress)
    (tmp_path / "out").mkdir()
    newer = updates.newer(update, "1.2.3.1", tmp_path / "out", tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["appliance-1.2.3.1.raucb"]
    assert taken(newer, ours[1])["version"] == "1.2.3.1"
    subprocess.run(
        ["rauc", f"--keyring={ours[1]}", "extract", newer, tmp_path / "new"], check=True, capture_output=True
    )
    new = tmp_path / "new" / bundle.CONTENT
    subprocess.run(["e2fsck", "-f", "-n", new], check=True, capture_output=True)
    for path, content in ((VERSION, "1.2.3.1\n"), ("/usr/bin/nft", "a program")):
        said = subprocess.run(["debugfs", "-R", f"cat {path}", new], capture_output=True, text=True, check=True).stdout
        assert said == content


def test_a_signer_that_is_named_by_half_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    progress = Progress(tmp_path / "logs")
    with pytest.raises(BuildError, match="update_certificate=: there is no such file"):
        bundle.signer(Variables(update_key=str(tmp_path / "key")), tmp_path, progress)


def test_the_machine_asks_for_what_is_built_for_it() -> None:
    told = configparser.ConfigParser()
    told.read(FILES / "etc/rauc/system.conf")
    assert told["system"]["compatible"] == bundle.COMPATIBLE
    assert {told[name]["bootname"]: told[name]["device"] for name in told.sections() if name.startswith("slot.")} == {
        slot: f"/dev/disk/by-partlabel/{layout.slot_name(slot)}" for slot in layout.SLOTS
    }
