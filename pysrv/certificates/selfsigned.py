"""The appliance's own certificate: made once, kept in the state directory, renewed before it ends.

Self-signed (RFC 5280; ECDSA P-256), so that HTTPS works from the first start; an administrator compares the
fingerprint that is printed at start. Key and certificate share one file, so a crash never leaves a pair that does not
fit. Knows files and cryptography, no sockets; `now` is an argument.
"""

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

FILE_NAME = "panel.pem"
LIFE = datetime.timedelta(days=825)
RENEW_BEFORE_END = datetime.timedelta(days=30)
BACKDATED = datetime.timedelta(hours=24)  # a client whose clock is behind should not be turned away


@dataclass(frozen=True, slots=True)
class Certificate:
    """One PEM file with key and certificate. `fingerprint` is its SHA-256 as browsers show it."""

    path: Path
    fingerprint: str
    made: bool

    def context(self) -> ssl.SSLContext:
        """A server context for it: TLS 1.2 or later."""
        context = server_context()
        context.load_cert_chain(self.path)
        return context


def server_context() -> ssl.SSLContext:
    """A context for a server, still without a certificate: TLS 1.2 or later (RFC 8996, RFC 9325)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def ensure(directory: Path, names: Iterable[str], addresses: Iterable[str], now: float) -> Certificate:
    """The certificate in `directory`; a new one where there is none that is readable and lasts. Raises OSError.

    `names` and `addresses` become its subject alternative names (RFC 6125); `now` is Unix time in seconds.
    """
    path = directory / FILE_NAME
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    kept = _load(path)
    if kept is not None and kept.not_valid_after_utc - RENEW_BEFORE_END > moment:
        return Certificate(path, fingerprint(kept), made=False)
    pem, certificate = _make(sorted(set(names)), sorted(set(addresses)), moment)
    write(path, pem)
    return Certificate(path, fingerprint(certificate), made=True)


def self_made(directory: Path) -> bool:
    """Whether the certificate there vouches for itself, so that browsers warn of it."""
    kept = _load(directory / FILE_NAME)
    return kept is not None and kept.issuer == kept.subject


def _load(path: Path) -> x509.Certificate | None:
    try:
        pem = path.read_bytes()
        serialization.load_pem_private_key(pem, None)
        return x509.load_pem_x509_certificate(pem)
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _make(names: list[str], addresses: list[str], moment: datetime.datetime) -> tuple[bytes, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (names or addresses or ["appliance"])[0][:64])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in addresses]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - BACKDATED)
        .not_valid_after(moment + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM), certificate


def write(path: Path, pem: bytes) -> None:
    """All or nothing, and never readable by others, not even for a moment."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as browsers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
