"""Verbs about rate decks: import, list, export, remove."""

from dataclasses import asdict, dataclass
from typing import Any

from appliance.wire import WireError
from pysrv.billing import deck_text
from pysrv.billing.deck import instant
from pysrv.billing.exchange import currency
from pysrv.billing.tariff import Rate
from pysrv.control.desk import Desk, not_found, written
from pysrv.service.quotes import zone_of
from pysrv.store.currencies import NO_TAX

EXPORT_ROWS = COMPARED_ROWS = 2000
MOST_LISTED = 1_000_000


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
    """The next piece of what an import would change: prefixes behind `after`, from the first on when it is empty."""

    after: str = ""


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


def rate_shape(rate: Rate) -> dict[str, Any]:
    """A rate as JSON; amounts as text."""
    amounts = {"per_minute": written(rate.per_minute), "connect_fee": written(rate.connect_fee)}
    return asdict(rate) | amounts | {"rounding": deck_text.rounding(rate)}


def begin(desk: Desk, args: BeginDeck) -> dict[str, Any]:
    """rates.begin: one import at a time for each connection."""
    desk.close()
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


def rows(desk: Desk, args: DeckRows) -> dict[str, Any]:
    """rates.rows"""
    return {"rates": desk.store.import_rows(_import(desk), args.first_line, args.text)}


def compare(desk: Desk, args: CompareDeck) -> dict[str, Any]:
    """rates.compare: what the deck being imported would change of the one in use, and whom that is about. `gone` are
    prefixes that it does not have; `next` is what to ask for then, None at the end. `free`: calls without a price cost
    nothing."""
    found = desk.store.import_compare(_import(desk), args.after, COMPARED_ROWS)
    trunks = sum(trunk.deck == found.deck for trunk in desk.store.trunks())
    return asdict(found) | {
        "accounts": len(desk.store.accounts_using("deck", found.deck, MOST_LISTED)),
        "trunks": trunks,
        "free": not desk.settings.blocknotbilledcalls,
    }


def commit(desk: Desk, _: Any) -> dict[str, Any]:
    """rates.commit"""
    deck = desk.store.import_commit(_import(desk), desk.who)
    desk.import_id = None
    later = {"effective_at": deck.effective_at} if deck.effective_at else {}
    return {"deck": deck.name, "rates": deck.rates} | later


def list_all(desk: Desk, _: Any) -> dict[str, Any]:
    """rates.decks"""
    return {"decks": [asdict(deck) for deck in desk.store.decks()]}


def rates(desk: Desk, args: RatesOf) -> dict[str, Any]:
    """rates.list"""
    after = _row(args.after_prefix, args.after_class, args.after_from)
    found = desk.store.rates(args.deck, args.prefix, max(1, min(args.limit, MOST_LISTED)), after)
    return {"deck": args.deck, "rates": [rate_shape(rate) for rate in found]}


def _row(prefix: str, time_class: str, valid_from: float) -> Rate | None:
    """The row behind which to go on; None: from the start."""
    return Rate(prefix, 0, time_class=time_class, valid_from=valid_from) if prefix else None


def export(desk: Desk, args: ExportDeck) -> dict[str, Any]:
    """rates.export: one piece; `next` is what to ask for then, None at the end."""
    after = _row(args.prefix, args.time_class, args.valid_from)
    found = desk.store.rates(args.deck, limit=EXPORT_ROWS, after=after)
    text = ("" if after else deck_text.header()) + deck_text.lines(found, zone_of(desk.settings))
    last = found[-1] if len(found) == EXPORT_ROWS else None
    behind = last and {"prefix": last.prefix, "time_class": last.time_class, "valid_from": last.valid_from}
    return {"text": text, "next": behind}


def remove(desk: Desk, args: DropDeck) -> dict[str, Any]:
    """rates.remove"""
    users = desk.store.accounts_using("deck", args.deck)
    if users and not args.scheduled:
        hint = "give them another deck first: 'appliance accounts set NAME --deck OTHER'"
        raise WireError("conflict", f"{args.deck} prices the calls of {', '.join(users)}", hint)
    desk.store.remove_deck(args.deck, desk.who, scheduled=args.scheduled)
    return {"removed": args.deck}
