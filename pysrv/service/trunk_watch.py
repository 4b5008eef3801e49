"""Trunks that take no calls: failures in a row are counted, and told once a day. What a trunk is worth in the long run
is pysrv.service.quotes' and the store's; this is about one that is down now.
"""

from collections.abc import Callable

from appliance.config.settings import Settings
from pysrv.calls.plan import Target, TargetKind
from pysrv.store import Store

SILENCE = 408
Tell = Callable[..., None]
"""Kind of notice, account, key, and its figures by name."""


class TrunkWatch:
    """Counts in memory; a restart begins anew."""

    def __init__(self, store: Store, settings: Callable[[], Settings], tell: Tell) -> None:
        self._store, self._settings, self._tell = store, settings, tell
        self._failed: dict[str, int] = {}

    def failed(self, target: Target, status: int) -> None:
        """A call failed at a target. Whoever answers busy, or no such number, is there."""
        if target.kind is not TargetKind.TRUNK:
            return
        if status != SILENCE and not 500 <= status < 600:
            self._failed.pop(target.label, None)
            return
        count = self._failed[target.label] = self._failed.get(target.label, 0) + 1
        most = self._settings().trunkfailures
        if most and count >= most:
            key = f"{target.label}:{self._store.today()}"
            self._tell(
                "trunk_failing", "", key, trunk=target.label, count=count, status=status, setting="trunkfailures"
            )

    def works(self, target: Target) -> None:
        """A target rings, or answers."""
        if target.kind is TargetKind.TRUNK:
            self._failed.pop(target.label, None)
