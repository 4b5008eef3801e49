"""Calls to other domains: whether a Request-URI names one, and where the call then goes (fwdtootherdomains).

A domain is foreign only where our own is known (`localdomain`): without it phones may call us by any name. A literal
address is never foreign, because behind address translation we do not know the one that phones use; it is dialled like
our own. The target is what DNS says (A or AAAA; no NAPTR or SRV of RFC 3263), and it must be a public address: a name
leads neither into our networks nor back to us.
"""

import ipaddress
from collections.abc import Callable

from appliance.config.settings import Settings
from appliance.config.textual import is_domain
from pysrv.billing.number import normalise
from pysrv.calls.plan import Target, TargetKind
from pysrv.limits.facts import Destination, DestinationKind
from pysrv.limits.trusted import is_public
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import Flow
from pysrv.sip.grammar import unescape
from pysrv.sip.uri import DEFAULT_PORT, Uri, escape_user
from pysrv.store import Store

MOST_SHOWN = 64  # characters of a callee that records keep
LEAST_PORT = 1024  # below it are other services, which a caller must not make us talk to
LOCAL_SUFFIXES = ("local", "localhost", "internal", "lan", "home.arpa")


class Domains:
    """Knows which names are ours."""

    def __init__(self, store: Store, world: Surroundings, settings: Callable[[], Settings]) -> None:
        self._store, self._world, self._settings = store, world, settings

    def foreign(self, uri: Uri) -> str:
        """The other domain that a Request-URI names, in lower case; empty: it is ours."""
        own = self._settings().localdomain.lower().removesuffix(".")
        host = uri.host.decode("ascii", "replace").lower().removesuffix(".")
        if not own or not host or host == own or _is_address(host):
            return ""
        if host.endswith("." + own) or host in ("localhost", *(trunk.host.lower() for trunk in self._store.trunks())):
            return ""
        return host

    def destination(self, uri: Uri, dialled: str, domain: str, now: float) -> tuple[Destination, Target | None]:
        """What policy sees of a call there, and the target; None while the name has no address yet."""
        shown = normalise(dialled) or f"{dialled}@{domain}"[:MOST_SHOWN]
        address = self._address(domain) if self._settings().fwdtootherdomains else None
        barred = self._barred(uri, domain, address)
        where = Destination(DestinationKind.DOMAIN, shown, domain=domain, barred=barred)
        if barred or address is None:
            return where, None
        local = self._world.facing(address, now)
        if local is None:
            return where, None
        transport = "tcp" if (uri.param(b"transport") or b"").lower() == b"tcp" else "udp"
        flow = Flow(transport, (local, self._world.sip_port), (address, uri.port or DEFAULT_PORT))
        there = Uri(b"sip", escape_user(dialled.encode()), domain.encode("ascii", "ignore"), uri.port)
        return where, Target(flow, there, label=f"domain {domain}", kind=TargetKind.TRUNK)

    def _address(self, domain: str) -> str | None:
        return self._world.lookup(domain) if _may_be_asked(domain) else None

    def _barred(self, uri: Uri, domain: str, address: str | None) -> str:
        """Why no call goes there; empty: it may."""
        if uri.scheme != b"sip":
            return f"a {uri.scheme.decode('ascii', 'replace')} URI cannot be sent on"
        if not _may_be_asked(domain):
            return "it is no name of the public DNS"
        if uri.port is not None and uri.port < LEAST_PORT:
            return f"port {uri.port} is below {LEAST_PORT}"
        if b";" in unescape(uri.user or b""):
            return "what is dialled there has parameters"
        if address is not None and (not is_public(address) or address in self._world.host()):
            return f"{address} is no public address of somebody else"
        if address is not None and self._is_trunk(address):
            return f"{address} is a trunk's: its numbers are dialled here, where they have routes and prices"
        return ""

    def _is_trunk(self, address: str) -> bool:
        """Whether a carrier of ours is there: it would take our calls without asking what they cost."""
        hosts = (trunk.host for trunk in self._store.trunks())
        return self._store.trunk_by_address(address) is not None or address in map(self._world.resolve, hosts)


def _may_be_asked(domain: str) -> bool:
    return is_domain(domain) and "." in domain and not domain.endswith(tuple("." + end for end in LOCAL_SUFFIXES))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
