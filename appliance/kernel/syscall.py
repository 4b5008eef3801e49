"""bpf(2) where bcc has no word for it: maps by element and by batch, pins, links, test runs.

Follows include/uapi/linux/bpf.h, ``union bpf_attr``. Knows descriptors and bytes, not what they mean. Every function
raises OSError with the kernel's errno.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NUMBERS: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351, "armv7l": 386}
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

_MAP_CREATE, _MAP_BY_ID = 0, 14
_MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _MAP_NEXT = 1, 2, 3, 4
_PROG_LOAD, _OBJ_PIN, _OBJ_GET, _PROG_TEST_RUN = 5, 6, 7, 10
_PROG_NEXT_ID, _INFO_BY_FD = 11, 15
_MAP_LOOKUP_BATCH, _MAP_UPDATE_BATCH, _MAP_DELETE_BATCH = 24, 26, 27
_LINK_CREATE, _LINK_UPDATE, _ATTACH_XDP = 28, 29, 37
_TYPE_XDP = 6
MAP_HASH, MAP_LPM_TRIE = 1, 11

UPDATE_ANY, UPDATE_NEW = 0, 1
XDP_GENERIC, XDP_NATIVE = 2, 4
LIVE_FRAMES: Final = 2


def _number() -> int:
    try:
        return _NUMBERS[platform.machine()]
    except KeyError:
        raise OSError(errno.ENOSYS, f"no number of bpf(2) known for {platform.machine()}") from None


def _call(command: int, attr: ctypes.Array[ctypes.c_char]) -> int:
    result: int = _LIBC.syscall(_number(), command, attr, len(attr))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _attr(layout: str, *values: int | bytes) -> ctypes.Array[ctypes.c_char]:
    packed = struct.pack(layout, *values)
    return ctypes.create_string_buffer(packed, len(packed))


class MapDescriptor:
    """One map: rows as bytes. Not for several threads at once, because its buffers are used again."""

    def __init__(self, fd: int, key_bytes: int, leaf_bytes: int) -> None:
        """`leaf_bytes`: what the kernel copies, for a per-CPU map all CPUs' values, each padded to eight bytes."""
        self.fd, self.key_bytes, self.leaf_bytes = fd, key_bytes, leaf_bytes
        self._key = ctypes.create_string_buffer(key_bytes)
        self._next = ctypes.create_string_buffer(key_bytes)
        self._leaf = ctypes.create_string_buffer(leaf_bytes)
        key, leaf, following = map(ctypes.addressof, (self._key, self._leaf, self._next))
        self._element = _attr("=IIQQQ", fd, 0, key, leaf, UPDATE_ANY)
        self._fresh = _attr("=IIQQQ", fd, 0, key, leaf, UPDATE_NEW)
        self._gone = _attr("=IIQQQ", fd, 0, key, 0, 0)
        self._step = _attr("=IIQQQ", fd, 0, key, following, 0)
        self._first = _attr("=IIQQQ", fd, 0, 0, following, 0)

    def lookup(self, key: bytes) -> bytes | None:
        """The row at `key`, or None."""
        self._key.raw = key
        try:
            _call(_MAP_LOOKUP, self._element)
        except FileNotFoundError:
            return None
        return self._leaf.raw

    def update(self, key: bytes, leaf: bytes) -> None:
        """Writes the row, new or not. E2BIG: the map is full."""
        self._key.raw, self._leaf.raw = key, leaf
        _call(_MAP_UPDATE, self._element)

    def create(self, key: bytes, leaf: bytes) -> bool:
        """Writes the row only if there is none; False when there was."""
        self._key.raw, self._leaf.raw = key, leaf
        try:
            _call(_MAP_UPDATE, self._fresh)
        except FileExistsError:
            return False
        return True

    def delete(self, key: bytes) -> bool:
        """Removes the row; False when there was none."""
        self._key.raw = key
        try:
            _call(_MAP_DELETE, self._gone)
        except FileNotFoundError:
            return False
        return True

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row, one at a time: safe for every kind of map, also while rows come and go."""
        key = self._following(None)
        while key is not None:
            following = self._following(key)
            leaf = self.lookup(key)
            if leaf is not None:
                yield key, leaf
            key = following

    def _following(self, key: bytes | None) -> bytes | None:
        attr = self._first
        if key is not None:
            self._key.raw, attr = key, self._step
        try:
            _call(_MAP_NEXT, attr)
        except FileNotFoundError:
            return None
        return self._next.raw

    def snapshot(self, chunk: int = 4096) -> list[tuple[bytes, bytes]]:
        """Every row in batches: one call for thousands, where the kind of map allows it."""
        rows: list[tuple[bytes, bytes]] = []
        place = ctypes.create_string_buffer(max(self.key_bytes, 8))
        begun = False
        while True:
            try:
                rows += self._batch(place, begun, chunk)
            except FileNotFoundError as end:
                return rows + getattr(end, "rows", [])
            except OSError as error:
                if error.errno == errno.ENOSPC and chunk < 1 << 22:
                    chunk *= 4
                    continue
                return list(self.items())
            begun = True

    def _batch(self, place: ctypes.Array[ctypes.c_char], begun: bool, chunk: int) -> list[tuple[bytes, bytes]]:
        keys = ctypes.create_string_buffer(chunk * self.key_bytes)
        leaves = ctypes.create_string_buffer(chunk * self.leaf_bytes)
        here = ctypes.addressof(place)
        addresses = (ctypes.addressof(keys), ctypes.addressof(leaves))
        attr = _attr("=QQQQIIQQ", here if begun else 0, here, *addresses, chunk, self.fd, 0, 0)
        try:
            _call(_MAP_LOOKUP_BATCH, attr)
        except FileNotFoundError as end:
            end.rows = self._cut(keys.raw, leaves.raw, attr)  # type: ignore[attr-defined]
            raise
        return self._cut(keys.raw, leaves.raw, attr)

    def _cut(self, keys: bytes, leaves: bytes, attr: ctypes.Array[ctypes.c_char]) -> list[tuple[bytes, bytes]]:
        (count,) = struct.unpack_from("=I", attr.raw, 32)
        k, v = self.key_bytes, self.leaf_bytes
        return [(keys[i * k : i * k + k], leaves[i * v : i * v + v]) for i in range(count)]

    def update_many(self, rows: list[tuple[bytes, bytes]]) -> None:
        """Writes all rows in one call."""
        keys = b"".join(key for key, _ in rows)
        leaves = b"".join(leaf for _, leaf in rows)
        self._many(_MAP_UPDATE_BATCH, keys, leaves, len(rows))

    def fill(self, keys: bytes) -> None:
        """Writes a row of zeros at each of the keys, which lie one after the other, in one call."""
        count = len(keys) // self.key_bytes
        self._many(_MAP_UPDATE_BATCH, keys, bytes(count * self.leaf_bytes), count)

    def delete_many(self, keys: list[bytes]) -> None:
        """Removes all rows in one call; raises FileNotFoundError at the first one that is not there."""
        self._many(_MAP_DELETE_BATCH, b"".join(keys), b"", len(keys))

    def _many(self, command: int, keys: bytes, leaves: bytes, count: int) -> None:
        key_buffer = ctypes.create_string_buffer(keys, len(keys))
        leaf_buffer = ctypes.create_string_buffer(leaves, max(len(leaves), 1))
        addresses = (ctypes.addressof(key_buffer), ctypes.addressof(leaf_buffer))
        _call(command, _attr("=QQQQIIQQ", 0, 0, *addresses, count, self.fd, 0, 0))


def create_map(
    kind: int, key_bytes: int, leaf_bytes: int, entries: int, flags: int = 0, *, inner: int = 0, name: str = ""
) -> int:
    """A descriptor of a new map; `inner`: of a map that the maps in a map of maps are like."""
    terms = (kind, key_bytes, leaf_bytes, entries, flags, inner, 0)
    return _call(_MAP_CREATE, _attr("=7I16s", *terms, name.encode()[:15]))


def map_by_id(number: int) -> int:
    """A descriptor of the map with this number, as a map of maps shows it."""
    return _call(_MAP_BY_ID, _attr("=III", number, 0, 0))


def pin(fd: int, path: Path) -> None:
    """Names the object in a bpf file system: it then outlives this process."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    _call(_OBJ_PIN, _attr("=QII", ctypes.addressof(name), fd, 0))


