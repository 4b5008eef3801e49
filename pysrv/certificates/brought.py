"""A certificate that the operator brings: read, and refused with the reason where no client would take it.

Knows PEM (RFC 7468) and X.509 (RFC 5280), no files, sockets or clock; `now` is Unix time in seconds.
"""

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

LEAST_RSA_BITS = 2048  # OpenSSL's security level 2 refuses less
MOST_BYTES = 256 * 1024
MOST_CERTIFICATES = 20  # a chain has two or three; each may have to be held against each
_key_begins = re.compile(rb"-----BEGIN ([A-Z ]{0,20}PRIVATE KEY)-----").search
_KEYS = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CertificateError(Exception):
    """A certificate that cannot be used. `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Brought:
    """A key, the certificate that fits it, and the certificates that lead from it to an authority, in order."""

    key: _KEYS
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return self.chain[0]

    def pem(self, passphrase: str = "") -> bytes:
        """Key and chain as one text; the key is encrypted when there is a passphrase."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            encryption = serialization.BestAvailableEncryption(passphrase.encode())
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return key + b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.chain)


def read(pem: bytes, passphrase: str, now: float, roots: Iterable[bytes] = (), spare_key: bytes = b"") -> Brought:
    """What a PEM text holds. Raises CertificateError.

    `roots`: names (DER) of the authorities that clients know, which need not be in the text. `spare_key`: the key of a
    request, for a text that has none.
    """
    if len(pem) > MOST_BYTES:
        raise CertificateError("this is no certificate: it is too long", f"at most {MOST_BYTES // 1024} kB of PEM")
    certificates = _certificates(pem)
    key = _key(_key_block(pem) or spare_key, passphrase)
    leaf = _fitting(certificates, key)
    _check_time(leaf, now)
    return Brought(key, _chain(leaf, certificates, frozenset(roots)))


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names and addresses that it is for (RFC 6125: the subject's own name does not count)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    dns = extension.value.get_values_for_type(x509.DNSName)
    return (*dns, *(str(address) for address in extension.value.get_values_for_type(x509.IPAddress)))


def serves(certificate: x509.Certificate, name: str) -> bool:
    """Whether it is for this DNS name; a star stands for one label (RFC 6125 6.4.3)."""
    name = name.lower()
    return any(
        fnmatchcase(name, each.lower()) and each.count(".") == name.count(".")
        for each in names(certificate)
        if "*" not in each[1:]
    )


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        hint = "one PEM file with the private key, the certificate and its chain"
        raise CertificateError("there is no readable certificate in it", hint) from None
    if len(found) > MOST_CERTIFICATES:
        hint = "the certificate and those that lead to its authority, and no list of authorities"
        raise CertificateError(f"it holds {len(found)} certificates, and may hold at most {MOST_CERTIFICATES}", hint)
    return found


def _key_block(pem: bytes) -> bytes:
    """The first private key; the file may begin with parameters or certificates. Looks at every byte once or twice,
    whatever the text: it may be an authority's."""
    begins = _key_begins(pem)
    if begins is None:
        return b""
    end = b"-----END " + begins[1] + b"-----"
    at = pem.find(end, begins.end())
    return b"" if at < 0 else pem[begins.start() : at + len(end)]


def _key(pem: bytes, passphrase: str) -> _KEYS:
    if not pem:
        raise CertificateError(
            "there is no private key in it", "put the key into the same file, before the certificate"
        )
    key = _opened(pem, passphrase)
    if not isinstance(key, _KEYS):
        raise CertificateError("its private key is neither RSA nor ECDSA", "clients take RSA and ECDSA")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < LEAST_RSA_BITS:
        raise CertificateError(
            f"its RSA key has {key.key_size} bits", f"make one of {LEAST_RSA_BITS} or more, or an ECDSA key"
        )
    return key


def _opened(pem: bytes, passphrase: str) -> PrivateKeyTypes:
    encrypted = b"ENCRYPTED" in pem
    try:
        return serialization.load_pem_private_key(pem, passphrase.encode() if encrypted and passphrase else None)
    except TypeError:
        raise CertificateError("its private key is encrypted", "set sslcertpwd to its passphrase") from None
    except ValueError:
        if encrypted:
            raise CertificateError("sslcertpwd is not the passphrase of its private key", "set the right one") from None
        raise CertificateError("its private key cannot be read", "it must be PEM: PKCS 8, RSA or EC") from None


def _fitting(certificates: Sequence[x509.Certificate], key: _KEYS) -> x509.Certificate:
    public = _spki(key.public_key())
    for each in certificates:
        if _spki(each.public_key()) == public:
            return each
    raise CertificateError(
        "the private key does not fit the certificate", "take the key that the request was made with"
    )


def _spki(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _check_time(leaf: x509.Certificate, now: float) -> None:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    if leaf.not_valid_after_utc <= moment:
        raise CertificateError(f"the certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "bring a newer one")
    if leaf.not_valid_before_utc > moment:
        begins = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise CertificateError(f"the certificate is valid only from {begins}", "look at this machine's clock")


def _chain(
    leaf: x509.Certificate, others: Sequence[x509.Certificate], roots: frozenset[bytes]
) -> tuple[x509.Certificate, ...]:
    """From the leaf up to one that an authority which clients know has signed, or that signed itself."""
    found = [leaf]
    while (last := found[-1]).issuer != last.subject and last.issuer.public_bytes() not in roots:
        above = next((each for each in others if each not in found and _has_signed(each, last)), None)
        if above is None:
            raise CertificateError(
                f"the chain is incomplete: the certificate of {last.issuer.rfc4514_string()!r:.120} is not in it",
                "append the authority's intermediate certificates (often called chain.pem, or use fullchain.pem)",
            )
        found.append(above)
    return tuple(found)


def _has_signed(above: x509.Certificate, below: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
