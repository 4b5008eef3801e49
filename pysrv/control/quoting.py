"""Verbs about prices: what a call would cost everybody, what a past one did, and what trunks are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from appliance.wire import WireError
from pysrv.billing import number as numbers
from pysrv.billing.cdr import Cdr
from pysrv.billing.deck import instant
from pysrv.billing.lcr import Hour, Quality, weighed
from pysrv.billing.quote import CallQuotes, Margin, Quote
from pysrv.billing.tariff import Charge, Rate, charge, talk_seconds
from pysrv.calls.causes import Cause
from pysrv.control.decks import rate_shape
from pysrv.control.desk import Desk, not_found, written
from pysrv.limits import price
from pysrv.service.quotes import Quotes, zone_of
from pysrv.service.routing import Routing, Way
from pysrv.store.rows import Account, ChargeRow

LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class QuoteOf:
    """A call to think of: of an account, or by a deck. `at` is a date or an instant; empty: now."""

    number: str
    account: str = ""
    deck: str = ""
    currency: str = ""
    seconds: int = 60
    at: str = ""


@dataclass(frozen=True, slots=True)
class QualityOf:
    """Of one trunk and prefix, or of all."""

    trunk: str = ""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class CallNamed:
    """A past call."""

    call_id: str


def charge_shape(due: Charge) -> dict[str, Any]:
    """An explained charge as JSON; amounts as text."""
    lines = [
        {"kind": str(line.kind), "seconds": line.seconds, "amount": written(line.amount), "text": line.text}
        for line in due.lines
    ]
    return {"total": written(due.total), "billable_seconds": due.billable_seconds, "lines": lines}


def quote_shape(quote: Quote, seconds: int) -> dict[str, Any]:
    """A quote as JSON, explained for so many seconds."""
    shape: dict[str, Any] = {
        "payer": quote.payer,
        "deck": quote.deck,
        "deck_of": quote.deck_of,
        "match": str(quote.match),
        "inherited": quote.inherited,
        "currency": quote.currency,
        "why": quote.why,
        "sentence": quote.sentence,
        "rate": None,
    }
    if quote.rate is None:
        return shape
    return shape | {"rate": rate_shape(quote.rate)} | charge_shape(charge(quote.rate, seconds))


def quote(desk: Desk, args: QuoteOf) -> dict[str, Any]:
    """rates.quote: every level, every trunk, and what would be refused; nothing is changed."""
    number = numbers.normalise(args.number)
    if number is None:
        raise WireError("invalid", f"{args.number[:40]!r} is no number")
    if not 0 <= args.seconds <= LONGEST_S:
        raise WireError("invalid", f"a call lasts 0 to {LONGEST_S} seconds here")
    settings = desk.settings
    at = instant(args.at, zone_of(settings)) or desk.clock()
    quotes = Quotes(desk.store, lambda: settings, lambda: zone_of(settings))
    sold = _sold(desk, args, quotes, number, at)
    ways = Routing(desk.store, quotes, lambda: settings, desk.store.report_only).ways(number, sold, at)
    billed = price.billed(sold, settings)
    return {
        "number": number,
        "at": at,
        "seconds": args.seconds,
        "time_class": str(quotes.time_class(at)),
        "levels": [quote_shape(each, args.seconds) for each in sold],
        "refused_by": billed.setting if billed else "",
        "refusal": billed.sentence if billed else "",
        "routes": [
            _way_shape(way, quotes.margins(sold, way.cost.cost, args.seconds, at), args.seconds) for way in ways
        ],
    }


def _sold(desk: Desk, args: QuoteOf, quotes: Quotes, number: str, at: float) -> Sequence[Quote]:
    if bool(args.account) == bool(args.deck):
        raise WireError("invalid", "a quote is for an account or by a deck: name one of the two")
    if args.deck:
        return (quotes.deck(args.deck, number, at, args.currency),)
    account = desk.store.account(args.account)
    if account is None:
        raise not_found("account", args.account)
    chain: tuple[Account, ...] = desk.store.chain(account)
    return quotes.sell(chain, number, at)


def _way_shape(way: Way, margins: Sequence[Margin], seconds: int) -> dict[str, Any]:
    return {
        "trunk": way.trunk.name,
        "prefix": way.route.prefix,
        "priority": way.route.priority,
        "cost": quote_shape(way.cost.cost, seconds),
        "margins": [_margin_shape(margin) for margin in margins],
        "left_out_by": way.complaints[0].setting if way.complaints else "",
        "left_out": way.complaints[0].sentence if way.complaints else "",
    } | _quality_shape(way.quality)


def _margin_shape(margin: Margin) -> dict[str, Any]:
    amount = margin.amount
    shown = None if amount is None else written(amount)
    return {"earner": margin.earner, "amount": shown, "currency": margin.currency, "sentence": margin.sentence}


def _quality_shape(quality: Quality) -> dict[str, Any]:
    return {
        "calls": quality.calls,
        "asr_percent": None if quality.asr is None else quality.asr / 10,
        "acd_s": quality.acd_s,
    }


def quality(desk: Desk, args: QualityOf) -> dict[str, Any]:
    """trunks.quality: ASR and ACD within routingwindow (`window_s`), and what a minute costs."""
    settings, now = desk.settings, desk.clock()
    if args.trunk and desk.store.trunk(args.trunk) is None:
        raise not_found("trunk", args.trunk)
    quotes = Quotes(desk.store, lambda: settings, lambda: zone_of(settings))
    hours: dict[tuple[str, str], list[Hour]] = {}
    for row in desk.store.trunk_hours(now - settings.routingwindow, args.trunk, args.prefix or None):
        each = Hour(row.hour, row.attempts, row.answered, row.talk_s)
        hours.setdefault((row.trunk, row.prefix), []).append(each)
    found = []
    for (name, prefix), counted in sorted(hours.items()):
        trunk = desk.store.trunk(name)
        rate = quotes.buy(trunk, prefix, now).rate if trunk is not None else None
        per_minute = None if rate is None else written(rate.paid_per_minute)
        shape = {"trunk": name, "prefix": prefix, "per_minute": per_minute, "currency": quotes.base}
        found.append(shape | _quality_shape(weighed(counted, now, settings.routingwindow)))
    return {"quality": found, "window_s": settings.routingwindow}


def explain(desk: Desk, args: CallNamed) -> dict[str, Any]:
    """cdrs.show: how a past call went, and its price, line by line, for every level, by what was kept with it.

    `packets` are those that the relay carried from each side."""
    cdr = desk.store.cdr(args.call_id)
    if cdr is None:
        raise not_found("call record", args.call_id)
    kept = desk.store.call_quotes(args.call_id) or CallQuotes()
    levels = [_paid(desk, charged, kept) for charged in desk.store.charges(args.call_id)]
    if not levels and cdr.rate is not None:
        levels = [_level(cdr.account, cdr.currency, cdr.charge, cdr.rate, cdr.billable_seconds)]
    return {
        "call_id": cdr.call_id,
        "account": cdr.account,
        "caller": cdr.caller,
        "callee": cdr.callee,
        "source": cdr.source,
        "trunk": cdr.trunk,
        "setup_at": cdr.setup_at,
        "answered_at": cdr.answered_at,
        "ended_at": cdr.ended_at,
        "sip_status": cdr.sip_status,
        "cause": cdr.cause,
        "cause_words": Cause.of_q850(cdr.cause).text,
        "reason": cdr.reason,
        "refused_by": cdr.refused_by,
        "ended_by": str(cdr.ended_by),
        "billable_seconds": cdr.billable_seconds,
        "packets": {"caller": cdr.from_caller.packets, "callee": cdr.from_callee.packets},
        "duration_s": cdr.duration_s,
        "talk_s": talk_seconds(cdr.duration_s) if cdr.answered else 0,
        "emergency": cdr.emergency,
        "levels": levels,
        "not_billed": [each.sentence for each in kept.sold if each.rate is None],
        "cost": _cost(cdr, kept),
    }


def _level(payer: str, currency: str, amount: int, rate: Rate, billable_seconds: int) -> dict[str, Any]:
    """One level's charge, explained again from its rate; `exact` says that it comes to what was charged."""
    due = charge(rate, billable_seconds)
    shape = {"payer": payer, "currency": currency, "charged": written(amount), "exact": due.total == amount}
    return shape | {"rate": rate_shape(rate), "quote": ""} | charge_shape(due)


def _paid(desk: Desk, row: ChargeRow, kept: CallQuotes) -> dict[str, Any]:
    account = desk.store.account_by_id(row.account_id)
    name = account.name if account is not None else f"account {row.account_id}"
    assert row.rate is not None, "nothing is charged without a rate"
    told = kept.sold[row.level].sentence if row.level < len(kept.sold) else ""
    return _level(name, row.currency, row.amount, row.rate, row.billable_seconds) | {"quote": told}


def _cost(cdr: Cdr, kept: CallQuotes) -> dict[str, Any] | None:
    """What the trunk cost; None: the call was not answered over one, or its cost was not known."""
    found = kept.of_trunk(cdr.trunk)
    if found is None or found.rate is None or not cdr.answered:
        return None
    due = charge(found.rate, talk_seconds(cdr.duration_s))
    if due.total != cdr.cost and cdr.rate is not None:
        due = charge(found.rate, cdr.billable_seconds)  # the lease ended before the call did
    shape = {"trunk": cdr.trunk, "currency": found.currency, "cost": written(cdr.cost), "exact": due.total == cdr.cost}
    return shape | {"rate": rate_shape(found.rate), "quote": found.sentence} | charge_shape(due)
