"""The connection: opening the file, one writer, begin at the first write, typed errors. Every other module of the room
reaches SQLite through the few methods of `Reading` and `Writing`.

Durability: WAL with synchronous=FULL, so a commit survives the power cut, and the conductor commits once per drain. A
transaction that SQLite itself threw away (disk full, I/O error) is never silently continued: `commit` then raises, and
nothing of the drain may go out.
"""

import fcntl
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

import sqlite_utils

from pysrv.store.errors import StoreCode, StoreError, from_sqlite
from pysrv.store.migrations import LATEST, migrate, version

Clock = Callable[[], float]
Row = tuple[Any, ...]
DATABASE = "appliance.db"  # the file below the office's part of the state directory
LEAST_FREE_BYTES = 32 * 1024 * 1024  # below it the write-ahead log may not grow any more
_BUSY_MS = 2000
_STATEMENTS = 256
_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={_BUSY_MS}",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA wal_autocheckpoint=4000",
)


def link(before: str, number: int, row: tuple[float, str, str, str, str, str]) -> str:
    """The digest of a row of the audit trail after the one whose digest is `before` (see pysrv.store.trail)."""
    return hashlib.sha256(json.dumps([before, number, *row]).encode()).hexdigest()


class Reading:
    """A connection that may read. `clock` gives Unix seconds."""

    def __init__(self, db: sqlite_utils.Database, path: Path, clock: Clock) -> None:
        self._db, self._path, self._clock = db, path, clock
        self._sql: sqlite3.Connection = db.conn

    @property
    def path(self) -> Path:
        """The database's file."""
        return self._path

    def room(self) -> tuple[int, int]:
        """Free and all bytes of the database's file system, as far as the office may use them (statvfs(3))."""
        found = os.statvfs(self._path.parent)
        free, used = found.f_bavail, found.f_blocks - found.f_bfree
        return free * found.f_frsize, (free + used) * found.f_frsize

    def close(self) -> None:
        """Gives the file back; an open transaction is thrown away."""
        self._sql.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._sql.execute(sql, parameters)
        except sqlite3.Error as error:
            raise from_sqlite(error, self._path) from error
        except OverflowError:
            raise StoreError(StoreCode.INVALID, "a number is larger than 64 bits hold") from None

    def _one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._run(sql, parameters).fetchone()
        return row

    def _all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        try:
            return self._sql.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise from_sqlite(error, self._path) from error

    @property
    def schema_version(self) -> int:
        """Number of the last migration that the file has seen."""
        return version(self._db)

    def tables(self) -> list[tuple[str, str]]:
        """Name and SQL of every table, index and trigger; no row of any."""
        named = self._all("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name")
        return [(str(name), str(sql)) for name, sql in named]

    def size(self) -> tuple[int, int]:
        """Bytes of the file's pages, and of those that hold nothing."""
        pages, free, page = (
            int(self._all(f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count", "page_size")
        )
        return pages * page, free * page

    def damage(self, *, indexes: bool) -> list[str]:
        """What SQLite finds damaged; empty: nothing. Reads the whole file, not for the conductor; with `indexes` and
        constraints it takes several times as long. Raises StoreError for what is no damage."""
        try:
            found = [str(row[0]) for row in self._all(f"PRAGMA {'integrity' if indexes else 'quick'}_check(20)")]
        except StoreError as error:  # so damaged that it cannot be asked
            if error.code is not StoreCode.CORRUPT:
                raise
            return [error.message]
        return [] if found == ["ok"] else found


class Writing(Reading):
    """The one connection that may write. All its methods belong to one thread."""

    def __init__(self, db: sqlite_utils.Database, path: Path, clock: Clock, lock: int) -> None:
        super().__init__(db, path, clock)
        self._lock = lock
        self._open = False

    def close(self) -> None:
        """Gives file and writer's lock back; an uncommitted transaction is thrown away."""
        super().close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def commit(self) -> None:
        """Makes everything since the last commit durable; nothing to do is fine. Raises StoreError: then roll back."""
        if not self._open:
            return
        self._demand_transaction()
        self._run("COMMIT")
        self._open = False

    def trouble(self) -> str:
        """What keeps the next change from being written, as a StoreCode; empty: nothing. Changes nothing itself."""
        if self.room()[0] < LEAST_FREE_BYTES:
            return str(StoreCode.FULL)
        try:
            if not self._open:
                self._run("BEGIN IMMEDIATE")
                self._run("ROLLBACK")
        except StoreError as error:
            return str(error.code)
        return ""

    def rollback(self) -> None:
        """Throws away everything since the last commit."""
        self._open = False
        if self._sql.in_transaction:
            self._run("ROLLBACK")
        self._forget()

    def _forget(self) -> None:
        """Drops what was remembered from the database."""

    def _begin(self) -> None:
        if self._open:
            self._demand_transaction()
        else:
            self._run("BEGIN IMMEDIATE")
            self._open = True

    def _demand_transaction(self) -> None:
        if not self._sql.in_transaction:
            hint = "roll back; check disk space and the health of the disk"
            raise StoreError(StoreCode.FAILED, f"{self._path}: SQLite gave the running transaction up", hint)

    def _write(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        if not self._open or not self._sql.in_transaction:
            self._begin()
        return self._run(sql, parameters)

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """Several statements that count together or not at all, inside the running transaction."""
        self._begin()
        self._run("SAVEPOINT step")
        try:
            yield
        except BaseException:
            if self._sql.in_transaction:
                self._run("ROLLBACK TO step")
                self._run("RELEASE step")
            self._forget()
            raise
        self._run("RELEASE step")

    def together(self) -> AbstractContextManager[None]:
        """Several changes that count together: whatever leaves the context takes all of them back."""
        return self._atomic()

    def _audit(self, who: str, action: str, subject: str, before: str = "", after: str = "") -> None:
        last = self._one("SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1") or (0, "")
        number, row = last[0] + 1, (self._clock(), str(who), str(action), str(subject), str(before), str(after))
        self._write(
            "INSERT INTO audit (id, at, who, action, subject, before, after, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (number, *row, link(last[1], number, row)),
        )


def open_writer(path: Path) -> tuple[sqlite_utils.Database, int]:
    """Opens or makes the file (mode 0600), takes the writer's lock and brings the schema up to date."""
    lock = _writer_lock(path)
    try:
        os.close(_opened(path, os.O_RDWR | os.O_CREAT))
        path.chmod(0o600)
        db = _connected(path, f"file:{_quoted(path)}?mode=rw")
        _prepare(db, path)
    except BaseException as error:
        os.close(lock)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise
    return db, lock


def open_reader(path: Path) -> sqlite_utils.Database:
    """A second connection that cannot write: for slow queries, possibly of another thread."""
    db = _connected(path, f"file:{_quoted(path)}?mode=ro")
    try:
        db.conn.execute("PRAGMA query_only=ON")
        if version(db) > LATEST:
            raise _too_new(db, path)
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error
    return db


def _prepare(db: sqlite_utils.Database, path: Path) -> None:
    try:
        db.conn.execute("PRAGMA journal_mode=WAL")
        for pragma in _PRAGMAS:
            db.conn.execute(pragma)
        if version(db) > LATEST:
            raise _too_new(db, path)
        migrate(db, time.time())
    except sqlite3.Error as error:
        db.conn.close()
        raise from_sqlite(error, path) from error
    except StoreError:
        db.conn.close()
        raise


def _connected(path: Path, uri: str) -> sqlite_utils.Database:
    try:
        # isolation_level None: SQLite's own autocommit; this module alone says BEGIN and COMMIT.
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        return sqlite_utils.Database(connection, execute_plugins=False)
    except sqlite3.Error as error:
        raise from_sqlite(error, path) from error


def _writer_lock(path: Path) -> int:
    held = _opened(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        hint = "stop the other one, or give this one another state directory"
        raise StoreError(StoreCode.LOCKED, f"{path} is in use by another office", hint) from None
    return held


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StoreError:
    hint = f"check owner, mode and free space of {path.parent}"
    return StoreError(StoreCode.UNWRITABLE, f"{path} cannot be opened: {error.strerror}", hint)


def _too_new(db: sqlite_utils.Database, path: Path) -> StoreError:
    hint = "start the newer version of the appliance, or restore a backup made by this one"
    message = f"{path} has schema {version(db)}, this version knows up to {LATEST}"
    return StoreError(StoreCode.TOO_NEW, message, hint)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
