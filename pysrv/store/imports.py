"""Rate decks come in pieces beside the deck in use, and are switched over in one step or on a later day.

An import writes under its own id; nobody sees its rates before `import_commit`. What a switch leaves behind is removed
in small bites by `sweep`, so that a million old rates never hold a call up. Pieces of about 1,000 lines keep a drain
short.
"""

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Any

from pysrv.billing.deck import DeckReader, RateError
from pysrv.billing.tariff import Rate
from pysrv.store.errors import StoreCode, StoreError, from_sqlite
from pysrv.store.rates import LONGEST_PREFIX, RATE, RateMemory
from pysrv.store.rows import Deck, DeckChange

_INSERT = f"INSERT INTO rates (import_id, {RATE}) VALUES ({', '.join('?' * 14)})"  # noqa: S608
_SAME = (
    "SELECT r.prefix, r.time_class, r.valid_from, r.valid_until FROM json_each(?) AS each "
    "CROSS JOIN rates AS r ON r.import_id = ? AND r.prefix = each.value"  # in this order: the piece is the small one
)
_PREFIXES = "SELECT DISTINCT prefix FROM rates WHERE import_id = ? AND prefix > ? ORDER BY prefix LIMIT ?"
_LAST = "~"  # behind every prefix: those are digits
_WITHIN = "SELECT count(*) FROM rates WHERE import_id = ? AND prefix > ? AND prefix <= ?"
_VALUES = tuple(name.strip() for name in RATE.split(",") if name.strip() not in ("prefix", "time_class", "valid_from"))
_BOTH = (  # in this order: the part in use is the small one
    f"SELECT count(*), sum({' AND '.join(f'held.{name} = new.{name}' for name in _VALUES)}) "  # noqa: S608
    "FROM rates AS held CROSS JOIN rates AS new ON new.import_id = ?1 AND new.prefix = held.prefix "
    "AND new.time_class = held.time_class AND new.valid_from = held.valid_from "
    "WHERE held.import_id = ?2 AND held.prefix > ?3 AND held.prefix <= ?4"
)
_BESIDE = (  # in this order: the piece is the small one
    f"SELECT count(*), sum({' AND '.join(f'held.{name} = new.{name}' for name in _VALUES)}) "  # noqa: S608
    "FROM json_each(?1) AS key CROSS JOIN rates AS held ON held.import_id = ?2 "
    "AND held.prefix = json_extract(key.value, '$[0]') AND held.time_class = json_extract(key.value, '$[1]') "
    "AND held.valid_from = json_extract(key.value, '$[2]') "
    "CROSS JOIN rates AS new ON new.import_id = ?3 AND new.prefix = held.prefix "
    "AND new.time_class = held.time_class AND new.valid_from = held.valid_from"
)
_GONE = (
    "SELECT each.value FROM json_each(?) AS each "
    "WHERE NOT EXISTS (SELECT 1 FROM rates WHERE import_id = ? AND prefix = each.value)"
)
_SUPERSEDED = (
    "state = 'active' AND EXISTS (SELECT 1 FROM imports AS later WHERE later.deck = imports.deck "
    "AND later.state = 'active' AND later.effective_at > imports.effective_at AND later.effective_at <= ?)"
)
FOREVER = float("inf")
Validity = tuple[float, float]


