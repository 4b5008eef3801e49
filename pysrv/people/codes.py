"""One-time codes of a second factor: TOTP (RFC 6238, SHA-1, six digits, 30 s) and recovery codes.

A TOTP code is good once: whoever saw it typed cannot use it again (RFC 6238, 5.2). `now` is Unix time in seconds.
"""

import hashlib
import secrets
from hmac import compare_digest
from typing import Final

import pyotp

STEP_S: Final = 30
DRIFT_STEPS: Final = 1  # a clock that is half a minute off
RECOVERY_CODES: Final = 10
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # no letter that a digit is taken for
_GROUP, _GROUPS = 5, 2


def new_secret() -> str:
    """A shared secret of 160 bits, in base32."""
    return pyotp.random_base32()


def provisioning_uri(secret: str, name: str, issuer: str) -> str:
    """What an authenticator's camera reads (the otpauth key URI format)."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def step_of_code(secret: str, code: str, now: float, last_step: int = 0) -> int | None:
    """The time step whose code this is, if it lies within the drift and after `last_step`; None: it is wrong."""
    totp, typed = pyotp.TOTP(secret), code.replace(" ", "")
    current, found = int(now) // STEP_S, None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        right = compare_digest(totp.at(step * STEP_S).encode(), typed.encode("utf-8", "replace"))
        if right and step > last_step:
            found = step
    return found


def new_recovery_codes() -> tuple[str, ...]:
    """Codes of about 50 bits, each good once."""
    return tuple(
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    )


def recovery_digest(code: str) -> str:
    """How a recovery code is kept. Plain SHA-256 will do: it is random, unlike a password."""
    bare = "".join(letter for letter in code.lower() if letter in _ALPHABET)
    return hashlib.sha256(b"recovery:" + bare.encode()).hexdigest()
