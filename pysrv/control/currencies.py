"""Verbs about exchange rates and taxes."""

from dataclasses import dataclass
from typing import Any, TypedDict

from pysrv.billing import exchange
from pysrv.billing.deck import instant
from pysrv.billing.tariff import percent
from pysrv.control.answer import Moment, Removed
from pysrv.control.desk import Desk
from pysrv.service.quotes import zone_of


@dataclass(frozen=True, slots=True)
class SetCurrency:
    """What one unit is worth in the base currency, from a date or instant on; empty: always."""

    code: str
    rate: str
    valid_from: str = ""


@dataclass(frozen=True, slots=True)
class CurrencyNamed:
    """A currency."""

    code: str


@dataclass(frozen=True, slots=True)
class SetTax:
    """A tax scheme, such as `19%`."""

    name: str
    percent: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TaxNamed:
    """A tax scheme."""

    name: str


class CurrencySet(TypedDict):
    """What one unit of a currency is worth in the base currency, as decimal text, from an instant on (0: always)."""

    code: str
    rate: str
    valid_from: Moment


class CurrencyRow(CurrencySet):
    """A currency, and in which `base` its rate is."""

    base: str


class CurrenciesAnswer(TypedDict):
    """Currencies beside the base currency; one has several rows if it has several rates."""

    base: str
    currencies: list[CurrencyRow]


class CurrencyAnswer(TypedDict):
    """The rate that was set."""

    currency: CurrencySet


class TaxShown(TypedDict):
    """A tax scheme. `percent` is decimal text."""

    name: str
    percent: str
    note: str


class TaxesAnswer(TypedDict):
    """Tax schemes."""

    taxes: list[TaxShown]


class TaxAnswer(TypedDict):
    """The tax scheme that was set."""

    tax: TaxShown


def list_all(desk: Desk, _: Any) -> CurrenciesAnswer:
    """currencies.list"""
    rows: list[CurrencyRow] = [
        {"code": row.code, "rate": row.rate, "valid_from": row.valid_from, "base": desk.settings.basecurrency}
        for row in desk.store.currencies()
    ]
    return {"base": desk.settings.basecurrency, "currencies": rows}


def change(desk: Desk, args: SetCurrency) -> CurrencyAnswer:
    """currencies.set"""
    code, rate = exchange.currency(args.code), args.rate.strip()
    exchange.parse(rate)
    if code == desk.settings.basecurrency:
        raise exchange.ExchangeError(f"{code} is the base currency: it is worth itself")
    row = desk.store.set_currency(code, rate, instant(args.valid_from, zone_of(desk.settings)), desk.who)
    return {"currency": {"code": row.code, "rate": row.rate, "valid_from": row.valid_from}}


def remove(desk: Desk, args: CurrencyNamed) -> Removed:
    """currencies.remove"""
    code = exchange.currency(args.code)
    desk.store.remove_currency(code, desk.who)
    return {"removed": code}


def taxes(desk: Desk, _: Any) -> TaxesAnswer:
    """taxes.list"""
    return {"taxes": [{"name": row.name, "percent": percent(row.ppm), "note": row.note} for row in desk.store.taxes()]}


def set_tax(desk: Desk, args: SetTax) -> TaxAnswer:
    """taxes.set"""
    row = desk.store.set_tax(args.name, exchange.tax_ppm(args.percent), args.note, desk.who)
    return {"tax": {"name": row.name, "percent": percent(row.ppm), "note": row.note}}


def remove_tax(desk: Desk, args: TaxNamed) -> Removed:
    """taxes.remove: not while a deck or an account is taxed by it."""
    if users := desk.store.accounts_using("tax", args.name):
        raise exchange.ExchangeError(f"{args.name} taxes the calls of {', '.join(users)}")
    desk.store.remove_tax(args.name, desk.who)
    return {"removed": args.name}
