"""The shape of the database, for whoever helps: tables and sizes, no row."""

from typing import Any, TypedDict

from pysrv.control.desk import Desk


class TableRow(TypedDict):
    """A table, an index or a trigger, and the SQL that makes it."""

    name: str
    sql: str


class SchemaAnswer(TypedDict):
    """The database: the version of its schema, its size, and how much of that holds nothing."""

    version: int
    bytes: int
    unused_bytes: int
    tables: list[TableRow]


def show(desk: Desk, _: Any) -> SchemaAnswer:
    """schema.show: sizes are bytes"""
    size, free = desk.store.size()
    return {
        "version": desk.store.schema_version,
        "bytes": size,
        "unused_bytes": free,
        "tables": [{"name": name, "sql": sql} for name, sql in desk.store.tables()],
    }
