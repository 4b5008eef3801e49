"""Prices of numbers: the deck in force at an instant, the longest prefix with a row that holds then.

Decks, rates, currencies and taxes are read here and written by `imports.py` and `currencies.py`. A deck whose rows
differ by time is judged in Python over all rows of a number's prefixes; a plain one is one look-up.
"""

import json
from dataclasses import dataclass
from typing import Any

from pysrv.billing.number import prefixes
from pysrv.billing.tariff import Rate, Rounding
from pysrv.billing.timeclass import ALWAYS, FALLBACK, TimeClass
from pysrv.store.database import Reading, Row, Writing
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.rows import Deck

LONGEST_PREFIX = 16
_IN = ", ".join("?" * LONGEST_PREFIX)
RATE = (
    "prefix, per_minute, connect_fee, initial_increment_s, next_increment_s, minimum_s, destination, free_seconds, "
    "rounding, places, time_class, valid_from, valid_until"
)
_FOR_NUMBER = (
    f"SELECT {RATE} FROM rates WHERE import_id = ? AND prefix IN ({_IN}) "  # noqa: S608
    "ORDER BY length(prefix) DESC"
)
_LONGEST = f"{_FOR_NUMBER} LIMIT 1"
_KNOWN = (
    "SELECT coalesce(max(length(prefix)), 0) FROM rates "  # noqa: S608
    f"WHERE import_id IN (SELECT value FROM json_each(?)) AND prefix IN ({_IN})"
)
_DECKS = (
    "SELECT deck, rates, imported_at, currency, tax, effective_at FROM imports WHERE state = 'active' "
    "ORDER BY deck, effective_at"
)
_ACTIVE = (
    "SELECT id, effective_at, currency, tax, plain, longest FROM imports WHERE deck = ? AND state = 'active' "
    "ORDER BY effective_at DESC"
)
_REMEMBERED = 32_768


@dataclass(frozen=True, slots=True)
class DeckInForce:
    """The import of a deck that holds at an instant, with what is said of the whole deck."""

    import_id: int
    effective_at: float
    currency: str
    tax: str
    plain: int  # 1: every row always holds
    longest: int  # digits of its longest prefix: what lies behind them is the same to it


@dataclass(frozen=True, slots=True)
class Priced:
    """What a deck says of a number: its currency, its tax, and the row, or None."""

    deck: DeckInForce
    rate: Rate | None


def rate_of_row(row: Row) -> Rate:
    """The rate of a row of RATE's columns."""
    fields: list[Any] = [*row[:8], Rounding(row[8]), *row[9:]]
    return Rate(*fields)


class RateReading(Reading):
    """Questions about decks and prices."""

    def decks(self) -> list[Deck]:
        """The decks in use by name, those of a later day behind them."""
        return [Deck(*row) for row in self._all(_DECKS)]

    def decks_held(self) -> list[tuple[Deck, int]]:
        """The same without those whose successor's day has come, each with the id of its import."""
        now = self._clock()
        sql = _DECKS.replace("effective_at FROM", "effective_at, id FROM")
        rows = [(Deck(*row[:6]), int(row[6])) for row in self._all(sql)]
        holds = {deck.name: import_id for deck, import_id in rows if deck.effective_at <= now}
        return [(deck, ident) for deck, ident in rows if deck.effective_at > now or holds[deck.name] == ident]

    def rates_of(self, import_id: int, limit: int, after: tuple[str, str, float] = ("", "", 0.0)) -> list[Rate]:
        """The next rates of one import behind a row (prefix, time class, valid from)."""
        sql = (  # RATE alone is put in
            f"SELECT {RATE} FROM rates WHERE import_id = ? AND prefix >= ? "  # noqa: S608
            "AND (prefix, time_class, valid_from) > (?, ?, ?) ORDER BY prefix, time_class, valid_from LIMIT ?"
        )
        return [rate_of_row(row) for row in self._all(sql, (import_id, after[0], *after, limit))]

    def rates(self, deck: str, prefix: str = "", limit: int = 1000, after: Rate | None = None) -> list[Rate]:
        """Rates of a deck whose prefix starts with `prefix`, in the order of digits; `after` goes on behind a row."""
        held = self.deck_in_force(deck, self._clock())
        if held is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no rate deck {deck!r}", "rates list shows all decks")
        where, behind = "import_id = ? AND prefix >= ? AND prefix < ?", list[Any]()
        if after is not None:
            where += " AND (prefix, time_class, valid_from) > (?, ?, ?)"
            behind = [after.prefix, after.time_class, after.valid_from]
        sql = f"SELECT {RATE} FROM rates WHERE {where} ORDER BY prefix, time_class, valid_from LIMIT ?"  # noqa: S608
        start = max(prefix, after.prefix) if after is not None else prefix
        return [rate_of_row(row) for row in self._all(sql, (held.import_id, start, prefix + ":", *behind, limit))]

    def rate_for(
        self, deck: str, number: str, at: float | None = None, time_class: TimeClass | None = None
    ) -> Rate | None:
        """The deck's own price of a number at an instant (now): its longest prefix with a row that holds then.

        None: no deck or no row. Without a class only rows that always hold are looked at.
        """
        found = self.priced(deck, number, at, time_class)
        return None if found is None else found.rate

    def priced(
        self, deck: str, number: str, at: float | None = None, time_class: TimeClass | None = None
    ) -> Priced | None:
        """The same with the deck's currency and tax; None: no such deck is in force."""
        at = self._clock() if at is None else at
        held = self.deck_in_force(deck, at)
        if held is None:
            return None
        rows = self._rows_for(held, number[: held.longest])
        return Priced(held, _holding(rows, at, FALLBACK[time_class] if time_class is not None else (ALWAYS,)))

    def known_digits(self, number: str, at: float | None = None) -> int:
        """How many digits the most specific prefix of a number has in any deck that is in force."""
        at = self._clock() if at is None else at
        ids, longest = self._in_force(at)
        return self._known(number[:longest], ids)

    def deck_in_force(self, deck: str, at: float) -> DeckInForce | None:
        """The import that holds at an instant."""
        return next((held for held in self._active(deck) if held.effective_at <= at), None)

    def _known(self, number: str, ids: str) -> int:
        row = self._one(_KNOWN, (ids, *_tried(number)))
        return int(row[0]) if row else 0

    def _in_force(self, at: float) -> tuple[str, int]:
        """The ids of all imports that hold at an instant, as JSON, and the digits of their longest prefix."""
        names = {deck.name for deck in self.decks()}
        found = [held for name in names if (held := self.deck_in_force(name, at)) is not None]
        ids = json.dumps(sorted(held.import_id for held in found))
        return ids, max((held.longest for held in found), default=0)

    def _rows_for(self, held: DeckInForce, number: str) -> tuple[Rate, ...]:
        sql = _LONGEST if held.plain else _FOR_NUMBER
        return tuple(rate_of_row(row) for row in self._all(sql, (held.import_id, *_tried(number))))

    def _active(self, deck: str) -> tuple[DeckInForce, ...]:
        return tuple(DeckInForce(*row) for row in self._all(_ACTIVE, (deck,)))


