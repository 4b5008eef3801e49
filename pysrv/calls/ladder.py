"""A trace as a ladder diagram: who took part, and an arrow for each message. A terminal or a page draws it.

Pure: columns and rungs, no characters and no pixels. The caller stands left of the appliance, those it called right.
"""

from dataclasses import dataclass
from typing import Final

from pysrv.calls.trace import Noted, Trace

APPLIANCE: Final = 1  # its column; 0 is who began, 2 and up those who were called


@dataclass(frozen=True, slots=True)
class Column:
    """One participant: who it is in the call, and its address and port."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One arrow: Unix time and seconds since the first, from column to column, and what it says."""

    at: float
    after_s: float
    source: int
    target: int
    text: str  # method or status with its reason
    method: str  # of the transaction
    transport: str
    sdp: bool
    message: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """The whole drawing; `left_out` rungs are missing from the middle."""

    columns: tuple[Column, ...]
    rungs: tuple[Rung, ...]
    left_out: int = 0


def ladder(trace: Trace) -> Ladder:
    """The drawing of a trace."""
    messages = sorted(trace.messages, key=lambda noted: noted.at)
    peers = _peers(trace, messages)
    local = messages[0].flow.local if messages else ("", 0)
    began = messages[0].at if messages else 0.0
    names = [peers[0], Column("appliance", written(local)), *peers[1:]]
    at = {column.address: number for number, column in enumerate(names) if number > APPLIANCE}
    rungs = [
        _rung(noted, 0 if _is_first(trace, noted) else at[written(noted.flow.remote)], began) for noted in messages
    ]
    return Ladder(tuple(names), tuple(rungs), trace.left_out)


def _is_first(trace: Trace, noted: Noted) -> bool:
    """Whether it is between us and the one who began; a NAT may have given that one another port meanwhile."""
    return not noted.leg and noted.flow.remote[0] == trace.source


def _peers(trace: Trace, messages: list[Noted]) -> list[Column]:
    """Who began, then everybody else in the order of appearance. Who speaks in a dialog of others is `other`."""
    first = next((noted.flow.remote for noted in messages if _is_first(trace, noted)), (trace.source, 0))
    found = [Column("caller" if trace.call_id else "peer", written(first))]
    others: dict[tuple[str, int], str] = {}
    for noted in messages:
        if not _is_first(trace, noted):
            others.setdefault(noted.flow.remote, "callee" if noted.leg else "other")
    return found + [Column(name, written(remote)) for remote, name in others.items()]


def _rung(noted: Noted, peer: int, began: float) -> Rung:
    ends = (APPLIANCE, peer) if noted.out else (peer, APPLIANCE)
    return Rung(
        noted.at,
        noted.at - began,
        *ends,
        _words(noted),
        noted.cseq[1],
        noted.flow.transport,
        noted.has_description,
        noted.text.decode("utf-8", "replace"),
    )


def _words(noted: Noted) -> str:
    line = noted.start_line
    if noted.status:
        return line.partition(" ")[2]
    return line.partition(" ")[0] or "(empty)"


def written(end: tuple[str, int]) -> str:
    """An address and port as text."""
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
