"""Imported ban lists and the networks of countries: packed rows in pieces, digest and origin beside them.

A list is written under its own id; `list_commit` puts it into use in one step in the place of the one of its name. Rows
are packed as in appliance.networks; this module counts and hashes them and does not look inside.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pysrv.store.database import Reading, Writing
from pysrv.store.errors import StoreCode, StoreError

ROW_BYTES = 17
_LIST = "id, name, kind, digest, entries, skipped, source, imported_at, who"


@dataclass(frozen=True, slots=True)
class StoredList:
    """One list in use. `skipped`: lines of its source that could not be used or were not taken."""

    id: int
    name: str
    kind: str
    digest: str
    entries: int
    skipped: int
    source: str
    imported_at: float
    who: str


class ListReading(Reading):
    """Questions about lists."""

    def lists(self, kind: str = "ban") -> list[StoredList]:
        """The lists in use of one kind, by name."""
        sql = f"SELECT {_LIST} FROM lists WHERE state = 'active' AND kind = ? ORDER BY name"  # noqa: S608
        return [StoredList(*row) for row in self._all(sql, (kind,))]

    def list_named(self, name: str) -> StoredList | None:
        """The list in use of this name."""
        row = self._one(f"SELECT {_LIST} FROM lists WHERE state = 'active' AND name = ?", (name,))  # noqa: S608
        return StoredList(*row) if row else None

    def list_entries(self, list_id: int) -> int:
        """How many networks a list has, or has so far."""
        row = self._one("SELECT entries FROM lists WHERE id = ?", (list_id,))
        return int(row[0]) if row else 0

    def list_pieces(self, list_id: int) -> int:
        """How many pieces a list has."""
        row = self._one("SELECT count(*) FROM list_rows WHERE list_id = ?", (list_id,))
        return int(row[0]) if row else 0

    def list_piece(self, list_id: int, position: int) -> bytes | None:
        """One piece of a list, from 0; None: the list has no more, or is gone."""
        row = self._one("SELECT packed FROM list_rows WHERE list_id = ? AND position = ?", (list_id, position))
        return bytes(row[0]) if row else None

    def list_rows(self, list_id: int) -> Iterator[bytes]:
        """Every piece, in order."""
        position = 0
        while (piece := self.list_piece(list_id, position)) is not None:
            yield piece
            position += 1


class ListWriting(ListReading, Writing):
    """Imports of lists."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._begun: dict[int, Any] = {}  # hash of what an open import has written so far

    def list_begin(self, name: str, kind: str, source: str, skipped: int, who: str = "") -> int:
        """Starts a list; the id is for the other verbs."""
        if not name or len(name) > 64 or not name.isprintable():
            raise StoreError(StoreCode.INVALID, f"{name!r} cannot be a list's name: 1 to 64 printable characters")
        sql = (
            "INSERT INTO lists (name, kind, state, source, skipped, imported_at, who) "
            "VALUES (?, ?, 'open', ?, ?, ?, ?) RETURNING id"
        )
        row = (name, kind, source[:200], skipped, self._clock(), who)
        list_id = int(self._write(sql, row).fetchone()[0])
        self._begun[list_id] = hashlib.sha256()
        return list_id

    def list_rows_add(self, list_id: int, packed: bytes) -> None:
        """Takes one piece of whole rows."""
        digest = self._open_list(list_id)
        row = (list_id, self.list_pieces(list_id), packed)
        self._write("INSERT INTO list_rows (list_id, position, packed) VALUES (?, ?, ?)", row)
        self._write("UPDATE lists SET entries = entries + ? WHERE id = ?", (len(packed) // ROW_BYTES, list_id))
        digest.update(packed)

    def list_commit(self, list_id: int) -> StoredList:
        """Puts the list into use in one step, in the place of the one of its name."""
        digest = self._open_list(list_id).hexdigest()
        with self._atomic():
            self._write(
                "DELETE FROM lists WHERE state = 'active' AND name = (SELECT name FROM lists WHERE id = ?)", (list_id,)
            )
            sql = f"UPDATE lists SET state = 'active', digest = ?, imported_at = ? WHERE id = ? RETURNING {_LIST}"  # noqa: S608
            stored = StoredList(*self._write(sql, (digest, self._clock(), list_id)).fetchone())
            self._audit(stored.who, "list.import", stored.name, "", f"{stored.entries} networks")
        del self._begun[list_id]
        return stored

    def list_abort(self, list_id: int) -> None:
        """Gives an import up; the list in use stays."""
        self._begun.pop(list_id, None)
        self._write("DELETE FROM lists WHERE id = ? AND state = 'open'", (list_id,))

    def remove_list(self, name: str, who: str = "") -> bool:
        """Removes a list; False: there was none."""
        removed = self._write("DELETE FROM lists WHERE name = ? AND state = 'active'", (name,)).rowcount > 0
        if removed:
            self._audit(who, "list.remove", name)
        return removed

    def drop_unfinished_lists(self) -> None:
        """Imports of a process that has ended."""
        if self._one("SELECT 1 FROM lists WHERE state = 'open' LIMIT 1"):
            self._write("DELETE FROM lists WHERE state = 'open'")

    def _open_list(self, list_id: int) -> Any:
        if list_id not in self._begun:
            raise StoreError(StoreCode.NOT_FOUND, f"no import of a list {list_id} is under way")
        return self._begun[list_id]
