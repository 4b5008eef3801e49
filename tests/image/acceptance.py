"""`make image-test`: an operator's day with a finished image.

    make image-test ARGS="image=FILE base=FILE|none firmware=bios|uefi|secureboot lynis=yes|all"

The machine boots under Secure Boot in a network of its own. Its operator finishes the set-up in Chromium; two
telephones (baresip) register and a priced call goes out over a carrier (SIPp), its audio through the machine's gate;
a scanner (SIPVicious) ends at the card and who guesses passwords is banned; a backup is made, the machine is started
anew, loses things and gets them back out of the backup; it is updated from slot A to B and survives a broken A; its own
audit judges it (image/README.md has the whole day as a table). Before that, the time to the first answer of SIP is held
against plain Debian's to that of SSH. Ends with 1 when something is not so.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from playwright.sync_api import Error as BrowserError

from image import page
from image.__main__ import OUT, WORK
from image.build import own_network
from image.progress import BuildError
from tests.image import deploy, hardening, machine, pace, scap, story, updates
from tests.image.__main__ import _newest
from tests.image.judge import Check, table
from tests.image.yard import Guest, GuestError, Yard
from tests.interrupt import INTERRUPTED, interruptible
from tests.lab.phones import PhoneError

INSIDE_NAMESPACE = "IMAGE_TEST_NAMESPACE"
PEERS = ("operator", "alice", "bob", "carrier", "attacker", "scanner", "store")
GIVEN = ("image", "base", "firmware", "lynis")
STEP_FAULTS = (
    GuestError, PhoneError, story.Failed, AssertionError, OSError, LookupError, ValueError, subprocess.SubprocessError,
    BrowserError, BuildError,
)  # fmt: skip
SLOWER = 1.3  # times plain Debian's first answer
LYNIS = WORK / "lynis"
READY_S, SIZE_MIB = 1200.0, 8192


@dataclass(slots=True)
class Told:
    """What came of it: rows as they were judged, figures by name."""

    rows: list[Check] = field(default_factory=list)
    figures: dict[str, float | int | str] = field(default_factory=dict)

    def say(self, check: Check) -> None:
        """One more row, shown at once."""
        self.rows.append(check)
        print(table([("", check)]), flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A row that is good unless something in it fails."""
        began = time.monotonic()
        try:
            yield
        except STEP_FAULTS as error:
            self.say(Check(what, False, f"{type(error).__name__}: {error}"))
            raise story.Failed(what) from error
        took = time.monotonic() - began
        self.figures[what] = round(took, 1)
        self.say(Check(what, True, f"{took:.0f} s"))


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    given = dict(word.partition("=")[::2] for word in arguments)
    image, base = Path(given.get("image") or _newest()), _base(given.get("base", ""))
    firmware = given.get("firmware", "secureboot")
    wrong = [f"{each!r} is none of {', '.join(GIVEN)}" for each in given if each not in GIVEN]
    if given.get("lynis", "yes") not in ("yes", "all"):
        wrong.append(f"lynis={given['lynis']} is none of yes, all")
    if firmware not in machine.FIRMWARE:
        wrong.append(f"firmware={firmware} is none of {', '.join(machine.FIRMWARE)}")
    needed = (image, updates.updates(image))
    wrong += [f"there is no {each}: 'make image' first" for each in needed if not each.is_file()]
    programs = (machine.QEMU, "qemu-img", "chromium", "baresip", "sipp", "svcrack", scap.PROGRAM)
    wrong += [f"{name} is not installed (appliance/setup.sh image)" for name in programs if not shutil.which(name)]
    if wrong:
        sys.stderr.write(f"image-test: {wrong[0]}\n")
        return 2
    told = Told()
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        _documented(told)
        for check in scap.judged(image.resolve()):
            told.say(check)
        if base is not None:
            _paced(told, image.resolve(), base)
        try:
            _day(told, image.resolve(), firmware, Path(place), lynis=given.get("lynis", ""))
        except story.Failed as failed:
            print(f"== stopped: {failed}", flush=True)
    return _end(told, image)


def _base(given: str) -> Path | None:
    """The plain Debian to compare with; `base=none`: nothing is compared."""
    if given == "none":
        return None
    found = sorted(WORK.glob("base-*.qcow2"), key=lambda path: path.stat().st_mtime)
    return Path(given).resolve() if given else found[-1] if found else None


def _documented(told: Told) -> None:
    """The blocks of docs/deploy.md that need more than a build's files; the others run with every test."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        deploy.outputs(place)
        (place / "seed.img").touch()
        for block in (each for each in deploy.blocks() if each.needs):
            done = deploy.run(block, place)
            told.say(Check(f"deploy.md: {block.chapter}", done.returncode == 0, done.stderr or "as it stands there"))


def _paced(told: Told, image: Path, base: Path) -> None:
    """Both for the first time, side by side."""
    print("== first answers, the image's and plain Debian's", flush=True)
    ours, plain = pace.first_answers(image, base)
    told.figures |= {"seconds to SIP": round(ours, 1), "seconds to SSH of plain Debian": round(plain, 1)}
    good = 0 < ours <= SLOWER * plain
    found = f"{ours:.0f} s beside {plain:.0f} s: {ours / plain:.2f} times"
    told.say(Check(f"SIP answers within {SLOWER} times what plain Debian takes to SSH", good, found))


def _day(told: Told, image: Path, firmware: str, place: Path, *, lynis: str) -> None:
    print(f"== the machine boots: {firmware}, {SIZE_MIB} MiB", flush=True)
    with Yard(PEERS, tag="imagetest") as yard:
        guest = Guest(yard, yard.hosts["operator"], image, place, firmware, SIZE_MIB)
        guest.extra = [*updates.drive(updates.updates(image), place), *(hardening.disk(LYNIS, place) if lynis else ())]
        with guest:
            with told.step("HTTPS says that calls can be taken"):
                guest.wait("/readyz", guest.ready, READY_S)
            day = story.Day(guest, yard, place)
            for what, act in day.steps():
                with told.step(what):
                    act()
            for check in day.rows:
                told.say(check)
            told.figures |= day.figures
            if lynis:
                told.say(hardening.judged(guest, told.figures, everything=lynis == "all"))


def _end(told: Told, image: Path) -> int:
    failed = sum(not row.good for row in told.rows)
    size = f"{image.name}: {image.stat().st_size / 1e6:.0f} MB"
    print(f"{size}; {len(told.rows) - failed} passed, {failed} failed", flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    kept = {"at": time.time(), "rows": [asdict(row) for row in told.rows], "figures": told.figures}
    (OUT / "acceptance.json").write_text(json.dumps(kept, indent=1) + "\n")
    page.write(OUT)
    return 1 if failed else 0


def entry(run: Callable[[list[str]], int]) -> int:
    """In a network namespace of its own, and again on Ctrl-C with everything taken down."""
    if INSIDE_NAMESPACE not in os.environ:
        if {"lynis=yes", "lynis=all"} & {*sys.argv[1:]}:
            hardening.fetch(LYNIS)
        words = own_network([sys.executable, "-m", "tests.image.acceptance", *sys.argv[1:]])
        os.execvpe(words[0], words, os.environ | {INSIDE_NAMESPACE: "1"})
    interruptible()
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        print("== interrupted", flush=True)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(entry(main))
