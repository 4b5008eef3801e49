"""The table of sections: what each holds, which fields make an entry's place, how entries are read, put and taken.

Entries are compared as `shapes`, in one writing for each value (`tidy`): networks in their canonical form, times in
UTC, routes in the order in which they are kept. Putting and taking an entry goes through what the single verb of it
does, so that the same things are refused and the audit trail reads the same. Settings, decks and the blacklist, which
are not a few objects each, are read and put beside it.
"""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from appliance import wire
from appliance.wire import WireError
from pysrv.billing import exchange
from pysrv.billing.deck import instant
from pysrv.billing.tariff import percent
from pysrv.control import currencies, firewall, routing, security
from pysrv.control.accounts import Named
from pysrv.control.configuration.shapes import Allowed, Banned, Currency, ReportOnly, Route, Tax, Trunk
from pysrv.control.desk import Desk
from pysrv.control.firewall import NewRule
from pysrv.store.rows import NewTrunk
from pysrv.store.rows import Route as StoredRoute
from pysrv.store.rows import Trunk as StoredTrunk

MOST_WORDS: Final = 200


def stamp(at: float) -> str:
    """Unix seconds as a document has them; empty: 0."""
    return datetime.fromtimestamp(at, UTC).isoformat() if at else ""


def seconds(text: str) -> float:
    """The other way round. Raises DateError."""
    return instant(text, UTC)


@dataclass(frozen=True, slots=True)
class Section:
    """One row. `keys` are the fields that make an entry's place; `put` is told the entry there before it."""

    name: str
    shape: type[Any]
    keys: tuple[str, ...]
    tidy: Callable[[Any], Any]
    held: Callable[[Desk], Iterable[Any]]
    put: Callable[[Desk, Any, Any | None], object]
    drop: Callable[[Desk, Any], object]

    def place(self, entry: Any) -> tuple[Any, ...]:
        """Where an entry stands: there is one at each place."""
        return tuple(getattr(entry, name) for name in self.keys)

    def label(self, entry: Any) -> str:
        """An entry's name for people."""
        return " ".join(str(value) for value in self.place(entry) if value not in ("", 0, "any"))[:MOST_WORDS]


def _tidy_currency(entry: Currency) -> Currency:
    exchange.parse(entry.rate)
    return Currency(exchange.currency(entry.code), entry.rate.strip(), stamp(seconds(entry.valid_from)))


def _currencies(desk: Desk) -> Iterable[Currency]:
    return [Currency(row.code, row.rate, stamp(row.valid_from)) for row in desk.store.currencies()]


def _put_currency(desk: Desk, entry: Currency, _: Any) -> object:
    return currencies.change(desk, currencies.SetCurrency(entry.code, entry.rate, entry.valid_from))


def _drop_currency(desk: Desk, entry: Currency) -> None:
    if sum(row.code == entry.code for row in desk.store.currencies()) > 1:
        desk.store.remove_currency_rate(entry.code, seconds(entry.valid_from), desk.who)
    else:
        desk.store.remove_currency(entry.code, desk.who)


def _tidy_tax(entry: Tax) -> Tax:
    return replace(entry, percent=percent(exchange.tax_ppm(entry.percent)))


def _taxes(desk: Desk) -> Iterable[Tax]:
    return [Tax(row.name, percent(row.ppm), row.note) for row in desk.store.taxes()]


def _put_tax(desk: Desk, entry: Tax, _: Any) -> object:
    return currencies.set_tax(desk, currencies.SetTax(entry.name, entry.percent, entry.note))


def _drop_tax(desk: Desk, entry: Tax) -> object:
    return currencies.remove_tax(desk, currencies.TaxNamed(entry.name))


def _tidy_trunk(entry: Trunk) -> Trunk:
    inbound = (ipaddress.ip_network(each.strip()) for each in entry.inbound)
    routes = [
        Route(row.prefix, row.priority, row.strip, row.prepend)
        for each in entry.routes
        for row in (routing.RouteArgs(each.prefix, each.priority, each.strip, each.prepend).route(),)
    ]
    return replace(
        entry,
        inbound=tuple(security.canonical(str(each)) for each in sorted(inbound, key=str)),
        routes=tuple(sorted(routes, key=lambda route: (route.prefix, route.priority))),
    )


def _trunks(desk: Desk) -> Iterable[Trunk]:
    return [_trunk(trunk) for trunk in desk.store.trunks()]


def _trunk(held: StoredTrunk) -> Trunk:
    return Trunk(
        held.name, held.host, held.port, held.transport, held.user, held.password, held.inbound, held.max_channels,
        held.deck, held.enabled, tuple(Route(r.prefix, r.priority, r.strip, r.prepend) for r in held.routes),
    )  # fmt: skip


def _put_trunk(desk: Desk, entry: Trunk, before: Trunk | None) -> None:
    routing.check_trunk(desk, entry.name, entry.host, entry.deck)
    values: dict[str, Any] = {
        name: getattr(entry, name)
        for name in Trunk.__slots__
        if name not in ("name", "routes") and (before is None or getattr(entry, name) != getattr(before, name))
    }
    if before is None or entry.routes != before.routes:
        values["routes"] = tuple(
            StoredRoute(*(getattr(each, name) for name in Route.__slots__)) for each in entry.routes
        )
    if before is None:
        desk.store.add_trunk(NewTrunk(entry.name, **values | {"password": entry.password or ""}), desk.who)
    else:
        desk.store.set_trunk(entry.name, who=desk.who, **values)
    desk.after_commit(lambda live: live.trunks_changed())


