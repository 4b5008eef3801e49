"""A key for SSH, and certificates that vouch for a place: the one module of backups that asks `cryptography`."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def new_key() -> tuple[str, str]:
    """A private key (Ed25519) as ssh reads it, and its public half: kind and base64."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def certificates(pem: bytes) -> str:
    """The certificates of a text, and nothing else of it. Raises ValueError when there is none."""
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in x509.load_pem_x509_certificates(pem))
