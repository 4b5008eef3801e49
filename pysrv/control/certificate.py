"""Verbs about the appliance's certificate: what serves, the operator's own, a request for an authority.

They need the running office: it alone holds what serves. The private key is taken and never given out.
"""

from dataclasses import dataclass, field
from typing import Any, TypedDict
from urllib.parse import urlsplit

from appliance.config.settings import Settings
from appliance.config.textual import is_domain, is_email
from appliance.wire import WireError
from pysrv.certificates.held import Certificates, CertificateShown
from pysrv.certificates.renewer import Ordering, Renewer
from pysrv.control.desk import Desk


@dataclass(frozen=True, slots=True)
class Brought:
    """Key, certificate and chain as PEM; the key may be the one of a request that was made here."""

    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestFor:
    """The DNS names that are asked for; none: localdomain."""

    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OrderAt:
    """An order at an authority: the address of its ACME directory (RFC 8555, 7.1.1), a mail address that it may write
    to (or none), whether its terms are agreed to, and the DNS names; none: localdomain."""

    directory: str
    email: str = ""
    agreed: bool = False
    names: tuple[str, ...] = ()


MOST_ADDRESS = 500
STRICT = 3  # forcetls: no plain listener


class CertificateAnswer(TypedDict):
    """What serves SIP and web, and what there is to say about it. `order`: the one that stands with an authority; null:
    none does."""

    certificate: CertificateShown
    notices: list[str]
    order: Ordering | None


class CsrAnswer(TypedDict):
    """A request to be signed, as PEM."""

    csr: str
    names: list[str]


def _held(desk: Desk) -> Certificates:
    if desk.certificates is None:
        raise WireError("not_running", "the appliance is not running, so no certificate serves", "start it first")
    return desk.certificates


def _shape(desk: Desk, held: Certificates) -> CertificateAnswer:
    notices = [*held.notices(), *(desk.renewer.notices() if desk.renewer is not None else ())]
    order = desk.renewer.shown() if desk.renewer is not None else None
    return {"certificate": held.shown(), "notices": notices, "order": order}


def show(desk: Desk, _: Any) -> CertificateAnswer:
    """certificate.show: `order` is the one that stands with an authority."""
    return _shape(desk, _held(desk))


def put(desk: Desk, args: Brought) -> CertificateAnswer:
    """certificate.set: it serves from the next connection on. An order that has brought none so far is forgotten."""
    held = _held(desk)
    before = held.fingerprint
    held.put(args.pem.encode())
    if desk.renewer is not None and desk.renewer.was_brought():
        desk.store.note(desk.who, "certificate.forget", "certificate", "", "")
    desk.store.note(desk.who, "certificate.set", "certificate", before, held.fingerprint)
    return _shape(desk, held)


def remove(desk: Desk, _: Any) -> CertificateAnswer:
    """certificate.remove: back to the appliance's own."""
    held = _held(desk)
    before = held.fingerprint
    if not held.drop():
        raise WireError("not_found", "there is no certificate of yours: the appliance's own serves")
    desk.store.note(desk.who, "certificate.remove", "certificate", before, held.fingerprint)
    return _shape(desk, held)


def renew(desk: Desk, _: Any) -> CertificateAnswer:
    """certificate.renew: the appliance's own, with a new key and today's names."""
    held = _held(desk)
    before = held.fingerprint
    if held.shown().own:
        raise WireError("invalid", "your own certificate serves, not the appliance's", "remove yours first")
    held.renew()
    desk.store.note(desk.who, "certificate.renew", "certificate", before, held.fingerprint)
    return _shape(desk, held)


def request(desk: Desk, args: RequestFor) -> CsrAnswer:
    """certificate.csr: the key stays here until the certificate is brought."""
    domain = desk.settings.localdomain
    names = _names(args.names, domain)
    made = _held(desk).request(names)
    desk.store.note(desk.who, "certificate.csr", "certificate", "", " ".join(names))
    return {"csr": made, "names": list(names)}


def _names(given: tuple[str, ...], domain: str) -> tuple[str, ...]:
    names = given or ((domain,) if domain else ())
    if not names:
        raise WireError("invalid", "a request needs a name", "name one, or set localdomain")
    for name in names:
        if not is_domain(name.removeprefix("*.")):
            raise WireError("invalid", f"{name[:80]!r} is no DNS name")
    return names


def order(desk: Desk, args: OrderAt) -> CertificateAnswer:
    """certificate.order: it is ordered at once beside the work, and renewed from now on; `certificate.show` tells what
    became of it."""
    held, renewer = _held(desk), _renewer(desk)
    _check_directory(args.directory)
    if args.email and not is_email(args.email):
        raise WireError("invalid", f"{args.email[:80]!r} is no mail address", "give one, or none")
    if not args.agreed:
        hint = f"read them at {urlsplit(args.directory).hostname}, then say that you agree"
        raise WireError("invalid", "the authority's terms must be agreed to", hint)
    names = tuple(name.lower() for name in _names(args.names, desk.settings.localdomain))
    if starred := next((name for name in names if name.startswith("*")), ""):
        hint = "name every name by itself, or bring a certificate of your own"
        raise WireError("invalid", f"{starred} cannot be proven over HTTP", hint)
    _check_port(desk.settings)
    renewer.order(args.directory, args.email, names)
    desk.store.note(desk.who, "certificate.order", "certificate", "", f"{' '.join(names)} at {args.directory}")
    return _shape(desk, held)


def forget(desk: Desk, _: Any) -> CertificateAnswer:
    """certificate.forget: nothing is ordered any more; what was issued serves until it ends."""
    held, renewer = _held(desk), _renewer(desk)
    standing = renewer.shown()
    if standing is None or not renewer.forget():
        raise WireError("not_found", "no certificate is ordered")
    desk.store.note(desk.who, "certificate.forget", "certificate", standing.directory, "")
    return _shape(desk, held)


def _renewer(desk: Desk) -> Renewer:
    if desk.renewer is None:
        raise WireError("not_running", "the appliance is not running, so nothing can be ordered", "start it first")
    return desk.renewer


def _check_directory(address: str) -> None:
    """Raises WireError for what is no https address."""
    try:
        parts = urlsplit(address)
        good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    if not good or len(address) > MOST_ADDRESS or not address.isprintable() or " " in address:
        hint = "such as https://acme-v02.api.letsencrypt.org/directory"
        raise WireError("invalid", f"{address[:80]!r} is not the https address of an ACME directory", hint)


def _check_port(settings: Settings) -> None:
    """Raises WireError where an authority that asks could hear nothing: it asks in the clear, at port 80."""
    if not settings.localhttpport:
        hint = "set localhttpport to 80, or to a port that your router leads port 80 to"
        raise WireError("invalid", "an authority asks at port 80, and no plain port is open (localhttpport)", hint)
    if settings.forcetls >= STRICT:
        hint = "set forcetls to 2: everything else is redirected to https all the same"
        raise WireError("invalid", "an authority asks in the clear, and forcetls 3 closes the plain port", hint)


def reload(desk: Desk, _: Any) -> CertificateAnswer:
    """certificate.reload: read the files now."""
    held = _held(desk)
    held.reload()
    return _shape(desk, held)
