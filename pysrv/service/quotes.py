"""What a call costs everybody: a quote for each payer from the account up to the owner, and one for each trunk.

Finds decks, classes, currencies and taxes in the store and hands pure quotes on. What is not known is no price: no
deck, no prefix, no exchange rate, no such tax; never a guess.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from fractions import Fraction
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from appliance.config.settings import Settings
from pysrv.billing.exchange import ONE, between
from pysrv.billing.quote import Margin, Match, Quote, for_payer, net
from pysrv.billing.tariff import PPM
from pysrv.billing.timeclass import TimeClass, TimePlan, plan_of, time_class
from pysrv.limits.price import EXACT_MATCH
from pysrv.store import Reader, Store
from pysrv.store.currencies import NO_TAX

RESELLER = "reseller"


class Payer(Protocol):
    """What is looked at in an account that pays."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def deck(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def tax(self) -> str: ...


class Carrier(Protocol):
    """What is looked at in a trunk."""

    @property
    def name(self) -> str: ...
    @property
    def deck(self) -> str: ...


@lru_cache(maxsize=8)
def _plan(peakhours: str, weekend: tuple[str, ...], holidays: tuple[str, ...]) -> TimePlan:
    return plan_of(peakhours, weekend, holidays)


def zone_of(settings: Settings) -> tzinfo:
    """Where days and hours of prices begin."""
    return _zone(settings.timezone or "UTC")


@lru_cache(maxsize=8)
def _zone(name: str) -> tzinfo:
    return ZoneInfo(name)


class Quotes:
    """`zone` is where days and hours of prices begin."""

    def __init__(
        self, store: Store | Reader, settings: Callable[[], Settings], zone: Callable[[], tzinfo] = lambda: UTC
    ) -> None:
        self._store, self._settings, self._zone = store, settings, zone
        self._class_memory: tuple[int, Settings, TimeClass] | None = None  # classes begin and end with a minute

    @property
    def base(self) -> str:
        """The base currency."""
        return self._settings().basecurrency or "EUR"

    def time_class(self, at: float) -> TimeClass:
        """Peak, off-peak, weekend or holiday."""
        settings, minute = self._settings(), int(at // 60)
        held = self._class_memory
        if held is None or held[0] != minute or held[1] is not settings:
            plan = _plan(settings.peakhours, settings.weekend, settings.holidays)
            held = self._class_memory = minute, settings, time_class(at, self._zone(), plan)
        return held[2]

    def sell(self, chain: Sequence[Payer], number: str, at: float) -> tuple[Quote, ...]:
        """A quote for each level, the caller's account first."""
        kind = self.time_class(at)
        return tuple(self._level(chain[place:], number, at, kind) for place in range(len(chain)))

    def buy(self, trunk: Carrier, number: str, at: float, currency: str = "") -> Quote:
        """What a trunk costs in a currency (the base one), without tax."""
        currency = currency or self.base
        return self._quote(trunk.name, trunk.name, trunk.deck, currency, number, at, self.time_class(at))

    def margins(self, sold: Sequence[Quote], cost: Quote, seconds: int, at: float) -> tuple[Margin, ...]:
        """What the resellers and, last, the owner earn on a call of so many seconds."""
        found: list[Margin] = []
        if not sold:
            return ()
        for quote, paid in zip(sold, (*sold[1:], cost), strict=True):
            exchange = self.exchange(quote.currency, paid.currency, at)
            earner = "" if paid is cost else paid.payer
            earned, spent = net(quote, seconds, exchange), net(paid, seconds, ONE)
            found.append(Margin(earner, earned, spent, paid.currency))
        return tuple(found)

    def exchange(self, from_: str, to: str, at: float) -> Fraction | None:
        """What one unit of a currency costs in another; None: not known."""
        return ONE if from_ == to else between(from_, to, self.base, self._store.exchange_rates(at))

    def deck(self, deck: str, number: str, at: float, currency: str = "", tax: str = "") -> Quote:
        """What somebody would pay who has this deck and currency."""
        kind = self.time_class(at)
        return self._quote(deck, deck, deck, currency, number, at, kind, tax=tax, taxed=True)

    def _level(self, chain: Sequence[Payer], number: str, at: float, kind: TimeClass) -> Quote:
        """The first payer's quote, from its own deck or, with reuseuppergep, from that of one above."""
        settings, payer = self._settings(), chain[0]
        exact = EXACT_MATCH[settings.vgetpriceexactmatch]
        wants_exact = exact.resellers if payer.type == RESELLER else exact.others
        first: Quote | None = None
        for owner in chain if settings.reuseuppergep else chain[:1]:
            quote = self._quote(
                payer.name, owner.name, owner.deck, payer.currency, number, at, kind, tax=payer.tax, taxed=True
            )
            if quote.rate is not None and wants_exact and quote.match is not Match.EXACT:
                why = f"prefix {quote.rate.prefix} of deck {quote.deck} is not exact (vgetpriceexactmatch)"
                quote = Quote(payer.name, quote.deck, None, Match.NONE, owner.name, payer.currency, why)
            if quote.rate is not None:
                return quote
            first = first or quote
        assert first is not None, "a chain has a payer"
        return first

    def _quote(
        self, payer: str, owner: str, deck: str, currency: str, number: str, at: float, kind: TimeClass, *,
        tax: str = "", taxed: bool = False,
    ) -> Quote:  # fmt: skip
        def none(why: str) -> Quote:
            return Quote(payer, deck, None, Match.NONE, owner, currency, why)

        if not deck:
            return none(f"{owner} has no rate deck")
        found = self._store.priced(deck, number, at, kind)
        if found is None:
            return none(f"there is no rate deck {deck} in force")
        currency = currency or found.deck.currency
        if found.rate is None:
            return none(f"deck {deck} has no rate for {number} ({kind})")
        exchange = self.exchange(found.deck.currency, currency, at)
        if exchange is None:
            return none(f"deck {deck} is in {found.deck.currency}, and there is no exchange rate to {currency}")
        name = (tax or found.deck.tax) if taxed else ""
        ppm = self._tax_ppm(name)
        if ppm is None or ppm > PPM:
            return none(f"there is no tax {name}")
        rate = for_payer(found.rate, exchange, name if ppm else "", ppm, found.deck.currency)
        match = Match.EXACT if len(rate.prefix) >= self._store.known_digits(number, at) else Match.BEST
        return Quote(payer, deck, rate, match, owner, currency)

    def _tax_ppm(self, name: str) -> int | None:
        if name in ("", NO_TAX):
            return 0
        row = self._store.tax(name)
        return None if row is None else row.ppm
