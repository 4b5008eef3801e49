"""How often somebody may ask for a callback, so that the appliance becomes no dialler. Pure; seconds are monotonic.

Two sliding windows for each account, and tighter ones for each number that is called first: whoever is rung by somebody
else's request must have peace, however many accounts ask. A request counts whatever becomes of it.
"""

from collections import deque
from dataclasses import dataclass

MOST_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Window:
    """At most `most` requests within `seconds`."""

    most: int
    seconds: float


OF_ACCOUNT = (Window(3, 60.0), Window(30, 3600.0))
OF_NUMBER = (Window(2, 60.0), Window(6, 3600.0))


class Attempts:
    """The requests of the last hour, by account and by the number that was to be called first."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def attempt(self, account: str, first: str, now: float) -> float:
        """One request; `first` is empty for the account's own telephone. Returns 0.0 if it may go on, else the seconds
        until one may. One that may not is not counted, so that waiting helps."""
        asked = [(f"a:{account}", OF_ACCOUNT)] + ([(f"n:{first}", OF_NUMBER)] if first else [])
        wait = max(self._wait(key, windows, now) for key, windows in asked)
        if wait <= 0.0:
            for key, windows in asked:
                self._keep(key, windows, now)
        return max(0.0, wait)

    def _wait(self, key: str, windows: tuple[Window, ...], now: float) -> float:
        times = self._times.get(key, ())
        found = (times[-window.most] + window.seconds - now for window in windows if len(times) >= window.most)
        return max(found, default=0.0)

    def _keep(self, key: str, windows: tuple[Window, ...], now: float) -> None:
        if key not in self._times and len(self._times) >= MOST_KEYS:
            self._times.pop(next(iter(self._times)))
        self._times.setdefault(key, deque(maxlen=max(window.most for window in windows))).append(now)
