"""Nonces of which no list is kept, and the counts that keep a caught answer from being sent again.

Knows no message and no account. RFC 7616 sections 3.3 (what a nonce should be made of), 3.4 (nonce count), 5.4 and
5.5 (replay). `now` is Unix time in seconds: nonces outlive a restart.

The gate in the kernel makes and checks the same nonces (bpf/nonce.h), so an answer to either side's challenge is
good at the other. A nonce is 32 hex digits: 8 of Unix seconds, 8 of salt, 16 of SipHash-2-4 over those eight bytes and
the sixteen of the source's address (IPv4 mapped into IPv6). The key is that of the second's epoch.
"""

import re
from enum import Enum, auto
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from ipaddress import IPv4Address, ip_address
from typing import Final

from pysrv.sip.siphash import KEY_BYTES, KeyedHash, siphash_24

MIN_SECRET_BYTES: Final = 16
STAMP_DIGITS: Final = 8  # seconds
SALT_DIGITS: Final = 8
MAC_DIGITS: Final = 16
NONCE_DIGITS: Final = STAMP_DIGITS + SALT_DIGITS + MAC_DIGITS
KEY_SLOTS: Final = 4
AHEAD_S: Final = 5  # the kernel's reading of the wall clock may be so much in front of ours
MAX_COUNTED_NONCES: Final = 100_000
WINDOW: Final = 64  # how far counts may overtake each other on the way, as datagrams do
_WINDOW_MASK: Final = (1 << WINDOW) - 1
_MAPPED: Final = bytes(10) + b"\xff\xff"
_is_nonce: Final = re.compile(rb"[0-9a-f]{%d}" % NONCE_DIGITS).fullmatch


class NonceKeys:
    """Makes and recognises nonces: time, salt, and a MAC over both and the source's address.

    Two keys are good at a time, the current and the one before; they follow from one secret and the time, so that
    an instance made anew of the same secret knows the nonces of the last one.
    """

    __slots__ = ("_hash", "_keys", "_made", "_rotate_s", "_secret")

    def __init__(self, secret: bytes, rotate_s: float = 3600.0, keyed_hash: KeyedHash = siphash_24) -> None:
        """`secret`: 16 bytes or more. `rotate_s`: how long a key makes nonces, in seconds.

        `keyed_hash` is SipHash-2-4, from a library where there is one.
        """
        if len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"a nonce secret has {MIN_SECRET_BYTES} bytes or more, not {len(secret)}")
        self._secret = blake2b(secret, digest_size=32).digest()
        self._rotate_s, self._hash = rotate_s, keyed_hash
        self._keys: dict[int, bytes] = {}
        self._made = 0

    def make(self, now: float, source: str) -> bytes:
        """A new nonce for one source; no two are alike, however many phones share an address."""
        self._made = (self._made + 1) & 0xFFFFFFFF
        head = b"%08x%08x" % (int(now) & 0xFFFFFFFF, self._made)
        return head + self._mac(head, source, self.epoch(now))

    def made_at(self, nonce: bytes, now: float, source: str) -> float | None:
        """When this nonce was made for this source; None when it was not, or its key is no longer good."""
        if not _is_nonce(nonce):
            return None
        made = float(int(nonce[:STAMP_DIGITS], 16))
        epoch = self.epoch(made)
        if made > now + AHEAD_S or epoch < self.epoch(now) - 1:
            return None
        head = nonce[: STAMP_DIGITS + SALT_DIGITS]
        return made if compare_digest(nonce[len(head) :], self._mac(head, source, epoch)) else None

    @property
    def rotate_s(self) -> float:
        """How long a key makes nonces, in seconds."""
        return self._rotate_s

    def epoch(self, now: float) -> int:
        """The number of the key that makes nonces at that time."""
        return int(now // self._rotate_s)

    def slots(self, now: float) -> tuple[bytes, ...]:
        """Keys for the kernel, the one of epoch n at n modulo 4: the last, the current and the next two.

        Two epochs ahead, because the kernel goes on while the service is away.
        """
        first = self.epoch(now) - 1
        epochs = sorted(range(first, first + KEY_SLOTS), key=lambda epoch: epoch % KEY_SLOTS)
        return tuple(self._derived(epoch) for epoch in epochs)

    def _mac(self, head: bytes, source: str, epoch: int) -> bytes:
        message = bytes.fromhex(head.decode()) + _sixteen_bytes(source)
        return b"%016x" % self._hash(self._key(epoch), message)

    def _key(self, epoch: int) -> bytes:
        key = self._keys.get(epoch)
        if key is None:
            if len(self._keys) >= KEY_SLOTS:
                del self._keys[min(self._keys)]
            key = self._keys[epoch] = self._derived(epoch)
        return key

    def _derived(self, epoch: int) -> bytes:
        return blake2b(b"%d" % epoch, key=self._secret, digest_size=KEY_BYTES).digest()


@lru_cache(maxsize=4096)
def _sixteen_bytes(source: str) -> bytes:
    """An address as the kernel has it; the zone of a link-local one is left out."""
    address = ip_address(source.partition("%")[0])
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


class Count(Enum):
    """What a nonce count says."""

    FRESH = auto()
    REPEATED = auto()
    FORGOTTEN = auto()  # the table was too small to remember this nonce: ask for a new one


class NonceCounts:
    """The counts seen for each nonce that was answered well; at most `most` nonces.

    Two generations: a nonce that is used stays in the younger one. After `ttl_s` the older one is dropped, which
    loses nothing, as its nonces are stale by then; when the table is full it is dropped early, and every unknown nonce
    from before is FORGOTTEN: asked again, never believed.
    """

    __slots__ = ("_forgotten_to", "_most", "_old", "_ttl_s", "_turned_at", "_young")

    def __init__(self, ttl_s: float, most: int = MAX_COUNTED_NONCES) -> None:
        self._ttl_s, self._most = ttl_s, most
        self._young: dict[bytes, tuple[int, int]] = {}  # nonce -> highest count, bit n: highest - n was seen
        self._old: dict[bytes, tuple[int, int]] = {}
        self._turned_at = 0.0
        self._forgotten_to = 0.0

    def take(self, nonce: bytes, count: int, made: float, now: float) -> Count:
        """Judges a count (1 or more) and remembers it. `made`: when the nonce was made."""
        if now - self._turned_at > self._ttl_s:
            self._turn(now)
        seen = self._young.get(nonce) or self._old.get(nonce)
        if seen is None and made <= self._forgotten_to:
            return Count.FORGOTTEN
        after = _advance(seen or (0, 0), count)
        if after is None:
            return Count.REPEATED
        self._young[nonce] = after
        if 2 * len(self._young) >= self._most:
            if self._old:
                self._forgotten_to = now
            self._turn(now)
        return Count.FRESH

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def _turn(self, now: float) -> None:
        self._old, self._young, self._turned_at = self._young, {}, now


def _advance(seen: tuple[int, int], count: int) -> tuple[int, int] | None:
    """The window after `count`, or None when it was seen or is too old to tell (as RFC 4303 section 3.4.3 does)."""
    highest, mask = seen
    if count > highest:
        return count, (mask << min(count - highest, WINDOW) | 1) & _WINDOW_MASK
    bit = 1 << (highest - count) if highest - count < WINDOW else 0
    if count < 1 or not bit or mask & bit:
        return None
    return highest, mask | bit
