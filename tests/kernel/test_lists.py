"""Lists in the kernel's maps: a million rows in few calls, slots that are used again, and what a new keeper finds."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import networks, wire
from appliance.kernel import syscall, testrun
from appliance.kernel.gate import Gate
from appliance.kernel.lists import MAX_LISTS, MAX_SINGLES, KernelSlots, Lists, MemorySlots
from appliance.wire import FirewallAction, FirewallRule, ListChunk, ListKind, ListStatus
from tests.bpf.rig import frame

MILLION = 1_000_000
IP4 = bytes(10) + b"\xff\xff"


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    loaded = Gate.load()
    yield loaded
    loaded.close()


@pytest.fixture
def lists(gate: Gate) -> Iterator[Lists]:
    """The gate's lists, empty before and after."""
    held = Lists(KernelSlots(gate.maps))
    yield held
    for status in held.lists():
        held.drop(status.name)


def chunk(name: str, rows: list[bytes], *, digest: str = "d", first: bool = True, last: bool = True) -> ListChunk:
    return ListChunk(name, digest, base64.b64encode(b"".join(rows)).decode(), first, last, entries=len(rows))


def singles(count: int) -> list[bytes]:
    return [IP4 + (0x01000000 + number).to_bytes(4, "big") + networks.SINGLE for number in range(count)]


