"""Nonces of the older entry point: each is good once, for a minute, for the network that asked. Seconds are monotonic.

Pure. A digest over one cannot be sent again by whoever saw it. Bounded: a flood of questions pushes out the oldest.
"""

import secrets
from collections import OrderedDict
from typing import Final

from pysrv.web.guesses import network

LIFE_S: Final = 60.0
MOST: Final = 10_000
MOST_OF_ONE: Final = 20
BYTES: Final = 24


class OnceNonces:
    """Nonces that wait for their digest."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()  # nonce -> whose, until

    def make(self, address: str, now: float) -> str:
        """A new one; the oldest of a network that asks for too many goes."""
        whose = network(address)
        self._forget(now)
        own = [nonce for nonce, (owner, _) in self._waiting.items() if owner == whose]
        for nonce in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._waiting[nonce]
        nonce = secrets.token_urlsafe(BYTES)
        self._waiting[nonce] = whose, now + LIFE_S
        if len(self._waiting) > MOST:
            self._waiting.popitem(last=False)
        return nonce

    def take(self, nonce: str, address: str, now: float) -> bool:
        """Whether it is good; from then on it is not."""
        whose, until = self._waiting.pop(nonce, ("", 0.0))
        return whose == network(address) and now < until

    def _forget(self, now: float) -> None:
        while self._waiting and next(iter(self._waiting.values()))[1] <= now:
            self._waiting.popitem(last=False)
