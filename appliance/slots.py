"""The two slots of the image's system: which one runs, what is in them, and what fills, confirms or takes one back.

RAUC does the work (rauc(1)): it checks an update's signature against the image's certificate, writes the slot that does
not run, and changes GRUB's counters. What is added here is the trial: GRUB counts the starts of a slot that an update
filled (TRIAL in its environment) until it is confirmed, and goes back to the other one when they are used up. Only
root may do any of it, and only on the image.
"""

import json
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COUNTERS: Final = Path("/boot/efi/grub/grubenv")
COMMAND_LINE: Final = Path("/proc/cmdline")
DISKS: Final = Path("/sys/class/block")
VERSION: Final = Path("/etc/appliance/version")
PARTITION, SECTOR = "root-b", 512  # image/layout.py: both slots have one size; the kernel's unit, whatever the disk's
SLOT_WORD, TRIAL_WORD = "rauc.slot=", "appliance.trial"  # on the kernel's command line, by GRUB
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PARTS: Final = re.compile(r"[0-9]+|[A-Za-z]+")
PATIENCE_S: Final = 3600.0  # writing a slot on a slow disk
ASKED, BUSY = 3, "Timeout was reached"  # of a status that D-Bus gave up; GLib's words

Run = Callable[[Sequence[str]], str]


class SlotError(Exception):
    """What cannot be done, in one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the two. `good`: GRUB may start it. `version` is empty where nothing was installed, as in the slot that an
    image was delivered with once it does not run; so is `installed_at`, which is RAUC's text (RFC 3339)."""

    name: str
    running: bool
    next: bool
    good: bool
    version: str
    installed_at: str


@dataclass(frozen=True, slots=True)
class State:
    """Both slots, and the one that is on trial (empty: none)."""

    slots: tuple[Slot, ...]
    trial: str

    @property
    def running(self) -> Slot:
        """The one that runs. Raises SlotError."""
        for each in self.slots:
            if each.running:
                return each
        raise SlotError("RAUC does not know the slot that runs: see 'rauc status'")

    @property
    def other(self) -> Slot:
        """The one that does not run. Raises SlotError."""
        for each in self.slots:
            if not each.running:
                return each
        raise SlotError("there is no other slot: see 'rauc status'")


def here(command_line: Path = COMMAND_LINE) -> str:
    """The name of the slot that runs; empty where this is not the image."""
    try:
        words = command_line.read_text().split()
    except OSError:
        return ""
    return next((word.removeprefix(SLOT_WORD) for word in words if word.startswith(SLOT_WORD)), "")


@dataclass(frozen=True, slots=True)
class Running:
    """The `slot` that runs, empty where this is not the image; `trial`: GRUB counts its starts still."""

    slot: str = ""
    trial: bool = False


def running(command_line: Path = COMMAND_LINE, counters: Path = COUNTERS) -> Running:
    """What runs, without a word to RAUC; counters that cannot be read count nothing."""
    slot = here(command_line)
    try:
        rows = counters.read_text(errors="replace").splitlines() if slot else []
    except OSError:
        rows = []
    return Running(slot, f"TRIAL={slot}" in rows)


