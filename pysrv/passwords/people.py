"""Passwords that people type, on the web and to a person: Argon2id (RFC 9106), and what a lenient comparison forgives.

A comparison takes tens of milliseconds on purpose.
"""

import argon2

from pysrv.passwords.nobody import hash_of_nobody

_HASHER = argon2.PasswordHasher()
NOBODYS_HASH = hash_of_nobody(_HASHER)
"""What the password of a user who does not exist is compared with, so that it takes as long."""


def hashed(password: str) -> str:
    """The Argon2id hash of a password, with its salt and parameters."""
    return _HASHER.hash(password)


def matches(wanted: str, password: str) -> bool:
    """Whether `password` is the one that `wanted` was made of."""
    try:
        return _HASHER.verify(wanted, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def lenient_forms(password: str) -> tuple[str, ...]:
    """What `uauthverifypwd` takes a password for, the exact one first; four forms at most, each once.

    Without white space around it; with the case of its first letter changed (telephones begin with a capital); with
    the case of all letters changed (caps lock). How many there are depends on what was typed alone.
    """
    bare = password.strip()
    return tuple(dict.fromkeys((password, bare, bare[:1].swapcase() + bare[1:], bare.swapcase())))
