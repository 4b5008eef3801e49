"""Stop signals as an interrupt: what a run has made is taken down after Ctrl-C, `kill` and a closed terminal alike."""

import os
import signal
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = 130  # the exit status that a shell gives for Ctrl-C


def interruptible() -> None:
    """Let the first stop signal raise KeyboardInterrupt and ignore later ones, so that tearing down comes to its end.

    A signal that is ignored already (nohup, a job in the background) stays ignored. Forks just end, as they would.
    """
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    os.register_at_fork(after_in_child=_as_before)


def _stop(number: int, frame: FrameType | None) -> None:
    for later in STOPS:
        signal.signal(later, signal.SIG_IGN)
    raise KeyboardInterrupt


def _as_before() -> None:
    for number in STOPS:
        if signal.getsignal(number) is _stop:
            signal.signal(number, signal.SIG_DFL)
