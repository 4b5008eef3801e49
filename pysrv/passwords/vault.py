"""Secrets sealed under a key that is not in the database: AES-256-GCM (NIST SP 800-38D), 96-bit random nonces.

The key is a file of mode 0600 beside the database, made at first use. A sealed text names its key, and is bound to its
row and column: moved to another one it does not open. Knows neither tables nor settings.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE = "secrets.key"
KEY_BYTES, NONCE_BYTES = 32, 12
MARK = "sealed:1:"
_OTHERS = 0o077


class VaultError(Exception):
    """A key that is not there or is another one, or a text that it does not open. Nothing was changed."""


def is_sealed(text: str) -> bool:
    """Whether `text` is one that `Vault.seal` made."""
    return text.startswith(MARK)


def key_of(text: str) -> str:
    """The id of the key that a sealed text was made with."""
    return text[len(MARK) :].partition(":")[0]


class Vault:
    """Seals and opens with the key in one file, which is read when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key_id, self._aead = "", None  # type: tuple[str, AESGCM | None]

    def make(self) -> str:
        """The id of the key, which is made if there is none. Raises VaultError."""
        if not self._path.exists():
            _write_key(self._path)
        self._load()
        return self._key_id

    def demand(self, key_id: str) -> None:
        """Raises VaultError unless the key of that id is there."""
        self._load()
        if self._key_id != key_id:
            raise VaultError(
                f"{self._path} is key {self._key_id}, but this database's secrets are sealed with key {key_id}: "
                "put that key back"
            )

    def seal(self, text: str, place: str) -> str:
        """`text`, readable only with the key and only at `place`. Raises VaultError."""
        aead, nonce = self._load(), os.urandom(NONCE_BYTES)
        sealed = nonce + aead.encrypt(nonce, text.encode(), _bound(place))
        return f"{MARK}{self._key_id}:{base64.b64encode(sealed).decode()}"

    def open(self, text: str, place: str) -> str:
        """The text that was sealed for `place`. Raises VaultError."""
        aead = self._load()
        if (wanted := key_of(text)) != self._key_id:
            raise VaultError(f"{place} is sealed with key {wanted}, and {self._path} is key {self._key_id}")
        try:
            sealed = base64.b64decode(text[len(MARK) + len(wanted) + 1 :], validate=True)
            return aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(place)).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise VaultError(f"{place} does not open: it was changed, or belongs to another row") from None

    def _load(self) -> AESGCM:
        if self._aead is None:
            key = _read_key(self._path)
            self._key_id = hashlib.sha256(b"id of " + key).hexdigest()[:12]
            self._aead = AESGCM(key)
        return self._aead


def _bound(place: str) -> bytes:
    return b"appliance:" + place.encode()


def _read_key(path: Path) -> bytes:
    try:
        text, mode = _content(path)
    except FileNotFoundError:
        raise VaultError(f"{path} is missing, and secrets of this database are sealed with it: put it back") from None
    except OSError as error:
        raise VaultError(f"{path} cannot be read: {error.strerror}") from None
    if mode & _OTHERS:
        raise VaultError(f"{path} can be read by others: 'chmod 600' it")
    try:
        key = bytes.fromhex(text.decode())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise VaultError(f"{path} holds no key: {2 * KEY_BYTES} hex digits belong there; put a copy of it back")
    return key


def _content(path: Path) -> tuple[bytes, int]:
    """The first bytes of a file that is no link, and its mode. Raises OSError."""
    held = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return os.read(held, 4 * KEY_BYTES).strip(), os.fstat(held).st_mode
    finally:
        os.close(held)


def _write_key(path: Path) -> None:
    """A new key, whole on disk before anything is sealed with it."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        held = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(held, "wb") as file:
            file.write(os.urandom(KEY_BYTES).hex().encode() + b"\n")
            file.flush()
            os.fsync(held)
        os.link(fresh, path)  # never over a key that somebody else has just made
        fresh.unlink()
        _sync_directory(path.parent)
    except FileExistsError:
        fresh.unlink(missing_ok=True)
    except OSError as error:
        raise VaultError(f"{path} cannot be made: {error.strerror}") from None


def _sync_directory(directory: Path) -> None:
    held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(held)
    finally:
        os.close(held)
