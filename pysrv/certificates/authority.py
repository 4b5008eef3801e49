"""One order at an authority, from account to certificate: ACME (RFC 8555) with challenges over HTTP (8.3, http-01).

The protocol is certbot's library `acme`; here are what is asked for, whom we believe, and what a person reads when it
comes to nothing. Everything blocks and belongs into a thread of its own. An authority is spoken to over verified TLS
alone, by whatever name the operator gave, and by no proxy of the environment.
"""

import datetime
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import josepy.errors
import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWK, JWKEC
from requests.adapters import HTTPAdapter

from pysrv.certificates.brought import CertificateError

AGENT: Final = "appliance-acme"
ANSWER_S: Final = 20  # of one request
PATIENCE_S: Final = 90.0  # of the whole order
MOST_DETAIL: Final = 300
MOST_ANSWER: Final = 1 << 20  # bytes; a chain of certificates is some thousand
Publish = Callable[[str, str], object]
"""Hands out a challenge: its token, and what is answered to who asks for it."""

_ELSEWHERE: Final = "look at this machine's network, its name server and its clock"
_HINTS: Final = {
    "caa": "the name's CAA records must allow this authority",
    "connection": "it must reach port 80 of every name from the internet: look at DNS, router and firewall",
    "dns": "every name must lead to this appliance in the public DNS",
    "dnssec": "mend the DNSSEC of the name's zone",
    "invalidContact": "give another mail address",
    "malformed": "the address may not be that of an ACME directory",
    "rateLimited": "wait; it is tried again by itself",
    "rejectedIdentifier": "this authority issues nothing for such a name",
    "unauthorized": "something else answers at port 80 of the name: it must lead to this appliance",
    "unsupportedContact": "give a mail address",
    "userActionRequired": "agree to the authority's new terms at its web site, then order again",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered: a certificate for `names`, at the ACME directory at that address. `account_key`: PEM."""

    directory: str
    email: str
    names: Sequence[str]
    account_key: str = field(repr=False)


class _Bounded:
    """What a connection brings, up to MOST_ANSWER bytes once unpacked; as requests reads it."""

    def __init__(self, raw: Any, host: str) -> None:
        self._raw, self._host = raw, host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **options: Any) -> Iterator[bytes]:
        """Piece after piece. Raises CertificateError."""
        taken = 0
        for piece in self._raw.stream(*args, **options):
            taken += len(piece)
            if taken > MOST_ANSWER:
                self._raw.close()
                hint = "give the address of the authority's ACME directory (RFC 8555, 7.1.1)"
                raise CertificateError(f"{self._host} answers with more than {MOST_ANSWER // 1024} KiB", hint)
            yield piece


class _Verified(HTTPAdapter):
    """Believes whom the context believes, and not a list of its own; and reads no answer without end."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Every connection by that context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        """One request; what is read of the answer is bounded."""
        answer = super().send(request, *args, **options)
        answer.raw = _Bounded(answer.raw, urlsplit(request.url).hostname or "")
        return answer

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context does it."""
        del url, verify, cert
        conn.cert_reqs = "CERT_REQUIRED"


def new_key() -> str:
    """A key for an account or a certificate (ECDSA P-256), as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode("ascii")


def order(wanted: Wanted, trusted: ssl.SSLContext, publish: Publish, patience_s: float = PATIENCE_S) -> bytes:
    """Key, certificate and chain as PEM. Raises CertificateError, which says why not and what to do."""
    host = urlsplit(wanted.directory).hostname or wanted.directory
    try:
        return _ordered(wanted, trusted, publish, patience_s, host)
    except CertificateError:
        raise
    except requests.exceptions.SSLError as error:
        hint = "if it is an authority of your own, put its root certificate into authorities.pem"
        raise CertificateError(f"{host} does not prove who it is: {_inner(error)}", hint) from None
    except requests.RequestException as error:
        raise CertificateError(f"{host} cannot be reached: {_inner(error)}", _ELSEWHERE) from None
    except errors.ValidationError as error:
        raise _unproven(error) from None
    except (errors.TimeoutError, TimeoutError):
        hint = "it is tried again by itself; the authority's status page may say more"
        raise CertificateError(f"{host} did not come to an end within {patience_s:.0f} s", hint) from None
    except errors.IssuanceError as error:
        raise _refused(host, error.error) from None
    except messages.Error as error:
        raise _refused(host, error) from None
    except (errors.Error, josepy.errors.Error, ValueError, KeyError, AttributeError) as error:
        hint = "give the address of the authority's ACME directory (RFC 8555, 7.1.1)"
        raise CertificateError(f"{host} does not speak ACME: {_short(type(error).__name__)}", hint) from None


def _ordered(wanted: Wanted, trusted: ssl.SSLContext, publish: Publish, patience_s: float, host: str) -> bytes:
    until = datetime.datetime.now() + datetime.timedelta(seconds=patience_s)
    key = JWKEC.load(wanted.account_key.encode())
    net = client.ClientNetwork(key, alg=ES256, user_agent=AGENT, timeout=ANSWER_S)
    net.session.trust_env = False
    net.session.adapters.clear()  # nothing goes out in the clear, wherever a redirect leads
    net.session.mount("https://", _Verified(trusted))
    with net.session:
        acme = client.ClientV2(client.ClientV2.get_directory(wanted.directory, net), net)
        _enter(acme, wanted.email, host)
        secret = new_key()
        ordered = acme.new_order(crypto_util.make_csr(secret.encode(), list(wanted.names)))
        for each in ordered.authorizations:
            if each.body.status != messages.STATUS_VALID:
                _prove(acme, key, each.body, publish)
        return secret.encode() + acme.poll_and_finalize(ordered, until).fullchain_pem.encode("ascii")


def _enter(acme: client.ClientV2, email: str, host: str) -> None:
    """An account, or the one that the key has already (RFC 8555, 7.3)."""
    if acme.external_account_required():
        hint = "take one that is open to everybody, such as Let's Encrypt, or bring a certificate of your own"
        raise CertificateError(f"{host} wants an account that was opened at its web site", hint)
    try:
        acme.new_account(messages.NewRegistration.from_data(email=email or None, terms_of_service_agreed=True))
    except errors.ConflictError as known:
        acme.net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())


def _prove(acme: client.ClientV2, key: JWK, body: messages.Authorization, publish: Publish) -> None:
    for each in body.challenges:
        if isinstance(each.chall, challenges.HTTP01):
            response, said = each.response_and_validation(key)
            publish(each.chall.encode("token"), said)
            acme.answer_challenge(each, response)
            return
    raise CertificateError(
        f"the authority proves {_short(body.identifier.value)} by nothing that is done here",
        "ask for names without a star: only HTTP is asked for them",
    )


def _unproven(error: errors.ValidationError) -> CertificateError:
    """Which names could not be proven, and what the authority saw."""
    seen: Iterable[tuple[str, messages.Error]] = [
        (each.body.identifier.value, challenge.error)
        for each in error.failed_authzrs
        for challenge in each.body.challenges
        if challenge.error is not None
    ]
    words = "; ".join(f"{name}: {_short(problem.detail)}" for name, problem in seen)
    hint = next((_HINTS[problem.code] for _, problem in seen if problem.code in _HINTS), _HINTS["connection"])
    return CertificateError(f"the authority could not see that the name is ours: {words}", hint)


def _refused(host: str, error: messages.Error) -> CertificateError:
    words = _short(error.detail or error.title or error.typ)
    return CertificateError(f"{host} refuses: {words}", _HINTS.get(error.code or "", "its documents may say more"))


def _inner(error: BaseException) -> str:
    """The innermost reason: what stands around it names objects of libraries."""
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    inner = reason.args[-1] if isinstance(reason, BaseException) and reason.args else reason
    return _short(str(inner).rpartition(">: ")[2] or type(error).__name__)


def _short(text: object) -> str:
    """What somebody else wrote, as one bounded line."""
    return "".join(each if each.isprintable() else " " for each in str(text)[:MOST_DETAIL]).strip()
