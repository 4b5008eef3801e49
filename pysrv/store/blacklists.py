"""Entries of blacklists as rows. Which of them blocks a number is asked in memory (pysrv.limits.blacklist), not here.

Entries come one by one, or many in one call inside the running transaction; one at the same digits, side, kind and
account is replaced. There are never more dynamic ones than MOST_DYNAMIC.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pysrv.store.database import Reading, Row, Writing
from pysrv.store.errors import StoreCode, StoreError, from_sqlite

MOST_DYNAMIC = 50_000
_COLUMNS = "id, side, kind, digits, whole, account, confidence, expires_at, reason, created_at, who"
_PUT = (
    "INSERT INTO blacklist (side, kind, digits, whole, account, confidence, expires_at, reason, created_at, who) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digits, side, kind, account, whole) DO UPDATE SET "
    "confidence = excluded.confidence, expires_at = excluded.expires_at, reason = excluded.reason, "
    "created_at = excluded.created_at, who = excluded.who"
)


EntryKey = tuple[str, str, str, str, int]  # digits, side, kind, account, whole: an entry's place


@dataclass(frozen=True, slots=True)
class BlacklistRow:
    """One entry: numbers that begin with `digits`, or with `whole` this number; `account` empty: for all.

    `side` is destination or caller, `kind` fixed, dynamic or smart. `expires_at` 0: never.
    """

    id: int
    side: str
    kind: str
    digits: str
    whole: bool = False
    account: str = ""
    confidence: int = 0
    expires_at: float = 0.0
    reason: str = ""
    created_at: float = 0.0
    who: str = ""

    @property
    def key(self) -> EntryKey:
        """Its place: there is one entry at each."""
        return self.digits, self.side, self.kind, self.account, int(self.whole)


@dataclass(frozen=True, slots=True)
class BlacklistFilter:
    """Which entries; unset fields do not matter. `digits`: those that begin so. `holds`: those that a number meets."""

    side: str | None = None
    kind: str | None = None
    account: str | None = None
    digits: str = ""
    holds: str = ""
    after_id: int = 0


class BlacklistReading(Reading):
    """Questions about entries."""

    def blacklist(self, wanted: BlacklistFilter | None = None, limit: int = 100) -> list[BlacklistRow]:
        """The first matching entries by id."""
        conditions, parameters = _conditions(wanted or BlacklistFilter())
        where = " AND ".join(conditions)
        sql = f"SELECT {_COLUMNS} FROM blacklist WHERE {where} ORDER BY id LIMIT ?"  # noqa: S608
        return [_of_row(row) for row in self._all(sql, (*parameters, limit))]

    def blacklist_entries(self) -> Iterator[tuple[str, str, str, int, str, int, float]]:
        """Side, kind, digits, whole, account, confidence and end of all entries, for the lists in memory. No change may
        come between."""
        yield from self._run("SELECT side, kind, digits, whole, account, confidence, expires_at FROM blacklist")

    def blacklist_changes(self, entries: Iterable[BlacklistRow]) -> tuple[int, int]:
        """How many of these entries, each at a place of its own, are new, and how many would replace another one that
        says something else."""
        sql = (
            "SELECT confidence, expires_at, reason FROM blacklist WHERE digits = ? AND side = ? AND kind = ? "
            "AND account = ? AND whole = ?"
        )
        added = changed = 0
        for entry in entries:
            held = self._one(sql, (entry.digits, entry.side, entry.kind, entry.account, entry.whole))
            added += held is None
            changed += held is not None and held != (entry.confidence, entry.expires_at, entry.reason[:200])
        return added, changed

    def blacklist_entered(self, limit: int, after: EntryKey = ("", "", "", "", 0)) -> list[BlacklistRow]:
        """The next entries that no counter has made, behind a place, in the order of places."""
        sql = (  # _COLUMNS alone is put in
            f"SELECT {_COLUMNS} FROM blacklist WHERE kind <> 'dynamic' AND digits >= ? "  # noqa: S608
            "AND (digits, side, kind, account, whole) > (?, ?, ?, ?, ?) "
            "ORDER BY digits, side, kind, account, whole LIMIT ?"
        )
        return [_of_row(row) for row in self._all(sql, (after[0], *after, limit))]

    def blacklist_counts(self) -> dict[str, int]:
        """How many entries there are of each kind."""
        return {str(kind): int(n) for kind, n in self._all("SELECT kind, count(*) FROM blacklist GROUP BY kind")}


class BlacklistWriting(BlacklistReading, Writing):
    """Changes of entries."""

    def put_blacklist(self, entries: Iterable[BlacklistRow], who: str = "") -> int:
        """Adds or replaces entries; ids, times and `who` of what is given do not matter. Returns how many."""
        at = self._clock()
        rows = [
            (
                entry.side, entry.kind, entry.digits, entry.whole, entry.account, entry.confidence, entry.expires_at,
                entry.reason[:200], at, who,
            )
            for entry in entries
        ]  # fmt: skip
        with self._atomic():
            try:
                self._sql.executemany(_PUT, rows)
            except sqlite3.Error as error:
                raise from_sqlite(error, self._path) from error
        return len(rows)

    def add_blacklist(self, entry: BlacklistRow, who: str = "") -> BlacklistRow:
        """Adds or replaces one entry, audited; as it is stored."""
        self.put_blacklist([entry], who)
        found = self._one(
            f"SELECT {_COLUMNS} FROM blacklist WHERE digits = ? AND side = ? AND kind = ? AND account = ? "  # noqa: S608
            "AND whole = ?",
            (entry.digits, entry.side, entry.kind, entry.account, entry.whole),
        )
        assert found is not None
        self._audit(who, "blacklist.add", entry.digits, "", f"{entry.kind} {entry.side} {entry.account}".rstrip())
        return _of_row(found)

    def remove_blacklist(self, entry_id: int, who: str = "") -> BlacklistRow:
        """Removes one entry. Raises StoreError: there is none."""
        found = self._write(f"DELETE FROM blacklist WHERE id = ? RETURNING {_COLUMNS}", (entry_id,)).fetchall()  # noqa: S608
        if not found:
            hint = "'appliance blacklist list' shows the numbers of entries"
            raise StoreError(StoreCode.NOT_FOUND, f"there is no entry {entry_id} on the blacklists", hint)
        entry = _of_row(found[0])
        self._audit(who, "blacklist.remove", entry.digits, f"{entry.kind} {entry.side} {entry.account}".rstrip())
        return entry

    def expire_blacklist(self) -> int:
        """Removes dynamic entries that ran out, and the oldest of too many; returns how many."""
        sql = "DELETE FROM blacklist WHERE kind = 'dynamic' AND expires_at <= ?"
        gone = 0
        if self._one("SELECT 1 FROM blacklist WHERE kind = 'dynamic' AND expires_at <= ? LIMIT 1", (self._clock(),)):
            gone = self._write(sql, (self._clock(),)).rowcount
        count = self._one("SELECT count(*) FROM blacklist WHERE kind = 'dynamic'")
        over = int(count[0]) - MOST_DYNAMIC if count else 0
        if over > 0:
            oldest = "SELECT id FROM blacklist WHERE kind = 'dynamic' ORDER BY id LIMIT ?"
            gone += self._write(f"DELETE FROM blacklist WHERE id IN ({oldest})", (over,)).rowcount  # noqa: S608
        return gone


def _of_row(row: Row) -> BlacklistRow:
    entry = BlacklistRow(*row)
    return replace(entry, whole=bool(entry.whole))


def _conditions(wanted: BlacklistFilter) -> tuple[list[str], list[object]]:
    tests: list[tuple[str, object]] = [("id > ?", wanted.after_id)]
    for column, value in (("side", wanted.side), ("kind", wanted.kind), ("account", wanted.account)):
        if value is not None:
            tests.append((f"{column} = ?", value))
    if wanted.digits:
        tests += [("digits >= ?", wanted.digits), ("digits < ?", wanted.digits + ":")]
    conditions, parameters = [sql for sql, _ in tests], [value for _, value in tests]
    if wanted.holds:
        prefixes = [wanted.holds[:length] for length in range(1, min(len(wanted.holds), 18) + 1)]
        conditions.append(f"digits IN ({', '.join('?' * len(prefixes))}) AND (whole = 0 OR digits = ?)")
        parameters += [*prefixes, wanted.holds]
    return conditions, parameters
