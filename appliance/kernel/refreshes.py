"""Registrations whose repetition the kernel answers: the rows, and which of them end when something happens.

A REGISTER that says the same in To, Contact and Expires as one that was accepted, from the same address and port, is
answered with what is left of the binding: the kernel never makes one longer. Until when, the office says. Pure; the
tables are written by whoever holds them. RFC 3261 section 10.3.
"""

import heapq
import re
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from appliance import wire
from appliance.kernel import layout

CONTACT_BYTES: Final = 256
MARKED_BYTES: Final = 256  # of each header: longer ones are not remembered
MOST: Final = 65536
_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1
_ADDRESS: Final = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^"<>,])*<[^<>]*>)([^,\r\n]*)')
_EXPIRES: Final = re.compile(r'\s*;\s*expires\s*=\s*"?[0-9]*"?', re.IGNORECASE)


class RefreshKey(NamedTuple):
    """Source address as the maps have it, port, and the hash of what the REGISTER says."""

    ip: bytes
    port: int
    mark: int


class RefreshRow(NamedTuple):
    """Instants of CLOCK_MONOTONIC, and the Contact line of the answer up to the seconds."""

    until_ns: int
    expires_ns: int
    contact: bytes


def mark(address_of_record: str, contact: str, expires: str) -> int:
    """The kernel's hash of the three header values; of an absent one, of no bytes."""
    state = 0
    for value in (address_of_record, contact, expires):
        data = value.encode()
        for at in range(0, len(data), 8):
            state = _mix(state, int.from_bytes(data[at : at + 8], "little"))
        state = _mix(state, len(data))
    return state


def _mix(state: int, word: int) -> int:
    rotated = (state << 5 | state >> 59) & _WORD
    return (rotated ^ word) * _MULTIPLIER & _WORD


def contact_line(contact: str) -> bytes:
    """`Contact: <sip:...>;expires=`: the seconds follow. Raises WireError("bad_refresh") where it would be too long."""
    found = _ADDRESS.fullmatch(contact)
    line = f"Contact: {found[1]}{_EXPIRES.sub('', found[2])};expires=".encode() if found else b""
    if not line or len(line) > CONTACT_BYTES or any(byte < 32 for byte in line):
        raise wire.WireError("bad_refresh", f"the gate cannot answer for the contact {contact!r:.80}")
    return line


def row_of(refresh: wire.Refresh, boot_ns: int) -> tuple[RefreshKey, RefreshRow]:
    """The row for `refresh`. Raises WireError("bad_refresh") for what the kernel could not compare or answer."""
    says = (refresh.address_of_record, refresh.contact, refresh.expires)
    if any(len(value.encode()) > MARKED_BYTES for value in says):
        raise wire.WireError("bad_refresh", "a header of this registration is too long for the gate")
    if not refresh.until <= refresh.expires_at:
        raise wire.WireError("bad_refresh", "a registration cannot be answered for longer than it lasts")
    if not 0 < refresh.port < 65536:
        raise wire.WireError("bad_refresh", f"port {refresh.port} is not 1 to 65535")
    key = RefreshKey(layout.address(refresh.address), refresh.port, mark(*says))
    until_ns, expires_ns = (int(at * 1e9) - boot_ns for at in (refresh.until, refresh.expires_at))
    return key, RefreshRow(max(until_ns, 0), max(expires_ns, 0), contact_line(refresh.contact))


class Remembered:
    """Which rows there are, by address of record and by source; the oldest go first when there are too many."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._aors: dict[RefreshKey, str] = {}  # in the order in which they came
        self._by_aor: dict[str, set[RefreshKey]] = {}
        self._by_ip: dict[bytes, set[RefreshKey]] = {}
        self._ends: dict[RefreshKey, int] = {}
        self._due: list[tuple[int, RefreshKey]] = []

    def __len__(self) -> int:
        return len(self._aors)

    def __iter__(self) -> Iterator[RefreshKey]:
        return iter(self._aors)

    def add(self, key: RefreshKey, address_of_record: str, until_ns: int) -> list[RefreshKey]:
        """Another row; returns those that must go: others of the same source and address of record, or the oldest."""
        twins = self._by_aor.get(address_of_record, set()) & self._by_ip.get(key.ip, set())
        gone = [each for each in twins if each.port == key.port and each != key]
        self.discard([*gone, key])
        self._aors[key] = address_of_record
        self._ends[key] = until_ns
        heapq.heappush(self._due, (until_ns, key))
        self._by_aor.setdefault(address_of_record, set()).add(key)
        self._by_ip.setdefault(key.ip, set()).add(key)
        if len(self._aors) > self._most:
            oldest = next(iter(self._aors))
            self.discard([oldest])
            gone.append(oldest)
        return gone

    def named(self, ref: wire.RefreshRef) -> list[RefreshKey]:
        """The rows that `ref` means. Raises WireError("bad_refresh") for one that names nothing."""
        if not ref.address_of_record and not ref.address:
            raise wire.WireError("bad_refresh", "say whose registrations to forget")
        found = set(self._by_aor.get(ref.address_of_record, ()))
        if ref.address:
            of_source = set(self._by_ip.get(layout.address(ref.address), ()))
            found = found & of_source if ref.address_of_record else of_source
        return list(found)

    def within(self, prefix: str) -> list[RefreshKey]:
        """The rows whose source lies in `prefix`."""
        packed, bits = layout.network(prefix)
        if bits == 128:
            return list(self._by_ip.get(packed, ()))
        network = ip_network(prefix, strict=False)
        inside = [ip for ip in self._by_ip if ip_address(layout.address_text(ip)) in network]
        return [key for ip in inside for key in self._by_ip[ip]]

    def ended(self, now_ns: int) -> list[RefreshKey]:
        """The rows that are over by `now_ns` (CLOCK_MONOTONIC)."""
        over = []
        while self._due and self._due[0][0] <= now_ns:
            until_ns, key = heapq.heappop(self._due)
            if self._ends.get(key) == until_ns:
                over.append(key)
        return over

    def discard(self, keys: Iterable[RefreshKey]) -> None:
        """These are there no more."""
        for key in keys:
            address_of_record = self._aors.pop(key, None)
            if address_of_record is not None:
                del self._ends[key]
                _remove(self._by_aor, address_of_record, key)
                _remove(self._by_ip, key.ip, key)

    def clear(self) -> None:
        """None is there any more."""
        self.discard(list(self._aors))
        self._due.clear()


def _remove(index: dict[Any, set[RefreshKey]], name: Any, key: RefreshKey) -> None:
    index[name].discard(key)
    if not index[name]:
        del index[name]


def pack_key(shape: layout.Shape, key: RefreshKey) -> bytes:
    """The key as the program has it."""
    return shape.pack({"ip": key.ip, "port": socket.htons(key.port), "mark": key.mark})


def unpack_key(shape: layout.Shape, row: bytes) -> RefreshKey:
    """The key of the program's bytes."""
    fields = shape.unpack(row)
    return RefreshKey(fields["ip"], socket.ntohs(fields["port"]), fields["mark"])


def pack(shape: layout.Shape, _key: Any, row: RefreshRow) -> bytes:
    """The row as the program has it."""
    head = {"until_ns": row.until_ns, "expires_ns": row.expires_ns, "contact_bytes": len(row.contact)}
    return shape.pack({**head, "contact": row.contact})


def unpack(shape: layout.Shape, row: bytes) -> RefreshRow:
    """The row of the program's bytes."""
    fields = shape.unpack(row)
    return RefreshRow(fields["until_ns"], fields["expires_ns"], fields["contact"][: fields["contact_bytes"]])
