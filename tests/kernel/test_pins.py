"""A gate that outlives its keeper: maps and links pinned, taken over by the next one, removed when asked."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.kernel import layout, link, plan, syscall
from appliance.kernel.gate import STAGES, Gate
from tests.lab.network import Lab
from tests.lab.waiting import until

SESSION = wire.RelaySession(
    7,
    1 << 60,
    (
        wire.RelayStream(("10.77.1.1", 20000), ("10.77.2.1", 20002), ("10.77.1.2", 4000)),
        wire.RelayStream(("10.77.2.1", 20002), ("10.77.1.1", 20000), None, learn=False, payload_types=(0, 101)),
    ),
)


def wanted() -> wire.Plan:
    return wire.Plan(
        generation=5,
        service_ports=(("udp", 5060), ("tcp", 5060)),
        relay_ports=(20000, 29999),
        limits=wire.Limits({"known_burst": 77}),
        sources=(wire.Source("192.0.2.0/24", wire.SourceClass.KNOWN), wire.Source("192.0.2.9")),
        bans=(wire.Ban("198.51.100.0/24"), wire.Ban("2001:db8::9", time.time() + 3600)),
        sessions=(SESSION,),
    )


def test_a_restarted_keeper_finds_everything_and_changes_nothing(
    inside: Lab, header_cache: Path, pin_dir: Path
) -> None:
    name, goal = inside.interfaces[0], wanted()
    first = Gate.load(pin_dir, header_cache)
    assert first.attach(name).mode == "native"
    first.sync(goal)
    first.close()
    assert link.attached(name)[0] == "native", "the kernel goes on"

    second = Gate.load(pin_dir, header_cache)
    try:
        assert second.status().sessions == 1
        assert {ban.rule for ban in second.bans()} == {"unknown"}
        before = link.attached(name)[1]
        assert second.attach(name).mode == "native"
        assert link.attached(name)[1] != before, "the new program took the old one's place"
        second._boot_ns = first._boot_ns
        assert second.sync(goal) == wire.Applied(0, 0, 0)
        assert {ban.rule for ban in second.bans()} == {"operator"}
        assert second.status().generation == 5
        assert second.close_session(7).found
    finally:
        second.remove()
    assert link.attached(name) == ("", 0)
    assert not pin_dir.exists()


def test_pins_are_nobody_elses_and_a_directory_that_somebody_else_made_is_refused(
    inside: Lab, header_cache: Path, pin_dir: Path
) -> None:
    pin_dir.mkdir(mode=0o755)
    os.chown(pin_dir, 12345, 12345)
    with pytest.raises(wire.WireError, match="belongs to another user") as refused:
        Gate.load(pin_dir, header_cache)
    assert refused.value.code == "bad_pins"
    os.chown(pin_dir, 0, 0)
    held = Gate.load(pin_dir, header_cache)
    try:
        assert pin_dir.stat().st_mode & 0o777 == 0o700
    finally:
        held.remove()


def test_a_restarted_keeper_heals_what_was_changed_behind_its_back(
    inside: Lab, header_cache: Path, pin_dir: Path
) -> None:
    first = Gate.load(pin_dir, header_cache)
    first.sync(wanted())
    first.tables.drop(plan.MapName.STREAMS, plan.endpoint(("10.77.1.1", 20000)))
    first.tables.put(plan.MapName.BANS, layout.address("203.0.113.1"), plan.BanRow(0))
    first.close()
    second = Gate.load(pin_dir, header_cache)
    try:
        applied = second.sync(wanted())
        assert (applied.added, applied.removed) == (1, 1)
        assert {ban.prefix for ban in second.bans()} == {"198.51.100.0/24", "2001:db8::9"}
    finally:
        second.remove()


def test_pins_of_another_layout_are_not_used_and_go_when_no_program_needs_them(
    inside: Lab, header_cache: Path, pin_dir: Path
) -> None:
    stale = pin_dir / "v0-00000000"
    stale.mkdir(parents=True)
    gate = Gate.load(pin_dir, header_cache)
    try:
        assert (pin_dir / layout.version() / "streams").exists()
        assert stale.exists(), "the earlier program may still need it"
        gate.settle_pins()
        assert [path.name for path in pin_dir.iterdir() if path.name != "links"] == [layout.version()]
    finally:
        gate.remove()


@pytest.fixture
def other_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Called, it makes the next load one of another version: with a field more in a row that the gate reads."""

    def change() -> None:
        directory = tmp_path / "bpf"
        shutil.copytree(layout.BPF_DIR, directory)
        header = directory / "layout.h"
        written = header.read_text()
        assert "\tu32 class;\n};" in written
        header.write_text(written.replace("\tu32 class;\n};", "\tu32 class;\n\tu64 later;\n};"))
        monkeypatch.setattr(layout, "BPF_DIR", directory)
        monkeypatch.setattr(layout, "SOURCE", directory / "gate.c")
        layout.version.cache_clear()

    yield change
    monkeypatch.undo()
    layout.version.cache_clear()


