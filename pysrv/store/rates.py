"""Rate decks: imported in pieces beside the deck in use, switched over in one step, looked up by longest prefix.

An import writes under its own id; nobody sees its rates before `import_commit`. What a switch leaves behind is removed
in small bites by `sweep`, so that a million old rates never hold a call up. Pieces of about 1,000 lines keep a drain
short.
"""

import sqlite3
from typing import Any

from pysrv.billing.deck import DeckReader, RateError
from pysrv.billing.number import prefixes
from pysrv.billing.tariff import Rate
from pysrv.store.database import Reading, Writing
from pysrv.store.errors import StoreCode, StoreError, from_sqlite
from pysrv.store.rows import Deck

_LONGEST_PREFIX = 16
_RATE = "prefix, per_minute, connect_fee, initial_increment_s, next_increment_s, minimum_s, destination"
_RATE_FOR = (
    f"SELECT {_RATE} FROM rates WHERE import_id = ? AND prefix IN ({', '.join('?' * _LONGEST_PREFIX)}) "  # noqa: S608
    "ORDER BY length(prefix) DESC LIMIT 1"
)
_INSERT = f"INSERT INTO rates (import_id, {_RATE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_REMEMBERED = 65_536


class RateReading(Reading):
    """Questions about decks and prices."""

    def decks(self) -> list[Deck]:
        """The decks in use, by name."""
        rows = self._all("SELECT deck, rates, imported_at FROM imports WHERE state = 'active' ORDER BY deck")
        return [Deck(*row) for row in rows]

    def rates(self, deck: str, prefix: str = "", limit: int = 1000) -> list[Rate]:
        """Rates of a deck whose prefix starts with `prefix`, in the order of digits."""
        import_id = self._active(deck)
        if import_id is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no rate deck {deck!r}", "rates list shows all decks")
        sql = f"SELECT {_RATE} FROM rates WHERE import_id = ? AND prefix >= ? AND prefix < ? LIMIT ?"  # noqa: S608
        return [Rate(*row) for row in self._all(sql, (import_id, prefix, prefix + ":", limit))]

    def rate_for(self, deck: str, number: str) -> Rate | None:
        """The price of a number: its longest prefix in the deck; None: no deck or no prefix."""
        import_id = self._active(deck)
        return None if import_id is None else self._longest(import_id, number)

    def _longest(self, import_id: int, number: str) -> Rate | None:
        tried = prefixes(number, _LONGEST_PREFIX)[:-1]
        row = self._one(_RATE_FOR, (import_id, *tried, *(None,) * (_LONGEST_PREFIX - len(tried))))
        return Rate(*row) if row else None

    def _active(self, deck: str) -> int | None:
        row = self._one("SELECT id FROM imports WHERE deck = ? AND state = 'active'", (deck,))
        return row[0] if row else None


