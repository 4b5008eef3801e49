"""`check`: a walk through the whole database in a process of its own, beside the office that serves calls.

It reads through a connection that cannot write, and answers once: pages that are damaged, the schema's number, the
audit trail's chain. It must know neither sockets nor the running service.
"""

from collections.abc import Callable
from typing import Any

from appliance import wire
from appliance.wire import WireError
from pysrv.store import Reader, StoreError
from pysrv.store.migrations import LATEST


def walked(reader: Reader) -> dict[str, Any]:
    """What was found. Raises StoreError. A trail on a damaged page counts as broken at its first row."""
    damage = reader.damage(indexes=False)
    try:
        chain = reader.audit_chain()
        broken_at, rows = chain.broken_at, chain.rows
    except StoreError as error:
        damage, broken_at, rows = [*damage, error.message], 1, 0
    return {
        "damage": damage, "schema": reader.schema_version, "newest": LATEST, "trail": rows, "broken_at": broken_at,
    }  # fmt: skip


def run_check(open_reader: Callable[[], Reader], write: Callable[[bytes], object]) -> int:
    """Writes one reply. The exit status."""
    try:
        with open_reader() as reader:
            write(wire.reply(1, walked(reader)))
    except StoreError as error:
        write(wire.refusal(1, WireError(str(error.code), error.message, error.hint)))
        return 1
    return 0
