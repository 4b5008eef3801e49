"""How fast a program or an address may ask: one token bucket for each (RFC 2697's idea, one colour). Pure; seconds are
monotonic. Told to those who ask by the RateLimit fields of draft-ietf-httpapi-ratelimit-headers.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pysrv.web.problems import TooMany

MOST_BUCKETS: Final = 10_000


class TooFast(TooMany):
    """Refused for a while; `headers` tell the pace."""

    def __init__(self, words: str, hint: str, wait_s: float, headers: Mapping[str, str]) -> None:
        super().__init__(words, hint, wait_s)
        self.headers = dict(headers)


@dataclass(frozen=True, slots=True)
class Take:
    """What came of one request. `left`: how many more may come at once; `wait_s`: until one may, 0: this one could."""

    policy: str
    left: int
    wait_s: float

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit and its policy."""
        return {"RateLimit-Policy": self.policy, "RateLimit": f"{self.policy.partition(';')[0]};r={self.left}"}


class Paces:
    """Buckets of one kind: `burst` requests at once, `rate` a second on the long run."""

    def __init__(self, name: str, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._policy = f'"{name}";q={burst};w={math.ceil(burst / rate)}'
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # key -> left, at

    def take(self, key: str, now: float) -> Take:
        """One request of `key`; one that is refused costs nothing."""
        left, at = self._buckets.pop(key, (float(self._burst), now))
        left = min(float(self._burst), left + max(0.0, now - at) * self._rate)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._rate
        if not wait_s:
            left -= 1
        self._buckets[key] = left, now
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return Take(self._policy, int(left), wait_s)

    def check(self, key: str, now: float, words: str, hint: str) -> Take:
        """As `take`. Raises TooFast."""
        taken = self.take(key, now)
        if taken.wait_s:
            raise TooFast(words, hint, taken.wait_s, taken.headers)
        return taken
