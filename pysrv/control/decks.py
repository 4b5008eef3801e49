"""Verbs about rate decks: import, list, export, remove."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from appliance.wire import WireError
from pysrv.billing import deck_text
from pysrv.billing.deck import instant
from pysrv.billing.exchange import currency
from pysrv.billing.tariff import Rate
from pysrv.control.answer import Amount, Moment, Removed
from pysrv.control.desk import Desk, not_found, written
from pysrv.service.quotes import zone_of
from pysrv.store.currencies import NO_TAX
from pysrv.store.rows import Deck

EXPORT_ROWS = COMPARED_ROWS = 2000
MOST_LISTED = 1_000_000
COMPARED_ALL = "~"  # behind every prefix


@dataclass(frozen=True, slots=True)
class BeginDeck:
    """A deck to import. `effective` is a date or an instant; empty: at once. `currency` empty: the base currency."""

    deck: str
    currency: str = ""
    tax: str = ""
    effective: str = ""


@dataclass(frozen=True, slots=True)
class DeckRows:
    """One piece of a deck: whole lines of CSV, the first of which is line `first_line` of the file."""

    first_line: int
    text: str


@dataclass(frozen=True, slots=True)
class CompareDeck:
    """The next piece of what an import would change: prefixes behind `after`, from the first on when it is empty; with
    `on` behind where the last piece ended, for those who cannot wait for it."""

    after: str = ""
    on: bool = False


@dataclass(frozen=True, slots=True)
class DropDeck:
    """A rate deck to take out of use, or only its successor of a later day."""

    deck: str
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class RatesOf:
    """Part of a deck; with `after_prefix` what comes behind that row."""

    deck: str
    prefix: str = ""
    limit: int = 1000
    after_prefix: str = ""
    after_class: str = ""
    after_from: float = 0.0


@dataclass(frozen=True, slots=True)
class ExportDeck:
    """The next piece of a deck as CSV: what comes behind this row, from the header on when `prefix` is empty."""

    deck: str
    prefix: str = ""
    time_class: str = ""
    valid_from: float = 0.0


class RateRow(TypedDict):
    """A rate as the deck has it, in the deck's currency. `valid_from`, `valid_until` 0: open; `time_class` empty: it
    always holds; `exchange_num` / `exchange_den` is what one unit of its currency costs in the payer's; `tax_ppm` is in
    millionths; `rounding` is as a deck's column has it."""

    prefix: str
    per_minute: Amount
    connect_fee: Amount
    initial_increment_s: int
    next_increment_s: int
    minimum_s: int
    destination: str
    free_seconds: int
    rounding: str
    places: int
    time_class: str
    valid_from: Moment
    valid_until: Moment
    currency: str
    exchange_num: int
    exchange_den: int
    tax_ppm: int
    tax: str


class DeckBegun(TypedDict):
    """The deck that may come now."""

    deck: str


class RatesRead(TypedDict):
    """How many rates have been read of the deck so far."""

    rates: int


class DeckComparison(TypedDict):
    """Part of what an import would change: `held` rates are in use, `new` were read; `gone` are prefixes in use that it
    lacks. `next` null: that was all. Of this part's rates so many are `added`,
    `changed` and `removed`. So many `accounts` and `trunks` use the deck; `free`: calls without a price cost
    nothing."""

    deck: str
    held: int
    new: int
    gone: tuple[str, ...]
    next: str | None
    added: int
    changed: int
    removed: int
    accounts: int
    trunks: int
    free: bool


class DeckImported(TypedDict):
    """How many rates a deck has now. `effective_at`: from when on, if not at once."""

    deck: str
    rates: int
    effective_at: NotRequired[Moment]


class DecksAnswer(TypedDict):
    """Rate decks; `effective_at` 0: it is in use."""

    decks: list[Deck]


class RatesAnswer(TypedDict):
    """Rates of a deck, in the order of prefixes."""

    deck: str
    rates: list[RateRow]


class RatePlace(TypedDict):
    """A row of a deck."""

    prefix: str
    time_class: str
    valid_from: Moment


class DeckPiece(TypedDict):
    """A piece of a deck as CSV. `next` is what to ask for then, null: that was all."""

    text: str
    next: RatePlace | None


def rate_shape(rate: Rate) -> RateRow:
    """A rate with its amounts as text."""
    return {
        "prefix": rate.prefix,
        "per_minute": written(rate.per_minute),
        "connect_fee": written(rate.connect_fee),
        "initial_increment_s": rate.initial_increment_s,
        "next_increment_s": rate.next_increment_s,
        "minimum_s": rate.minimum_s,
        "destination": rate.destination,
        "free_seconds": rate.free_seconds,
        "rounding": deck_text.rounding(rate),
        "places": rate.places,
        "time_class": rate.time_class,
        "valid_from": rate.valid_from,
        "valid_until": rate.valid_until,
        "currency": rate.currency,
        "exchange_num": rate.exchange_num,
        "exchange_den": rate.exchange_den,
        "tax_ppm": rate.tax_ppm,
        "tax": rate.tax,
    }


