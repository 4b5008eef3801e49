"""`make image-compare`: whether two builds of the same inputs give the same machine, file by file.

The disks are not compared byte by byte: a build boots its disk, and where a running file system lays a file down is not
in anybody's hands. What a machine is made of is: table, boot code, every file with kind, mode, owner and digest.
What may differ stands in ALLOWED with its reason; anything else fails. Root file systems are read by debugfs(8).
"""

import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from image import layout
from image.formats import digest
from image.progress import BuildError, Progress

Tree = dict[str, str]  # what a file is, by its path

ALLOWED: Final = {
    "*/etc/.updated": "when systemd has last seen /usr: the time of the build",
    "*/var/.updated": "when systemd has last seen /usr: the time of the build",
    "*/var/cache/ldconfig/aux-cache": "numbers of files on this disk, by which ldconfig is quicker",
}
"""Paths (fnmatch) that two builds may differ in, each with the reason."""


_MAGIC_AT, _MAGIC = 1080, b"\x53\xef"  # of ext4, in its superblock


@dataclass(frozen=True, slots=True)
class Difference:
    """One path: what it is in the first and in the second build (empty: not there), and why that may be."""

    path: str
    first: str
    second: str
    reason: str


def differences(first: Tree, second: Tree) -> list[Difference]:
    """Every path that is not the same in both, those that may differ first."""
    found = [
        Difference(path, first.get(path, ""), second.get(path, ""), _reason(path))
        for path in sorted(first.keys() | second.keys())
        if first.get(path) != second.get(path)
    ]
    return sorted(found, key=lambda each: not each.reason)


def _reason(path: str) -> str:
    return next((reason for pattern, reason in ALLOWED.items() if fnmatchcase(path, pattern)), "")


def described(root: Path) -> Tree:
    """Every file below `root`: kind and mode, owner, and what is in it. Times are left out, they are the build's."""
    found: Tree = {}
    for place, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = Path(place, name)
            found[f"/{path.relative_to(root)}"] = _description(path)
    return found


def _description(path: Path) -> str:
    seen = path.lstat()
    kind = f"{stat.filemode(seen.st_mode)} {seen.st_uid}:{seen.st_gid}"
    if stat.S_ISLNK(seen.st_mode):
        return f"{kind} -> {path.readlink()}"
    return f"{kind} {seen.st_size} {digest(path)}" if stat.S_ISREG(seen.st_mode) else kind


def contents(disk: Path, place: Path, progress: Progress) -> Tree:
    """What a disk holds: the files of its root and EFI partitions, the table and the boot code."""
    raw = place / "disk.raw"
    progress.run(["qemu-img", "convert", "-O", "raw", disk, raw], log="compare-convert")
    told = table(raw, progress)
    parts = {row["name"]: row for row in told["partitions"]}
    found = {f"[table] {name}": json.dumps(row | {"node": ""}, sort_keys=True) for name, row in parts.items()}
    found["[table] id"] = str(told["id"])
    found["[boot sector]"] = hashlib.sha256(_part(raw, 0, 440)).hexdigest()
    found["[boot code]"] = hashlib.sha256(_bytes(raw, parts["bios"])).hexdigest()
    esp, files = place / "esp.img", place / "esp"
    esp.write_bytes(_bytes(raw, parts["esp"]))
    files.mkdir()
    about = os.environ | {"MTOOLS_SKIP_CHECK": "1"}
    progress.run(["mcopy", "-s", "-n", "-i", esp, "::/", files], log="compare-esp", env=about)
    found |= {f"[esp]{name}": each for name, each in described(files).items()}
    for name in sorted(name for name in parts if name.startswith("root")):
        found |= {f"[{name}]{path}": each for path, each in _files(raw, parts[name], place, progress).items()}
    return found


def table(raw: Path, progress: Progress) -> dict[str, Any]:
    """The partition table of a raw disk, as sfdisk(8) tells it: `id`, and `partitions` with `name`, `start`, `size` (in
    sectors)."""
    return dict(json.loads(progress.run(["sfdisk", "--json", raw], log="table"))["partitiontable"])


def _files(raw: Path, row: dict[str, Any], place: Path, progress: Progress) -> Tree:
    """The files of one ext4 partition; of one that holds no file system yet, none."""
    image, tree = place / "root.img", place / "tree"
    start, size = (int(row[key]) * layout.SECTOR // layout.MIB for key in ("start", "size"))
    copy = ["dd", f"if={raw}", f"of={image}", "bs=1M", f"skip={start}", f"count={size}", "conv=sparse", "status=none"]
    progress.run(copy, log="compare-root")
    with image.open("rb") as file:
        file.seek(_MAGIC_AT)
        empty = file.read(2) != _MAGIC
    if empty:
        return {}
    tree.mkdir()
    progress.run(["debugfs", "-R", f"rdump / {tree}", image], log="compare-files")
    image.unlink()
    found = described(tree)
    shutil.rmtree(tree)
    return found


def _bytes(raw: Path, row: dict[str, Any]) -> bytes:
    return _part(raw, int(row["start"]) * layout.SECTOR, int(row["size"]) * layout.SECTOR)


def _part(raw: Path, start: int, size: int) -> bytes:
    with raw.open("rb") as file:
        file.seek(start)
        return file.read(size)


def report(found: Iterable[Difference], files: int) -> tuple[list[str], int]:
    """Lines for people, and how many of the differences nobody has a reason for."""
    found = list(found)
    lines = [f"may differ: {each.path}: {each.reason}" for each in found if each.reason]
    wrong = [each for each in found if not each.reason]
    for each in wrong:
        lines += [f"DIFFERS: {each.path}", *(f"    {what or 'not there'}" for what in (each.first, each.second))]
    return [*lines, f"{files} compared, {len(found) - len(wrong)} may differ, {len(wrong)} must not"], len(wrong)


def main(first: Path, second: Path, work: Path, progress: Progress) -> int:
    """Compare two disks; returns the exit status. Raises BuildError."""
    trees = []
    for disk in (first, second):
        if not disk.is_file():
            raise BuildError(f"there is no {disk}")
        with progress.step(f"reading {disk}"), tempfile.TemporaryDirectory(dir=work) as place:
            trees.append(contents(disk, Path(place), progress))
    lines, wrong = report(differences(*trees), len(trees[0]))
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if wrong else 0
