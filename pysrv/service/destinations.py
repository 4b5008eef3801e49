"""Where a dialled name or number leads: users of this server, trunks fit for its price, other people's domains."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.config.settings import Settings
from pysrv.billing import number as numbers
from pysrv.calls.plan import Target, TargetKind, TrunkCredentials
from pysrv.calls.registrar import Registrar
from pysrv.limits.facts import Destination, DestinationKind
from pysrv.service.domains import MOST_SHOWN, Domains
from pysrv.service.entry import Caller
from pysrv.service.journal import visible
from pysrv.service.pricing import NOTHING, Prices, Pricing
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import SECURE, Flow
from pysrv.sip.grammar import unescape
from pysrv.sip.uri import Uri, escape_user
from pysrv.store import Store
from pysrv.store.account import Account
from pysrv.store.rows import Route, Trunk

ABSENT, NO_CIRCUIT, OUT_OF_ORDER = 20, 34, 38  # Q.850
_log = logging.getLogger("pysrv.calls")


@dataclass(frozen=True, slots=True)
class Dialled:
    """Where a dialled name or number leads: policy's view of it, and the places to try, group by group."""

    destination: Destination
    groups: tuple[tuple[Target, ...], ...]
    full: tuple[str, ...] = ()  # trunks left out, because all their channels are taken
    prices: Prices = NOTHING


class Destinations:
    """Places by what was dialled. `channels` says how many calls a trunk carries now."""

    def __init__(
        self,
        store: Store,
        registrar: Registrar,
        pricing: Pricing,
        world: Surroundings,
        settings: Callable[[], Settings],
        channels: Callable[[str], int],
    ) -> None:
        self._store, self._registrar, self._pricing = store, registrar, pricing
        self._world, self._settings, self._channels = world, settings, channels
        self._domains = Domains(store, world, settings)

    def number(self, uri: Uri, caller: Caller) -> str | None:
        """The number that was dialled here, in bare digits; None: a name, or somebody else's domain."""
        return None if self._domains.foreign(uri) else numbers.normalise(caller.dialled(user_of(uri)))

    def of(self, uri: Uri, caller: Caller, now: float) -> Dialled:
        """Where a Request-URI leads, without the caller's tech prefix: here, or to somebody else's domain."""
        dialled = caller.dialled(user_of(uri))
        bare = numbers.normalise(dialled)
        domain = self._domains.foreign(uri)
        if not domain or bare in self._settings().emergencynumbers:
            found = self.resolve(dialled, now, caller.account)
            return replace(found, groups=_secured(found.groups)) if uri.scheme == b"sips" else found
        where, target = self._domains.destination(uri, dialled, domain, now)
        prices = self._pricing.beyond(caller.account, bare or "", self._world.clock.wall())
        return Dialled(where, ((target,),) if target is not None else (), prices=prices)

    def resolve(self, dialled: str, now: float, payer: Account | None = None) -> Dialled:
        """A user of ours by name or number, else the trunks for the number that are fit for its payer's price."""
        bare = numbers.normalise(dialled)
        shown = bare or dialled[:MOST_SHOWN]
        account = self._store.account(dialled) or (self._store.account_by_number(bare) if bare else None)
        if account is not None:
            group = tuple(
                Target(binding.flow, binding.contact, label="binding")
                for binding in self._registrar.bindings(account.name, self._world.clock.wall())
            )
            return Dialled(Destination(DestinationKind.LOCAL, shown, account, foreign=False), (group,) if group else ())
        prices = self._pricing.of(payer, bare, self._world.clock.wall()) if bare else NOTHING
        kind = DestinationKind.TRUNK if prices.ways else DestinationKind.UNKNOWN
        fit = [way for way in prices.ways if not way.complaints]
        full = tuple(way.trunk.name for way in fit if self._is_full(way.trunk))
        open_ = [way for way in fit if way.trunk.name not in full]
        found = [(target,) for way in open_ if (target := self._over(way.trunk, way.route, bare or "", now))]
        return Dialled(Destination(kind, shown), tuple(found), full, prices)

    def _is_full(self, trunk: Trunk) -> bool:
        return bool(trunk.max_channels) and self._channels(trunk.name) >= trunk.max_channels

    def _over(self, trunk: Trunk, route: Route, number: str, now: float) -> Target | None:
        """The target that a trunk's route makes; None while its host has no address or no route leads there."""
        address = self._world.resolve(trunk.host)
        local = self._world.facing(address, now) if address else None
        if address is None or local is None:
            _log.warning(
                "trunk %s cannot be reached: %s has no %s", trunk.name, trunk.host, "route" if address else "address"
            )
            return None
        flow = Flow(trunk.transport, (local, self._port(trunk.transport)), (address, trunk.port))
        host = b"[%b]" % trunk.host.encode() if ":" in trunk.host else trunk.host.encode()
        uri = Uri(b"sip", escape_user(route.rewrite(number).encode()), host, trunk.port)
        credentials = TrunkCredentials(trunk.user, trunk.password) if trunk.user else None
        return Target(flow, uri, label=trunk.name, kind=TargetKind.TRUNK, credentials=credentials, assert_identity=True)

    def _port(self, transport: str) -> int:
        """Where answers and later requests come to."""
        return self._settings().tls_port or self._world.sip_port if transport == "tls" else self._world.sip_port


def here(number: str) -> Dialled:
    """An access number, as policy sees it: a user of this server without a telephone."""
    return Dialled(Destination(DestinationKind.LOCAL, number, foreign=False), ())


def trunks(dialled: Dialled) -> tuple[str, ...]:
    """The trunks that a call may go out over."""
    return tuple(target.label for group in dialled.groups for target in group if target.kind is TargetKind.TRUNK)


def _secured(groups: tuple[tuple[Target, ...], ...]) -> tuple[tuple[Target, ...], ...]:
    """What a sips URI may lead to: nobody who is reached in the clear (RFC 3261 26.2.2, RFC 5630 section 3.1)."""
    kept = (tuple(target for target in group if target.flow.transport in SECURE) for group in groups)
    return tuple(group for group in kept if group)


def absence(dialled: Dialled) -> tuple[tuple[int, int], str, str]:
    """Why nobody can be reached: cause and status, the sentence, and the setting if there is one."""
    where = dialled.destination
    if where.account is not None:
        return (ABSENT, 480), f"{where.account.name} has no registered device", ""
    if where.domain:
        return (OUT_OF_ORDER, 503), f"{where.domain} has no address yet, or no route leads there", ""
    if dialled.full:
        return (NO_CIRCUIT, 503), f"all channels of {', '.join(dialled.full)} are taken", "channels"
    return (OUT_OF_ORDER, 503), f"no trunk for {where.number} can be reached", ""


def user_of(uri: Uri) -> str:
    """The user part of a URI as people write it, fit to be shown and stored."""
    return visible(unescape(uri.user or b"").decode("utf-8", "replace"))
