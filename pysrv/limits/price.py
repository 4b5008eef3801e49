"""What is asked about a call's price before it goes out: is there one, is it sure, does it pay. Pure.

BILLED and PROFIT are the tables of blocknotbilledcalls and blocknotprofitablecalls: each row is one thing that a value
and all higher ones refuse. Payers are asked once; routes are asked each, and those that fall are left out. When none is
left, the call is refused by what the first one fell for. docs/billing.md shows an example for every value.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from pysrv.billing import money
from pysrv.billing.quote import Margin, Match, Quote
from pysrv.limits.decision import Figures


class PriceSettings(Protocol):
    """The settings that are read here, by their names. Money in micro-units."""

    @property
    def blocknotbilledcalls(self) -> int: ...
    @property
    def blocknotprofitablecalls(self) -> int: ...
    @property
    def blockhighcostcalls(self) -> int: ...


@dataclass(frozen=True, slots=True)
class RouteCost:
    """A trunk that could carry the call: what it costs in the base currency, and what everybody earns over it.

    `margins`: the nearest reseller's first, the owner's last.
    """

    trunk: str
    cost: Quote
    margins: tuple[Margin, ...] = ()


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a price or a route will not do."""

    setting: str
    sentence: str
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """From value `since` of the setting on, what `finds` finds is refused. `example` is for the documents."""

    since: int
    refuses: str
    example: str
    payers: Callable[[Sequence[Quote]], str] | None = None
    route: Callable[[RouteCost], str] | None = None


def _without_price(quotes: Sequence[Quote]) -> str:
    return quotes[0].sentence if quotes[0].rate is None else ""


def _inexact(quotes: Sequence[Quote]) -> str:
    first = quotes[0]
    return "" if first.rate is None or first.match is Match.EXACT else f"{first.sentence}: a longer one is known"


def _not_own(quotes: Sequence[Quote]) -> str:
    first = quotes[0]
    return f"{first.sentence}: not its own" if first.inherited else ""


def _unknown_cost(route: RouteCost) -> str:
    return f"trunk {route.cost.sentence}" if route.cost.rate is None else ""


def _parent_without_price(quotes: Sequence[Quote]) -> str:
    return next((quote.sentence for quote in quotes[1:] if quote.rate is None), "")


def _margin(judged: Callable[[int | None], bool]) -> Callable[[RouteCost], str]:
    def found(route: RouteCost) -> str:
        bad = next((margin for margin in route.margins if judged(margin.amount)), None)
        return f"over trunk {route.trunk} {bad.sentence}" if bad is not None else ""

    return found


BILLED: Final = (
    Rule(
        1,
        "the account's deck has no price for the number",
        "deck: 49; the call to 33144 is refused, 49301 passes",
        payers=_without_price,
    ),
    Rule(
        2,
        "the prefix that prices it is not exact: some deck in force knows a longer one",
        "deck: 49; a carrier's deck: 49171; the call to 49171555 is refused, 49301 passes",
        payers=_inexact,
    ),
    Rule(
        3,
        "the price comes from the deck of an account above (reuseuppergep)",
        "shop has no price for 33, its reseller has; the call to 33144 is refused",
        payers=_not_own,
    ),
    Rule(
        4,
        "the trunk's own tariff has no price: routes without one are left out",
        "trunk carrier has no deck, or one without 49; it is left out",
        route=_unknown_cost,
    ),
    Rule(
        5,
        "an account above has no price in its own tariff: the owner would pay for it",
        "shop has 49, its reseller has not; the call to 49301 is refused",
        payers=_parent_without_price,
    ),
)
PROFIT: Final = (
    Rule(
        1,
        "somebody pays more than it gets: the owner, or a reseller",
        "price 0.02, cost 0.03 per minute: the route is left out",
        route=_margin(lambda amount: amount is not None and amount < 0),
    ),
    Rule(
        2,
        "or just as much",
        "price 0.02, cost 0.02: the route is left out",
        route=_margin(lambda amount: amount == 0),
    ),
    Rule(
        3,
        "or price or cost is not known",
        "price 0.02, the trunk has no deck: the route is left out",
        route=_margin(lambda amount: amount is None),
    ),
)


