"""What a self-test found, as JSON that is signed and as a table for people.

The signature is Ed25519 (RFC 8032) over the canonical JSON of the report (RFC 8785's sorted keys and no white space; no
floats but those that Python prints). The key is made at the first report and stays with the appliance: its fingerprint
says which machine signed. Must not know: the gate, frames.
"""

import base64
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from appliance.wire import WireError

KEY_FILE: Final = "selftest.key"
FORMAT: Final = 1
KEPT_SHARE: Final = 0.99  # of the customers' packets: the rest is the noise of a busy machine


@dataclass(frozen=True, slots=True)
class Result:
    """One attack. `mpps`: what generator, gate and wire made of one CPU; `ns`: the gate's program alone, a packet."""

    attack: str
    says: str
    packets: int
    seconds: float
    mpps: float
    ns: int
    verdicts: dict[str, int]
    through: int
    through_allowed: int
    media_sent: int
    media_kept: int
    requests_sent: int
    requests_kept: int

    @property
    def failures(self) -> list[str]:
        """What went wrong; empty when the gate held."""
        found = []
        if self.through > self.through_allowed:
            found.append(f"{self.through} packets got through, {self.through_allowed} may")
        for what, sent, kept in (
            ("audio", self.media_sent, self.media_kept),
            ("requests", self.requests_sent, self.requests_kept),
        ):
            if not sent or kept < KEPT_SHARE * sent:
                found.append(f"customers' {what}: {kept} of {sent} arrived")
        if self.verdicts.get("gate_fault"):
            found.append(f"{self.verdicts['gate_fault']} packets found the gate's tables in contradiction")
        return found


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run. `gate` names the layout of the program, `made_at` is Unix time in seconds."""

    made_at: float
    gate: str
    kernel: str
    processor: str
    mode: str
    quiet: Result
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether every attack was held, and the quiet run before them was quiet."""
        return not any(result.failures for result in (self.quiet, *self.results))


def signed(report: Report, directory: Path) -> dict[str, Any]:
    """The report as a JSON object with its signature, by the key in `directory`. Raises WireError("no_key")."""
    body = {"format": FORMAT, "passed": report.passed, **asdict(report)}
    key = _key(directory / KEY_FILE)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(_canonical(body))
    return {"report": body, "public_key": _text(public), "signature": _text(signature)}


def verified(document: Any, fingerprint: str = "") -> dict[str, Any]:
    """The report inside a signed document; with `fingerprint`, only if that key signed it.

    Raises WireError: "not_a_report", "bad_signature", "other_key".
    """
    try:
        body, public = document["report"], base64.b64decode(document["public_key"], validate=True)
        signature = base64.b64decode(document["signature"], validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _canonical(body))
    except InvalidSignature:
        message = "the signature does not fit the report"
        raise WireError("bad_signature", message, "it was changed after it was signed: do not rely on it") from None
    except (KeyError, TypeError, ValueError):
        message = "this is no signed report"
        raise WireError("not_a_report", message, "'appliance selftest attack --report FILE' writes one") from None
    if fingerprint and fingerprint.lower() != fingerprint_of(document["public_key"]):
        message = f"the report was signed by another key, {fingerprint_of(document['public_key'])}"
        raise WireError("other_key", message, "it comes from another appliance, or from somebody else")
    return dict(body)


def fingerprint_of(public_key: str) -> str:
    """How people tell keys apart: SHA-256 of the public key, the first 32 hex digits."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:32]


def _canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _key(path: Path) -> Ed25519PrivateKey:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise WireError("no_key", f"{path} cannot be made: {error.strerror}", "run as root") from None
    made = Ed25519PrivateKey.generate()
    with os.fdopen(descriptor, "wb") as file:
        file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise WireError("no_key", f"{path} cannot be read: {error}", "remove it: a new key is made") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise WireError("no_key", f"{path} holds a key of another kind", "remove it: a new key is made")
    return key
