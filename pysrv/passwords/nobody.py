"""The hash of nobody's password: to compare with it takes as long as with somebody's, and it never is the same."""

import base64
import secrets

import argon2


def hash_of_nobody(hasher: argon2.PasswordHasher) -> str:
    """An encoded Argon2id hash (PHC string format) with this hasher's parameters that nothing was hashed for.

    To compute one would cost each start of the program what a guess costs.
    """
    salt, digest = (_encoded(length) for length in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={argon2.low_level.ARGON2_VERSION}${costs}${salt}${digest}"


def _encoded(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
