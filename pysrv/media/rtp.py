"""RTP as the office itself sends and hears it: a clip in packets of 20 ms, and what a packet carries. RFC 3550 5.1."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pysrv.media.g711 import RATE_HZ

FRAME_MS: Final = 20
FRAME_BYTES: Final = RATE_HZ * FRAME_MS // 1000
SILENCE: Final = b"\xff"  # the quietest byte of mu-law
_HEADER: Final = 12


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet: its payload, and whose it is in time."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def heard(packet: bytes) -> Heard | None:
    """What a packet carries; None for what is no RTP. Padding is taken off."""
    header = _HEADER + 4 * (packet[0] & 15) if packet else 0
    if len(packet) < max(header, _HEADER) or packet[0] >> 6 != 2:
        return None
    if packet[0] & 0x10:
        if len(packet) < header + 4:
            return None
        header += 4 + 4 * int.from_bytes(packet[header + 2 : header + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    if not header <= end:
        return None
    words = packet[2:4], packet[4:8], packet[8:12]
    sequence, timestamp, ssrc = (int.from_bytes(word, "big") for word in words)
    return Heard(packet[1] & 0x7F, sequence, timestamp, ssrc, packet[header:end])


def frames(clip: bytes) -> Iterator[bytes]:
    """A clip cut into frames of 20 ms; the last one is filled up with silence."""
    for start in range(0, len(clip), FRAME_BYTES):
        yield clip[start : start + FRAME_BYTES].ljust(FRAME_BYTES, SILENCE)


class Packetiser:
    """One stream that we send. Its SSRC, first sequence and first timestamp are to be unguessable."""

    __slots__ = ("_sequence", "_ssrc", "_timestamp", "payload_type")

    def __init__(self, payload_type: int, ssrc: int, sequence: int, timestamp: int) -> None:
        self.payload_type = payload_type
        self._ssrc, self._sequence, self._timestamp = ssrc & 0xFFFFFFFF, sequence & 0xFFFF, timestamp & 0xFFFFFFFF

    def packet(self, frame: bytes, *, first: bool) -> bytes:
        """The next packet; `first` after silence (the marker)."""
        head = bytes((0x80, self.payload_type | (0x80 if first else 0)))
        head += self._sequence.to_bytes(2, "big") + self._timestamp.to_bytes(4, "big") + self._ssrc.to_bytes(4, "big")
        self._sequence = self._sequence + 1 & 0xFFFF
        self.skip(1)
        return head + frame

    def skip(self, frames_: int) -> None:
        """Time passes without a packet: so many frames of it."""
        self._timestamp = self._timestamp + frames_ * FRAME_BYTES & 0xFFFFFFFF
