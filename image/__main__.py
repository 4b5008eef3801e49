"""`make image [NAME=VALUE...]`: base disk, Packer, formats, bill of materials, digests, report. See image/README.md.

What comes out lies in build/image; `make image-verify` holds it against its signature. Ends with 1 when a step failed
and 2 when a variable or a program is missing.
"""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

from image import base, build, bundle, compare, formats, layout, page, sbom, signing, variables
from image.layout import BadLayout
from image.progress import BuildError, Progress
from image.report import report, table

WORK: Final = base.CODE / ".build" / "image"
OUT: Final = base.CODE / "build" / "image"
PROGRAMS: Final = {
    "packer": "packer", "mmdebstrap": "mmdebstrap", "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils",
    "mcopy": "mtools", "mkfs.vfat": "dosfstools", "sfdisk": "fdisk", "mke2fs": "e2fsprogs", "zstd": "zstd",
    "rauc": "rauc", "mksquashfs": "squashfs-tools", "openssl": "openssl", "ssh-keygen": "openssh-client",
    "unshare": "util-linux", "ip": "iproute2",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Build what the words say; returns the exit status."""
    if arguments[:1] == ["verify"]:
        return _verify(arguments[1:])
    if arguments[:1] == ["compare"]:
        return _compare(arguments[1:])
    if arguments in (["help"], ["--help"]):
        print(variables.table())
        return 0
    try:
        chosen = variables.read(arguments)
    except variables.BadVariable as error:
        return _refuse(str(error))
    if missing := sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)}):
        return _refuse(f"not installed: {', '.join(missing)} (appliance/setup.sh image)")
    progress = Progress(WORK / "logs")
    try:
        _build(chosen, progress)
    except (BuildError, BadLayout, OSError) as error:
        progress.say(f"failed: {error}")
        return 1
    return 0


def _build(chosen: variables.Variables, progress: Progress) -> None:
    key = Path(chosen.signing_key).resolve() if chosen.signing_key else signing.own_key(WORK)
    if not key.is_file():  # said before an hour of work, not after it
        raise BuildError(f"signing_key={chosen.signing_key}: there is no such file")
    disk = base.provide(chosen, WORK, progress)
    pair = bundle.signer(chosen, WORK, progress)
    sealed, contents = build.run(chosen, disk, pair[1], WORK, progress)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    named = formats.Named(OUT, build.NAME, chosen.version, base.EPOCH)
    made = formats.write(sealed, tuple(chosen.formats.split(",")), named, progress)
    with progress.step("update"):
        whole = layout.disk(chosen.disk_mib, chosen.root_mib)
        system = bundle.slot_image(sealed, whole, WORK / bundle.CONTENT, progress)
        made.append(bundle.write(system, chosen.version, pair, named.path(bundle.END), progress))
    with progress.step("bill of materials, digests, signature"):
        bill = named.path("cdx.json")
        bill.write_text(sbom.bill(contents, build.NAME, chosen.version, base.EPOCH) + "\n")
        sizes = {path.name: path.stat().st_size for path in made}
        (OUT / formats.SUMS).write_text(formats.sums([*made, bill]))
        signer = signing.sign(OUT, key)
    told = report(
        asdict(chosen) | {"signing_key": signer}, contents, sizes, progress.steps, _said(WORK / "logs" / "packer.log")
    )
    (OUT / "report.json").write_text(json.dumps(told, indent=1) + "\n")
    page.write(OUT)
    progress.say(f"done: {OUT}")
    print(table(told))


def _compare(arguments: list[str]) -> int:
    """`compare first=FILE second=FILE`, or `compare [NAME=VALUE...]`, which builds twice: whether both are the same."""
    given = dict(word.partition("=")[::2] for word in arguments)
    disks = [Path(given.pop(name)) for name in ("first", "second") if name in given]
    if disks and (len(disks) != 2 or given):
        return _refuse("say first=FILE and second=FILE, or variables of a build, which is then made twice")
    progress = Progress(WORK / "logs")
    try:
        chosen = variables.read([f"{name}={value}" for name, value in given.items()])
        certificate = bundle.signer(chosen, WORK, progress)[1]
        for work in () if disks else (WORK, WORK / "again"):
            (work / "logs").mkdir(parents=True, exist_ok=True)
            progress.say(f"build in {work}")
            disks.append(build.run(chosen, base.provide(chosen, work, progress), certificate, work, progress)[0])
        return compare.main(disks[0], disks[1], WORK, progress)
    except variables.BadVariable as error:
        return _refuse(str(error))
    except (BuildError, BadLayout, OSError) as error:
        progress.say(f"failed: {error}")
        return 1


def _verify(arguments: list[str]) -> int:
    """`verify [directory=DIRECTORY] [signers=FILE]`: whether the files are what was signed."""
    given = {"directory": str(OUT), "signers": ""} | dict(word.partition("=")[::2] for word in arguments)
    if unknown := given.keys() - {"directory", "signers"}:
        return _refuse(f"{sorted(unknown)[0]!r} is none of directory=DIRECTORY, signers=FILE")
    directory = Path(given["directory"])
    known = Path(given["signers"] or directory / signing.SIGNERS)
    try:
        names = signing.verify(directory, known)
        print("\n".join([*(f"{name}: as it was signed" for name in names), f"by {signing.fingerprint(known)}"]))
    except (signing.Unverified, BuildError, OSError) as error:
        sys.stderr.write(f"image: {error}\n")
        return 1
    if not given["signers"]:
        print("The file of signers lies beside the image: compare that fingerprint with one that you have elsewhere.")
    return 0


def _said(log: Path) -> list[str]:
    return [line.partition(build.STEP)[2].strip() for line in log.read_text().splitlines() if build.STEP in line]


def _refuse(why: str) -> int:
    sys.stderr.write(f"image: {why}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
