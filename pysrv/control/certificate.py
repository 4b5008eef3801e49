"""Verbs about the appliance's certificate: what serves, the operator's own, a request for an authority.

They need the running office: it alone holds what serves. The private key is taken and never given out.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.config.textual import is_domain
from appliance.wire import WireError
from pysrv.certificates.held import Certificates
from pysrv.control.desk import Desk


@dataclass(frozen=True, slots=True)
class Brought:
    """Key, certificate and chain as PEM; the key may be the one of a request that was made here."""

    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestFor:
    """The DNS names that are asked for; none: localdomain."""

    names: tuple[str, ...] = ()


def _held(desk: Desk) -> Certificates:
    if desk.certificates is None:
        raise WireError("not_running", "the appliance is not running, so no certificate serves", "start it first")
    return desk.certificates


def _shape(held: Certificates) -> dict[str, Any]:
    shown = asdict(held.shown())
    return {"certificate": shown | {"names": list(shown["names"])}, "notices": list(held.notices())}


def show(desk: Desk, _: Any) -> dict[str, Any]:
    """certificate.show"""
    return _shape(_held(desk))


def put(desk: Desk, args: Brought) -> dict[str, Any]:
    """certificate.set: it serves from the next connection on."""
    held = _held(desk)
    before = held.fingerprint
    held.put(args.pem.encode())
    desk.store.note(desk.who, "certificate.set", "certificate", before, held.fingerprint)
    return _shape(held)


def remove(desk: Desk, _: Any) -> dict[str, Any]:
    """certificate.remove: back to the appliance's own."""
    held = _held(desk)
    before = held.fingerprint
    if not held.drop():
        raise WireError("not_found", "there is no certificate of yours: the appliance's own serves")
    desk.store.note(desk.who, "certificate.remove", "certificate", before, held.fingerprint)
    return _shape(held)


def renew(desk: Desk, _: Any) -> dict[str, Any]:
    """certificate.renew: the appliance's own, with a new key and today's names."""
    held = _held(desk)
    before = held.fingerprint
    if held.shown().own:
        raise WireError("invalid", "your own certificate serves, not the appliance's", "remove yours first")
    held.renew()
    desk.store.note(desk.who, "certificate.renew", "certificate", before, held.fingerprint)
    return _shape(held)


def request(desk: Desk, args: RequestFor) -> dict[str, Any]:
    """certificate.csr: the key stays here until the certificate is brought."""
    domain = desk.settings.localdomain
    names = args.names or ((domain,) if domain else ())
    if not names:
        raise WireError("invalid", "a request needs a name", "name one, or set localdomain")
    for name in names:
        if not is_domain(name.removeprefix("*.")):
            raise WireError("invalid", f"{name[:80]!r} is no DNS name")
    made = _held(desk).request(names)
    desk.store.note(desk.who, "certificate.csr", "certificate", "", " ".join(names))
    return {"csr": made, "names": list(names)}


def reload(desk: Desk, _: Any) -> dict[str, Any]:
    """certificate.reload: read the files now."""
    held = _held(desk)
    held.reload()
    return _shape(held)
