"""What the gate keeps of those whom it refuses: offences, sampled drops and the list of offenders.

The kernel writes offences and samples into two ring buffers (bpf/evidence.c). They are emptied with each pulse of the
office and with each tick of the keeper; between those a full ring loses the newest, and says how many. Memory is
bounded: what is kept here is the last MOST_OFFENCES that no pulse has fetched and the last MOST_SAMPLES.
Must not know: bcc, sockets.
"""

import base64
import itertools
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from appliance import wire
from appliance.kernel import layout

MOST_OFFENCES: Final = 1024
MOST_SAMPLES: Final = 4096
MOST_OFFENDERS: Final = 1000  # named in one answer
_VLANS: Final = (b"\x81\x00", b"\x88\xa8")
_IP4, _IP6 = b"\x08\x00", b"\x86\xdd"
_MAPPED: Final = layout.address("0.0.0.0")[:12]  # noqa: S104


class OffenceRow(NamedTuple):
    """One record of the ring `offences`; instants on CLOCK_MONOTONIC. `rule` and `verdict` are numbers of the lists."""

    rule: int
    verdict: int
    address: bytes
    port: int
    seen: int
    since_ns: int
    at_ns: int
    frame: bytes


class SampleRow(NamedTuple):
    """One record of the ring `samples`; `size` is the frame's length on the wire, `frame` its beginning."""

    verdict: int
    ifindex: int
    size: int
    at_ns: int
    frame: bytes


class OffenderRow(NamedTuple):
    """One row of the map `offenders`."""

    address: bytes
    messages: int
    wrong: int
    unauthenticated: int
    dropped: int
    since_ns: int
    last_ns: int


class Losses(NamedTuple):
    """Records that found a ring full, since the maps were made."""

    offences: int = 0
    samples: int = 0


class Witness(Protocol):
    """Where evidence comes from: rings.KernelWitness, or fake.MemoryWitness."""

    def drain(self) -> tuple[Sequence[OffenceRow], Sequence[SampleRow]]:
        """What the rings hold, and no longer than that."""

    def losses(self) -> Losses:
        """What the rings could not take so far."""

    def offenders(self, limit: int) -> Sequence[OffenderRow]:
        """At most `limit` sources, those with the most dropped and wrong packets first."""


class MemoryWitness:
    """Evidence that a test puts there: `seen` and `dropped` wait for the next drain, `sources` stay."""

    def __init__(self) -> None:
        self.seen: list[OffenceRow] = []
        self.dropped: list[SampleRow] = []
        self.sources: list[OffenderRow] = []
        self.lost = Losses()

    def drain(self) -> tuple[list[OffenceRow], list[SampleRow]]:
        taken = self.seen, self.dropped
        self.seen, self.dropped = [], []
        return taken

    def losses(self) -> Losses:
        return self.lost

    def offenders(self, limit: int) -> list[OffenderRow]:
        return sorted(self.sources, key=lambda row: -row.dropped - row.wrong)[:limit]