def begin(desk: Desk, args: BeginDeck) -> DeckBegun:
    """rates.begin: one import at a time for each connection."""
    desk.close()
    desk.compared = ""
    settings = desk.settings
    if args.tax and args.tax != NO_TAX and desk.store.tax(args.tax) is None:
        raise not_found("tax", args.tax)
    code = currency(args.currency or settings.basecurrency or "EUR")
    if code != settings.basecurrency and code not in desk.store.exchange_rates(desk.clock()):
        hint = f"'appliance currencies set {code} RATE' first: without it no number of the deck has a price"
        raise WireError("not_found", f"there is no exchange rate of {code} to {settings.basecurrency}", hint)
    zone = zone_of(settings)
    effective_at = instant(args.effective, zone)
    desk.import_id = desk.store.import_begin(
        args.deck, currency=code, tax=args.tax, effective_at=effective_at, zone=zone
    )
    return {"deck": args.deck}


def _import(desk: Desk) -> int:
    if desk.import_id is None:
        raise WireError("conflict", "no import was begun on this connection")
    return desk.import_id


def rows(desk: Desk, args: DeckRows) -> RatesRead:
    """rates.rows"""
    return {"rates": desk.store.import_rows(_import(desk), args.first_line, args.text)}


def compare(desk: Desk, args: CompareDeck) -> DeckComparison:
    """rates.compare: what the deck being imported would change of the one in use, and whom that is about. `gone` are
    prefixes that it does not have; `next` is what to ask for then, None at the end. `free`: calls without a price cost
    nothing."""
    after = desk.compared if args.on else args.after
    found = desk.store.import_compare(_import(desk), after, COMPARED_ROWS)
    desk.compared = found.next if found.next is not None else COMPARED_ALL
    trunks = sum(trunk.deck == found.deck for trunk in desk.store.trunks())
    return {
        "deck": found.deck,
        "held": found.held,
        "new": found.new,
        "gone": found.gone,
        "next": found.next,
        "added": found.added,
        "changed": found.changed,
        "removed": found.removed,
        "accounts": len(desk.store.accounts_using("deck", found.deck, MOST_LISTED)),
        "trunks": trunks,
        "free": not desk.settings.blocknotbilledcalls,
    }


def commit(desk: Desk, _: Any) -> DeckImported:
    """rates.commit"""
    deck = desk.store.import_commit(_import(desk), desk.who)
    desk.import_id = None
    done: DeckImported = {"deck": deck.name, "rates": deck.rates}
    if deck.effective_at:
        done["effective_at"] = deck.effective_at
    return done


def list_all(desk: Desk, _: Any) -> DecksAnswer:
    """rates.decks"""
    return {"decks": list(desk.store.decks())}


def rates(desk: Desk, args: RatesOf) -> RatesAnswer:
    """rates.list"""
    after = _row(args.after_prefix, args.after_class, args.after_from)
    found = desk.store.rates(args.deck, args.prefix, max(1, min(args.limit, MOST_LISTED)), after)
    return {"deck": args.deck, "rates": [rate_shape(rate) for rate in found]}


def _row(prefix: str, time_class: str, valid_from: float) -> Rate | None:
    """The row behind which to go on; None: from the start."""
    return Rate(prefix, 0, time_class=time_class, valid_from=valid_from) if prefix else None


def export(desk: Desk, args: ExportDeck) -> DeckPiece:
    """rates.export: one piece; `next` is what to ask for then, None at the end."""
    after = _row(args.prefix, args.time_class, args.valid_from)
    found = desk.store.rates(args.deck, limit=EXPORT_ROWS, after=after)
    text = ("" if after else deck_text.header()) + deck_text.lines(found, zone_of(desk.settings))
    last = found[-1] if len(found) == EXPORT_ROWS else None
    if last is None:
        return {"text": text, "next": None}
    behind: RatePlace = {"prefix": last.prefix, "time_class": last.time_class, "valid_from": last.valid_from}
    return {"text": text, "next": behind}


def remove(desk: Desk, args: DropDeck) -> Removed:
    """rates.remove"""
    users = desk.store.accounts_using("deck", args.deck)
    if users and not args.scheduled:
        hint = "give them another deck first: 'appliance accounts set NAME --deck OTHER'"
        raise WireError("conflict", f"{args.deck} prices the calls of {', '.join(users)}", hint)
    desk.store.remove_deck(args.deck, desk.who, scheduled=args.scheduled)
    return {"removed": args.deck}