class RateWriting(RateReading, Writing):
    """Imports, and the memory that makes a price cheap."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._readers: dict[int, DeckReader] = {}
        self._active_memory: dict[str, int | None] = {}
        self._rate_memory: dict[tuple[int, str], Rate | None] = {}

    def _forget(self) -> None:
        self._active_memory.clear()
        self._rate_memory.clear()
        super()._forget()

    def _active(self, deck: str) -> int | None:
        if deck not in self._active_memory:
            self._active_memory[deck] = super()._active(deck)
        return self._active_memory[deck]

    def _longest(self, import_id: int, number: str) -> Rate | None:
        key = import_id, number
        if key not in self._rate_memory:
            if len(self._rate_memory) >= _REMEMBERED:
                self._rate_memory.clear()
            self._rate_memory[key] = super()._longest(import_id, number)
        return self._rate_memory[key]

    def import_begin(self, deck: str) -> int:
        """Starts the import of a deck (new, or replacing the one of that name); the id is for the other verbs."""
        if not deck or len(deck) > 64 or not deck.isprintable():
            raise StoreError(StoreCode.INVALID, f"{deck!r} cannot be a deck's name: 1 to 64 printable characters")
        sql = "INSERT INTO imports (deck, state, started_at) VALUES (?, 'open', ?) RETURNING id"
        import_id = int(self._write(sql, (deck, self._clock())).fetchone()[0])
        self._readers[import_id] = DeckReader()
        return import_id

    def import_rows(self, import_id: int, first_line: int, text: str) -> int:
        """Takes one piece of CSV that ends at a line end; returns how many rates. Raises RateError: abort then."""
        read = self._reader(import_id).feed(text, first_line)
        rows = [
            (
                import_id, rate.prefix, rate.per_minute, rate.connect_fee, rate.initial_increment_s,
                rate.next_increment_s, rate.minimum_s, rate.destination,
            )
            for _, rate in read
        ]  # fmt: skip
        with self._atomic():
            try:
                self._sql.executemany(_INSERT, rows)
            except sqlite3.IntegrityError:
                self._find_twice(import_id, read)
                raise
            except sqlite3.Error as error:
                raise from_sqlite(error, self._path) from error
        return len(rows)

    def import_commit(self, import_id: int, who: str = "") -> Deck:
        """Puts the imported deck into use in one step; the deck that it replaces is left to `sweep`."""
        self._reader(import_id)
        count = int((self._one("SELECT count(*) FROM rates WHERE import_id = ?", (import_id,)) or (0,))[0])
        if not count:
            raise StoreError(StoreCode.INVALID, "the file has no rates", "nothing was changed")
        with self._atomic():
            self._write(
                "UPDATE imports SET state = 'old' WHERE state = 'active' "
                "AND deck = (SELECT deck FROM imports WHERE id = ?)",
                (import_id,),
            )
            sql = "UPDATE imports SET state = 'active', rates = ?, imported_at = ? WHERE id = ? RETURNING deck"
            deck, at = self._write(sql, (count, self._clock(), import_id)).fetchone()[0], self._clock()
            self._audit(who, "rates.import", deck, "", f"{count} rates")
        del self._readers[import_id]
        self._forget()
        return Deck(deck, count, at)

    def import_abort(self, import_id: int) -> None:
        """Gives an import up; the deck in use stays."""
        self._readers.pop(import_id, None)
        self._write("UPDATE imports SET state = 'old' WHERE id = ? AND state = 'open'", (import_id,))

    def remove_deck(self, deck: str, who: str = "") -> None:
        """Takes a deck out of use; accounts that name it then have no prices."""
        sql = "UPDATE imports SET state = 'old' WHERE deck = ? AND state = 'active' RETURNING id"
        if not self._write(sql, (deck,)).fetchall():
            raise StoreError(StoreCode.NOT_FOUND, f"there is no rate deck {deck!r}", "rates list shows all decks")
        self._audit(who, "rates.remove", deck)
        self._forget()

    def sweep(self, limit: int = 2000) -> int:
        """Removes up to `limit` rates that no deck uses any more; returns how many. 0: nothing left."""
        old = self._one("SELECT id FROM imports WHERE state = 'old' ORDER BY id LIMIT 1")
        if old is None:
            return 0
        # By range: SQLite answers a row-value IN over a subquery with a scan of the whole table.
        sql = "SELECT prefix FROM rates WHERE import_id = ? ORDER BY prefix LIMIT 1 OFFSET ?"
        bound = self._one(sql, (old[0], limit))
        if bound is not None:
            return self._write("DELETE FROM rates WHERE import_id = ? AND prefix < ?", (old[0], bound[0])).rowcount
        removed = self._write("DELETE FROM rates WHERE import_id = ?", (old[0],)).rowcount
        self._write("DELETE FROM imports WHERE id = ?", (old[0],))
        return max(removed, 1)

    def _drop_unfinished_imports(self) -> None:
        if self._one("SELECT 1 FROM imports WHERE state = 'open' LIMIT 1"):
            self._write("UPDATE imports SET state = 'old' WHERE state = 'open'")

    def _reader(self, import_id: int) -> DeckReader:
        try:
            return self._readers[import_id]
        except KeyError:
            hint = "start it again: an import does not outlive the process that began it"
            raise StoreError(StoreCode.NOT_FOUND, f"there is no running import {import_id}", hint) from None

    def _find_twice(self, import_id: int, read: list[tuple[int, Rate]]) -> None:
        self._run("ROLLBACK TO step")
        seen: set[str] = set()
        for line, rate in read:
            sql = "SELECT 1 FROM rates WHERE import_id = ? AND prefix = ?"
            if rate.prefix in seen or self._one(sql, (import_id, rate.prefix)):
                raise RateError(line, "prefix", f"{rate.prefix} appears twice in the deck")
            seen.add(rate.prefix)
