"""Verbs about trunks and routes. A trunk's password is taken and never given out."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from appliance.wire import WireError
from pysrv.billing.number import prefix_digits
from pysrv.control.accounts import Named
from pysrv.control.answer import Removed
from pysrv.control.desk import Desk, not_found
from pysrv.service.trunk_watch import TrunkHealth
from pysrv.store.rows import NewTrunk, Route, Trunk


@dataclass(frozen=True, slots=True)
class RouteArgs:
    """Numbers that start with `prefix` (empty: all)."""

    prefix: str = ""
    priority: int = 100
    strip: int = 0
    prepend: str = ""

    def route(self) -> Route:
        """As the store has it."""
        if self.prefix == "00":
            hint = "00 and + are taken off before a route is chosen: name the country, or 'all'"
            raise WireError("invalid", "no number begins with 00", hint)
        return Route(prefix_digits(self.prefix), self.priority, self.strip, self.prepend)


@dataclass(frozen=True, slots=True)
class AddTrunk:
    """A new trunk."""

    name: str
    host: str
    port: int = 5060
    transport: str = "udp"
    user: str = ""
    password: str = field(default="", repr=False)
    routes: tuple[RouteArgs, ...] = ()
    inbound: tuple[str, ...] = ()
    max_channels: int = 0
    deck: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TrunkChanges:
    """What may change; None stays."""

    host: str | None = None
    port: int | None = None
    transport: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    inbound: tuple[str, ...] | None = None
    max_channels: int | None = None
    deck: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class SetTrunk:
    """Changes of one trunk."""

    name: str
    changes: TrunkChanges


@dataclass(frozen=True, slots=True)
class AddRoute:
    """A route over a trunk; one of the same prefix is replaced."""

    name: str
    route: RouteArgs


@dataclass(frozen=True, slots=True)
class DropRoute:
    """A route to take away."""

    name: str
    prefix: str


class TrunkShown(TypedDict):
    """A trunk. `inbound`: addresses and networks from which it calls us; `deck` is what it costs us (empty: not known);
    `max_channels` 0: no ceiling."""

    id: int
    name: str
    host: str
    port: int
    transport: str
    user: str
    routes: tuple[Route, ...]
    inbound: tuple[str, ...]
    max_channels: int
    deck: str
    enabled: bool
    has_password: bool


class TrunkRow(TrunkShown):
    """A trunk, how many `calls` run over it now, and what it did with the last ones; `health` null: no service runs."""

    calls: int
    health: TrunkHealth | None


class TrunkAnswer(TypedDict):
    """A trunk as it is now."""

    trunk: TrunkShown


class TrunksAnswer(TypedDict):
    """Trunks."""

    trunks: list[TrunkRow]


class RoutesAnswer(TypedDict):
    """Routes over one trunk."""

    routes: tuple[Route, ...]


def shape(trunk: Trunk) -> TrunkShown:
    """A trunk without its password."""
    return {
        "id": trunk.id,
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport,
        "user": trunk.user,
        "routes": trunk.routes,
        "inbound": trunk.inbound,
        "max_channels": trunk.max_channels,
        "deck": trunk.deck,
        "enabled": trunk.enabled,
        "has_password": bool(trunk.password),
    }


def _found(desk: Desk, name: str) -> Trunk:
    trunk = desk.store.trunk(name)
    if trunk is None:
        raise not_found("trunk", name)
    return trunk


def _changed(desk: Desk, trunk: Trunk) -> TrunkAnswer:
    desk.after_commit(lambda live: live.trunks_changed())
    return {"trunk": shape(trunk)}


def check_trunk(desk: Desk, name: str, host: str | None, deck: str | None) -> None:
    """Refuse what the store cannot know to be wrong. Raises WireError."""
    if host and host.replace(".", "").isdigit() and not _is_address(host):
        raise WireError("invalid", f"{name}: host {host!r} is no IPv4 address", "four numbers up to 255, or a name")
    if deck and deck not in {each.name for each in desk.store.decks()}:
        raise not_found("rate deck", deck)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def add(desk: Desk, args: AddTrunk) -> TrunkAnswer:
    """trunks.add"""
    check_trunk(desk, args.name, args.host, args.deck)
    values = {name: getattr(args, name) for name in AddTrunk.__slots__} | {
        "routes": tuple(r.route() for r in args.routes)
    }
    return _changed(desk, desk.store.add_trunk(NewTrunk(**values), desk.who))


def list_all(desk: Desk, _: Any) -> TrunksAnswer:
    """trunks.list: `calls` run over it now; `health` is what it did with the last ones, while the service runs."""
    carried = desk.store.trunk_calls()
    return {"trunks": [_row(desk, trunk, carried) for trunk in desk.store.trunks()]}


def _row(desk: Desk, trunk: Trunk, carried: Mapping[str, int]) -> TrunkRow:
    health = desk.live.trunk_health(trunk.name) if desk.live is not None else None
    return {**shape(trunk), "calls": carried.get(trunk.name, 0), "health": health}


def change(desk: Desk, args: SetTrunk) -> TrunkAnswer:
    """trunks.set"""
    check_trunk(desk, args.name, args.changes.host, args.changes.deck)
    values = {name: getattr(args.changes, name) for name in TrunkChanges.__slots__}
    changes = {name: value for name, value in values.items() if value is not None}
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, **changes))


def remove(desk: Desk, args: Named) -> Removed:
    """trunks.remove"""
    desk.store.remove_trunk(args.name, desk.who)
    desk.after_commit(lambda live: live.trunks_changed())
    return {"removed": args.name}


def routes(desk: Desk, args: Named) -> RoutesAnswer:
    """trunks.routes"""
    return {"routes": _found(desk, args.name).routes}


def add_route(desk: Desk, args: AddRoute) -> TrunkAnswer:
    """trunks.route"""
    new = args.route.route()
    kept = [route for route in _found(desk, args.name).routes if route.prefix != new.prefix]
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, routes=(*kept, new)))


def drop_route(desk: Desk, args: DropRoute) -> TrunkAnswer:
    """trunks.unroute"""
    before, prefix = _found(desk, args.name).routes, prefix_digits(args.prefix)
    kept = tuple(route for route in before if route.prefix != prefix)
    if len(kept) == len(before):
        raise WireError("not_found", f"{args.name} has no route for {args.prefix or 'all numbers'}")
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, routes=kept))
