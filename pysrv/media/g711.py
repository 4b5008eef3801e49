"""G.711: sixteen-bit samples as mu-law or A-law bytes and back, by tables made once. ITU-T G.711; RFC 3551 4.5.14.

Clips are kept in mu-law, so the way from one law to the other is a table of its own.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

RATE_HZ: Final = 8000
_BIAS: Final = 0x84
_CLIP: Final = 32635


class Law(StrEnum):
    """The two laws, by their names in SDP (lower case, with the clock)."""

    MU = "pcmu/8000"
    A = "pcma/8000"


def _mu_sample(byte: int) -> int:
    byte = ~byte & 0xFF
    size = (((byte & 0x0F) << 3) + _BIAS << (byte >> 4 & 7)) - _BIAS
    return -size if byte & 0x80 else size


def _a_sample(byte: int) -> int:
    byte ^= 0x55
    segment, size = byte >> 4 & 7, (byte & 0x0F) << 4
    size += 8 if segment == 0 else 0x108
    size <<= max(0, segment - 1)
    return size if byte & 0x80 else -size


def mu_byte(sample: int) -> int:
    """One sample of -32768 to 32767 as mu-law."""
    sign = 0x80 if sample < 0 else 0
    size = min(abs(sample), _CLIP) + _BIAS
    exponent = size.bit_length() - 8
    return ~(sign | exponent << 4 | size >> exponent + 3 & 0x0F) & 0xFF


def a_byte(sample: int) -> int:
    """One sample of -32768 to 32767 as A-law."""
    sign = 0x80 if sample >= 0 else 0
    size = min(sample if sample >= 0 else ~sample, 32767) >> 4
    segment = max(0, size.bit_length() - 4)
    return (sign | segment << 4 | size >> max(0, segment - 1) & 0x0F) ^ 0x55


MU_SAMPLES: Final = tuple(_mu_sample(byte) for byte in range(256))
A_SAMPLES: Final = tuple(_a_sample(byte) for byte in range(256))
_MU_AS_A: Final = bytes(a_byte(sample) for sample in MU_SAMPLES)


def mu(samples: Iterable[int]) -> bytes:
    """Samples as mu-law."""
    return bytes(map(mu_byte, samples))


def spoken(clip: bytes, law: Law) -> bytes:
    """A clip of mu-law in the law that was negotiated."""
    return clip if law is Law.MU else clip.translate(_MU_AS_A)
