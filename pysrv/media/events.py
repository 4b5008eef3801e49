"""Digits that are pressed during a call: telephone-event packets (RFC 4733), and INFO requests of older phones.

An event is one press however many packets tell of it: its timestamp names it, so that repetitions, late packets and
a lost end make no second one. A press that is longer than one event's duration can say goes on in the next event.
"""

import re
from collections import deque
from typing import Final

from pysrv.media.rtp import Heard

EVENTS: Final = "0123456789*#ABCD"  # event codes 0 to 15 (RFC 4733 section 3.2)
LONGEST: Final = 0xFFFF  # what the duration of one event can say
REMEMBERED: Final = 16  # events of which late packets may still come
_signal: Final = re.compile(rb"(?im)^[ \t]*signal[ \t]*=[ \t]*(\S+)[ \t]*\r?$").search
_NAMES: Final = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}


class Presses:
    """The presses on one stream. `payload_type` is the one that was negotiated for telephone-event/8000."""

    __slots__ = ("_code", "_next", "_seen", "payload_type")

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self._seen: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)  # (SSRC, timestamp)
        self._code = -1
        self._next: tuple[int, int] | None = None  # the name that the same press has if it goes on

    def receive(self, packet: Heard) -> str:
        """The digit that this packet is the first news of; "" for every other packet."""
        if packet.payload_type != self.payload_type or len(packet.payload) < 4 or packet.payload[0] >= len(EVENTS):
            return ""
        code, name = packet.payload[0], (packet.ssrc, packet.timestamp)
        goes_on = name == self._next and code == self._code
        duration = int.from_bytes(packet.payload[2:4], "big")
        fresh = name not in self._seen
        if fresh:
            self._seen.append(name)
        if fresh or name == self._seen[-1]:
            self._code = code
            ended = bool(packet.payload[1] & 0x80)
            whole = duration == LONGEST and not ended
            self._next = (packet.ssrc, packet.timestamp + LONGEST & 0xFFFFFFFF) if whole else None
        return EVENTS[code] if fresh and not goes_on else ""


def info_digit(content_type: bytes, body: bytes) -> str:
    """The digit of an INFO request: application/dtmf-relay (Signal=5) or application/dtmf (5); "" for any other."""
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"application/dtmf-relay":
        found = _signal(body)
        text = found[1].decode("ascii", "replace") if found else ""
    elif kind == b"application/dtmf":
        text = body.strip().decode("ascii", "replace")
    else:
        return ""
    text = _NAMES.get(text, text.upper())
    return text if len(text) == 1 and text in EVENTS else ""