def map_numbers(gate: Gate) -> set[int]:
    return {syscall.program_id(handle.fd) for handle in gate.maps.values()}  # both infos begin with type and number


def test_an_upgrade_to_another_layout_replaces_the_program_and_the_office_sends_its_calls_anew(
    inside: Lab, header_cache: Path, pin_dir: Path, other_layout: Callable[[], None]
) -> None:
    name = inside.interfaces[0]
    old = Gate.load(pin_dir, header_cache)
    old.attach(name)
    old.sync(wanted())
    old_version, old_maps, old_program = layout.version(), map_numbers(old), link.attached(name)[1]
    old.close()

    other_layout()
    new = Gate.load(pin_dir, header_cache)
    try:
        assert layout.version() != old_version
        assert not map_numbers(new) & old_maps, "no map is shared"
        assert link.attached(name) == ("native", old_program), "the old one judges until the new one takes its place"
        assert (pin_dir / old_version / "streams").exists()
        assert new.attach(name).mode == "native"
        assert link.attached(name)[1] == syscall.program_id(new.program_fd) != old_program
        new.settle_pins()
        assert not (pin_dir / old_version).exists()
        assert new.status().sessions == 0
        assert new.sync(wanted()).removed == 0
        assert new.renew_lease(7, 1 << 60) is None
        assert {ban.rule for ban in new.bans()} == {"operator"}
    finally:
        new.remove()
    assert link.attached(name) == ("", 0)


def stages_at(pins: Path) -> dict[int, int]:
    """Place to program number, as the pinned map of programs holds them."""
    stages = syscall.MapDescriptor(syscall.pinned(pins / "stages"), 4, 4)
    try:
        found = {place: stages.lookup(place.to_bytes(4, "little")) for place in STAGES.values()}
        return {place: int.from_bytes(number, "little") for place, number in found.items() if number}
    finally:
        os.close(stages.fd)


def test_the_programs_of_a_pinned_gate_stay_together_until_all_of_them_are_replaced(
    inside: Lab, header_cache: Path, pin_dir: Path, other_layout: Callable[[], None]
) -> None:
    name = inside.interfaces[0]
    old = Gate.load(pin_dir, header_cache)
    old.attach(name)
    old_pins = pin_dir / layout.version()
    old.close()
    before = stages_at(old_pins)
    assert before, "the stages outlive the keeper"

    other_layout()
    new = Gate.load(pin_dir, header_cache)
    try:
        assert stages_at(old_pins) == before, "the old program still meets its own stages"
        ours = stages_at(pin_dir / layout.version())
        assert ours.keys() == before.keys()
        assert not set(ours.values()) & set(before.values())
        new.attach(name)
        new.settle_pins()
        assert not old_pins.exists()
        assert stages_at(pin_dir / layout.version()) == ours
    finally:
        new.remove()


def test_two_appliances_side_by_side_have_pins_of_their_own(inside: Lab, header_cache: Path, pin_dir: Path) -> None:
    one = Gate.load(pin_dir, header_cache)
    two = Gate.load(pin_dir.with_name("appliance-other"), header_cache)
    try:
        for gate, name in ((one, inside.interfaces[0]), (two, inside.interfaces[1])):
            gate.attach(name)
            gate.settle_pins()
        one.sync(wanted())
        assert not map_numbers(one) & map_numbers(two)
        assert (one.status().bans, two.status().bans) == (2, 0)
    finally:
        one.remove()
    try:
        assert link.attached(inside.interfaces[0]) == ("", 0)
        assert link.attached(inside.interfaces[1])[0] == "native"
    finally:
        two.remove()


def test_an_interface_that_is_no_longer_named_is_let_go(inside: Lab, header_cache: Path, pin_dir: Path) -> None:
    first = Gate.load(pin_dir, header_cache)
    for name in inside.interfaces:
        first.attach(name)
    first.close()
    second = Gate.load(pin_dir, header_cache)
    try:
        second.attach(inside.interfaces[0])
        second.settle_pins()
        await_detached(inside.interfaces[1])
        assert link.attached(inside.interfaces[0])[0] == "native"
    finally:
        second.remove()


def await_detached(name: str) -> None:
    """The kernel lets a link go a moment after its last reference."""
    until(lambda: link.attached(name) == ("", 0))


def test_a_directory_that_is_no_bpf_file_system_is_refused(tmp_path: Path, header_cache: Path) -> None:
    with pytest.raises(wire.WireError, match="not in a bpf file system") as refused:
        Gate.load(tmp_path / "appliance", header_cache)
    assert refused.value.hint.startswith("mount -t bpf")
