"""How long a keeper whose office is a unit may take to serve. systemd heard that it is ready before the gate is loaded,
so that the office begins meanwhile, and its own limit for a start ends there (TimeoutStartSec=).

A start that hangs is given up from another thread: the one that hangs is in the kernel or in a library, where no signal
handler of Python's is run. systemd begins the next one. What is pinned stays, as with a keeper that was killed.
"""

import faulthandler
import os
import threading
from collections.abc import Callable
from typing import Final

START_S = 300.0  # as appliance.service gives a start: compiled and loaded, emulated on a busy machine, it took 180
LAST_S = 10.0  # more, and it ends whoever holds the interpreter, without a word of ours
GIVEN_UP: Final = 70  # EX_SOFTWARE of sysexits.h


class Patience:
    """Runs out unless `end()` is called. `say`: one line for the journal."""

    def __init__(self, say: Callable[[str], None], start_s: float = START_S, last_s: float = LAST_S) -> None:
        self._say, self._start_s = say, start_s
        faulthandler.dump_traceback_later(start_s + last_s, exit=True)
        self._timer = threading.Timer(start_s, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """It serves, or does not start at all. May be called again."""
        self._timer.cancel()
        faulthandler.cancel_dump_traceback_later()

    def _give_up(self) -> None:
        self._say(f"it does not serve after {self._start_s:g} s: given up, to be begun again; this is where it hangs")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(GIVEN_UP)
