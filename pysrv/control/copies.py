"""One process beside a running office (`python -m pysrv copies`): a copy of the database for a backup, and what a
database that was put back says of itself before it takes another one's place.

It is the office's user that reads and writes here: root, which makes the backup, opens no database.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from appliance import wire
from appliance.wire import WireError
from pysrv.control.desk import refusals, written
from pysrv.store import DATABASE, Reader

COPY: Final = "copy.db"  # beside the database; whoever asked takes it away
MOST_DAMAGE: Final = 3  # lines of it that are told


def run_copies(state: Path, lines: Iterable[bytes], write: Callable[[bytes], object]) -> int:
    """Answers `copy` and `verify`, which take no arguments. `state` is the office's own directory. The exit status."""

    def progress(done: int, total: int) -> None:
        write(wire.encode({"progress": [done, total]}))

    verbs: Mapping[str, Callable[[], dict[str, Any]]] = {
        "copy": lambda: _copy(state, progress),
        "verify": lambda: _verified(state / DATABASE),
    }
    for line in lines:
        ident = 0
        try:
            message = wire.decode(line)
            ident = message["id"] if type(message.get("id")) is int else 0
            act = verbs.get(str(message.get("verb")))
            if act is None:
                raise WireError("unknown_verb", f"there is no verb {message.get('verb')!r:.60} here")
            with refusals():
                write(wire.reply(ident, act()))
        except WireError as error:
            write(wire.refusal(ident, error))
            return 1
    return 0


def _copy(state: Path, heard: Callable[[int, int], None]) -> dict[str, Any]:
    target = state / COPY
    with closing(Reader.open(state / DATABASE)) as reader:
        reader.copy_to(target, heard)
    try:
        return {"file": COPY} | _verified(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _verified(path: Path) -> dict[str, Any]:
    """What a whole database holds. Raises StoreError and WireError for one that nobody should rely on."""
    with closing(Reader.open(path)) as reader:
        if damage := reader.damage(indexes=True):
            words = "; ".join(damage[:MOST_DAMAGE])
            raise WireError(
                "corrupt", f"the database is damaged: {words}", "take an older backup: 'appliance backup list'"
            )
        reader.check_key()
        contents = reader.contents()
    return asdict(contents) | {"balances": {name: written(sum_) for name, sum_ in sorted(contents.balances.items())}}