class RateWriting(RateMemory):
    """Imports."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._readers: dict[int, DeckReader] = {}
        self._longest: dict[int, int] = {}  # digits of the longest prefix so far

    def import_begin(
        self, deck: str, *, currency: str = "EUR", tax: str = "", effective_at: float = 0.0, zone: tzinfo = UTC
    ) -> int:
        """Starts the import of a deck (new, or replacing the one of that name); the id is for the other verbs.

        `effective_at` 0 or past: in force when it is committed. `zone`: where the dates of the file begin.
        """
        if not deck or len(deck) > 64 or not deck.isprintable():
            raise StoreError(StoreCode.INVALID, f"{deck!r} cannot be a deck's name: 1 to 64 printable characters")
        sql = (
            "INSERT INTO imports (deck, state, started_at, currency, tax, effective_at) "
            "VALUES (?, 'open', ?, ?, ?, ?) RETURNING id"
        )
        row = self._write(sql, (deck, self._clock(), currency, tax, effective_at)).fetchone()
        self._readers[int(row[0])] = DeckReader(zone)
        return int(row[0])

    def import_rows(self, import_id: int, first_line: int, text: str) -> int:
        """Takes one piece of CSV that ends at a line end; returns how many rates. Raises RateError: abort then."""
        return len(self._take(import_id, first_line, text))

    def import_rows_beside(self, import_id: int, held_id: int, first_line: int, text: str) -> tuple[int, int, int]:
        """The same beside another import: how many rates were taken, how many of these stand there as well, and how
        many are the same there. Raises RateError: abort then."""
        read = self._take(import_id, first_line, text)
        keys = json.dumps([[rate.prefix, rate.time_class, rate.valid_from] for rate in read])
        both, same = self._all(_BESIDE, (keys, held_id, import_id))[0]
        return len(read), int(both), int(same or 0)

    def _take(self, import_id: int, first_line: int, text: str) -> list[Rate]:
        reader = self._reader(import_id)
        read = reader.feed(text, first_line)
        if reader.dated:
            self._find_clash(import_id, read)
        with self._atomic():
            try:
                self._sql.executemany(_INSERT, (_row(import_id, rate) for _, rate in read))
            except sqlite3.IntegrityError:
                self._run("ROLLBACK TO step")
                self._find_clash(import_id, read)
                raise
            except sqlite3.Error as error:
                raise from_sqlite(error, self._path) from error
            longest = max((len(rate.prefix) for _, rate in read), default=0)
            self._longest[import_id] = max(longest, self._longest.get(import_id, 0))
            if any(rate.time_class or rate.valid_from or rate.valid_until for _, rate in read):
                self._write("UPDATE imports SET plain = 0 WHERE id = ?", (import_id,))
        return [rate for _, rate in read]

    def import_commit(self, import_id: int, who: str = "", *, tried: bool = False) -> Deck:
        """Puts the imported deck into use in one step; the deck that it replaces is left to `sweep`.

        One that is effective later takes the place of another of the same instant, and leaves the one in use. `tried`:
        all of it is going to be taken back, and the import goes on to be one.
        """
        self._reader(import_id)
        count = self._rates(import_id)
        if not count:
            raise StoreError(StoreCode.INVALID, "the file has no rates", "nothing was changed")
        now = self._clock()
        sql = "SELECT deck, currency, tax, effective_at FROM imports WHERE id = ?"
        deck, currency, tax, effective_at = self._one(sql, (import_id,)) or ("", "", "", 0.0)
        later = effective_at > now
        with self._atomic():
            replaced = "effective_at = ?" if later else "effective_at <= ?"
            sql = f"UPDATE imports SET state = 'old' WHERE deck = ? AND state = 'active' AND {replaced}"  # noqa: S608
            self._write(sql, (deck, effective_at if later else now))
            sql = (
                "UPDATE imports SET state = 'active', rates = ?, imported_at = ?, effective_at = ?, longest = ? "
                "WHERE id = ?"
            )
            longest = self._longest.get(import_id, LONGEST_PREFIX)
            self._write(sql, (count, now, effective_at if later else 0.0, longest, import_id))
            self._audit(who, "rates.import", deck, "", f"{count} rates")
        if not tried:
            del self._readers[import_id]
            self._longest.pop(import_id, None)
        self._forget()
        return Deck(deck, count, now, currency, tax, effective_at if later else 0.0)

    def import_compare(self, import_id: int, after: str = "", limit: int = 2000) -> DeckChange:
        """Which of the next `limit` prefixes of the deck in use are not in the import that shall take its place."""
        self._reader(import_id)
        deck = str((self._one("SELECT deck FROM imports WHERE id = ?", (import_id,)) or ("",))[0])
        held = self.deck_in_force(deck, self._clock())
        held_id = held.import_id if held is not None else 0
        rows = self._all(_PREFIXES, (held_id, after, limit))
        prefixes = [str(row[0]) for row in rows]
        gone = tuple(str(row[0]) for row in self._all(_GONE, (json.dumps(prefixes), import_id)))
        behind = prefixes[-1] if len(prefixes) == limit else None
        ends = behind if behind is not None else _LAST
        held_here, new_here = (int(self._all(_WITHIN, (each, after, ends))[0][0]) for each in (held_id, import_id))
        both, same = self._all(_BOTH, (import_id, held_id, after, ends))[0]
        return DeckChange(
            deck, self._rates(held_id), self._rates(import_id), gone, behind,
            added=new_here - int(both), changed=int(both) - int(same or 0), removed=held_here - int(both),
        )  # fmt: skip

    def _rates(self, import_id: int) -> int:
        return int((self._one("SELECT count(*) FROM rates WHERE import_id = ?", (import_id,)) or (0,))[0])

    def import_abort(self, import_id: int) -> None:
        """Gives an import up; the deck in use stays."""
        self._readers.pop(import_id, None)
        self._longest.pop(import_id, None)
        self._write("UPDATE imports SET state = 'old' WHERE id = ? AND state = 'open'", (import_id,))

    def remove_deck(self, deck: str, who: str = "", *, scheduled: bool = False) -> None:
        """Takes a deck out of use; accounts that name it then have no prices. `scheduled`: only what is to come."""
        sql = "UPDATE imports SET state = 'old' WHERE deck = ? AND state = 'active' AND effective_at > ? RETURNING id"
        if not self._write(sql, (deck, self._clock() if scheduled else -1.0)).fetchall():
            what = f"{deck!r} of a later day" if scheduled else repr(deck)
            raise StoreError(StoreCode.NOT_FOUND, f"there is no rate deck {what}", "rates list shows all decks")
        self._audit(who, "rates.remove", deck, "", "what was to come" if scheduled else "")
        self._forget()

    def retire_import(self, import_id: int, who: str = "") -> None:
        """Takes one deck out of use, and leaves others of its name."""
        row = self._write("UPDATE imports SET state = 'old' WHERE id = ? RETURNING deck", (import_id,)).fetchone()
        if row is not None:
            self._audit(who, "rates.remove", row[0])
        self._forget()

    def sweep(self, limit: int = 2000) -> int:
        """Removes up to `limit` rates that no deck uses any more; returns how many. 0: nothing left."""
        self._retire()
        old = self._one("SELECT id FROM imports WHERE state = 'old' ORDER BY id LIMIT 1")
        if old is None:
            return 0
        # By range: SQLite answers a row-value IN over a subquery with a scan of the whole table.
        sql = "SELECT prefix FROM rates WHERE import_id = ? ORDER BY prefix LIMIT 1 OFFSET ?"
        bound = self._one(sql, (old[0], limit))
        if bound is not None:
            sql = "DELETE FROM rates WHERE import_id = ? AND prefix < ?"
            removed = self._write(sql, (old[0], bound[0])).rowcount
            if removed:
                return removed
            return self._write("DELETE FROM rates WHERE import_id = ? AND prefix = ?", (old[0], bound[0])).rowcount
        removed = self._write("DELETE FROM rates WHERE import_id = ?", (old[0],)).rowcount
        self._write("DELETE FROM imports WHERE id = ?", (old[0],))
        return max(removed, 1)

    def _retire(self) -> None:
        """A deck whose successor's day has come is old."""
        now = self._clock()
        if self._one(f"SELECT 1 FROM imports WHERE {_SUPERSEDED} LIMIT 1", (now,)):  # noqa: S608
            self._write(f"UPDATE imports SET state = 'old' WHERE {_SUPERSEDED}", (now,))  # noqa: S608
            self._forget()

    def _drop_unfinished_imports(self) -> None:
        if self._one("SELECT 1 FROM imports WHERE state = 'open' LIMIT 1"):
            self._write("UPDATE imports SET state = 'old' WHERE state = 'open'")

    def _reader(self, import_id: int) -> DeckReader:
        try:
            return self._readers[import_id]
        except KeyError:
            hint = "start it again: an import does not outlive the process that began it"
            raise StoreError(StoreCode.NOT_FOUND, f"there is no running import {import_id}", hint) from None

    def _find_clash(self, import_id: int, read: list[tuple[int, Rate]]) -> None:
        """Two rows of one prefix and class must not hold at one instant: which would be the price?"""
        seen: dict[tuple[str, str], list[Validity]] = {}
        prefixes = json.dumps(sorted({rate.prefix for _, rate in read}))
        for prefix, time_class, start, end in self._all(_SAME, (prefixes, import_id)):
            seen.setdefault((prefix, time_class), []).append((start, end))
        for line, rate in read:
            key = rate.prefix, rate.time_class
            if _overlaps(rate, seen.get(key, ())):
                dated = rate.valid_from or rate.valid_until
                when = f" ({rate.time_class})" if rate.time_class else ""
                words = f"{rate.prefix}{when} " + ("holds at the same time twice" if dated else "appears twice")
                raise RateError(line, "valid_from" if dated else "prefix", f"{words} in the deck")
            seen.setdefault(key, []).append((rate.valid_from, rate.valid_until))


def _overlaps(rate: Rate, others: Iterable[Validity]) -> bool:
    until = rate.valid_until or FOREVER
    return any(start < until and rate.valid_from < (end or FOREVER) for start, end in others)


def _row(import_id: int, rate: Rate) -> tuple[object, ...]:
    return (
        import_id, rate.prefix, rate.per_minute, rate.connect_fee, rate.initial_increment_s, rate.next_increment_s,
        rate.minimum_s, rate.destination, rate.free_seconds, str(rate.rounding), rate.places, rate.time_class,
        rate.valid_from, rate.valid_until,
    )  # fmt: skip
