"""The certificate in use: the operator's where it is good, else the appliance's own, exchanged without a restart.

The directory holds `tls.pem` (the operator's: key, certificate, chain), `panel.pem` (our own) and `request.pem` (the
key of a request that was made for an authority). A file that is not good never takes down what serves: the last good
one goes on, and the notice says why.
"""

import contextlib
import logging
import os
import ssl
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pysrv.certificates import brought, selfsigned
from pysrv.certificates.brought import Brought, CertificateError
from pysrv.certificates.selfsigned import fingerprint, write

FILE_NAME, REQUEST_NAME, AUTHORITIES_NAME = "tls.pem", "request.pem", "authorities.pem"
ENDS_SOON_S = 14 * 86_400.0
_log = logging.getLogger("pysrv.certificates")


@dataclass(frozen=True, slots=True)
class CertificateShown:
    """What an operator sees. Times are Unix seconds; `problem`: why the operator's own is not in use."""

    own: bool
    names: tuple[str, ...]
    issuer: str
    begins_at: float
    ends_at: float
    fingerprint: str
    chain: int
    file: str
    problem: str
    hint: str


class Certificates:
    """What serves now. `domain` and `passphrase` are asked whenever the file is read."""

    def __init__(
        self,
        directory: Path,
        addresses: Iterable[str],
        domain: Callable[[], str],
        passphrase: Callable[[], str],
        clock: Callable[[], float],
    ) -> None:
        self._directory, self._addresses = directory, tuple(addresses)
        self._domain, self._passphrase, self._clock = domain, passphrase, clock
        self._problem: CertificateError | None = None
        self._seen: tuple[object, ...] = ()
        self._context, self._chain, self._own = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """For the next handshake of a server: TLS 1.2 or later."""
        return self._context

    @property
    def fingerprint(self) -> str:
        """SHA-256 as browsers show it."""
        return fingerprint(self._chain[0])

    def client_context(self) -> ssl.SSLContext:
        """For our own calls out: the system's authorities, and those of authorities.pem where it can be read."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if (extra := self._directory / AUTHORITIES_NAME).exists():
                context.load_verify_locations(extra)
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or error
            _log.error("%s cannot be used (it must be certificates as PEM): %s", AUTHORITIES_NAME, reason)
        return context

    def notices(self) -> tuple[str, ...]:
        """What an operator should know."""
        said = []
        if self._problem is not None:
            serving = "the last good one" if self._own else "the appliance's own certificate"
            said.append(f"{FILE_NAME}: {self._problem.message}; {serving} serves: {self._problem.hint}")
        leaf, domain = self._chain[0], self._domain()
        if self._own and domain and not brought.serves(leaf, domain):
            said.append(f"the certificate is not for {domain} (localdomain): clients will refuse it")
        left_s = leaf.not_valid_after_utc.timestamp() - self._clock()
        if self._own and left_s < ENDS_SOON_S:
            said.append(f"the certificate ends on {leaf.not_valid_after_utc:%Y-%m-%d}: bring a newer one")
        return tuple(said)

    def shown(self) -> CertificateShown:
        """What `certificate show` says."""
        leaf, problem = self._chain[0], self._problem
        return CertificateShown(
            self._own,
            brought.names(leaf),
            leaf.issuer.rfc4514_string(),
            leaf.not_valid_before_utc.timestamp(),
            leaf.not_valid_after_utc.timestamp(),
            self.fingerprint,
            len(self._chain),
            FILE_NAME if self._own else selfsigned.FILE_NAME,
            problem.message if problem else "",
            problem.hint if problem else "",
        )

    def laid_down(self) -> tuple[str, float, float]:
        """Fingerprint, begin and end of the certificate in tls.pem, whether it can serve or not; empty and zeros: there
        is none."""
        try:
            leaf = x509.load_pem_x509_certificate((self._directory / FILE_NAME).read_bytes())
        except (OSError, ValueError):
            return "", 0.0, 0.0
        return fingerprint(leaf), leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()

    def refresh(self) -> bool:
        """Read the files again if the operator's, the name or the passphrase has changed, or our own is ageing; False:
        all is as it was.
        """
        left_s = self._chain[0].not_valid_after_utc.timestamp() - self._clock()
        ageing = not self._own and left_s < selfsigned.RENEW_BEFORE_END.total_seconds()
        if self._state() == self._seen and not ageing:
            return False
        self.reload()
        return True

    def reload(self) -> None:
        """Read the files again, and serve what is good."""
        context, chain, own = self._load()
        if self._problem is not None and self._own and not own:
            return  # what served until now is better than what nobody trusts
        self._context, self._chain, self._own = context, chain, own

    def put(self, pem: bytes) -> None:
        """Take the operator's PEM text and serve it. Raises CertificateError; then nothing has changed."""
        spare = self._directory / REQUEST_NAME
        key = spare.read_bytes() if spare.exists() else b""
        found = brought.read(pem, self._passphrase(), self._clock(), self._authorities(), key)
        encrypted = b"ENCRYPTED" in pem
        write(self._directory / FILE_NAME, found.pem(self._passphrase() if encrypted else ""))
        self.reload()

    def drop(self) -> bool:
        """Go back to the appliance's own; False: it serves already."""
        path = self._directory / FILE_NAME
        if not path.exists():
            return False
        path.unlink()
        self._own = False
        self.reload()
        return True

    def renew(self) -> None:
        """Make the appliance's own anew: another key, for the domain as it is now."""
        (self._directory / selfsigned.FILE_NAME).unlink(missing_ok=True)
        self.reload()

    def request(self, names: Iterable[str]) -> str:
        """A request for an authority (PKCS 10, RFC 2986), of a key that is kept until its certificate is brought."""
        path = self._directory / REQUEST_NAME
        key = _kept_key(path)
        wanted = list(dict.fromkeys(names))
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted[0][:64])]))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in wanted]), critical=False)
            .sign(key, hashes.SHA256())
        )
        return csr.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def _load(self) -> tuple[ssl.SSLContext, tuple[x509.Certificate, ...], bool]:
        self._problem, self._seen = None, self._state()
        try:
            found = self._brought()
            if found is not None:
                return self._served(self._directory / FILE_NAME, found), found.chain, True
        except CertificateError as error:
            self._problem = error
        domain = self._domain()
        made = selfsigned.ensure(self._directory, [domain] if domain else [], self._addresses, self._clock())
        self._seen = self._state()
        return made.context(), (x509.load_pem_x509_certificate(made.path.read_bytes()),), False

    def _brought(self) -> Brought | None:
        """What tls.pem holds. Raises CertificateError."""
        try:
            pem = (self._directory / FILE_NAME).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CertificateError(f"it cannot be read: {error.strerror}", "it must belong to the office") from None
        return brought.read(pem, self._passphrase(), self._clock(), self._authorities())

    def _authorities(self) -> frozenset[bytes]:
        """The names of the authorities that this machine's clients know, and those of authorities.pem."""
        try:
            more = x509.load_pem_x509_certificates((self._directory / AUTHORITIES_NAME).read_bytes())
        except (OSError, ValueError):
            return _roots()
        return _roots() | {each.subject.public_bytes() for each in more}

    def _served(self, path: Path, found: Brought) -> ssl.SSLContext:
        """OpenSSL reads key and chain in their right order, whatever the order in the operator's file."""
        ordered = path.with_suffix(".ordered")
        secret = os.urandom(24).hex()
        context = selfsigned.server_context()
        write(ordered, found.pem(secret))
        try:
            context.load_cert_chain(ordered, password=secret)
        except ssl.SSLError as error:
            raise CertificateError(f"OpenSSL refuses it: {error.reason}", "bring another one") from None
        finally:
            ordered.unlink()
        return context

    def _state(self) -> tuple[object, ...]:
        return self._domain(), self._passphrase(), _stamp(self._directory / FILE_NAME)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _kept_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key of the request that was made before, or a new one."""
    if path.exists():
        kept = serialization.load_pem_private_key(path.read_bytes(), None)
        if isinstance(kept, ec.EllipticCurvePrivateKey):
            return kept
    key = ec.generate_private_key(ec.SECP256R1())
    write(
        path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    return key


@lru_cache(maxsize=1)
def _roots() -> frozenset[bytes]:
    """The names of the authorities that this machine trusts, as clients do."""
    found = set()
    with warnings.catch_warnings(action="ignore"):  # some roots are older than today's rules for serial numbers
        for each in ssl.create_default_context().get_ca_certs(binary_form=True):
            with contextlib.suppress(ValueError):
                found.add(x509.load_der_x509_certificate(each).subject.public_bytes())
    return frozenset(found)