def pinned(path: Path) -> int:
    """A descriptor of the object pinned at `path`."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _call(_OBJ_GET, _attr("=QII", ctypes.addressof(name), 0, 0))


def load_xdp(instructions: bytes) -> int:
    """Loads a program of ready instructions (linux/bpf.h, struct bpf_insn)."""
    code = ctypes.create_string_buffer(instructions, len(instructions))
    terms = ctypes.create_string_buffer(b"GPL")
    addresses = (ctypes.addressof(code), ctypes.addressof(terms))
    return _call(_PROG_LOAD, _attr("=IIQQIIQII", _TYPE_XDP, len(instructions) // 8, *addresses, 0, 0, 0, 0, 0))


def link_xdp(program_fd: int, ifindex: int, flags: int) -> int:
    """Attaches the program; the returned descriptor holds it there. EBUSY: another program is in the way."""
    return _call(_LINK_CREATE, _attr("=IIIIQQQ", program_fd, ifindex, _ATTACH_XDP, flags, 0, 0, 0))


def link_replace(link_fd: int, program_fd: int) -> None:
    """Puts another program in an attached one's place, without a gap."""
    _call(_LINK_UPDATE, _attr("=IIII", link_fd, program_fd, 0, 0))


def _info(fd: int, size: int) -> bytes:
    info = ctypes.create_string_buffer(size)
    _call(_INFO_BY_FD, _attr("=IIQ", fd, size, ctypes.addressof(info)))
    return info.raw


