"""Trunks that take no calls: failures in a row are counted, and told once a day. What a trunk is worth in the long run
is pysrv.service.quotes' and the store's; this is about one that is down now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.config.settings import Settings
from pysrv.calls.plan import Target, TargetKind
from pysrv.store import Store

SILENCE = 408
Tell = Callable[..., None]
"""Kind of notice, account, key, and its figures by name."""


@dataclass(frozen=True, slots=True)
class TrunkHealth:
    """What a trunk did with the last calls that were offered to it. `*_at` is Unix time in seconds, 0: never since the
    start; `failed_status` the SIP status of the last call that it did not carry, busy ones and wrong numbers too;
    `failures` how many in a row it did not take at all."""

    worked_at: float = 0.0
    failed_at: float = 0.0
    failed_status: int = 0
    failures: int = 0


_UNHEARD = TrunkHealth()


class TrunkWatch:
    """Counts in memory; a restart begins anew. `now` gives Unix seconds."""

    def __init__(self, store: Store, settings: Callable[[], Settings], tell: Tell, now: Callable[[], float]) -> None:
        self._store, self._settings, self._tell, self._now = store, settings, tell, now
        self._health: dict[str, TrunkHealth] = {}

    def health(self, trunk: str) -> TrunkHealth:
        """What is known of a trunk's last calls."""
        return self._health.get(trunk, _UNHEARD)

    def failed(self, target: Target, status: int) -> None:
        """A call failed at a target. Whoever answers busy, or no such number, is there."""
        if target.kind is not TargetKind.TRUNK:
            return
        away = status == SILENCE or 500 <= status < 600
        known = self.health(target.label)
        count = known.failures + 1 if away else 0
        self._health[target.label] = replace(known, failed_at=self._now(), failed_status=status, failures=count)
        if not away:
            return
        most = self._settings().trunkfailures
        if most and count >= most:
            key = f"{target.label}:{self._store.today()}"
            self._tell(
                "trunk_failing", "", key, trunk=target.label, count=count, status=status, setting="trunkfailures"
            )

    def works(self, target: Target) -> None:
        """A target rings, or answers."""
        if target.kind is TargetKind.TRUNK:
            self._health[target.label] = replace(self.health(target.label), worked_at=self._now(), failures=0)
