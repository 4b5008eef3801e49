"""A quote: what one payer pays for a number at an instant, from which deck, and how well that deck knows the number.

A call has one quote for each level that pays (the caller's account first, then the resellers above it) and one for
what the trunk costs. Knows no store: whoever finds the rates makes the quotes of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pysrv.billing import money
from pysrv.billing.tariff import Rate, net_price


class Match(StrEnum):
    """How the prefix that priced a number stands to what is known of it."""

    EXACT = "exact"  # no deck in use knows a longer prefix of the number
    BEST = "best"  # another deck is more specific: this price may not be meant for the number
    NONE = "none"  # no price


@dataclass(frozen=True, slots=True)
class Quote:
    """`rate` is exchanged and taxed for the payer; None with the reason in `why`. Whose deck it is: `deck_of`."""

    payer: str
    deck: str = ""
    rate: Rate | None = None
    match: Match = Match.NONE
    deck_of: str = ""
    currency: str = ""
    why: str = ""

    @property
    def inherited(self) -> bool:
        """The price comes from the deck of an account above."""
        return self.rate is not None and self.deck_of != self.payer

    @property
    def sentence(self) -> str:
        """For the log, the record and the operator."""
        if self.rate is None:
            return f"{self.payer}: no price, {self.why}"
        whose = f" of {self.deck_of}" if self.inherited else ""
        match = "longest match" if self.match is Match.EXACT else "best match"
        return f"{self.payer}: prefix {self.rate.prefix} ({match}) in deck {self.deck}{whose}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, to be kept with the call."""
        return {
            "payer": self.payer,
            "deck": self.deck,
            "rate": None if self.rate is None else self.rate.to_dict(),
            "match": str(self.match),
            "deck_of": self.deck_of,
            "currency": self.currency,
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Quote":
        """The quote that `to_dict` wrote."""
        rate = values["rate"]
        found = {"rate": None if rate is None else Rate.from_dict(rate), "match": Match(values["match"])}
        return cls(**values | found)


@lru_cache(maxsize=65_536)
def for_payer(rate: Rate, exchange: Fraction, tax: str, tax_ppm: int, currency: str) -> Rate:
    """A deck's rate in the currency and with the tax of its payer; `currency` is the deck's."""
    if exchange == 1 and not tax_ppm and not tax:
        return rate if rate.currency == currency else replace(rate, currency=currency)
    return replace(
        rate,
        currency=currency,
        exchange_num=exchange.numerator,
        exchange_den=exchange.denominator,
        tax=tax,
        tax_ppm=tax_ppm,
    )


def unpriced(quotes: Sequence[Quote]) -> tuple[Quote, ...]:
    """The payers whose price is not known."""
    return tuple(quote for quote in quotes if quote.rate is None)


@dataclass(frozen=True, slots=True)
class CallQuotes:
    """What one call is priced by: each payer's quote, the caller's first, and that of every trunk it may take."""

    sold: tuple[Quote, ...] = ()
    cost: tuple[Quote, ...] = ()

    def of_trunk(self, name: str) -> Quote | None:
        """What a trunk costs."""
        return next((quote for quote in self.cost if quote.payer == name), None)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CallQuotes":
        """The quotes of plain values: `sold` and `cost`, each a list of what Quote.to_dict wrote."""
        return cls(*(tuple(Quote.from_dict(each) for each in values[side]) for side in ("sold", "cost")))


@dataclass(frozen=True, slots=True)
class Margin:
    """What one side earns on a call of `seconds`: what it is paid without tax, less what it pays, in one currency.

    None: it cannot be said, because a price or an exchange rate is not known.
    """

    earner: str
    earned: int | None
    paid: int | None
    currency: str

    @property
    def amount(self) -> int | None:
        """Micro-units."""
        return None if self.earned is None or self.paid is None else self.earned - self.paid

    @property
    def sentence(self) -> str:
        """The figures for people."""
        who, earned = self.earner or "the owner", "?" if self.earned is None else money.format(self.earned)
        if self.paid is None:
            deck = f"give {self.earner} a price in the deck above it" if self.earner else "give the trunk a rate deck"
            return f"{who} earns {earned} {self.currency}".rstrip() + f"; no cost known: {deck}"
        return f"{who} earns {earned} and pays {money.format(self.paid)} {self.currency}".rstrip()


def converted(micro: int, exchange: Fraction | None) -> int | None:
    """An amount in another currency, rounded half up, for comparing; None without a rate."""
    if exchange is None:
        return None
    return int((2 * micro * exchange.numerator + exchange.denominator) // (2 * exchange.denominator))


def net(quote: Quote, seconds: int, exchange: Fraction | None) -> int | None:
    """What a payer pays without tax for a talk time, in the currency that `exchange` leads to."""
    return None if quote.rate is None else converted(net_price(quote.rate, seconds), exchange)