def map_terms(fd: int) -> tuple[int, int, int, int, int]:
    """A map's kind, bytes of its key and of its value, rows at most, and flags."""
    kind, _, key, value, entries, flags = struct.unpack_from("=6I", _info(fd, 64))
    return kind, key, value, entries, flags


def link_ifindex(link_fd: int) -> int:
    """The interface that an XDP link holds; 0 when the interface is gone."""
    return int(struct.unpack_from("=I", _info(link_fd, 64), 16)[0])


def program_id(fd: int) -> int:
    """The number under which the kernel lists a program."""
    return int(struct.unpack_from("=I", _info(fd, 64), 4)[0])


def program_ids() -> set[int]:
    """The numbers of all programs that are loaded now."""
    found: set[int] = set()
    last = 0
    while True:
        attr = _attr("=III", last, 0, 0)
        try:
            _call(_PROG_NEXT_ID, attr)
        except FileNotFoundError:
            return found
        last = struct.unpack_from("=I", attr.raw, 4)[0]
        found.add(last)


def run(
    program_fd: int, packet: bytes, context: bytes = b"", repeat: int = 1, flags: int = 0, batch: int = 0
) -> tuple[int, int, bytes]:
    """Runs the program on `packet`: (what it returned, nanoseconds a run, the packet as it left it)."""
    live = bool(flags & LIVE_FRAMES)
    frame = ctypes.create_string_buffer(packet, len(packet))
    room = 0 if live else len(packet) + 512
    out = ctypes.create_string_buffer(max(room, 1))
    around = ctypes.create_string_buffer(context, max(len(context), 1))
    attr = _attr(
        "=IIIIQQIIIIQQIIII",
        *(program_fd, 0, len(packet), room, ctypes.addressof(frame), ctypes.addressof(out) if room else 0, repeat, 0),
        *(len(context), 0, ctypes.addressof(around) if context else 0, 0, flags, 0, batch, 0),
    )
    _call(_PROG_TEST_RUN, attr)
    fields = struct.unpack("=IIIIQQIIIIQQIIII", attr.raw)
    return fields[1], fields[7], out.raw[: fields[3]]
