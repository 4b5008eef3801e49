"""The database room: SQLite through sqlite-utils, one writer, functions that return frozen dataclasses."""

from pysrv.store.database import DATABASE
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.rows import (
    Account,
    AccountType,
    AllowRow,
    Attempt,
    AuditRow,
    BanRow,
    CallState,
    CdrFilter,
    Deck,
    NewAccount,
    NewCall,
    NewTrunk,
    OpenCall,
    Override,
    Route,
    SavedBinding,
    StoredPosting,
    Trunk,
)
from pysrv.store.store import Reader, Store

__all__ = [
    "DATABASE",
    "Account",
    "AccountType",
    "AllowRow",
    "Attempt",
    "AuditRow",
    "BanRow",
    "CallState",
    "CdrFilter",
    "Deck",
    "NewAccount",
    "NewCall",
    "NewTrunk",
    "OpenCall",
    "Override",
    "Reader",
    "Route",
    "SavedBinding",
    "Store",
    "StoreCode",
    "StoreError",
    "StoredPosting",
    "Trunk",
]
