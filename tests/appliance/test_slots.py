"""The slots: what RAUC and GRUB's counters say, read; and what may be done in which state.

RAUC itself runs on the image alone, where `make image-check` updates it; GRUB's program runs here.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.cli.book import BOOK
from appliance.cli.exits import Exit
from appliance.slots import Running, Slot, SlotError, Slots, here, run, running, state

VERSION = "1.0"


def told(*, b_good: bool = False, b_next: bool = False, b_version: str = "") -> str:
    """RAUC's status of a machine that runs slot A."""
    written = {
        "bundle": {"compatible": "appliance-amd64", "version": b_version},
        "installed": {"timestamp": "2026-01-02T03:04:05Z", "count": 1},
    }
    common = {"class": "rootfs", "type": "ext4", "parent": None, "mountpoint": None}
    a = common | {"device": "/dev/vda1", "bootname": "A", "state": "booted", "boot_status": "good", "slot_status": {}}
    b = common | {"device": "/dev/vda2", "bootname": "B", "state": "inactive"}
    b |= {"boot_status": "good" if b_good else "bad", "slot_status": written if b_version else {}}
    primary = "rootfs.1" if b_next else "rootfs.0"
    return json.dumps({"booted": "A", "boot_primary": primary, "slots": [{"rootfs.0": a}, {"rootfs.1": b}]})


def test_the_slot_that_runs_is_on_trial_until_it_is_confirmed(tmp_path: Path) -> None:
    line, machine = tmp_path / "cmdline", Machine(tmp_path, told(), "TRIAL=A")
    block = tmp_path / "grubenv"
    line.write_text("quiet root=/dev/vda2\n")
    assert running(line, block) == Running("", False)
    line.write_text("quiet rauc.slot=A root=/dev/vda2\n")
    assert running(line, block) == Running("A", True)
    machine.slots.confirm()
    assert running(line, block) == Running("A", False)
    run(["grub-editenv", str(block), "set", "TRIAL=B"])
    assert running(line, block) == Running("A", False)
    assert running(line, tmp_path / "nothing") == Running("A", False)


class Machine:
    """Slots whose RAUC says `status` and notes what it is told; GRUB's counters are a file of GRUB's own program."""

    def __init__(self, place: Path, status: str, *counters: str, brings: str = "") -> None:
        self.asked: list[str] = []
        self._brings = brings
        self._status = status
        block, version = place / "grubenv", place / "version"
        subprocess.run(["grub-editenv", block, "create"], check=True)
        subprocess.run(["grub-editenv", block, "set", "ORDER=A B", *counters], check=True)
        version.write_text(VERSION + "\n")
        self.slots = Slots(block, version, self._run)

    def _run(self, command: Sequence[str]) -> str:
        if command[0] != "rauc":
            return run(command)
        if command[1:3] == ["status", "--detailed"]:
            return self._status
        if command[1] == "info":
            return json.dumps({"compatible": "appliance-amd64", "version": self._brings})
        self.asked.append(" ".join(command[1:]))
        return ""


def test_an_image_as_it_is_delivered_runs_a_and_has_nothing_in_b() -> None:
    found = state(told(), "ORDER=A B\n", VERSION)
    assert found.slots == (Slot("A", True, True, True, VERSION, ""), Slot("B", False, False, False, "", ""))
    assert (found.trial, found.running.name, found.other.name) == ("", "A", "B")


def test_an_update_that_waits_for_its_start_is_on_trial_and_starts_next() -> None:
    found = state(told(b_good=True, b_next=True, b_version="2.0"), "ORDER=B A\nTRIAL=B\n", VERSION)
    assert found.trial == "B"
    assert found.other == Slot("B", False, True, True, "2.0", "2026-01-02T03:04:05Z")


@pytest.mark.parametrize("said", ["", "[]", '{"slots": [{"rootfs.0": {}}]}', '{"slots": 3}'])
def test_a_status_that_cannot_be_read_is_a_fault_with_words(said: str) -> None:
    with pytest.raises(SlotError, match="see 'rauc status'"):
        state(said, "", VERSION)


def test_confirming_ends_the_trial_in_grubs_counters(tmp_path: Path) -> None:
    machine = Machine(tmp_path, told(), "TRIAL=A", "A_TRY=1")
    assert machine.slots.confirm().trial == ""
    assert machine.asked == ["status mark-good booted"]


@pytest.mark.parametrize(
    ("found", "trial", "asked"),
    [
        ({"b_good": True, "b_version": "0.9"}, "", "status mark-active other"),
        ({"b_good": True, "b_next": True, "b_version": "2.0"}, "TRIAL=B", "status mark-active booted"),
    ],
)
def test_going_back_starts_the_other_slot_or_takes_back_what_waits(
    tmp_path: Path, found: dict[str, Any], trial: str, asked: str
) -> None:
    machine = Machine(tmp_path, told(**found), trial or "A_TRY=0")
    machine.slots.rollback()
    assert machine.asked == [asked]


