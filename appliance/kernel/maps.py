"""Rows of plan.py in the kernel's maps: the codec of each map, and reading and writing by row or in bulk.

Types come from the compiled program (layout.Shape). Must not know: bcc, what the rows are for.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from appliance import wire
from appliance.kernel import layout, policy, refreshes, scanners, syscall
from appliance.kernel.evidence import Witness
from appliance.kernel.firewall import KernelRules
from appliance.kernel.lists import KernelSlots
from appliance.kernel.plan import BanRow, Endpoint, MapName, PairRow, SourceRow, StreamRow, mark

LEARN, RTCP, HAS_REMOTE, HAS_PEER_REMOTE, ANY_PAYLOAD = 1, 2, 4, 8, 16
HAS_NEAR, LEARN_FAR, FINAL, MUTED, DTLS, MANY, OFFICE = 32, 64, 128, 256, 512, 1024, 2048
LOCK_LEARNED = 2
BAN_SPARES_KNOWN, BAN_SPARES_PROVEN = 1, 2
_CLASSES: Final = {wire.SourceClass.KNOWN: 1, wire.SourceClass.ALLOW: 2}
_KINDS: Final = {number: kind for kind, number in _CLASSES.items()}
_BULK = 32


class StreamState(NamedTuple):
    """What the kernel counted on one stream, and the source it is locked to."""

    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    last_ns: int = 0
    source: Endpoint | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """One map of the program: its descriptor and the ctypes of its key and value, for a map per CPU of one CPU's."""

    fd: int
    key: Any
    leaf: Any


