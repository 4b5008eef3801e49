"""Keys of WireGuard: Curve25519 (RFC 7748) and shared secrets, in base64 as wg(8) writes them."""

import base64
import binascii
import secrets
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from appliance.wire import WireError

KEY_BYTES: Final = 32
_ALL: Final = X25519PrivateKey.from_private_bytes(bytes(range(KEY_BYTES)))


def private_key() -> str:
    """A new private key."""
    return _text(X25519PrivateKey.generate().private_bytes_raw())


def public_key(private: str) -> str:
    """The public key that belongs to a private one. Raises WireError("invalid")."""
    return _text(X25519PrivateKey.from_private_bytes(key_bytes(private)).public_key().public_bytes_raw())


def shared_secret() -> str:
    """A secret between two peers: whoever breaks Curve25519 one day does not have it."""
    return _text(secrets.token_bytes(KEY_BYTES))


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a key. Raises WireError("invalid")."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != KEY_BYTES or _text(found) != text:
        raise WireError("invalid", "that is no key of WireGuard", "32 bytes in base64, as 'wg pubkey' prints them")
    return found


def checked_public_key(text: str) -> str:
    """A public key that somebody brings. Raises WireError("invalid"); a point of low order, with which every secret is
    nought, is none (RFC 7748, 6.1)."""
    point = X25519PublicKey.from_public_bytes(key_bytes(text))
    try:
        _ALL.exchange(point)
    except ValueError:
        raise WireError(
            "invalid", "that key would keep no secret", "make another with 'wg genkey | wg pubkey'"
        ) from None
    return text


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")