@pytest.mark.parametrize(
    ("found", "trial", "why"),
    [({}, "", "holds nothing that could be started"), ({"b_version": "2.0"}, "TRIAL=B", "failed its trial")],
)
def test_there_is_no_way_back_to_what_is_empty_or_failed(
    tmp_path: Path, found: dict[str, Any], trial: str, why: str
) -> None:
    machine = Machine(tmp_path, told(**found), trial or "A_TRY=0")
    with pytest.raises(SlotError, match=f"slot B {why}: install an update instead"):
        machine.slots.rollback()
    assert machine.asked == []


@pytest.mark.parametrize("version", ["0.9", "0.9.9", "0.10.3", ""])
def test_an_older_update_is_taken_only_where_it_is_meant(tmp_path: Path, version: str) -> None:
    machine, file = Machine(tmp_path, told(), brings=version), tmp_path / "x.raucb"
    with pytest.raises(SlotError, match=r"is older than 1\.0, which runs"):
        machine.slots.install(file)
    assert machine.asked == []
    machine.slots.install(file, older=True)
    assert machine.asked == [f"install {file}"]


@pytest.mark.parametrize("version", ["1.0", "1.0.1", "1.10", "2", "10.0-rc1"])
def test_the_same_version_and_newer_ones_are_taken(tmp_path: Path, version: str) -> None:
    machine = Machine(tmp_path, told(), brings=version)
    machine.slots.install(tmp_path / "x.raucb")
    assert machine.asked == [f"install {tmp_path / 'x.raucb'}"]


ORDER = (
    "", "0.9", "0.10.0-alpha", "0.10.0-alpha.1", "0.10.0-beta", "0.10.0-rc2", "0.10.0~rc10", "0.10.0", "0.10.1-1",
    "0.10.1-rc1", "0.10.1", "1.0",
)  # fmt: skip


def test_versions_stand_in_the_order_of_their_releases_and_what_comes_before_one_stands_below_it(
    tmp_path: Path,
) -> None:
    for at, runs in enumerate(ORDER):
        for brought_at, brings in enumerate(ORDER):
            machine = Machine(tmp_path, told(), brings=brings)
            machine.slots.version.write_text(runs + "\n")
            taken = True
            try:
                machine.slots.install(tmp_path / "x.raucb")
            except SlotError:
                taken = False
            assert taken is (brought_at >= at), f"{brings} where {runs} runs"


@pytest.mark.parametrize(("runs", "brings"), [("1.0", "1.0.0"), ("1.0.0", "v1.0+build7"), ("1.0.0-RC1", "1.0-rc.1")])
def test_the_same_version_may_be_written_in_several_ways(tmp_path: Path, runs: str, brings: str) -> None:
    for one, other in ((runs, brings), (brings, runs)):
        machine = Machine(tmp_path, told(), brings=other)
        machine.slots.version.write_text(one + "\n")
        machine.slots.install(tmp_path / "x.raucb")
        assert machine.asked


def test_a_program_that_fails_says_why_in_one_line() -> None:
    with pytest.raises(SlotError, match=r"^sh: Failed to check: wrong signature$"):
        run(["sh", "-c", "echo rauc-Message: hello; echo 'LastError: Failed to check: wrong signature' >&2; exit 1"])
    with pytest.raises(SlotError, match="nowhere cannot be run"):
        run(["nowhere"])


@pytest.mark.parametrize(("timeouts", "words"), [(2, ""), (3, "Timeout was reached"), (0, "no such bus")])
def test_a_status_that_a_busy_machine_gave_up_is_asked_for_again(tmp_path: Path, timeouts: int, words: str) -> None:
    machine, asked = Machine(tmp_path, told()), list[str]()

    def busy(command: Sequence[str]) -> str:
        if command[0] == "rauc":
            asked.append(command[1])
            if len(asked) <= timeouts:
                raise SlotError("rauc: error calling D-Bus method: Timeout was reached")
            if words:
                raise SlotError("rauc: no such bus")
        return machine._run(command)

    slots = Slots(machine.slots.counters, machine.slots.version, busy)
    if words:
        with pytest.raises(SlotError, match=words):
            slots.look()
        assert len(asked) == max(timeouts, 1)
    else:
        assert slots.look().running.name == "A"


def test_the_kernel_says_which_slot_runs(tmp_path: Path) -> None:
    line = tmp_path / "cmdline"
    assert here(line) == ""
    line.write_text("root=PARTUUID=1 ro rauc.slot=B appliance.trial quiet\n")
    assert here(line) == "B"


@pytest.mark.parametrize("words", [["status"], ["confirm"], ["rollback"], ["install", "x.raucb"]])
def test_a_machine_without_slots_says_so(words: list[str]) -> None:
    result = CliRunner().invoke(BOOK.root, ["update", *words], env=dict(os.environ))
    assert result.exit_code == Exit.NOT_RUNNING
    assert "this machine has no slots" in result.output