class _Map:
    """A map's rows as Python values."""

    def __init__(self, handle: Handle, codec: "_Codec", per_cpu: int = 0) -> None:
        self.key, self.leaf = layout.Shape(handle.key), layout.Shape(handle.leaf)
        leaf_bytes = per_cpu * ((self.leaf.bytes + 7) // 8 * 8) or self.leaf.bytes
        self.raw = syscall.MapDescriptor(handle.fd, self.key.bytes, leaf_bytes)
        self.codec = codec

    def pack_key(self, key: Any) -> bytes:
        return self.codec.pack_key(self.key, key)

    def pack(self, key: Any, row: Any) -> bytes:
        return self.codec.pack_row(self.leaf, key, row)

    def rows(self) -> dict[Any, Any]:
        codec = self.codec
        return {codec.unpack_key(self.key, k): codec.unpack_row(self.leaf, v) for k, v in self.raw.snapshot()}


@dataclass(frozen=True, slots=True)
class _Codec:
    pack_key: Callable[[layout.Shape, Any], bytes]
    unpack_key: Callable[[layout.Shape, bytes], Any]
    pack_row: Callable[[layout.Shape, Any, Any], bytes]
    unpack_row: Callable[[layout.Shape, bytes], Any]


def _endpoint_fields(name: str, where: Endpoint | None) -> dict[str, Any]:
    return {} if where is None else {f"{name}.ip": where[0], f"{name}.port": socket.htons(where[1])}


def _endpoint(fields: Mapping[str, Any], name: str) -> Endpoint:
    return fields[f"{name}.ip"], socket.ntohs(fields[f"{name}.port"])


def _pack_local(shape: layout.Shape, local: Endpoint) -> bytes:
    return shape.pack({"ip": local[0], "port": socket.htons(local[1])})


def _unpack_local(shape: layout.Shape, row: bytes) -> Endpoint:
    fields = shape.unpack(row)
    return fields["ip"], socket.ntohs(fields["port"])


def _pack_stream(shape: layout.Shape, _key: Any, row: StreamRow) -> bytes:
    flags = LEARN * row.learn | RTCP * row.rtcp | HAS_REMOTE * (row.remote is not None)
    flags |= HAS_PEER_REMOTE * (row.peer_remote is not None) | ANY_PAYLOAD * (not row.payload_types)
    flags |= HAS_NEAR * (row.near is not None) | LEARN_FAR * row.learn_far | FINAL * row.final
    flags |= MUTED * row.muted | DTLS * row.dtls | MANY * row.many | OFFICE * row.office
    return shape.pack(
        {
            "session": row.session,
            "payload_types.0": row.payload_types & (1 << 64) - 1,
            "payload_types.1": row.payload_types >> 64,
            **_endpoint_fields("remote", row.remote),
            **_endpoint_fields("peer", row.peer),
            **_endpoint_fields("peer_remote", row.peer_remote),
            "remote_mark": mark(row.remote),
            "peer_mark": mark(row.peer_remote),
            "flags": flags,
            "burst": row.pace[0],
            "interval_ns": row.pace[1],
            "packet_bytes": row.packet_bytes,
            **({} if row.near is None else {"near": row.near}),
        }
    )


def _unpack_stream(shape: layout.Shape, row: bytes) -> StreamRow:
    fields = shape.unpack(row)
    flags = fields["flags"]
    return StreamRow(
        session=fields["session"],
        peer=_endpoint(fields, "peer"),
        remote=_endpoint(fields, "remote") if flags & HAS_REMOTE else None,
        peer_remote=_endpoint(fields, "peer_remote") if flags & HAS_PEER_REMOTE else None,
        learn=bool(flags & LEARN),
        rtcp=bool(flags & RTCP),
        payload_types=0 if flags & ANY_PAYLOAD else fields["payload_types.0"] | fields["payload_types.1"] << 64,
        near=fields["near"] if flags & HAS_NEAR else None,
        learn_far=bool(flags & LEARN_FAR),
        final=bool(flags & FINAL),
        muted=bool(flags & MUTED),
        dtls=bool(flags & DTLS),
        many=bool(flags & MANY),
        office=bool(flags & OFFICE),
        pace=(fields["burst"], fields["interval_ns"]),
        packet_bytes=fields["packet_bytes"],
    )


def _unpack_state(shape: layout.Shape, row: bytes) -> StreamState:
    fields = shape.unpack(row)
    locked = fields["lock"] >= LOCK_LEARNED
    return StreamState(
        fields["packets"],
        fields["bytes"],
        fields["dropped"],
        fields["last_ns"],
        _endpoint(fields, "source") if locked else None,
    )


def _pack_network(shape: layout.Shape, key: tuple[bytes, int]) -> bytes:
    return shape.pack({"ip": key[0], "prefix_bits": key[1]})


def _unpack_network(shape: layout.Shape, row: bytes) -> tuple[bytes, int]:
    fields = shape.unpack(row)
    return fields["ip"], fields["prefix_bits"]


def _bits(key: Any) -> int:
    return key[1] if isinstance(key, tuple) else 128


def _pack_ban(shape: layout.Shape, key: Any, row: BanRow) -> bytes:
    flags = BAN_SPARES_KNOWN * row.spares_known | BAN_SPARES_PROVEN * row.spares_proven
    return shape.pack({"until_ns": row.until_ns, "prefix_bits": _bits(key), "flags": flags})


def _pack_source(shape: layout.Shape, key: Any, row: SourceRow) -> bytes:
    return shape.pack({"until_ns": row.until_ns, "prefix_bits": _bits(key), "class": _CLASSES[row.kind]})


def _unpack_source(shape: layout.Shape, row: bytes) -> SourceRow:
    fields = shape.unpack(row)
    return SourceRow(fields["until_ns"], _KINDS[fields["class"]])


def _number_key(shape: layout.Shape, key: int) -> bytes:
    return shape.pack_number(key)


def _number(shape: layout.Shape, row: bytes) -> int:
    return shape.unpack_number(row)


def _pack_number(shape: layout.Shape, _key: Any, row: int) -> bytes:
    return shape.pack_number(row)


def _pack_port(shape: layout.Shape, key: tuple[int, int]) -> bytes:
    return shape.pack({"protocol": key[0], "port": socket.htons(key[1])})


def _unpack_port(shape: layout.Shape, row: bytes) -> tuple[int, int]:
    fields = shape.unpack(row)
    return fields["protocol"], socket.ntohs(fields["port"])


def _unpack_ban(shape: layout.Shape, row: bytes) -> BanRow:
    fields = shape.unpack(row)
    flags = fields["flags"]
    return BanRow(fields["until_ns"], bool(flags & BAN_SPARES_KNOWN), bool(flags & BAN_SPARES_PROVEN))


def _pack_pair(shape: layout.Shape, _key: Any, row: PairRow) -> bytes:
    return shape.pack(row._asdict())


def _unpack_pair(shape: layout.Shape, row: bytes) -> PairRow:
    return PairRow(**shape.unpack(row))


def _address_key(_shape: layout.Shape, key: bytes) -> bytes:
    return key


_CODECS: Final = {
    MapName.POLICY: _Codec(_number_key, _number, policy.pack, policy.unpack),
    MapName.PAIRS: _Codec(_pack_local, _unpack_local, _pack_pair, _unpack_pair),
    MapName.SOURCES: _Codec(_address_key, _address_key, _pack_source, _unpack_source),
    MapName.SOURCE_NETS: _Codec(_pack_network, _unpack_network, _pack_source, _unpack_source),
    MapName.BANS: _Codec(_address_key, _address_key, _pack_ban, _unpack_ban),
    MapName.BAN_NETS: _Codec(_pack_network, _unpack_network, _pack_ban, _unpack_ban),
    MapName.LEASES: _Codec(_number_key, _number, _pack_number, _number),
    MapName.STREAMS: _Codec(_pack_local, _unpack_local, _pack_stream, _unpack_stream),
    MapName.SERVICE_PORTS: _Codec(_pack_port, _unpack_port, _pack_number, _number),
    MapName.SCANNERS: _Codec(_number_key, _number, scanners.pack, scanners.unpack),
    MapName.REFRESHES: _Codec(refreshes.pack_key, refreshes.unpack_key, refreshes.pack, refreshes.unpack),
}
_STATE: Final = _Codec(_pack_local, _unpack_local, _pack_number, _unpack_state)
_PLAIN: Final = _Codec(_number_key, _number, _pack_number, _number)


def possible_cpus() -> int:
    """How many values a per-CPU map has."""
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as listing:
        last = listing.read().strip().rpartition(",")[2].rpartition("-")[2]
    return int(last) + 1


class KernelTables:
    """The gate's maps. One thread at a time. Whoever loads the program adds its `witness`."""

    witness: Witness

    def __init__(self, handles: Mapping[str, Handle]) -> None:
        self._maps = {name: _Map(handles[name], _CODECS[name]) for name in MapName}
        active = _Map(handles["active"], _PLAIN)
        self._maps[MapName.POLICY].raw = policy.DoubleBuffer(self._maps[MapName.POLICY].raw, active.raw)
        known = _Map(handles["scanners_active"], _PLAIN)
        self._maps[MapName.SCANNERS].raw = policy.DoubleBuffer(self._maps[MapName.SCANNERS].raw, known.raw)
        self._stages = _Map(handles["stages"], _PLAIN)
        self._pulse = _Map(handles["pulse"], _PLAIN)
        self._tunnel = _Map(handles["tunnel_port"], _PLAIN)
        self._states = _Map(handles["stream_state"], _STATE)
        self._paths = _Map(handles["paths"], _PLAIN)
        self.list_slots = KernelSlots(handles)
        self.firewall = KernelRules(handles)
        self._cpus = possible_cpus()
        self._tallies = _Map(handles["tallies"], _PLAIN, self._cpus)
        self._blank = bytes(self._states.leaf.bytes)

    def rows(self, name: MapName) -> dict[Any, Any]:
        """Every row of the map."""
        return self._maps[name].rows()

    def put(self, name: MapName, key: Any, row: Any) -> None:
        """Writes one row. Raises WireError("gate_full")."""
        table = self._maps[name]
        try:
            table.raw.update(table.pack_key(key), table.pack(key, row))
        except OSError as error:
            raise _full(name, error) from None

    def drop(self, name: MapName, key: Any) -> bool:
        """Removes one row; False when there was none."""
        table = self._maps[name]
        return table.raw.delete(table.pack_key(key))

    def put_many(self, name: MapName, rows: Mapping[Any, Any]) -> None:
        """Writes all rows, in one call where that pays. Raises WireError("gate_full")."""
        table = self._maps[name]
        packed = [(table.pack_key(key), table.pack(key, row)) for key, row in rows.items()]
        if len(packed) >= _BULK:
            try:
                return table.raw.update_many(packed)
            except OSError as error:
                if error.errno in (errno.E2BIG, errno.ENOSPC):
                    raise _full(name, error) from None
        try:
            for key, leaf in packed:
                table.raw.update(key, leaf)
        except OSError as error:
            raise _full(name, error) from None

    def drop_many(self, name: MapName, keys: Iterable[Any]) -> None:
        """Removes all rows that are there."""
        table = self._maps[name]
        packed = [table.pack_key(key) for key in keys]
        if len(packed) >= _BULK:
            try:
                return table.raw.delete_many(packed)
            except OSError:
                pass  # one was gone already, or this kind of map knows no batches: one by one
        for key in packed:
            table.raw.delete(key)
        return None

    def open_state(self, local: Endpoint) -> None:
        """Room for the kernel's counters of a stream; counters that are there stay."""
        try:
            self._states.raw.create(self._states.pack_key(local), self._blank)
        except OSError as error:
            raise _full("stream_state", error) from None

    def state(self, local: Endpoint) -> StreamState | None:
        """The counters of one stream."""
        row = self._states.raw.lookup(self._states.pack_key(local))
        return None if row is None else _unpack_state(self._states.leaf, row)

    def close_state(self, local: Endpoint) -> None:
        """Forgets the counters of a stream."""
        self._states.raw.delete(self._states.pack_key(local))

    def states(self) -> dict[Endpoint, StreamState]:
        """The counters of all streams."""
        return self._states.rows()

    def pulse(self, at_ns: int, delay_ns: int) -> None:
        """The office's last sign of life, and how long a datagram waits for it."""
        row = {"at_ns": at_ns, "delay_ns": delay_ns}
        self._pulse.raw.update(self._pulse.key.pack_number(0), self._pulse.leaf.pack(row))

    def guard_tunnel(self, port: int) -> None:
        """The UDP port on which messages must be WireGuard's; 0: none."""
        self._tunnel.raw.update(self._tunnel.key.pack_number(0), self._tunnel.leaf.pack_number(port))

    def set_stage(self, place: int, program_fd: int | None) -> None:
        """The program that packets are handed on to at this place; None: none."""
        if program_fd is None:
            self._stages.raw.delete(self._stages.key.pack_number(place))
        else:
            self._stages.raw.update(self._stages.key.pack_number(place), self._stages.leaf.pack_number(program_fd))

    def tallies(self) -> list[tuple[int, int, int]]:
        """(packets, bytes, packets in report-only) of each verdict by its number, summed over the CPUs."""
        shape, step = self._tallies.leaf, (self._tallies.leaf.bytes + 7) // 8 * 8
        sums = []
        for verdict in layout.verdicts():
            row = self._tallies.raw.lookup(self._tallies.key.pack_number(verdict.number)) or bytes(step)
            per_cpu = [shape.unpack(row[at : at + shape.bytes]) for at in range(0, len(row), step)]
            packets, size, reported = (sum(c[name] for c in per_cpu) for name in ("packets", "bytes", "reported"))
            sums.append((packets, size, reported))
        return sums

    def set_paths(self, paths: Mapping[int, tuple[int, tuple[int, ...]]]) -> None:
        """By interface index: the interface that really sends, and the VLAN tags it then needs."""
        for old, _ in self._paths.raw.snapshot():
            if self._paths.key.unpack_number(old) not in paths:
                self._paths.raw.delete(old)
        for ifindex, (lower, tags) in paths.items():
            fields = {"ifindex": lower, "tag_count": len(tags), **{f"tags.{i}": tag for i, tag in enumerate(tags)}}
            self._paths.raw.update(self._paths.key.pack_number(ifindex), self._paths.leaf.pack(fields))


def _full(name: str, error: OSError) -> wire.WireError:
    if error.errno in (errno.E2BIG, errno.ENOSPC):
        entries = next((m.entries for m in layout.maps() if m.name == name), 0)
        return wire.WireError("gate_full", f"the gate's map {name} holds no more than {entries} rows")
    return wire.WireError("gate_failed", f"writing the gate's map {name} failed: {os.strerror(error.errno or 0)}")
