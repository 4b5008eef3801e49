"""Verbs about prices: what a call would cost everybody, what a past one did, and what trunks are worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from appliance.wire import WireError
from pysrv.billing import number as numbers
from pysrv.billing.cdr import Cdr
from pysrv.billing.deck import instant
from pysrv.billing.lcr import Hour, Quality, weighed
from pysrv.billing.quote import CallQuotes, Margin, Match, Quote
from pysrv.billing.tariff import Charge, LineKind, Rate, charge, talk_seconds
from pysrv.calls.causes import Cause
from pysrv.control.answer import Amount, Moment, Seconds, Setting
from pysrv.control.call_shapes import PastCall, past_shape
from pysrv.control.decks import RateRow, rate_shape
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


class ChargeLine(TypedDict):
    """One part of a charge."""

    kind: LineKind
    seconds: int
    amount: Amount
    text: str


class ChargeShown(TypedDict):
    """A charge and what it is made of."""

    total: Amount
    billable_seconds: int
    lines: list[ChargeLine]


class QuoteRow(TypedDict):
    """What somebody would pay for a number. `rate` null: it has no price, `why` says why, and the charge is not there;
    `deck_of`: whose deck it is, `inherited` from an account above."""

    payer: str
    deck: str
    deck_of: str
    match: Match
    inherited: bool
    currency: str
    why: str
    sentence: str
    rate: RateRow | None
    total: NotRequired[Amount]
    billable_seconds: NotRequired[int]
    lines: NotRequired[list[ChargeLine]]


class MarginRow(TypedDict):
    """What somebody earns by the call; `amount` null: it cannot be said, and `sentence` says why."""

    earner: str
    amount: Amount | None
    currency: str
    sentence: str


class Measured(TypedDict):
    """What a trunk did: weighed `calls`, the share that was answered (ASR), seconds of an answered one (ACD); null:
    there were none."""

    calls: float
    asr_percent: float | None
    acd_s: float | None


class WayRow(Measured):
    """A trunk that would carry the call. `left_out_by`: the setting that leaves it out."""

    trunk: str
    prefix: str
    priority: int
    cost: QuoteRow
    margins: list[MarginRow]
    left_out_by: Setting
    left_out: str


class QuoteAnswer(TypedDict):
    """What a call would cost everybody, the caller first, and over which trunks it would go, in this order.
    `refused_by`: the setting that would refuse it."""

    number: str
    at: Moment
    seconds: int
    time_class: str
    levels: list[QuoteRow]
    refused_by: Setting
    refusal: str
    routes: list[WayRow]


class QualityRow(Measured):
    """What a trunk did with numbers of a prefix; `per_minute` null: what it costs is not known."""

    trunk: str
    prefix: str
    per_minute: Amount | None
    currency: str


class QualityAnswer(TypedDict):
    """What trunks did in the last `window_s` seconds."""

    quality: list[QualityRow]
    window_s: Seconds


class LevelRow(ChargeShown):
    """What one level paid, explained again from its rate. `exact`: that comes to what was charged."""

    payer: str
    currency: str
    charged: Amount
    exact: bool
    rate: RateRow
    quote: str


class CostRow(ChargeShown):
    """What the trunk cost. `exact`: that comes to what was noted."""

    trunk: str
    currency: str
    cost: Amount
    exact: bool
    rate: RateRow
    quote: str


class CarriedBoth(TypedDict):
    """Packets that the relay carried from each side."""

    caller: int
    callee: int


class ExplainedAnswer(PastCall):
    """How a past call went, and its price, line by line, for every level. `cost` null: no trunk answered it,
    or its cost was not known; `not_billed`: who had no price, and why."""

    cause_words: str
    packets: CarriedBoth
    talk_s: int
    levels: list[LevelRow]
    not_billed: list[str]
    cost: CostRow | None


def charge_shape(due: Charge) -> ChargeShown:
    """An explained charge; amounts as text."""
    lines: list[ChargeLine] = [
        {"kind": line.kind, "seconds": line.seconds, "amount": written(line.amount), "text": line.text}
        for line in due.lines
    ]
    return {"total": written(due.total), "billable_seconds": due.billable_seconds, "lines": lines}


def quote_shape(quote: Quote, seconds: int) -> QuoteRow:
    """A quote, explained for so many seconds."""
    shape: QuoteRow = {
        "payer": quote.payer,
        "deck": quote.deck,
        "deck_of": quote.deck_of,
        "match": quote.match,
        "inherited": quote.inherited,
        "currency": quote.currency,
        "why": quote.why,
        "sentence": quote.sentence,
        "rate": None,
    }
    if quote.rate is None:
        return shape
    return {**shape, "rate": rate_shape(quote.rate), **charge_shape(charge(quote.rate, seconds))}


def quote(desk: Desk, args: QuoteOf) -> QuoteAnswer:
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


def _way_shape(way: Way, margins: Sequence[Margin], seconds: int) -> WayRow:
    return {
        **_quality_shape(way.quality),
        "trunk": way.trunk.name,
        "prefix": way.route.prefix,
        "priority": way.route.priority,
        "cost": quote_shape(way.cost.cost, seconds),
        "margins": [_margin_shape(margin) for margin in margins],
        "left_out_by": way.complaints[0].setting if way.complaints else "",
        "left_out": way.complaints[0].sentence if way.complaints else "",
    }


def _margin_shape(margin: Margin) -> MarginRow:
    amount = margin.amount
    shown = None if amount is None else written(amount)
    return {"earner": margin.earner, "amount": shown, "currency": margin.currency, "sentence": margin.sentence}


def _quality_shape(quality: Quality) -> Measured:
    return {
        "calls": quality.calls,
        "asr_percent": None if quality.asr is None else quality.asr / 10,
        "acd_s": quality.acd_s,
    }


def quality(desk: Desk, args: QualityOf) -> QualityAnswer:
    """trunks.quality: ASR and ACD within routingwindow (`window_s`), and what a minute costs."""
    settings, now = desk.settings, desk.clock()
    if args.trunk and desk.store.trunk(args.trunk) is None:
        raise not_found("trunk", args.trunk)
    quotes = Quotes(desk.store, lambda: settings, lambda: zone_of(settings))
    hours: dict[tuple[str, str], list[Hour]] = {}
    for row in desk.store.trunk_hours(now - settings.routingwindow, args.trunk, args.prefix or None):
        each = Hour(row.hour, row.attempts, row.answered, row.talk_s)
        hours.setdefault((row.trunk, row.prefix), []).append(each)
    found: list[QualityRow] = []
    for (name, prefix), counted in sorted(hours.items()):
        trunk = desk.store.trunk(name)
        rate = quotes.buy(trunk, prefix, now).rate if trunk is not None else None
        per_minute = None if rate is None else written(rate.paid_per_minute)
        measured = _quality_shape(weighed(counted, now, settings.routingwindow))
        found.append({**measured, "trunk": name, "prefix": prefix, "per_minute": per_minute, "currency": quotes.base})
    return {"quality": found, "window_s": settings.routingwindow}


def explain(desk: Desk, args: CallNamed) -> ExplainedAnswer:
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
        **past_shape(cdr),
        "cause_words": Cause.of_q850(cdr.cause).text,
        "packets": {"caller": cdr.from_caller.packets, "callee": cdr.from_callee.packets},
        "talk_s": talk_seconds(cdr.duration_s) if cdr.answered else 0,
        "levels": levels,
        "not_billed": [each.sentence for each in kept.sold if each.rate is None],
        "cost": _cost(cdr, kept),
    }


def _level(payer: str, currency: str, amount: int, rate: Rate, billable_seconds: int) -> LevelRow:
    """One level's charge, explained again from its rate; `exact` says that it comes to what was charged."""
    due = charge(rate, billable_seconds)
    return {
        **charge_shape(due),
        "payer": payer,
        "currency": currency,
        "charged": written(amount),
        "exact": due.total == amount,
        "rate": rate_shape(rate),
        "quote": "",
    }


def _paid(desk: Desk, row: ChargeRow, kept: CallQuotes) -> LevelRow:
    account = desk.store.account_by_id(row.account_id)
    name = account.name if account is not None else f"account {row.account_id}"
    assert row.rate is not None, "nothing is charged without a rate"
    told = kept.sold[row.level].sentence if row.level < len(kept.sold) else ""
    return {**_level(name, row.currency, row.amount, row.rate, row.billable_seconds), "quote": told}


def _cost(cdr: Cdr, kept: CallQuotes) -> CostRow | None:
    """What the trunk cost; None: the call was not answered over one, or its cost was not known."""
    found = kept.of_trunk(cdr.trunk)
    if found is None or found.rate is None or not cdr.answered:
        return None
    due = charge(found.rate, talk_seconds(cdr.duration_s))
    if due.total != cdr.cost and cdr.rate is not None:
        due = charge(found.rate, cdr.billable_seconds)  # the lease ended before the call did
    return {
        **charge_shape(due),
        "trunk": cdr.trunk,
        "currency": found.currency,
        "cost": written(cdr.cost),
        "exact": due.total == cdr.cost,
        "rate": rate_shape(found.rate),
        "quote": found.sentence,
    }
