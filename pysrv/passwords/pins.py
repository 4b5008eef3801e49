"""PINs that are keyed in on a telephone: Argon2id (RFC 9106) at OWASP's smaller setting, because the office waits.

Twelve random digits need no more, and a comparison holds all calls up for its milliseconds.
"""

import argon2

from pysrv.passwords.nobody import hash_of_nobody

_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NOBODYS_HASH = hash_of_nobody(_HASHER)
"""What a PIN that leads to no card is compared with, so that it takes as long."""


def hashed(pin: str) -> str:
    """The Argon2id hash of a PIN, with its salt and parameters."""
    return _HASHER.hash(pin)


def matches(kept: str, pin: str) -> bool:
    """Whether `pin` is the one that `kept` was made of."""
    try:
        return _HASHER.verify(kept, pin)
    except argon2.exceptions.VerificationError:
        return False
