"""Which headers may cross the appliance from one leg to the other: one closed list; everything else stays behind.

Topology is hidden by building each leg's messages anew, so that only what is named here can leak. No state.
"""

from dataclasses import dataclass
from enum import Flag, auto

from pysrv.calls.events import CrossingHeaders
from pysrv.sip.message import Message


class Where(Flag):
    """The messages that a header may cross in."""

    INVITE = auto()
    RING = auto()
    ANSWER = auto()
    FAIL = auto()
    NOTE = auto()
    TRUSTED_INVITE = auto()  # only toward targets of the plan that identity may be asserted to


@dataclass(frozen=True, slots=True)
class Row:
    """One header that crosses, and why it may."""

    name: bytes
    where: Where
    why: str


TABLE: tuple[Row, ...] = (
    Row(b"Subject", Where.INVITE, "what the call is about; shown to people"),
    Row(b"Priority", Where.INVITE, "urgency as the caller sees it"),
    Row(b"Accept-Language", Where.INVITE, "language for announcements"),
    Row(b"Alert-Info", Where.RING, "ring-back tone chosen by the called network"),
    Row(b"P-Early-Media", Where.RING, "whether early media may be played (RFC 5009)"),
    Row(b"Privacy", Where.TRUSTED_INVITE, "who may see the caller's identity (RFC 3323)"),
    Row(b"Retry-After", Where.FAIL, "when to try again"),
    Row(b"Content-Type", Where.NOTE, "what the body is"),
    Row(b"Content-Disposition", Where.NOTE, "what the body is for"),
    Row(b"Content-Language", Where.NOTE, "language of the body"),
    Row(b"Info-Package", Where.NOTE, "meaning of an INFO (RFC 6086)"),
    Row(b"Subject", Where.NOTE, "what a message is about"),
)
_NAMES = {where: tuple((row.name, row.name.lower()) for row in TABLE if where in row.where) for where in Where}
MAX_VALUE_BYTES = 512
MAX_BODY_BYTES = 16_384


def crossing(message: Message, where: Where) -> CrossingHeaders:
    """The headers of `message` that may cross in such a message; an overlong one stays behind."""
    headers = message.headers
    found: list[tuple[bytes, bytes]] = []
    for name, key in _NAMES[where]:
        value = headers.get(key)
        if value is not None and len(value) <= MAX_VALUE_BYTES:
            found.append((name, value))
    return tuple(found)
