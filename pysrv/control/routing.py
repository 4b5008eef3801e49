"""Verbs about trunks, routes and rate decks. A trunk's password is taken and never given out."""

import ipaddress
from dataclasses import asdict, dataclass, field
from typing import Any

from appliance.wire import WireError
from pysrv.billing.number import prefix_digits
from pysrv.billing.tariff import Rate
from pysrv.control.accounts import Named
from pysrv.control.desk import Desk, not_found, written
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


@dataclass(frozen=True, slots=True)
class DeckNamed:
    """A rate deck."""

    deck: str


@dataclass(frozen=True, slots=True)
class DeckRows:
    """One piece of a deck: whole lines of CSV, the first of which is line `first_line` of the file."""

    first_line: int
    text: str


@dataclass(frozen=True, slots=True)
class RatesOf:
    """Part of a deck."""

    deck: str
    prefix: str = ""
    limit: int = 1000


def shape(trunk: Trunk) -> dict[str, Any]:
    """A trunk as JSON, without its password."""
    fields = asdict(trunk) | {"routes": [asdict(route) for route in trunk.routes], "inbound": list(trunk.inbound)}
    return {name: value for name, value in fields.items() if name != "password"} | {
        "has_password": bool(trunk.password)
    }


def rate_shape(rate: Rate) -> dict[str, Any]:
    """A rate as JSON; amounts as text."""
    return asdict(rate) | {"per_minute": written(rate.per_minute), "connect_fee": written(rate.connect_fee)}


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
    """trunks.list"""
    return {"trunks": [shape(trunk) for trunk in desk.store.trunks()]}


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


def import_begin(desk: Desk, args: DeckNamed) -> dict[str, Any]:
    """rates.begin: one import at a time for each connection."""
    desk.close()
    desk.import_id = desk.store.import_begin(args.deck)
    return {"deck": args.deck}


def _import(desk: Desk) -> int:
    if desk.import_id is None:
        raise WireError("conflict", "no import was begun on this connection")
    return desk.import_id


def import_rows(desk: Desk, args: DeckRows) -> dict[str, Any]:
    """rates.rows"""
    return {"rates": desk.store.import_rows(_import(desk), args.first_line, args.text)}


def import_commit(desk: Desk, _: Any) -> dict[str, Any]:
    """rates.commit"""
    deck = desk.store.import_commit(_import(desk), desk.who)
    desk.import_id = None
    return {"deck": deck.name, "rates": deck.rates}


def decks(desk: Desk, _: Any) -> dict[str, Any]:
    """rates.decks"""
    return {"decks": [asdict(deck) for deck in desk.store.decks()]}


def rates(desk: Desk, args: RatesOf) -> dict[str, Any]:
    """rates.list"""
    return {"deck": args.deck, "rates": [rate_shape(r) for r in desk.store.rates(args.deck, args.prefix, args.limit)]}


def remove_deck(desk: Desk, args: DeckNamed) -> dict[str, Any]:
    """rates.remove"""
    users = [account.name for account in desk.store.accounts() if account.deck == args.deck]
    if users:
        hint = "give them another deck first: 'appliance accounts set NAME --deck OTHER'"
        raise WireError("conflict", f"{args.deck} prices the calls of {', '.join(users[:5])}", hint)
    desk.store.remove_deck(args.deck, desk.who)
    return {"removed": args.deck}
