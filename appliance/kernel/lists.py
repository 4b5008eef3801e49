"""Imported lists and countries in the kernel: each a pair of maps in a slot, all of it in force by one write.

A list is filled in a free slot beside the one of its name that is in force; the last piece moves its bit in the mask
that the gate reads (bpf/firewall.c), and the old slot's maps go. Names and digests lie in a map as well: a keeper that
starts again on pinned maps says what is in force, and the office sends only what is missing.
Must not know: bcc, sockets.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from appliance import networks, wire
from appliance.kernel import layout, syscall

MAX_LISTS: Final = 16
MAX_SINGLES: Final = 4_194_304  # addresses, and networks, of one list
MAX_NETWORKS: Final = 1_048_576
MAX_ROWS: Final = 8_388_608  # of all lists together: half a gigabyte of the kernel's memory or so
_LEAST: Final = 1024
_NAME_BYTES: Final = 64
_NO_PREALLOC: Final = 1
_MASKS: Final = {kind: str(kind) for kind in wire.ListKind}


@dataclass(frozen=True, slots=True)
class Slot:
    """A list as its row in the map `lists` says."""

    name: str
    digest: str
    entries: int
    kind: wire.ListKind
    complete: bool = False


class Slots(Protocol):
    """Where lists lie: in the kernel, or in memory for tests."""

    def found(self) -> dict[int, Slot]: ...
    def open(self, slot: int, row: Slot, expected: int, /) -> None: ...
    def add(self, slot: int, packed: bytes, /) -> None: ...
    def describe(self, slot: int, row: Slot, /) -> None: ...
    def show(self, masks: Mapping[wire.ListKind, int], /) -> None: ...
    def clear(self, slot: int, /) -> None: ...


class Lists:
    """The verbs about lists. Every refusal is a wire.WireError."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._rows: dict[int, Slot] = {}
        self._room: dict[int, int] = {}  # rows that a list may have: what it announced
        for slot, row in slots.found().items():
            if row.complete:
                self._rows[slot] = row
            else:
                slots.clear(slot)  # a keeper died while it loaded this one
        self._show()

    def lists(self) -> list[wire.ListStatus]:
        """Every list, in force or being loaded."""
        return [wire.ListStatus(row.name, row.digest, row.entries, row.complete) for row in self._rows.values()]

    def load(self, chunk: wire.ListChunk) -> wire.ListStatus:
        """Takes one piece of a list; the last one puts the list in force.

        Raises WireError: "bad_list" for rows that are none, "gate_full", "no_list" for a piece of a list that was not
        begun. A list that was refused is given up; the one in force stays. Protected addresses pass whatever a list
        says: a rule of the firewall goes before it (firewall.rule_rows).
        """
        if chunk.first:
            self._give_up(chunk.name)
            slot = self._begin(chunk)
        else:
            slot = self._loading(chunk)
        try:
            packed = _rows(chunk)
            self._demand_room(slot, len(packed) // networks.ROW_BYTES)
            self._add(slot, packed)
        except wire.WireError:
            self._give_up(chunk.name)
            raise
        row = self._rows[slot]
        self._rows[slot] = row = Slot(row.name, row.digest, row.entries + len(packed) // networks.ROW_BYTES, row.kind)
        return self._finish(slot) if chunk.last else wire.ListStatus(row.name, row.digest, row.entries, False)

    def drop(self, name: str) -> None:
        """Ends a list. Raises WireError("no_list")."""
        gone = [slot for slot, row in self._rows.items() if row.name == name]
        if not gone:
            raise wire.WireError("no_list", f"the gate has no list {name!r:.80}")
        for slot in gone:
            self._forget(slot)
        self._show()
        for slot in gone:
            self._slots.clear(slot)

    def _begin(self, chunk: wire.ListChunk) -> int:
        if not chunk.name or len(chunk.name.encode()) > _NAME_BYTES or len(chunk.digest) > _NAME_BYTES:
            raise wire.WireError("bad_list", f"a list's name and digest have 1 to {_NAME_BYTES} bytes")
        free = next((slot for slot in range(MAX_LISTS) if slot not in self._rows), None)
        names = {row.name for row in self._rows.values()} | {chunk.name}
        if free is None or len(names) >= MAX_LISTS:
            raise wire.WireError(
                "gate_full", f"the gate holds {MAX_LISTS - 1} lists and one that is being loaded", "merge some of them"
            )
        if not 0 <= chunk.entries <= MAX_SINGLES:
            raise wire.WireError("gate_full", f"a list holds {MAX_SINGLES} networks at most, not {chunk.entries}")
        room = max(chunk.entries, _LEAST)
        if room + sum(self._room.get(slot, row.entries) for slot, row in self._rows.items()) > MAX_ROWS:
            raise wire.WireError("gate_full", f"all lists together hold {MAX_ROWS} networks at most", "drop one first")
        row = Slot(chunk.name, chunk.digest, 0, chunk.kind)
        self._slots.open(free, row, chunk.entries)
        self._room[free] = room
        self._rows[free] = row
        return free

    def _loading(self, chunk: wire.ListChunk) -> int:
        for slot, row in self._rows.items():
            if (row.name, row.digest, row.complete) == (chunk.name, chunk.digest, False):
                return slot
        raise wire.WireError("no_list", f"no list {chunk.name!r:.80} is being loaded", "begin with its first piece")

    def _demand_room(self, slot: int, more: int) -> None:
        """What a list announced bounds what it holds, and that all of them: the office may have been taken over."""
        row = self._rows[slot]
        if row.entries + more > self._room[slot]:
            words = f"the list {row.name!r:.80} has more than the {self._room[slot]} networks that it announced"
            raise wire.WireError("gate_full", words, "it says how many networks it has")

    def _add(self, slot: int, packed: bytes) -> None:
        try:
            self._slots.add(slot, packed)
        except OSError as error:
            words = f"the list {self._rows[slot].name!r:.80} does not fit the gate: {os.strerror(error.errno or 0)}"
            raise wire.WireError("gate_full", words, "it says how many networks it has") from None

    def _finish(self, slot: int) -> wire.ListStatus:
        row = self._rows[slot]
        whole = Slot(row.name, row.digest, row.entries, row.kind, complete=True)
        old = [each for each, held in self._rows.items() if held.name == row.name and each != slot]
        self._slots.describe(slot, whole)
        self._rows[slot] = whole
        for each in old:
            self._forget(each)
        self._show()
        for each in old:
            self._slots.clear(each)
        return wire.ListStatus(whole.name, whole.digest, whole.entries)

    def _give_up(self, name: str) -> None:
        for slot in [slot for slot, row in self._rows.items() if row.name == name and not row.complete]:
            self._forget(slot)
            self._slots.clear(slot)

    def _forget(self, slot: int) -> None:
        del self._rows[slot]
        self._room.pop(slot, None)

    def _show(self) -> None:
        masks = dict.fromkeys(wire.ListKind, 0)
        for slot, row in self._rows.items():
            masks[row.kind] |= row.complete << slot
        self._slots.show(masks)


def _rows(chunk: wire.ListChunk) -> bytes:
    try:
        packed = base64.b64decode(chunk.packed, validate=True)
    except (binascii.Error, ValueError):
        raise wire.WireError("bad_list", f"a piece of {chunk.name!r:.80} is not base64") from None
    if not packed and chunk.last:
        return packed
    if wrong := networks.fault(packed):
        raise wire.WireError("bad_list", f"list {chunk.name!r:.80}: {wrong}")
    return packed


class KernelSlots:
    """Lists in the maps of bpf/maps.c."""

    def __init__(self, handles: Mapping[str, Any]) -> None:
        """`handles` are maps.Handle by name."""
        self._key, self._net = layout.Shape(handles["listed_shape"].key), layout.Shape(handles["listed_net_shape"].key)
        self._row = layout.Shape(handles["lists"].leaf)
        self._masks = layout.Shape(handles["listings"].leaf)
        self._outer = {name: syscall.MapDescriptor(handles[name].fd, 4, 4) for name in ("listed", "listed_nets")}
        self._lists = syscall.MapDescriptor(handles["lists"].fd, 4, self._row.bytes)
        self._listings = syscall.MapDescriptor(handles["listings"].fd, 4, self._masks.bytes)
        self._inner: dict[int, tuple[syscall.MapDescriptor | None, syscall.MapDescriptor | None]] = {}
        self._room: dict[int, int] = {}

    def found(self) -> dict[int, Slot]:
        """What the maps hold already."""
        rows = {}
        for slot in range(MAX_LISTS):
            fields = self._row.unpack(self._lists.lookup(_number(slot)) or bytes(self._row.bytes))
            if fields["entries"] or fields["complete"] or fields["name"].strip(b"\0"):
                name, digest = (fields[each].rstrip(b"\0").decode(errors="replace") for each in ("name", "digest"))
                kind = list(wire.ListKind)[fields["kind"] % len(wire.ListKind)]
                rows[slot] = Slot(name, digest, fields["entries"], kind, bool(fields["complete"]))
        return rows

    def open(self, slot: int, row: Slot, expected: int) -> None:
        """Notes that a list will be here; its maps come with their first rows."""
        self._room[slot] = max(expected, _LEAST)
        self._inner[slot] = (None, None)
        self.describe(slot, row)

    def add(self, slot: int, packed: bytes) -> None:
        """Writes rows, single addresses and networks each to their map. Raises OSError: E2BIG when it is full."""
        singles, nets = _split(packed)
        held, held_nets = self._inner[slot]
        if singles and held is None:
            held = self._make("listed", slot, syscall.MAP_HASH, self._key.bytes, self._room[slot])
        if nets and held_nets is None:
            held_nets = self._make("listed_nets", slot, syscall.MAP_LPM_TRIE, self._net.bytes, MAX_NETWORKS)
        self._inner[slot] = (held, held_nets)
        if singles and held is not None:
            held.fill(singles)
        if nets and held_nets is not None:
            held_nets.fill(b"".join(self._net.pack({"prefix_bits": row[16], "ip": row[:16]}) for row in nets))

    def _make(self, outer: str, slot: int, kind: int, key_bytes: int, entries: int) -> syscall.MapDescriptor:
        fd = syscall.create_map(kind, key_bytes, 4, entries, _NO_PREALLOC)
        self._outer[outer].update(_number(slot), _number(fd))
        return syscall.MapDescriptor(fd, key_bytes, 4)

    def describe(self, slot: int, row: Slot) -> None:
        """Writes the list's row; one that is complete needs its maps here no longer."""
        fields = {
            "name": row.name.encode(),
            "digest": row.digest.encode(),
            "entries": row.entries,
            "kind": list(wire.ListKind).index(row.kind),
            "complete": row.complete,
        }
        self._lists.update(_number(slot), self._row.pack(fields))
        if row.complete:
            self._close(slot)

    def show(self, masks: Mapping[wire.ListKind, int]) -> None:
        """What the gate looks at, from this write on."""
        self._listings.update(_number(0), self._masks.pack({_MASKS[kind]: mask for kind, mask in masks.items()}))

    def clear(self, slot: int) -> None:
        """Empties a slot; the kernel frees its maps when the last packet has left them."""
        self._close(slot)
        self._lists.update(_number(slot), bytes(self._row.bytes))
        for outer in self._outer.values():
            outer.delete(_number(slot))

    def _close(self, slot: int) -> None:
        for held in self._inner.pop(slot, ()):
            if held is not None:
                os.close(held.fd)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _split(packed: bytes) -> tuple[bytes, list[bytes]]:
    """The addresses one after the other, and the rows that are networks."""
    bits = packed[16 :: networks.ROW_BYTES]
    if bits.count(networks.SINGLE) == len(bits):
        singles = bytearray(packed)
        del singles[16 :: networks.ROW_BYTES]
        return bytes(singles), []
    rows = networks.rows(packed)
    return b"".join(row[:16] for row in rows if row[16] == 128), [row for row in rows if row[16] < 128]


class MemorySlots:
    """Lists in memory, for a gate without a kernel."""

    def __init__(self) -> None:
        self.rows: dict[int, Slot] = {}
        self.packed: dict[int, bytes] = {}
        self.masks: Mapping[wire.ListKind, int] = {}

    def found(self) -> dict[int, Slot]:
        """What is there already."""
        return dict(self.rows)

    def open(self, slot: int, row: Slot, _expected: int) -> None:
        """As KernelSlots."""
        self.rows[slot], self.packed[slot] = row, b""

    def add(self, slot: int, packed: bytes) -> None:
        """As KernelSlots."""
        self.packed[slot] += packed

    def describe(self, slot: int, row: Slot) -> None:
        """As KernelSlots."""
        self.rows[slot] = row

    def show(self, masks: Mapping[wire.ListKind, int]) -> None:
        """As KernelSlots."""
        self.masks = dict(masks)

    def clear(self, slot: int) -> None:
        """As KernelSlots."""
        self.rows.pop(slot, None)
        self.packed.pop(slot, None)
