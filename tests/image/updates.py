"""An image that is updated, and takes an update back that cannot start and one that does not work: one machine, four
starts that speak. What is done in it is inside_update.py's; here it is booted and judged."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from appliance.slots import VERSION
from image import bundle
from image.__main__ import WORK
from image.layout import MIB
from image.progress import BuildError, Progress
from image.variables import Variables
from tests.image import inside_update, machine
from tests.image.judge import Check

LIMIT_S = 5400.0
SIZE_MIB = 4096
INSIDE = Path(inside_update.__file__)
MARK = "@step "
UPDATES, UPDATE_FILE, FOREIGN_FILE = "/run/check-updates", "update.raucb", "foreign.raucb"
STARTS = len(inside_update.STEPS)


def updates(image: Path) -> Path:
    """The update that was built with an image."""
    return image.with_name(image.name.removesuffix(".qcow2") + f".{bundle.END}")


def disk(update: Path, place: Path) -> Path:
    """A disk with the update, and with one that somebody else signed."""
    content, made = place / "updates", place / "updates.img"
    content.mkdir()
    shutil.copyfile(update, content / UPDATE_FILE)
    progress = Progress(place / "logs")
    system = place / "system"
    system.write_bytes(os.urandom(MIB))
    signing = bundle.signer(Variables(), place, progress)
    bundle.write(system, "6.6.6", signing, content / FOREIGN_FILE, progress)
    with made.open("wb") as file:
        file.truncate(update.stat().st_size + 128 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "updates", "-d", str(content), str(made)], check=True)
    return made


def newer(update: Path, version: str, into: Path, place: Path) -> Path:
    """The same system as another version, which it says of itself, signed by the key that signs this tree's own; in the
    directory `into`. Raises BuildError."""
    progress = Progress(place / "logs")
    pair = bundle.signer(Variables(), WORK, progress)
    content, said, words = place / "content", place / "version", place / "words"
    said.write_text(f"{version}\n")
    words.write_text(
        f"cd /{VERSION.parent.relative_to('/')}\nrm {VERSION.name}\nwrite {said} {VERSION.name}\n"
        + "".join(f"set_inode_field {VERSION.name} {row}\n" for row in ("mode 0100644", "uid 0", "gid 0"))
    )
    progress.run(["rauc", f"--keyring={pair[1]}", "extract", update, content], log="newer-extract")
    try:
        system = content / bundle.CONTENT
        progress.run(["debugfs", "-w", "-f", words, system], log="newer-version")
        read = ["debugfs", "-R", f"cat {VERSION}", str(system)]
        done = subprocess.run(read, capture_output=True, text=True, check=True)
        if done.stdout.strip() != version:
            raise BuildError(f"the system says that it is {done.stdout.strip()!r}, not {version}")
        return bundle.write(system, version, pair, into / f"appliance-{version}.{bundle.END}", progress)
    finally:
        shutil.rmtree(content)


def drive(update: Path, place: Path) -> list[str]:
    """qemu's words for that disk."""
    return ["-drive", f"file={disk(update, place)},if=virtio,format=raw,readonly=on"]


def boot(image: Path, update: Path, firmware: str, place: Path) -> tuple[str, str, float]:
    """What the machine said on its second line and on its console, and for how many seconds it ran."""
    own = machine.overlay(image, firmware, SIZE_MIB, place)
    words = machine.command(own, firmware, place, told=machine.credentials(INSIDE))
    words += drive(update, place)
    began, shown = time.monotonic(), 0
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as guest:
        try:
            while guest.poll() is None and time.monotonic() - began < LIMIT_S:
                said = machine.text(place / "said")
                for number in range(shown, len(heard(said))):
                    print(f"   start {number + 1} of {STARTS} has spoken", flush=True)
                    shown = number + 1
                if "@end" in said:
                    break
                time.sleep(0.5)
        finally:
            guest.kill()
    return machine.text(place / "said"), machine.text(place / "console"), time.monotonic() - began


def heard(said: str) -> list[dict[str, Any]]:
    """A row for each start that spoke, in their order."""
    lines = [line.removeprefix(MARK) for line in said.splitlines() if line.startswith(MARK)]
    return [dict(json.loads(line.partition(" ")[2])) for line in lines]


def judge(starts: list[dict[str, Any]]) -> Iterable[Check]:
    """All checks of one machine's updates."""
    fault = next((start["fault"] for start in starts if "fault" in start), "")
    if fault or len(starts) < STARTS:
        yield Check("the machine leads itself through its updates", False, fault or f"{len(starts)} starts spoke")
        return
    first, second, third, fourth = starts
    ran = [start["slot"] for start in starts]
    yield Check("it runs A, the update in B, and B after either spoilt one", ran == ["A", "B", "B", "B"], str(ran))
    yield Check("it works after each start", all(start["ready"] for start in starts), "")
    kept = [start["kept"] for start in starts]
    same = all(each == kept[0] for each in kept[1:]) and len(kept[0]) >= 3
    yield Check("what it is stays the same", same, str(kept) if not same else f"{len(kept[0])} compared")
    written = first["written"] + second["written"]
    yield Check("the root is read-only in either slot", not written, ", ".join(written))
    could = first["could"]
    yield Check("what must be written is written", could == list(inside_update.WRITTEN), ", ".join(could))
    foreign = first["foreign"]
    refused = foreign["exit"] == 1 and "signature verification failed" in foreign["said"]
    yield Check("an update of another signer is refused", refused, foreign["said"])
    yield Check("there is no way back to an empty slot", first["back"]["exit"] == 1, first["back"]["said"])
    yield _state("the update waits in B", first["install"], trial="B", next="B", good="AB")
    yield _state("B starts on trial", second["at_first"], trial="B", next="A", good="A", running="B")
    yield _state("and confirms itself", second["confirmed"], trial=None, next="B", good="AB", running="B")
    yield _state("A can be chosen again", second["back"], trial=None, next="A", good="AB", running="B")
    yield _state("and taken back", second["back_again"], trial=None, next="B", good="AB", running="B")
    spoilt = [each for start in (second, third) for each in start["spoilt"] if each["exit"]]
    yield Check("A is spoilt", not spoilt, str(spoilt))
    yield _state("A that cannot start is given up", third["status"], trial="A", next="B", good="B", running="B")
    yield Check("and not gone back to", third["back"]["exit"] == 1, third["back"]["said"])
    yield _state("A that does not work is given up", fourth["status"], trial="A", next="B", good="B", running="B")
    yield Check("and said why", "not healthy within 60 s" in fourth["why"], fourth["why"])


def _state(what: str, answer: dict[str, Any], **wanted: Any) -> Check:
    told = answer.get("told") or {}
    rows = told.get("slots", ())
    found = {
        "trial": told.get("trial"),
        "next": "".join(row["name"] for row in rows if row["next"]),
        "good": "".join(row["name"] for row in rows if row["good"]),
        "running": "".join(row["name"] for row in rows if row["running"]),
    }
    good = bool(rows) and all(found[name] == value for name, value in wanted.items())
    return Check(what, good, str(found) if rows else answer.get("said", ""))