def billed(quotes: Sequence[Quote], settings: PriceSettings) -> Complaint | None:
    """What is wrong with the payers' prices, the caller's account first; None: nothing."""
    for rule in BILLED if quotes else ():
        if rule.since <= settings.blocknotbilledcalls and rule.payers is not None and (found := rule.payers(quotes)):
            return Complaint("blocknotbilledcalls", found, {"blocknotbilledcalls": settings.blocknotbilledcalls})
    return None


def complaints(route: RouteCost, settings: PriceSettings, report_only: Collection[str] = ()) -> tuple[Complaint, ...]:
    """Why a route is left out, at most one for each setting that is enforced; nothing: it may carry the call."""
    asked = (_of_cost(route, settings), _of_price(route, settings), _of_profit(route, settings))
    return tuple(each for each in asked if each is not None and each.setting not in report_only)


def _of_cost(route: RouteCost, settings: PriceSettings) -> Complaint | None:
    return _too_dear(route, settings.blockhighcostcalls)


def _of_price(route: RouteCost, settings: PriceSettings) -> Complaint | None:
    return _first(route, "blocknotbilledcalls", settings.blocknotbilledcalls, BILLED)


def _of_profit(route: RouteCost, settings: PriceSettings) -> Complaint | None:
    return _first(route, "blocknotprofitablecalls", settings.blocknotprofitablecalls, PROFIT)


def _first(route: RouteCost, setting: str, value: int, rules: Sequence[Rule]) -> Complaint | None:
    for rule in rules:
        if rule.since <= value and rule.route is not None and (found := rule.route(route)):
            return Complaint(setting, found, {setting: value, "trunk": route.trunk})
    return None


def none_left(
    setting: str, routes: Sequence[RouteCost], settings: PriceSettings, report_only: Collection[str] = ()
) -> Complaint | None:
    """The complaint of a setting that leaves no route; None: another setting does, or one is left.

    A setting that only reports is asked alone, as if it were enforced; the others are asked together, and what the
    first route fell for is named.
    """
    alone = setting in report_only
    others = {each for each in ROUTE_SETTINGS if each != setting} if alone else report_only
    found = [complaints(route, settings, others) for route in routes]
    if not found or not all(found):
        return None
    return found[0][0] if found[0][0].setting == setting else None


def _too_dear(route: RouteCost, most: int) -> Complaint | None:
    if not most:
        return None
    rate, setting = route.cost.rate, "blockhighcostcalls"
    if rate is None:
        return Complaint(setting, f"trunk {route.cost.sentence}", {"trunk": route.trunk, setting: most})
    cost = rate.paid_per_minute
    if cost <= most:
        return None
    words = f"trunk {route.trunk} costs {money.format(cost)}/min, {setting} is {money.format(most)}"
    return Complaint(setting, words, {"trunk": route.trunk, "per_minute": cost, setting: most})


ROUTE_SETTINGS: Final = ("blockhighcostcalls", "blocknotbilledcalls", "blocknotprofitablecalls")
"""In the order in which a route is asked."""


@dataclass(frozen=True, slots=True)
class Exactness:
    """For whom a price is taken only from an exact match: whether for resellers, and whether for everybody else."""

    resellers: bool
    others: bool
    example: str


EXACT_MATCH: Final = {
    0: Exactness(False, False, "49171555 is priced by 49"),
    1: Exactness(True, False, "the reseller has no price for it, its customer has"),
    2: Exactness(True, True, "nobody has a price for it; 4930 is priced by 49"),
}
"""vgetpriceexactmatch, where decks know 49, and a carrier's deck 49171 too."""


class Severity(StrEnum):
    """How loudly something is said."""

    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Loudness:
    """`priority` is the class of an error in the log: 1 is looked at first."""

    severity: Severity
    priority: int


NOT_BILLED: Final = {
    0: Loudness(Severity.ERROR, 2),
    1: Loudness(Severity.ERROR, 1),
    2: Loudness(Severity.CRITICAL, 1),
}
"""notbilledcallerr: how serious a call without a price is."""
