"""The commands of docs/deploy.md that can be run without a hypervisor, taken out of the document as they stand."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from image import formats, signing
from image.progress import Progress

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
DISK_MIB = 96
_BLOCK = re.compile(r"^## (.+?)$|^<!-- run(?:: (\w+))? -->\n```sh\n(.*?)```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block: the chapter that it stands in, what it needs beside the files of a build, its commands."""

    chapter: str
    needs: str
    commands: str


def blocks() -> list[Block]:
    """Every block that is marked, in the order of the document."""
    chapter, found = "", []
    for match in _BLOCK.finditer(DOCUMENT.read_text()):
        chapter = match[1] or chapter
        if match[3]:
            found.append(Block(chapter, match[2] or "", match[3]))
    return found


def outputs(place: Path) -> None:
    """What a build gives, of a small disk, signed; and an operator's key."""
    raw, disk = place / "raw", place / "sealed"
    with raw.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(DISK_MIB << 20)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk], check=True)
    named = formats.Named(place, "appliance", "0.1.0", 1735689600)
    made = formats.write(disk, ("qcow2", "raw.zst", "vmdk", "ova", "vhd"), named, Progress(place / "logs"))
    (place / formats.SUMS).write_text(formats.sums(made))
    signing.sign(place, signing.own_key(place / "private"))
    (place / "operator.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample operator\n")
    (place / "disk").touch()


def run(block: Block, place: Path) -> "subprocess.CompletedProcess[str]":
    """The block's commands by the shell, ended at the first one that fails. libvirt is its own test driver."""
    about = os.environ | {"LIBVIRT_DEFAULT_URI": "test:///default", "DISK": str(place / "disk"), "HOME": str(place)}
    command = ["sh", "-euc", block.commands]
    return subprocess.run(command, cwd=place, env=about, capture_output=True, text=True, check=False)
