"""`python -m tests.image [image=FILE] [firmware=bios,uefi] [updates=uefi] [encrypted=uefi]`: see the package."""

import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from image import page
from image.__main__ import OUT
from image.build import own_network
from tests.image import encryption, judge, machine, updates
from tests.interrupt import INTERRUPTED, interruptible

INSIDE_NAMESPACE = "IMAGE_CHECK_NAMESPACE"
LIMIT_S = 1200.0
SIZES_MIB = (4096, 6144)  # the second machine's disk is larger than the image's


def main(arguments: list[str]) -> int:
    """Boot, look, judge; returns the exit status."""
    given = dict(word.partition("=")[::2] for word in arguments)
    firmware = [each for each in given.pop("firmware", ",".join(machine.USUAL)).split(",") if each != "no"]
    updated = [each for each in given.pop("updates", "uefi").split(",") if each and each != "no"]
    encrypted = [each for each in given.pop("encrypted", "uefi").split(",") if each and each != "no"]
    image = Path(given.pop("image", "") or _newest())
    wrong = [*given, *(each for each in (*firmware, *updated, *encrypted) if each not in machine.FIRMWARE)]
    needed = (machine.QEMU, "qemu-img", *((encryption.SWTPM,) if encrypted else ()))
    lacking = [name for name in needed if not shutil.which(name)]
    if wrong or lacking or not image.is_file():
        sys.stderr.write(f"image-check: {_refusal(wrong, lacking, image)}\n")
        return 2
    return _check(image.resolve(), firmware, updated, encrypted)


def _newest() -> str:
    found = sorted(OUT.glob("*.qcow2"), key=lambda path: path.stat().st_mtime)
    return str(found[-1]) if found else str(OUT / "appliance.qcow2")


def _refusal(wrong: list[str], lacking: list[str], image: Path) -> str:
    if wrong:
        return f"{wrong[0]!r} is none of image=FILE, firmware={','.join(machine.FIRMWARE)}, updates=no, encrypted=no"
    if lacking:
        return f"not installed: {', '.join(lacking)} (appliance/setup.sh image)"
    return f"there is no {image}: 'make image' first"


def _check(image: Path, firmware: list[str], updated: list[str], encrypted: list[str]) -> int:
    rows: list[tuple[str, judge.Check]] = []
    secrets: list[dict[str, str]] = []
    figures: list[str] = []
    for number, each in enumerate(firmware):
        size = SIZES_MIB[number % len(SIZES_MIB)]
        print(f"== {each}: boots on a disk of {size} MiB", flush=True)
        with tempfile.TemporaryDirectory() as place:
            handed = machine.NAME if number else ""  # the first is left alone
            booted = machine.boot(image, each, size, Path(place), LIMIT_S, bool(handed))
        told = judge.heard(booted.said)
        judged = [*_outside(booted), *judge.judge(told, booted.console, size, booted.ssh, handed)]
        _keep(each, booted, told, judged)
        rows += [(each, row) for row in judged]
        secrets.append(told.get("secrets", {}))
        figures.append(_figures(booted, told))
    for each in updated:
        print(f"== {each}: is updated, and takes spoilt updates back", flush=True)
        rows += _updates(image, each)
    for each in encrypted:
        print(f"== {each}: its state is encrypted, and its disk comes to another machine", flush=True)
        rows += _encrypted(image, each)
    if len(secrets) > 1:
        rows.append(("all", judge.shared(*secrets[:2])))
    page.write(OUT)
    print(judge.table(rows))
    print("\n".join([*figures, f"{image.name}: {image.stat().st_size / 1e6:.0f} MB"]))
    failed = sum(not row.good for _, row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _updates(image: Path, firmware: str) -> list[tuple[str, judge.Check]]:
    if not (update := updates.updates(image)).is_file():
        return [(firmware, judge.Check("there is an update of the image", False, f"no {update}"))]
    with tempfile.TemporaryDirectory() as place:
        said, console, took_s = updates.boot(image, update, firmware, Path(place))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"check-updates-{firmware}.console").write_text(console)
    (OUT / f"check-updates-{firmware}.said").write_text(said)
    print(f"   after {took_s:.0f} s", flush=True)
    return [(firmware, row) for row in updates.judge(updates.heard(said))]


def _encrypted(image: Path, firmware: str) -> list[tuple[str, judge.Check]]:
    with tempfile.TemporaryDirectory() as place:
        found = encryption.run(image, firmware, Path(place))
    OUT.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(found.starts, 1):
        (OUT / f"check-encrypted-{firmware}-{number}.console").write_text(start.console)
        (OUT / f"check-encrypted-{firmware}-{number}.said").write_text(json.dumps(start.told, indent=1) + "\n")
    return [(firmware, row) for row in encryption.judge(found)]


def _outside(booted: machine.Booted) -> list[judge.Check]:
    return [
        judge.Check("HTTPS says that it is ready", booted.https_s >= 0, f"after {booted.https_s:.0f} s"),
        judge.Check("SIP OPTIONS is answered", booted.sip_s >= 0, f"after {booted.sip_s:.0f} s"),
    ]


def _figures(booted: machine.Booted, told: dict[str, object]) -> str:
    used = ", ".join(
        f"{name} {int(str(told.get(key, 0))) / 1e6:.0f} MB"
        for name, key in (("root", "root_used_bytes"), ("memory", "memory_used_bytes"))
    )
    return f"{booted.firmware}: {told.get('times', '')}; {used}, of the host {booted.resident_bytes / 1e6:.0f} MB"


def _keep(name: str, booted: machine.Booted, told: dict[str, object], judged: list[judge.Check]) -> None:
    """For whoever asks why."""
    OUT.mkdir(parents=True, exist_ok=True)
    kept = {"at": time.time(), "rows": [asdict(row) for row in judged], **told}
    (OUT / f"check-{name}.console").write_text(booted.console)
    (OUT / f"check-{name}.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    if INSIDE_NAMESPACE not in os.environ:
        words = own_network([sys.executable, "-m", "tests.image", *sys.argv[1:]])
        os.execvpe(words[0], words, os.environ | {INSIDE_NAMESPACE: "1"})
    interruptible()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("== interrupted", flush=True)
        sys.exit(INTERRUPTED)
