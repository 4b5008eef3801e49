"""An authenticator in software (Web Authentication Level 3, section 6): an ES256 key, a counter, "none" attestation.

It says what a browser would say. Tests lie through `origin`, `rp_id`, `count` and `present`.
"""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, ATTESTED = 0x01, 0x40


@dataclass
class Authenticator:
    origin: str
    rp_id: str
    count: int = 0
    present: bool = True
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """What navigator.credentials.create gives."""
        data = self._data(attested=self._attested())
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        client = self._client("webauthn.create", json.loads(options)["challenge"])
        return self._told({"clientDataJSON": client, "attestationObject": cbor2.dumps(statement)})

    def get(self, options: str) -> str:
        """What navigator.credentials.get gives."""
        self.count += 1
        data = self._data()
        client = self._client("webauthn.get", json.loads(options)["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._told({"clientDataJSON": client, "authenticatorData": data, "signature": signature})

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, attested: bytes = b"") -> bytes:
        flags = (PRESENT if self.present else 0) | (ATTESTED if attested else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count) + attested

    def _attested(self) -> bytes:
        public = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32, "big"), -3: public.y.to_bytes(32, "big")}
        return bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(key)

    def _told(self, response: dict[str, bytes]) -> str:
        told: dict[str, Any] = {"id": _text(self.id), "rawId": _text(self.id), "type": "public-key"}
        told["response"] = {name: _text(value) for name, value in response.items()}
        return json.dumps(told | {"clientExtensionResults": {}})


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def challenge_of(options: str) -> bytes:
    """The challenge in a server's options."""
    text = json.loads(options)["challenge"]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