class RateMemory(RateReading, Writing):
    """The memory that makes a price cheap."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._active_memory: dict[str, tuple[DeckInForce, ...]] = {}
        self._rate_memory: dict[tuple[int, str], tuple[Rate, ...]] = {}
        self._known_memory: dict[tuple[str, str], int] = {}
        self._in_force_memory: tuple[float, float, tuple[str, int]] | None = None

    def _forget(self) -> None:
        self._active_memory.clear()
        self._rate_memory.clear()
        self._known_memory.clear()
        self._in_force_memory = None
        super()._forget()

    def _active(self, deck: str) -> tuple[DeckInForce, ...]:
        held = self._active_memory.get(deck)
        if held is None:
            held = self._active_memory[deck] = super()._active(deck)
        return held

    def _known(self, number: str, ids: str) -> int:
        key = ids, number
        known = self._known_memory.get(key)
        if known is None:
            if len(self._known_memory) >= _REMEMBERED:
                self._known_memory.clear()
            known = self._known_memory[key] = super()._known(number, ids)
        return known

    def _in_force(self, at: float) -> tuple[str, int]:
        held = self._in_force_memory
        if held is None or not held[0] <= at < held[1]:
            starts = sorted({deck.effective_at for deck in self.decks()})
            since = max((start for start in starts if start <= at), default=float("-inf"))
            until = min((start for start in starts if start > at), default=float("inf"))
            held = self._in_force_memory = since, until, super()._in_force(at)
        return held[2]

    def _rows_for(self, held: DeckInForce, number: str) -> tuple[Rate, ...]:
        key = held.import_id, number
        rows = self._rate_memory.get(key)
        if rows is None:
            if len(self._rate_memory) >= _REMEMBERED:
                self._rate_memory.clear()
            rows = self._rate_memory[key] = super()._rows_for(held, number)
        return rows


def _tried(number: str) -> tuple[str | None, ...]:
    tried = prefixes(number, LONGEST_PREFIX)[:-1]
    return (*tried, *(None,) * (LONGEST_PREFIX - len(tried)))


def _holding(rows: tuple[Rate, ...], at: float, classes: tuple[str, ...]) -> Rate | None:
    """The row that holds: of the longest prefix that has one, that of the first class. Rows come longest first."""
    best: Rate | None = None
    rank = len(classes)
    for rate in rows:
        if best is not None and rate.prefix != best.prefix:
            break
        if rate.valid_from > at or (rate.valid_until and at >= rate.valid_until) or rate.time_class not in classes:
            continue
        if (place := classes.index(rate.time_class)) < rank:
            best, rank = rate, place
    return best