def test_a_million_addresses_take_a_few_calls_and_one_hash(
    gate: Gate, lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = syscall._call
    monkeypatch.setattr(syscall, "_call", lambda command, attr: calls.append(command) or real(command, attr))
    rows = singles(MILLION)
    pieces = range(0, MILLION, networks.CHUNK_ROWS)
    for at in pieces:
        piece = b"".join(rows[at : at + networks.CHUNK_ROWS])
        text = base64.b64encode(piece).decode()
        first, last = at == 0, at + networks.CHUNK_ROWS >= MILLION
        lists.load(ListChunk("big", "d", text, first, last, entries=MILLION))
    assert lists.lists() == [ListStatus("big", "d", MILLION)]
    assert len(calls) < len(pieces) + 20, "one call a piece, and a few around them"
    inner = _inner(gate, 0)
    assert inner.lookup(rows[0][:16]) is not None
    assert inner.lookup(rows[-1][:16]) is not None
    assert inner.lookup(IP4 + bytes(4)) is None


def _inner(gate: Gate, slot: int) -> syscall.MapDescriptor:
    outer = syscall.MapDescriptor(gate.maps["listed"].fd, 4, 4)
    number = int.from_bytes(outer.lookup(slot.to_bytes(4, "little")) or b"", "little")
    return syscall.MapDescriptor(syscall.map_by_id(number), 16, 4)


def test_a_new_keeper_finds_what_is_in_force_and_clears_what_was_half_loaded(gate: Gate, lists: Lists) -> None:
    lists.load(chunk("whole", singles(3)))
    lists.load(chunk("half", singles(5), last=False))
    found = Lists(KernelSlots(gate.maps))
    assert found.lists() == [ListStatus("whole", "d", 3)]
    assert Lists(KernelSlots(gate.maps)).lists() == found.lists()


def test_slots_are_used_again(lists: Lists) -> None:
    for number in range(3 * MAX_LISTS):
        lists.load(chunk("one", singles(2), digest=str(number)))
    assert lists.lists() == [ListStatus("one", str(3 * MAX_LISTS - 1), 2)]


def test_there_are_only_so_many_lists(lists: Lists) -> None:
    for number in range(MAX_LISTS - 1):
        lists.load(chunk(f"list {number}", singles(1)))
    with pytest.raises(wire.WireError, match="holds 15 lists"):
        lists.load(chunk("one more", singles(1)))
    lists.load(chunk("list 0", singles(2), digest="new"))  # there is room to replace one
    assert len(lists.lists()) == MAX_LISTS - 1


def test_a_list_larger_than_it_said_is_given_up_and_the_old_one_stays(lists: Lists) -> None:
    lists.load(chunk("feed", singles(2), digest="old"))
    rows = singles(4096)
    lists.load(ListChunk("feed", "new", base64.b64encode(b"".join(rows[:10])).decode(), True, False, entries=10))
    with pytest.raises(wire.WireError) as refused:
        lists.load(chunk("feed", rows[10:], digest="new", first=False))
    assert refused.value.code == "gate_full"
    assert lists.lists() == [ListStatus("feed", "old", 2)]


@pytest.mark.parametrize(
    "packed",
    [b"short", IP4 + b"\x01\x02\x03\x04\x78", singles(2)[1] + singles(2)[0], IP4 + bytes(4) + b"\x81"],
    ids=["no whole row", "host bits", "out of order", "no such length"],
)
def test_a_piece_that_is_no_rows_is_refused(packed: bytes) -> None:
    lists = Lists(MemorySlots())
    with pytest.raises(wire.WireError) as refused:
        lists.load(ListChunk("feed", "d", base64.b64encode(packed).decode(), True, True))
    assert refused.value.code == "bad_list"
    assert lists.lists() == []


def test_a_piece_of_a_list_that_was_not_begun_is_refused() -> None:
    lists = Lists(MemorySlots())
    lists.load(chunk("feed", singles(1), last=False))
    with pytest.raises(wire.WireError, match=r"no list .feed. is being loaded"):
        lists.load(chunk("feed", singles(1), digest="other", first=False))


def test_lists_show_as_what_they_are() -> None:
    slots = MemorySlots()
    lists = Lists(slots)
    for number, kind in enumerate(ListKind):
        text = base64.b64encode(singles(1)[0]).decode()
        lists.load(ListChunk(f"list {number}", "d", text, True, True, kind))
    assert slots.masks == {ListKind.BAN: 1, ListKind.COUNTRY_DENY: 2, ListKind.COUNTRY_ALLOW: 4}


def test_lists_and_rules_outlive_the_keeper_in_pinned_maps(pin_dir: Path, header_cache: Path) -> None:
    listed, denied = IP4 + bytes((198, 51, 100, 7)) + networks.SINGLE, "203.0.113.0/24"
    first = Gate.load(pin_dir, header_cache)
    first.load_list(chunk("feed", [listed], digest="of the feed"))
    first.sync(wire.Plan(1, (("udp", 5060),), (0, 0), firewall=(FirewallRule(denied, FirewallAction.DENY),)))
    first.close()
    again = Gate.load(pin_dir, header_cache)
    try:
        assert again.lists() == [ListStatus("feed", "of the feed", 1)]
        before = {tally.verdict: tally.packets for tally in again.tallies()}
        for source in ("198.51.100.7", "203.0.113.9"):
            testrun.run(again.program_fd, bytes(frame(src=source)))
        after = {tally.verdict: tally.packets for tally in again.tallies()}
        assert [after[name] - before[name] for name in ("listed", "firewall_denied")] == [1, 1]
        again.drop_list(wire.ListRef("feed"))
        assert again.lists() == []
    finally:
        again.remove()


def test_a_list_holds_no_more_than_it_announced() -> None:
    held = Lists(MemorySlots())
    piece = base64.b64encode(b"".join(singles(1025))).decode()
    with pytest.raises(wire.WireError, match="more than the 1024 networks"):
        held.load(ListChunk("short", "d", piece, True, True, entries=1))
    assert held.lists() == []


def test_all_lists_together_have_an_end_and_a_dropped_one_makes_room() -> None:
    held = Lists(MemorySlots())
    for name in ("one", "two"):
        held.load(ListChunk(name, "d", "", True, True, entries=MAX_SINGLES))
    with pytest.raises(wire.WireError, match="together") as refused:
        held.load(chunk("three", singles(1)))
    assert refused.value.code == "gate_full"
    held.drop("one")
    assert held.load(chunk("three", singles(1))).complete