def state(status: str, counters: str, version: str) -> State:
    """From `rauc status --detailed --output-format=json`, `grub-editenv list`, and the version that runs. Raises
    SlotError."""
    trial = next((row.removeprefix("TRIAL=") for row in counters.splitlines() if row.startswith("TRIAL=")), "")
    try:
        told = json.loads(status)
        primary = told.get("boot_primary")
        rows = [(key, row) for each in told["slots"] for key, row in each.items()]
        made = tuple(_slot(row, key == primary, version) for key, row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SlotError(f"RAUC's status cannot be read ({error}): see 'rauc status'") from None
    return State(tuple(sorted(made, key=lambda each: each.name)), trial)


def _slot(row: dict[str, Any], primary: bool, version: str) -> Slot:
    running = row["state"] == "booted"
    written = row.get("slot_status") or {}
    return Slot(
        name=str(row["bootname"]),
        running=running,
        next=primary,
        good=row.get("boot_status") == "good",
        version=version if running else str((written.get("bundle") or {}).get("version") or ""),
        installed_at=str((written.get("installed") or {}).get("timestamp") or ""),
    )


def run(command: Sequence[str]) -> str:
    """What a program prints. Raises SlotError with its last words."""
    try:
        done = subprocess.run(  # noqa: S603 - the words are this module's, and a path
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlotError(f"{command[0]} cannot be run: {error}") from None
    if done.returncode:
        said = [each.strip() for each in (done.stderr + "\n" + done.stdout).splitlines() if each.strip()]
        raise SlotError(f"{command[0]}: {_reason(said) or f'status {done.returncode}'}")
    return done.stdout


def _reason(said: Sequence[str]) -> str:
    """The line of RAUC's many that says why."""
    named = [each for each in said if "rror" in each or "ailed" in each]
    return (named or list(said) or [""])[-1].removeprefix("LastError:").strip()


def order(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Where a version stands among others, by Semantic Versioning: its numbers, and what comes before a release
    (0.10.0-rc2) below that release; words in it count by name, figures by value, what follows a plus not at all. What
    has no number is older than any."""
    numbers = _NUMBERS.search(version)
    release = [int(each) for each in numbers[0].split(".")] if numbers else []
    while release and not release[-1]:
        del release[-1]  # 1.0 is 1.0.0
    rest = version[numbers.end() :].partition("+")[0] if numbers else ""
    before = tuple(
        (not each.isdigit(), int(each) if each.isdigit() else 0, each.lower()) for each in _PARTS.findall(rest)
    )
    return tuple(release), bool(numbers) and not before, before


@dataclass(frozen=True, slots=True)
class Slots:
    """The machine's own. Every method raises SlotError."""

    counters: Path = COUNTERS
    version: Path = VERSION
    run: Run = run

    def look(self) -> State:
        """Both slots, now."""
        status = self._status()
        return state(status, self.run(["grub-editenv", str(self.counters), "list"]), self.version.read_text().strip())

    def _status(self) -> str:
        """RAUC's service gives up after 25 s of a busy machine; asked again, it has started by then."""
        for left in reversed(range(ASKED)):
            try:
                return self.run(["rauc", "status", "--detailed", "--output-format=json"])
            except SlotError as error:
                if not left or BUSY not in str(error):
                    raise
        raise AssertionError  # ASKED is above 0

    def contents(self, file: Path) -> str:
        """The version that an update brings, once its signature and the machine that it is for are right."""
        told = self.run(["rauc", "info", "--output-format=json", str(file.absolute())])
        try:
            return str(json.loads(told)["version"] or "")
        except (ValueError, KeyError, TypeError) as error:
            raise SlotError(f"{file} cannot be read ({error}): see 'rauc info {file}'") from None

    def room(self, disks: Path = DISKS) -> int:
        """How many bytes a slot has, by the kernel's table of partitions: what is larger is no update of its."""
        for each in disks.glob("*/uevent"):
            try:
                if f"PARTNAME={PARTITION}" in each.read_text().splitlines():
                    return int(each.with_name("size").read_text()) * SECTOR
            except (OSError, ValueError):
                continue  # a disk that is taken out now
        raise SlotError(f"there is no partition {PARTITION}: see 'lsblk'")

    def install(self, file: Path, *, older: bool = False) -> State:
        """Write an update into the slot that does not run, and start that one, on trial, from the next start on. One
        that is `older` than what runs is refused unless it is meant: a signature does not keep old holes away."""
        brought, runs = self.contents(file), self.version.read_text().strip()
        if not older and order(brought) < order(runs):
            raise SlotError(f"version {brought or '(none)'} is older than {runs}, which runs")
        self.run(["rauc", "install", str(file.absolute())])
        return self.look()

    def confirm(self) -> State:
        """Stay with the slot that runs: its trial is over."""
        self.run(["rauc", "status", "mark-good", "booted"])
        self.run(["grub-editenv", str(self.counters), "unset", "TRIAL"])
        return self.look()

    def rollback(self) -> State:
        """Start the other slot from the next start on; where an update waits for its first start, take that back.
        Refused where the other slot is empty, or failed its trial."""
        found = self.look()
        other = found.other
        if other.next:
            self.run(["rauc", "status", "mark-active", "booted"])
        elif other.good and found.trial != other.name:
            self.run(["rauc", "status", "mark-active", "other"])
        else:
            why = "failed its trial" if found.trial == other.name else "holds nothing that could be started"
            raise SlotError(f"slot {other.name} {why}: install an update instead")
        return self.look()
