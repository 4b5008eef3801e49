"""The one error of the store, with a code for programs and a sentence and a hint for people."""

import sqlite3
from enum import StrEnum
from pathlib import Path


class StoreCode(StrEnum):
    """What went wrong, as far as a caller can act on it."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    LOCKED = "locked"
    CORRUPT = "corrupt"
    UNWRITABLE = "unwritable"
    FULL = "disk_full"
    TOO_NEW = "too_new"
    SEALED = "sealed"
    FAILED = "failed"


class StoreError(Exception):
    """A refused or failed store call: nothing of that call is in the transaction."""

    def __init__(self, code: StoreCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


def from_sqlite(error: sqlite3.Error, path: Path) -> StoreError:
    """The typed error for what SQLite said."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(StoreCode.LOCKED, f"{path} is locked by another process", "stop the other process")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "malformed" in text or "not a database" in text:
        return StoreError(StoreCode.CORRUPT, f"{path} is damaged: {text}", "restore a backup of the state directory")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StoreError(
            StoreCode.UNWRITABLE, f"{path} cannot be written: {text}", "check owner and mode of its folder"
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return StoreError(StoreCode.FULL, f"{path} could not be written: {text}", "check the disk: full or failing")
    if name.startswith("SQLITE_CONSTRAINT"):
        return StoreError(StoreCode.CONFLICT, f"refused by the database: {text}")
    return StoreError(StoreCode.FAILED, f"{path}: {text}")
