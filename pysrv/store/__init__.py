"""The database room: SQLite through sqlite-utils, one writer, functions that return frozen dataclasses."""

from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.store import Reader, Store

__all__ = ["Reader", "Store", "StoreCode", "StoreError"]
