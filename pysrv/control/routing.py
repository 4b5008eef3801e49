"""Verbs about trunks and routes. A trunk's password is taken and never given out."""

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.wire import WireError
from pysrv.billing.number import prefix_digits
from pysrv.control.accounts import Named
from pysrv.control.desk import Desk, not_found
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


def shape(trunk: Trunk) -> dict[str, Any]:
    """A trunk as JSON, without its password."""
    fields = asdict(trunk) | {"routes": [asdict(route) for route in trunk.routes], "inbound": list(trunk.inbound)}
    return {name: value for name, value in fields.items() if name != "password"} | {
        "has_password": bool(trunk.password)
    }


def _found(desk: Desk, name: str) -> Trunk:
    trunk = desk.store.trunk(name)
    if trunk is None:
        raise not_found("trunk", name)
    return trunk


def _changed(desk: Desk, trunk: Trunk) -> dict[str, Any]:
    desk.after_commit(lambda live: live.trunks_changed())
    return {"trunk": shape(trunk)}


def _check_trunk(desk: Desk, name: str, host: str | None, deck: str | None) -> None:
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


def add(desk: Desk, args: AddTrunk) -> dict[str, Any]:
    """trunks.add"""
    _check_trunk(desk, args.name, args.host, args.deck)
    values = {name: getattr(args, name) for name in AddTrunk.__slots__} | {
        "routes": tuple(r.route() for r in args.routes)
    }
    return _changed(desk, desk.store.add_trunk(NewTrunk(**values), desk.who))


def list_all(desk: Desk, _: Any) -> dict[str, Any]:
    """trunks.list: `calls` run over it now; `health` is what it did with the last ones, while the service runs."""
    carried = desk.store.trunk_calls()
    return {"trunks": [shape(trunk) | _lately(desk, trunk, carried) for trunk in desk.store.trunks()]}


def _lately(desk: Desk, trunk: Trunk, carried: Mapping[str, int]) -> dict[str, Any]:
    health = asdict(desk.live.trunk_health(trunk.name)) if desk.live is not None else None
    return {"calls": carried.get(trunk.name, 0), "health": health}


def change(desk: Desk, args: SetTrunk) -> dict[str, Any]:
    """trunks.set"""
    _check_trunk(desk, args.name, args.changes.host, args.changes.deck)
    values = {name: getattr(args.changes, name) for name in TrunkChanges.__slots__}
    changes = {name: value for name, value in values.items() if value is not None}
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, **changes))


def remove(desk: Desk, args: Named) -> dict[str, Any]:
    """trunks.remove"""
    desk.store.remove_trunk(args.name, desk.who)
    desk.after_commit(lambda live: live.trunks_changed())
    return {"removed": args.name}


def routes(desk: Desk, args: Named) -> dict[str, Any]:
    """trunks.routes"""
    return {"routes": [asdict(route) for route in _found(desk, args.name).routes]}


def add_route(desk: Desk, args: AddRoute) -> dict[str, Any]:
    """trunks.route"""
    new = args.route.route()
    kept = [route for route in _found(desk, args.name).routes if route.prefix != new.prefix]
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, routes=(*kept, new)))


def drop_route(desk: Desk, args: DropRoute) -> dict[str, Any]:
    """trunks.unroute"""
    before, prefix = _found(desk, args.name).routes, prefix_digits(args.prefix)
    kept = tuple(route for route in before if route.prefix != prefix)
    if len(kept) == len(before):
        raise WireError("not_found", f"{args.name} has no route for {args.prefix or 'all numbers'}")
    return _changed(desk, desk.store.set_trunk(args.name, who=desk.who, routes=kept))
