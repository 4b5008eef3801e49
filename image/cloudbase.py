"""A disk that is given as base: one that this build made, or a stock Debian cloud image, whose system is taken out.

A cloud image (genericcloud, nocloud; qcow2 or raw) stands in for what mmdebstrap would have unpacked. Its root file
system is found by what lies in it, read without being mounted until it is known to fit, then copied out of a read-only
loop mount, with owners, modes, links and capabilities: so this way needs a loop device. The mount is in a mount
namespace of its own and ends with it, however that ends, and so does the loop device. Then mmdebstrap works in the tree
as it does in its own: archive, keys and settings are the same, and exact.py is its hook.

Programs of the cloud image run as root in a chroot: it is trusted as the archive is. Say its digest (base_digest=).
"""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from image import download, layout, remains
from image.debian import CODE, EPOCH, SETTING, mmdebstrap
from image.progress import BuildError, Progress
from image.variables import Variables

LARGEST: Final = 64 << 30  # bytes of a disk
_QCOW2: Final = b"QFI\xfb"
_TABLE: Final = 2 * layout.MIB  # the table's first copy is in it
_MOUNTED: Final = 'mount -t ext4 -o "ro,nodev,nosuid,loop,offset=$2,sizelimit=$3" "$1" "$4"; exec cp -a "$4/." "$5"'


@dataclass(frozen=True, slots=True)
class Given:
    """A disk that was given: its file and the file's format, its size in bytes, its partitions as sfdisk has them."""

    path: Path
    format: str
    size: int
    partitions: tuple[dict[str, Any], ...]

    @property
    def own(self) -> bool:
        """Whether this build made it: it has the slots."""
        return {layout.slot_name(each) for each in layout.SLOTS} <= {row.get("name") for row in self.partitions}


def given(variables: Variables, work: Path, progress: Progress) -> Given:
    """The disk that `base` names, downloaded where it is a URL, and of the digest that was said. Raises BuildError."""
    path, kept = _file(variables.base, work, progress)
    if variables.base_digest:
        kind, _, wanted = variables.base_digest.partition(":")
        if (found := download.digest(path, kind)) != wanted.lower():
            if kept:
                path.unlink()  # the next attempt begins anew
            raise BuildError(f"base={variables.base} has {kind}:{found}, not base_digest={variables.base_digest}")
    return look(path, work)


def _file(base: str, work: Path, progress: Progress) -> tuple[Path, bool]:
    """Where it lies, and whether it was downloaded."""
    parts = urlsplit(base)
    if parts.scheme == "https":
        with progress.step("base: download"):
            return download.download(base, work / "cloud", progress), True
    path = Path(unquote(parts.path) if parts.scheme == "file" else base).resolve()
    if not path.is_file():
        raise BuildError(f"base={base}: there is no such file")
    return path, False


def look(path: Path, work: Path) -> Given:
    """What kind of a disk a file is. `work` takes a copy of its table for a moment. Raises BuildError."""
    with path.open("rb") as file:
        kind = "qcow2" if file.read(len(_QCOW2)) == _QCOW2 else "raw"
    about = json.loads(_said(["qemu-img", "info", "--output=json", "-f", kind, str(path)]))
    if "backing-filename" in about or "data-file" in about.get("format-specific", {}).get("data", {}):
        raise BuildError(f"base={path} leans on another file: convert it with `qemu-img convert -O qcow2` first")
    size = int(about["virtual-size"])
    if size > LARGEST:
        raise BuildError(f"base={path} is a disk of {size >> 30} GiB, and {LARGEST >> 30} are the most")
    head = work / "base-table"
    try:
        words = ["qemu-img", "dd", "-f", kind, "-O", "raw", f"bs={layout.MIB}", f"count={_TABLE // layout.MIB}"]
        _said([*words, f"if={path}", f"of={head}"])
        os.truncate(head, max(size, _TABLE))  # its second copy is missing, which sfdisk can do without
        table = json.loads(_said(["sfdisk", "--json", str(head)]))["partitiontable"]
    except BuildError as error:
        raise BuildError(f"base={path} is no disk with a partition table, qcow2 or raw: {error}") from error
    finally:
        head.unlink(missing_ok=True)
    return Given(path, kind, size, tuple(table["partitions"]))


def fill(variables: Variables, disk: Given, root: Path, progress: Progress) -> None:
    """Fill the directory `root`, which there is not yet, with the cloud image's system and this build's packages."""
    raw, mounted = root.with_name("cloud.raw"), root.with_name("cloud")
    progress.run(["qemu-img", "convert", "-f", disk.format, "-O", "raw", disk.path, raw], log="base-convert")
    row = root_partition(raw, disk)
    fits(raw, row, variables.suite)
    start, size = _place(row)
    mounted.mkdir()
    root.mkdir()
    command = ["unshare", "--mount", "sh", "-eu", "-c", _MOUNTED, "sh", str(raw), str(start), str(size)]
    progress.run([*command, str(mounted), str(root)], log="base-copy")
    raw.unlink()
    remains.before(root)
    (root / SETTING).parent.mkdir(parents=True, exist_ok=True)
    hook = shlex.join([sys.executable, "-m", "image.exact", variables.suite])
    # policy-rc.d keeps services from starting; a start-stop-daemon put aside would come back over that of a newer dpkg.
    skipped = "--skip=check/empty,chroot/start-stop-daemon"
    hooked = f'--customize-hook=cd {shlex.quote(str(CODE))} && {hook} "$1"'
    command = mmdebstrap(variables, root, "custom", skipped, hooked)
    progress.run(command, log="base-exact", env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)})


def root_partition(raw: Path, disk: Given) -> dict[str, Any]:
    """The partition that has Debian in it. Raises BuildError when there is none, or more than one."""
    found = [row for row in disk.partitions if read(raw, row, "/etc/debian_version")]
    if len(found) != 1:
        what = "none of its partitions is" if not found else f"{len(found)} of its partitions are"
        raise BuildError(f"base={disk.path}: {what} Debian on ext4; take a genericcloud or nocloud image for amd64")
    return found[0]


def fits(raw: Path, row: dict[str, Any], suite: str) -> None:
    """Raises BuildError unless the system on the partition is Debian's `suite` for amd64."""
    lines = read(raw, row, "/usr/lib/os-release").splitlines()
    release = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    named = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or named != suite:
        is_one = f"{release.get('ID', 'of no known system')} {named or release.get('VERSION_ID', '')}".strip()
        raise BuildError(f"the base is {is_one}, and suite={suite} was asked for: take Debian's cloud image of {suite}")
    status = read(raw, row, "/var/lib/dpkg/status")
    of_dpkg = next((rows for rows in status.split("\n\n") if rows.startswith("Package: dpkg\n")), "")
    if "\nArchitecture: amd64" not in of_dpkg:
        raise BuildError("the base is not for amd64: take the cloud image whose name ends with amd64")


def read(raw: Path, row: dict[str, Any], path: str) -> str:
    """The text of a file of a partition's ext4, without mounting it; empty when there is no such file, or no ext4."""
    start, _ = _place(row)
    command = ["debugfs", "-R", f"cat {path}", f"{raw}?offset={start}"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - the words are this package's own
    return done.stdout.decode(errors="replace")


def _place(row: dict[str, Any]) -> tuple[int, int]:
    """A partition's first byte and its size."""
    return int(row["start"]) * layout.SECTOR, int(row["size"]) * layout.SECTOR


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as above
    if done.returncode:
        raise BuildError((done.stderr.strip().splitlines() or [f"{command[0]} failed"])[-1])
    return done.stdout
