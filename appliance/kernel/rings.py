"""The kernel's side of the evidence: its ring buffers and its map of offenders, read into rows of evidence.py.

Records are copied out in the order in which the kernel reserved them. A ring is read by one process at a time; a
keeper that starts again on pinned rings goes on where the last one stopped. Must not know: bcc, what a row is for.
"""

import heapq
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final, Protocol

from appliance.kernel import layout, syscall
from appliance.kernel.evidence import Losses, OffenceRow, OffenderRow, SampleRow
from appliance.kernel.maps import Handle, possible_cpus
from appliance.kernel.program import Take

MOST_AT_ONCE: Final = 4096  # records of one ring in one drain: a flood of them must not hold the keeper
LOST_OFFENCES, LOST_SAMPLES = 0, 1  # places in the map `losses`


class Rings(Protocol):
    """The reader of ring buffers; see program.py."""

    def open_ring(self, name: str, take: Take, /) -> None: ...
    def consume(self) -> None: ...


class KernelWitness:
    """Evidence as it lies in the kernel. One thread at a time."""

    def __init__(self, rings: Rings, handles: Mapping[str, Handle]) -> None:
        """`handles`: the rings `offences` and `samples`, the maps `offenders` and `losses`."""
        self._rings = rings
        self._offence, self._sample = (layout.Shape(handles[name].leaf) for name in ("offences", "samples"))
        self._offences: list[bytes] = []
        self._samples: list[bytes] = []
        rings.open_ring("offences", _taker(self._offences))
        rings.open_ring("samples", _taker(self._samples))
        self._offenders = _Offenders(handles["offenders"])
        self._losses = _Losses(handles["losses"])

    def drain(self) -> tuple[list[OffenceRow], list[SampleRow]]:
        """What the rings hold, at most MOST_AT_ONCE records of each."""
        self._rings.consume()
        offences = [_offence(self._offence.unpack(record)) for record in self._offences]
        samples = [_sample(self._sample.unpack(record)) for record in self._samples]
        self._offences.clear()
        self._samples.clear()
        return offences, samples

    def losses(self) -> Losses:
        """Records that found their ring full, over all CPUs."""
        return Losses(self._losses.of(LOST_OFFENCES), self._losses.of(LOST_SAMPLES))

    def offenders(self, limit: int) -> list[OffenderRow]:
        """The worst sources, by dropped and wrong packets together."""
        return self._offenders.top(limit)


def _taker(records: list[bytes]) -> Take:
    def take(record: bytes) -> bool:
        records.append(record)
        return len(records) < MOST_AT_ONCE

    return take


def _offence(fields: Mapping[str, Any]) -> OffenceRow:
    return OffenceRow(
        rule=fields["rule"],
        verdict=fields["verdict"],
        address=fields["source.ip"],
        port=socket.ntohs(fields["source.port"]),
        seen=fields["count"],
        since_ns=fields["since_ns"],
        at_ns=fields["at_ns"],
        frame=fields["frame"][: fields["kept"]],
    )


def _sample(fields: Mapping[str, Any]) -> SampleRow:
    return SampleRow(
        verdict=fields["verdict"],
        ifindex=fields["ifindex"],
        size=fields["bytes"],
        at_ns=fields["at_ns"],
        frame=fields["frame"][: fields["kept"]],
    )


class _Losses:
    def __init__(self, handle: Handle) -> None:
        self._key, self._leaf = layout.Shape(handle.key), layout.Shape(handle.leaf)
        self._step = (self._leaf.bytes + 7) // 8 * 8
        self._raw = syscall.MapDescriptor(handle.fd, self._key.bytes, self._step * possible_cpus())

    def of(self, place: int) -> int:
        row = self._raw.lookup(self._key.pack_number(place)) or b""
        return sum(self._leaf.unpack_number(row[at : at + self._leaf.bytes]) for at in range(0, len(row), self._step))


class _Offenders:
    """The map of offenders, ranked. A full one holds the keeper for a tenth of a second, most of it in the kernel."""

    def __init__(self, handle: Handle) -> None:
        key, self._leaf = layout.Shape(handle.key), layout.Shape(handle.leaf)
        self._dropped, self._wrong = handle.leaf.dropped.offset, handle.leaf.wrong.offset
        self._raw = syscall.MapDescriptor(handle.fd, key.bytes, self._leaf.bytes)

    def top(self, limit: int) -> list[OffenderRow]:
        number, dropped, wrong = struct.Struct("=Q").unpack_from, self._dropped, self._wrong
        weighed = [(number(row, dropped)[0] + number(row, wrong)[0], key, row) for key, row in self._raw.snapshot()]
        return [self._row(key, row) for _, key, row in heapq.nlargest(limit, weighed)]

    def _row(self, key: bytes, leaf: bytes) -> OffenderRow:
        fields = self._leaf.unpack(leaf)
        names = ("messages", "wrong", "unauthenticated", "dropped", "since_ns", "last_ns")
        return OffenderRow(key[:16], *(fields[name] for name in names))