def _drop_trunk(desk: Desk, entry: Trunk) -> object:
    return routing.remove(desk, Named(entry.name))


def _tidy_rule(entry: NewRule) -> NewRule:
    made = firewall.shaped(entry, "")
    return NewRule(made.action, made.prefix, made.country, made.protocol, made.port, made.note)


def _rules(desk: Desk) -> Iterable[NewRule]:
    rows = desk.store.firewall_rules()
    return [NewRule(row.action, row.prefix, row.country, row.protocol, row.port, row.note) for row in rows]


def _put_rule(desk: Desk, entry: NewRule, _: Any) -> None:
    desk.store.add_firewall_rule(firewall.spared(desk, firewall.shaped(entry, desk.who)))
    desk.after_commit(lambda live: live.policy_changed())


def _drop_rule(desk: Desk, entry: NewRule) -> object:
    place = entry.prefix, entry.country, entry.protocol, entry.port
    rows = desk.store.firewall_rules()
    ids = (row.id for row in rows if (row.prefix, row.country, row.protocol, row.port) == place)
    return firewall.remove(desk, firewall.RemoveRules((next(ids),)))


def _verdicts(desk: Desk) -> Iterable[ReportOnly]:
    return [ReportOnly(verdict) for verdict in desk.store.report_only()]


def _put_verdict(desk: Desk, entry: ReportOnly, _: Any) -> object:
    return firewall.report_only(desk, firewall.ReportOnly((entry.verdict,), True))


def _drop_verdict(desk: Desk, entry: ReportOnly) -> object:
    return firewall.report_only(desk, firewall.ReportOnly((entry.verdict,), False))


def _tidy_source(entry: Any) -> Any:
    ends = stamp(seconds(entry.expires_at))
    return replace(entry, prefix=security.canonical(entry.prefix), reason=entry.reason[:200], expires_at=ends)


def _allows(desk: Desk) -> Iterable[Allowed]:
    rows = desk.store.allows()
    return [Allowed(row.prefix, wire.SourceClass(row.kind), row.reason, stamp(row.expires_at)) for row in rows]


def _put_allow(desk: Desk, entry: Allowed, _: Any) -> object:
    return security.add_allow(desk, wire.Source(entry.prefix, entry.kind, seconds(entry.expires_at), entry.reason))


def _drop_allow(desk: Desk, entry: Allowed) -> object:
    return security.remove_allow(desk, wire.Prefix(entry.prefix))


def _bans(desk: Desk) -> Iterable[Banned]:
    rows = desk.store.bans()
    by_hand = (row for row in rows if row.who and not row.port)  # who: the office's own have none
    return [Banned(row.prefix, row.rule, row.reason, stamp(row.expires_at)) for row in by_hand]


def _put_ban(desk: Desk, entry: Banned, _: Any) -> object:
    return security.add_ban(desk, wire.Ban(entry.prefix, seconds(entry.expires_at), entry.rule, entry.reason))


def _drop_ban(desk: Desk, entry: Banned) -> object:
    return security.remove_ban(desk, wire.Prefix(entry.prefix))


def _as_it_is(entry: ReportOnly) -> ReportOnly:
    return entry


CURRENCIES: Final = Section(
    "currencies", Currency, ("code", "valid_from"), _tidy_currency, _currencies, _put_currency, _drop_currency
)
TAXES: Final = Section("taxes", Tax, ("name",), _tidy_tax, _taxes, _put_tax, _drop_tax)
TRUNKS: Final = Section("trunks", Trunk, ("name",), _tidy_trunk, _trunks, _put_trunk, _drop_trunk)
FIREWALL: Final = Section(
    "firewall", NewRule, ("prefix", "country", "protocol", "port"), _tidy_rule, _rules, _put_rule, _drop_rule
)
REPORT_ONLY: Final = Section("report_only", ReportOnly, ("verdict",), _as_it_is, _verdicts, _put_verdict, _drop_verdict)
ALLOWED: Final = Section("allowed", Allowed, ("prefix",), _tidy_source, _allows, _put_allow, _drop_allow)
BANS: Final = Section("bans", Banned, ("prefix",), _tidy_source, _bans, _put_ban, _drop_ban)

SECTIONS: Final = (CURRENCIES, TAXES, TRUNKS, FIREWALL, REPORT_ONLY, ALLOWED, BANS)
"""Those of objects, as a document has them, between the settings and the blacklist."""
ENDING: Final = (ALLOWED, BANS)
"""Those whose entries end by themselves."""


def demand(found: bool, words: str, hint: str = "") -> None:
    """Raises WireError("invalid") unless it is so."""
    if not found:
        raise WireError("invalid", words, hint)


def free_networks(desk: Desk, changed: list[tuple[Trunk, Trunk | None]]) -> None:
    """Takes networks from trunks that lose them, where another trunk is going to have them: each belongs to one."""
    wanted = {network: entry.name for entry, _ in changed for network in entry.inbound}
    for entry, before in changed:
        if before is not None and any(wanted.get(each, entry.name) != entry.name for each in before.inbound):
            kept = tuple(each for each in before.inbound if each in entry.inbound)
            desk.store.set_trunk(entry.name, who=desk.who, inbound=kept)
