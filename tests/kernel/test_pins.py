"""A gate that outlives its keeper: maps and links pinned, taken over by the next one, removed when asked."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.kernel import layout, link, plan
from appliance.kernel.gate import Gate
from tests.lab.network import Lab


@pytest.fixture
def pin_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory in a bpf file system of this test's own."""
    mount = tmp_path / "bpffs"
    mount.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", str(mount)], check=True)
    try:
        yield mount / "appliance"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


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


def test_pins_of_another_layout_are_not_used(inside: Lab, header_cache: Path, pin_dir: Path) -> None:
    stale = pin_dir / "v0-00000000"
    stale.mkdir(parents=True)
    gate = Gate.load(pin_dir, header_cache)
    try:
        assert not stale.exists()
        assert (pin_dir / layout.version() / "streams").exists()
    finally:
        gate.remove()


def test_a_directory_that_is_no_bpf_file_system_is_refused(tmp_path: Path, header_cache: Path) -> None:
    with pytest.raises(wire.WireError, match="not in a bpf file system") as refused:
        Gate.load(tmp_path / "appliance", header_cache)
    assert refused.value.hint.startswith("mount -t bpf")
