"""SipHash-2-4: the keyed hash of nonces, because the kernel can make it too.

Follows Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2. This is the reference in plain
Python, 20 microseconds for 24 bytes; whoever assembles the service may inject a C library with the same results.
"""

from collections.abc import Callable
from typing import Final

KEY_BYTES: Final = 16
_MASK: Final = (1 << 64) - 1

KeyedHash = Callable[[bytes, bytes], int]
"""(key of 16 bytes, message) -> 64 bits."""


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK


def _round(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
    """SipRound (figure 2.1)."""
    a = (a + b) & _MASK
    c = (c + d) & _MASK
    b, d = _rotate(b, 13) ^ a, _rotate(d, 16) ^ c
    a = _rotate(a, 32)
    c = (c + b) & _MASK
    a = (a + d) & _MASK
    b, d = _rotate(b, 17) ^ c, _rotate(d, 21) ^ a
    return a, b, _rotate(c, 32), d


def siphash_24(key: bytes, message: bytes) -> int:
    """The hash of `message`, 64 bits. Raises ValueError for a key that has not 16 bytes."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a SipHash key has {KEY_BYTES} bytes, not {len(key)}")
    first, second = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = (
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    )
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        a, b, c, d = _round(*_round(*state[:3], state[3] ^ word))
        state = (a ^ word, b, c, d)
    state = (state[0], state[1], state[2] ^ 0xFF, state[3])
    for _ in range(4):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]
