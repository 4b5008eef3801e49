"""The statement of a month: what calls cost by destination and tax, what else moved the balance, and its two ends.

It counts postings by the instant at which they were made, so that opening balance, sums and closing balance always
agree; a call that runs over the end of a month stands in the month in which it ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pysrv.billing.tariff import PPM
from pysrv.control.desk import written
from pysrv.control.mine.holder import Answer, Holder, month
from pysrv.control.mine.shown import posting_shape
from pysrv.store.portal import ChargedCall


@dataclass(frozen=True, slots=True)
class StatementOf:
    """A month, as `2026-11`; empty: this one."""

    month: str = ""


@dataclass(slots=True)
class Sum:
    """Calls of one kind."""

    calls: int = 0
    seconds: int = 0
    amount: int = 0

    def add(self, call: ChargedCall) -> None:
        """One more."""
        self.calls += 1
        self.seconds += call.billable_seconds
        self.amount += call.amount


def statement(holder: Holder, args: StatementOf) -> Answer:
    """mine.statement"""
    account, store = holder.account, holder.store
    name, since, until = month(holder, args.month)
    places, taxes = _summed(store.charged(account.id, since, until))
    moved = store.moved(account.id, since, until)
    return {
        "month": name,
        "account": account.name,
        "display_name": account.display_name,
        "currency": account.currency,
        "since": since,
        "until": until,
        "over": until <= holder.desk.clock(),
        "opening": written(store.balance_at(account.id, since)),
        "closing": written(store.balance_at(account.id, until)),
        "destinations": [
            {"prefix": prefix, "destination": words} | _sum_shape(each)
            for (prefix, words), each in sorted(places.items())
        ],
        "calls": _sum_shape(_total(places.values())),
        "taxes": [_tax_shape(tax, ppm, each.amount) for (tax, ppm), each in sorted(taxes.items())],
        "movements": [posting_shape(row) for row in moved],
        "moved": written(sum(row.amount for row in moved)),
    }


def _summed(calls: Iterable[ChargedCall]) -> tuple[dict[tuple[str, str], Sum], dict[tuple[str, int], Sum]]:
    places: dict[tuple[str, str], Sum] = {}
    taxes: dict[tuple[str, int], Sum] = {}
    for call in calls:
        rate = call.rate
        place = (rate.prefix, rate.destination) if rate else ("", "")
        places.setdefault(place, Sum()).add(call)
        if rate is not None and rate.tax_ppm:
            taxes.setdefault((rate.tax, rate.tax_ppm), Sum()).add(call)
    return places, taxes


def _total(sums: Iterable[Sum]) -> Sum:
    total = Sum()
    for each in sums:
        total.calls += each.calls
        total.seconds += each.seconds
        total.amount += each.amount
    return total


def _sum_shape(each: Sum) -> dict[str, Any]:
    return {
        "calls": each.calls,
        "seconds": each.seconds,
        "amount": written(each.amount),
        "moved": written(-each.amount),
    }


def _tax_shape(tax: str, ppm: int, amount: int) -> dict[str, Any]:
    """The tax that an amount contains, rounded once for the whole sum."""
    contained = contained_tax(amount, ppm)
    percent = f"{Fraction(ppm, 10_000).numerator / Fraction(ppm, 10_000).denominator:g}"
    return {
        "tax": tax,
        "percent": percent,
        "gross": written(amount),
        "net": written(amount - contained),
        "amount": written(contained),
    }


def contained_tax(amount: int, ppm: int) -> int:
    """The part of a gross amount that is tax, in micro-units, half up."""
    over = PPM + ppm
    return (2 * amount * ppm + over) // (2 * over)
