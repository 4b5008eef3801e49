"""A single run: lines are answered in order over a store that no office has open (`python -m pysrv once`)."""

import time
from collections.abc import Callable, Iterable

from appliance import wire
from appliance.wire import WireError
from pysrv.control.desk import refusals
from pysrv.control.session import Control
from pysrv.store import Store, StoreCode, StoreError

PATIENCE_S, RETRY_S = 10.0, 0.05  # how long a single run waits for another one, seconds


def _patiently(open_store: Callable[[], Store], patience_s: float) -> Store:
    """The store; another single run that holds it is soon done. Raises StoreError."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return open_store()
        except StoreError as error:
            if error.code is not StoreCode.LOCKED or time.monotonic() >= until:
                raise
            time.sleep(RETRY_S)


def run_once(
    open_store: Callable[[], Store],
    who: str,
    lines: Iterable[bytes],
    write: Callable[[bytes], object],
    patience_s: float = PATIENCE_S,
) -> int:
    """Answer `lines` in order, each reply through `write`: the whole life of `python -m pysrv once`. Returns the exit
    status. Read all lines before: nobody reads replies while it still writes requests.
    """
    wanted = [line for line in lines if line.strip()]
    try:
        with refusals():
            store = _patiently(open_store, patience_s)
    except WireError as error:
        for line in wanted:
            write(wire.refusal(_ident_of(line), error))
        return 1
    session = Control(store).session(who)
    try:
        for line in wanted:
            write(session.answer(line))
    finally:
        session.close()
        store.close()
    return 0


def _ident_of(line: bytes) -> int:
    try:
        ident = wire.decode(line).get("id")
    except WireError:
        return 0
    return ident if type(ident) is int else 0
