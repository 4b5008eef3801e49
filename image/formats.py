"""What comes out of a build: the sealed disk in the formats of hypervisors and clouds, and the digests of all files."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from image import ova
from image.progress import BuildError, Progress

SUMS: Final = "SHA256SUMS"
_CHUNK: Final = 1 << 20
# qemu-img's options for each format. Hyper-V and Azure want a VHD whose size is said exactly.
_CONVERTED: Final = {
    "qcow2": ("-O", "qcow2", "-c"),
    "vmdk": ("-O", "vmdk", "-o", "subformat=streamOptimized"),
    "vhd": ("-O", "vpc", "-o", "subformat=dynamic,force_size"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """What the files are called, and what they say of themselves. `at` is the Unix time of everything in a package."""

    directory: Path
    name: str
    version: str
    at: int

    def path(self, ending: str) -> Path:
        """Where the file with that ending goes."""
        return self.directory / f"{self.name}-{self.version}.{ending}"


def write(disk: Path, formats: tuple[str, ...], named: Named, progress: Progress) -> list[Path]:
    """One file for each of `formats`. Raises BuildError."""
    made = []
    for each in formats:
        path = named.path(each)
        with progress.step(f"format {each}"):
            if each == "raw.zst":
                _raw(disk, path, progress)
            elif each == "ova":
                _package(disk, path, named, progress)
            else:
                progress.run(["qemu-img", "convert", *_CONVERTED[each], disk, path], log=f"format-{each}")
        progress.say(f"  {path.name}: {path.stat().st_size / 1e6:.0f} MB")
        made.append(path)
    return made


def _raw(disk: Path, path: Path, progress: Progress) -> None:
    raw = path.with_suffix("")
    try:
        progress.run(["qemu-img", "convert", "-O", "raw", disk, raw], log="format-raw")
        progress.run(["zstd", "-q", "-f", "-T0", "-9", "--sparse", raw, "-o", path], log="format-zstd")
    finally:
        raw.unlink(missing_ok=True)


def _package(disk: Path, path: Path, named: Named, progress: Progress) -> None:
    """The vmdk of this build, or one for the package alone, with a descriptor around it."""
    own, there = path.with_suffix(".disk"), named.path("vmdk")
    try:
        if not there.exists():
            progress.run(["qemu-img", "convert", *_CONVERTED["vmdk"], disk, own], log="format-ova")
        told = json.loads(progress.run(["qemu-img", "info", "--output=json", disk], log="format-info"))
        source = there if there.exists() else own
        ova.write(path, named.name, named.version, source, int(told["virtual-size"]), named.at)
    except ova.BadPackage as error:
        raise BuildError(f"ova: {error}") from None
    finally:
        own.unlink(missing_ok=True)


def sums(files: list[Path]) -> str:
    """What `sha256sum --check` reads, in the order of the names."""
    return "".join(f"{digest(path)}  {path.name}\n" for path in sorted(files, key=lambda path: path.name))


def digest(path: Path) -> str:
    """SHA-256 of a file, which may be large."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
