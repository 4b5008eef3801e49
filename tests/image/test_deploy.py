"""docs/deploy.md: its commands do what it says, its files are those of a build, its links lead somewhere."""

import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from image import build, variables
from tests.image import deploy

HERE = [block for block in deploy.blocks() if not block.needs]
TEXT = deploy.DOCUMENT.read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what a build gives, in which the blocks are run one after the other."""
    made = tmp_path_factory.mktemp("deploy")
    deploy.outputs(made)
    return made


@pytest.fixture(scope="module")
def said(place: Path) -> dict[str, "subprocess.CompletedProcess[str]"]:
    """What became of each block, by its chapter and number."""
    return {f"{block.chapter} {number}": deploy.run(block, place) for number, block in enumerate(HERE)}


def test_every_block_that_is_marked_runs(said: dict[str, "subprocess.CompletedProcess[str]"]) -> None:
    assert [name.rpartition(" ")[0] for name in said] == [
        "Before anything", "Before anything", "VMware", "AWS", "Azure", "Google Cloud", "Bare metal",
    ]  # fmt: skip
    assert not {name: done.stderr for name, done in said.items() if done.returncode}


def test_a_block_that_fails_would_be_seen(place: Path) -> None:
    assert deploy.run(deploy.Block("", "", "false\ntrue\n"), place).returncode == 1


def test_the_seed_is_what_cloud_init_looks_for(
    place: Path, said: dict[str, "subprocess.CompletedProcess[str]"]
) -> None:
    seed = (place / "seed.img").read_bytes()
    assert seed[0x8001:0x8006] == b"CD001"
    assert seed[0x8028:0x8048].strip() == b"cidata"
    for each in (b"instance-id: pbx-1", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample", b"via: 192.0.2.1"):
        assert each in seed


def test_every_conversion_has_the_disk_of_the_build(
    place: Path, said: dict[str, "subprocess.CompletedProcess[str]"]
) -> None:
    raw = (place / "raw").read_bytes()
    assert (place / "appliance.raw").read_bytes() == raw
    assert (place / "disk").read_bytes() == raw
    assert (place / "appliance-azure.vhd").read_bytes() == raw + (place / "appliance-azure.vhd").read_bytes()[-512:]
    with tarfile.open(place / "appliance-gcp.tar.gz") as tar:
        (row,) = tar
        assert (row.name, tar.extractfile(row).read()) == ("disk.raw", raw)  # type: ignore[union-attr]


def test_the_document_names_files_that_a_build_makes() -> None:
    named = {each.partition("-0.1.0.")[2] for each in re.findall(r"\bappliance-0\.1\.0\.[a-z0-9.]*[a-z0-9]", TEXT)}
    assert named <= {*variables.FORMATS, "ovf", "mf"}
    assert {each for each in variables.FORMATS if each != "vmdk"} <= named
    assert variables.Variables().version == "0.1.0" and build.NAME == "appliance"


def test_every_chapter_is_run_or_says_that_it_was_not_tried() -> None:
    for chapter in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        if "```" in chapter:
            assert "<!-- run" in chapter or "*Not tried here" in chapter, chapter.partition("\n")[0]


def test_every_link_leads_somewhere() -> None:
    heads = {
        re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.+)$", TEXT, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, head = target.partition("#")
        assert (deploy.DOCUMENT.parent / path).exists() if path else head in heads, target
