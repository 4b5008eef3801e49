"""The shape of the database, for whoever helps: tables and sizes, no row."""

from typing import Any

from pysrv.control.desk import Desk


def show(desk: Desk, _: Any) -> dict[str, Any]:
    """schema.show: sizes are bytes"""
    size, free = desk.store.size()
    return {
        "version": desk.store.schema_version,
        "bytes": size,
        "unused_bytes": free,
        "tables": [{"name": name, "sql": sql} for name, sql in desk.store.tables()],
    }