class Evidence:
    """The keeper's share of the evidence. `boot_ns` gives the Unix ns at which CLOCK_MONOTONIC was 0."""

    def __init__(self, witness: Witness, boot_ns: Callable[[], int]) -> None:
        self._witness, self._boot_ns = witness, boot_ns
        self._offences: deque[wire.Offence] = deque(maxlen=MOST_OFFENCES)
        self._samples: deque[tuple[int, SampleRow]] = deque(maxlen=MOST_SAMPLES)
        self._names: dict[int, str] = {}
        self._told = self._witness.losses().offences
        self._forgotten = 0
        self.offences = self.sampled = 0

    def drain(self) -> None:
        """Takes what the kernel has written; microseconds when that is nothing."""
        offences, samples = self._witness.drain()
        if offences:
            self._forgotten += max(0, len(self._offences) + len(offences) - MOST_OFFENCES)
            self.offences += len(offences)
            self._offences.extend(map(self._offence, offences))
        for row in samples:
            self.sampled += 1
            self._samples.append((self.sampled, row))

    def events(self) -> wire.Events:
        """The offences since the last call of this."""
        self.drain()
        lost = self._witness.losses().offences
        unsaid, self._told = lost - self._told + self._forgotten, lost
        self._forgotten = 0
        told = tuple(self._offences)
        self._offences.clear()
        return wire.Events(told, unsaid)

    def samples(self, query: wire.SampleQuery) -> list[wire.Sample]:
        """The newest samples that `query` names, oldest first.

        Raises WireError("bad_args") for a limit out of range, "no_verdict", "bad_prefix".
        """
        limit = _limit(query.limit, MOST_SAMPLES)
        number = _verdict_number(query.verdict)
        wanted = layout.network(query.address) if query.address else None
        self.drain()
        new = itertools.takewhile(lambda each: each[0] > query.after, reversed(self._samples))
        found = (
            (ident, row)
            for ident, row in new
            if (not number or row.verdict == number) and (wanted is None or _within(frame_source(row.frame), *wanted))
        )
        return [self._sample(*each) for each in reversed(list(itertools.islice(found, limit)))]

    def offenders(self, top: wire.Top) -> list[wire.Offender]:
        """Who was refused most, worst first. Raises WireError("bad_args")."""
        rows = self._witness.offenders(_limit(top.limit, MOST_OFFENDERS))
        return [
            wire.Offender(
                layout.address_text(row.address),
                row.messages,
                row.wrong,
                row.unauthenticated,
                row.dropped,
                self._unix(row.since_ns),
                self._unix(row.last_ns),
            )
            for row in rows
        ]

    def losses(self) -> Losses:
        """What the rings could not take, and the offences that nobody fetched in time."""
        lost = self._witness.losses()
        return lost._replace(offences=lost.offences + self._forgotten)

    def _unix(self, at_ns: int) -> float:
        return (at_ns + self._boot_ns()) / 1e9 if at_ns else 0.0

    def _offence(self, row: OffenceRow) -> wire.Offence:
        rules = layout.rules()
        return wire.Offence(
            rule=rules[row.rule - 1].name if 1 <= row.rule <= len(rules) else f"rule {row.rule}",
            address=layout.address_text(row.address),
            port=row.port,
            count=row.seen,
            since_at=self._unix(row.since_ns),
            at=self._unix(row.at_ns),
            verdict=_verdict_name(row.verdict),
            sample=base64.b64encode(row.frame).decode("ascii"),
        )

    def _sample(self, ident: int, row: SampleRow) -> wire.Sample:
        return wire.Sample(
            at=self._unix(row.at_ns),
            verdict=_verdict_name(row.verdict),
            interface=self._interface(row.ifindex),
            bytes=row.size,
            frame=base64.b64encode(row.frame).decode("ascii"),
            number=ident,
        )

    def _interface(self, ifindex: int) -> str:
        if ifindex not in self._names:
            try:
                self._names[ifindex] = socket.if_indextoname(ifindex)
            except OSError:  # it has gone since
                return f"interface {ifindex}"
        return self._names[ifindex]


def frame_source(frame: bytes) -> bytes | None:
    """The source address of an Ethernet frame as the maps write it; None when it has none, or was cut before it."""
    at = 12
    while frame[at : at + 2] in _VLANS and at < 20:
        at += 4
    kind, begin = frame[at : at + 2], at + 2
    if kind == _IP4 and len(frame) >= begin + 20:
        return _MAPPED + frame[begin + 12 : begin + 16]
    if kind == _IP6 and len(frame) >= begin + 40:
        return frame[begin + 8 : begin + 24]
    return None


def _within(source: bytes | None, network: bytes, bits: int) -> bool:
    if source is None:
        return False
    shift = 128 - bits
    return int.from_bytes(source, "big") >> shift == int.from_bytes(network, "big") >> shift


def _limit(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise wire.WireError("bad_args", f"limit must be 1 to {most}, not {limit}")
    return limit


def _verdict_name(number: int) -> str:
    rows = layout.verdicts()
    return rows[number - 1].name if 1 <= number <= len(rows) else ""


def _verdict_number(name: str) -> int:
    """0 for no name. Raises WireError("no_verdict")."""
    for row in layout.verdicts():
        if row.name == name:
            return row.number
    if name:
        raise wire.WireError("no_verdict", f"there is no verdict {name!r:.60}", "'appliance gate verdicts' lists them")
    return 0
