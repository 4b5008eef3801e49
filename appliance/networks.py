"""Packed networks: how an imported ban list or a country's networks travel and lie in the database.

A row is 17 bytes: an address (16 bytes, IPv4 mapped into IPv6, RFC 4291 2.5.5.2) and its prefix bits of 128. Rows of a
list are in order and disjoint. Pure: office and keeper check the same rows with the same words.
"""

import ipaddress
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

ROW_BYTES: Final = 17
CHUNK_ROWS: Final = 16_384  # rows that are handled at once: a few milliseconds
SINGLE: Final = b"\x80"
_MAPPED: Final = bytes(10) + b"\xff\xff"
_ALL_ONES: Final = (1 << 128) - 1

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def row(network: Network) -> bytes:
    """The row of a network."""
    if isinstance(network, ipaddress.IPv4Network):
        return _MAPPED + network.network_address.packed + bytes((network.prefixlen + 96,))
    return network.network_address.packed + bytes((network.prefixlen,))


def parsed(text: str) -> bytes:
    """The row of an address or network in text. Raises ValueError with words for people."""
    return row(ipaddress.ip_network(text))


def text(packed: bytes) -> str:
    """The text of one row; a single address without its length."""
    bits = packed[16]
    if packed[:12] == _MAPPED and bits >= 96:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv4Address(packed[12:16])
        return str(address) if bits == 128 else f"{address}/{bits - 96}"
    address = ipaddress.IPv6Address(packed[:16])
    return str(address) if bits == 128 else f"{address}/{bits}"


def rows(packed: bytes) -> list[bytes]:
    """The rows of a piece."""
    return [packed[at : at + ROW_BYTES] for at in range(0, len(packed), ROW_BYTES)]


def last_address(packed: bytes) -> bytes:
    """The last address of one row."""
    if packed[16] >= 128:
        return packed[:16]
    return (int.from_bytes(packed[:16], "big") | _ALL_ONES >> packed[16]).to_bytes(16, "big")


def merged(given: Iterable[bytes]) -> list[bytes]:
    """The same addresses in order and disjoint: without doubles, and without what a wider row covers."""
    kept: list[bytes] = []
    end = b""
    for each in sorted(set(given)):
        if each[:16] > end or not kept:
            kept.append(each)
            end = each[:16] if each[16] == 128 else last_address(each)
    return kept


def fault(packed: bytes, after: bytes = b"") -> str:
    """What is wrong with a piece of a list; empty: nothing. `after` is the last address of the piece before it."""
    if len(packed) % ROW_BYTES or not packed:
        return f"a piece must be whole rows of {ROW_BYTES} bytes"
    for each in rows(packed):
        if after and each[:16] <= after:
            return f"{text(each)} is out of order, or lies in the row before it"
        if each[16] == 128:
            after = each[:16]
            continue
        if each[16] > 128 or int.from_bytes(each[:16], "big") & _ALL_ONES >> each[16]:
            return f"{text(each[:16] + SINGLE)} has host bits set or no such prefix length"
        after = last_address(each)
    return ""


def clashes(listed: Sequence[bytes], protected: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Each (row, protected row) that overlap. `listed` is in order and disjoint, `protected` is a few networks."""
    for guarded in protected:
        end, at = last_address(guarded), bisect_left(listed, guarded[:16])
        if at and last_address(listed[at - 1]) >= guarded[:16]:
            yield listed[at - 1], guarded
        while at < len(listed) and listed[at][:16] <= end:
            yield listed[at], guarded
            at += 1


def differences(held: Iterable[bytes], new: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    """(Rows added, rows removed) in bites: what `new` would change of `held`, each a list in pieces. A bite is at most
    as long as a piece of each."""
    sides = [_Cursor(iter(held)), _Cursor(iter(new))]
    while full := [side for side in sides if side.fill()]:
        bound = min(side.rows[-1] for side in full)
        old, fresh = (set(side.take(bound)) for side in sides)
        yield len(fresh - old), len(old - fresh)


class _Cursor:
    """Where a list in pieces is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self.rows = pieces, list[bytes]()

    def fill(self) -> bool:
        """Whether there are rows, or a piece had some."""
        while not self.rows and (piece := next(self._pieces, None)) is not None:
            self.rows = rows(piece)
        return bool(self.rows)

    def take(self, bound: bytes) -> list[bytes]:
        """The rows up to this one, which are gone from here."""
        at = bisect_right(self.rows, bound)
        taken, self.rows = self.rows[:at], self.rows[at:]
        return taken


def overlap(one: bytes, other: bytes) -> bool:
    """Whether two rows have an address in common."""
    return one[:16] <= last_address(other) and other[:16] <= last_address(one)
