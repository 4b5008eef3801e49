"""A copy of the database while it is written to, and what a copy is asked before anybody relies on it.

The copy is made by SQLite's online backup (sqlite.org/backup.html) inside one read transaction: it is the database as
it was when that began, however long it takes, and the writer waits for nothing.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pysrv.store.errors import StoreCode, StoreError, from_sqlite
from pysrv.store.trail import TrailReading

PAGES: Final = 4096  # of one step, after which progress is told
CHAINED_SINCE: Final = 5  # the step of the schema that brought the chain of the audit trail
LEAST_LEFT_BYTES: Final = 64 * 1024 * 1024  # that a copy leaves free on the disk


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds, in few figures. `balances` are micro-units by currency, `head` is the digest of the newest
    row of the audit trail, `broken_at` the first row that does not fit (0: none)."""

    schema: int
    accounts: int
    cdrs: int
    balances: dict[str, int]
    head: str
    broken_at: int


class CopyReading(TrailReading):
    """Makes copies, and judges them."""

    def contents(self) -> Contents:
        """What it holds. Reads whole tables: not for the conductor. Raises StoreError."""
        chained = self.schema_version >= CHAINED_SINCE
        chain = self.audit_chain() if chained else None
        return Contents(
            self.schema_version,
            self._count("SELECT count(*) FROM accounts WHERE removed_at IS NULL"),
            self._count("SELECT count(*) FROM cdrs"),
            {
                str(currency): int(balance)
                for currency, balance in self._all(
                    "SELECT currency, sum(balance) FROM accounts WHERE removed_at IS NULL GROUP BY currency"
                )
            },
            chain.head if chain is not None else "",
            chain.broken_at if chain is not None else 0,
        )

    def _count(self, sql: str) -> int:
        return int((self._one(sql) or (0,))[0])

    def copy_to(self, target: Path, heard: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Writes the database as it is now into the new file `target` (mode 0600), whole or not at all.

        `heard` is told of pages done and pages in all. Raises StoreError.
        """
        self._demand_room(target)
        target.unlink(missing_ok=True)
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
                self._copy_into(copy, heard)
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, sqlite3.Error):
                raise from_sqlite(error, target) from error
            raise

    def _copy_into(self, copy: sqlite3.Connection, heard: Callable[[int, int], None]) -> None:
        self._run("BEGIN")  # what is read first fixes what is copied
        try:
            self._one("SELECT count(*) FROM sqlite_master")
            self._sql.backup(copy, pages=PAGES, progress=lambda _status, left, total: heard(total - left, total))
        finally:
            self._run("COMMIT")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, which can be read where nothing may be written

    def _demand_room(self, target: Path) -> None:
        pages, size = (int((self._one(f"PRAGMA {name}") or (0,))[0]) for name in ("page_count", "page_size"))
        found = os.statvfs(target.parent)
        wanted, free = pages * size + LEAST_LEFT_BYTES, found.f_bavail * found.f_frsize
        if free < wanted:
            words = f"a copy of the database needs {wanted >> 20} MiB in {target.parent}, and {free >> 20} MiB are free"
            raise StoreError(StoreCode.FULL, words, "make room, or give the state directory a larger disk")
