"""The one timer that wakes the service."""

import asyncio
import time
from collections.abc import Callable


class Alarm:
    """One timer of the loop; times are those of time.monotonic()."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0

    def at(self, at: float) -> None:
        """Ring at this time; one that is set for an earlier time stays: whoever hears it asks again."""
        if self._timer is not None and self._at <= at:
            return
        self.cancel()
        self._at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._fire)

    def soon(self) -> None:
        """Ring after what is under way: many settlements then share one commit."""
        self.at(time.monotonic())

    def cancel(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self._ring()
