"""Waiting for what another process does: until it is so, however busy the machine is.

A test that asks at once whether a phone, a carrier or the other half of the appliance has done its part measures the
machine. It asks here, with a patience that only a thing that never comes about exhausts.
"""

import threading
import time
from collections.abc import Callable

PATIENCE_S = 60.0
EVERY_S = 0.05


def until(true: Callable[[], object], why: Callable[[], object] = str, patience_s: float = PATIENCE_S) -> None:
    """Returns once `true` holds. Fails with what `why` gives when it does not come to hold within `patience_s`."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, why()
        threading.Event().wait(EVERY_S)
