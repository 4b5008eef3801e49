"""The torture test messages of RFC 4475, each with the layer that must object to it and what that layer answers."""

from dataclasses import dataclass
from enum import Enum, auto


class Layer(Enum):
    """Who is the first to object."""

    NONE = auto()  # a well-formed message, to be served
    PARSER = auto()  # parse_datagram
    VALIDATION = auto()  # validate_request, or what a response's properties say
    TRANSACTION = auto()  # fits no transaction or breaks its rules
    APPLICATION = auto()  # the core and its user: unknown methods, schemes, extensions, bodies


@dataclass(frozen=True, slots=True)
class Torture:
    """One message. `status`: what is answered (None: nothing, it is served or dropped in silence)."""

    name: str
    section: str
    layer: Layer
    status: int | None
    data: bytes


def message(text: bytes) -> bytes:
    """The lines of `text`, which begins with a line end, as they stand on the wire."""
    return text.removeprefix(b"\n").replace(b"\n", b"\r\n")


SDP = b"""
v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.%d
s=-
c=IN IP4 192.0.2.%d
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
"""


def sdp(owner: int, connection: int | None = None) -> bytes:
    """The description that many of the messages carry, for hosts of 192.0.2.0/24."""
    return SDP.removeprefix(b"\n") % (owner, owner if connection is None else connection)
