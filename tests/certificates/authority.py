"""A small authority of its own: a root, an intermediate, and what they sign, as strict programs want it (RFC 5280)."""

import datetime
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = datetime.timedelta(days=1)
SIGNS = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
PEM = serialization.Encoding.PEM


def pem_of(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(PEM) for each in certificates)


def key_pem(key: Key, passphrase: str = "") -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption)


@dataclass
class Signer:
    """Somebody who signs."""

    name: x509.Name
    key: Key
    certificate: x509.Certificate = field(init=False)

    def sign(
        self,
        name: str,
        names: tuple[str, ...],
        key: Key,
        now: float,
        days: tuple[int, int] = (-1, 90),
        *,
        ca: bool = False,
    ) -> x509.Certificate:
        return _made(_named(name), names, key, self, now, days, ca=ca)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)


def _made(
    name: x509.Name, names: tuple[str, ...], key: Key, by: "Signer", now: float, days: tuple[int, int], *, ca: bool
) -> x509.Certificate:
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment + days[0] * DAY)
        .not_valid_after(moment + days[1] * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False)
    )
    if ca:
        builder = builder.add_extension(SIGNS, critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(n) for n in names]), critical=False)
    return builder.sign(by.key, hashes.SHA256())


def root(now: float, name: str = "Root of the tests") -> Signer:
    made = Signer(_named(name), ec.generate_private_key(ec.SECP256R1()))
    made.certificate = _made(made.name, (), made.key, made, now, (-10, 3650), ca=True)
    return made


def below(above: Signer, now: float, name: str = "Intermediate of the tests") -> Signer:
    made = Signer(_named(name), ec.generate_private_key(ec.SECP256R1()))
    made.certificate = above.sign(name, (), made.key, now, (-5, 1000), ca=True)
    return made


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
