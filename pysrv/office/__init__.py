"""The office: store, service, sockets, gate and pages put together, in one process, until SIGTERM.

office.py     builds what calls need around one Service, opens and closes it
reception.py  builds what people and programs reach it by, out of what offered.py names
alarm.py      the one timer that wakes the service
watch.py      what the gate counts, read every second, and what the charts are made of
front.py      what the web may ask of all that
inside.py     what is reached through the administrators' tunnel
peers.py      who may come through it, and who is told
greeting.py   what the first lines say: addresses, a first password, accounts to try
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from appliance.config.options import CANNOT_RUN, RunOptions
from pysrv.net.udp import PortBusy
from pysrv.office.office import Office
from pysrv.service import journal
from pysrv.store import StoreError

__all__ = ["Office", "run"]

LOOK_S = 0.05


def run(options: RunOptions, keeper: str, started: Callable[[], None] = lambda: None) -> int:
    """Serve until told to stop; returns the exit status. `started` is called when everything is open.

    Where the office is a unit of its own, it begins while the keeper loads the gate: nothing is opened before that
    holds.
    """
    log = journal.to_stderr()
    try:
        return uvloop.run(_main(options, keeper, log, started))
    except (StoreError, PortBusy) as error:
        print(f"office: {error}", file=sys.stderr)
        return CANNOT_RUN


async def _main(options: RunOptions, keeper: str, log: journal.Chosen, started: Callable[[], None]) -> int:
    office = Office(options, keeper)
    log.style = office.log_format
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    try:
        while options.office_unit and not Path(keeper).exists() and not told.is_set():
            await asyncio.sleep(LOOK_S)
        if not told.is_set():
            await office.start()
            started()
        await told.wait()
    finally:
        await office.stop()
    return 0
