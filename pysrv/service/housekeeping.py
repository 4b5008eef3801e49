"""What is done between calls: bans that ran out, the turn of a month, old rates and attempts swept in small bites."""

from appliance import wire
from pysrv.service.fraud import Fraud
from pysrv.service.spending import Spending
from pysrv.service.surroundings import Surroundings
from pysrv.store import Store

EVERY_S = 5.0


class Housekeeping:
    """Small chores on a timer; each bite is a few milliseconds at most."""

    def __init__(self, store: Store, world: Surroundings, spending: Spending, fraud: Fraud) -> None:
        self._store, self._world, self._spending, self._fraud = store, world, spending, fraud
        self._at = world.clock.monotonic() + EVERY_S
        self._allow_ends_at = 0.0  # of the row of the allow list that ends next, Unix seconds; 0: none does

    def get_timer(self) -> float:
        """When `run` wants to be called (monotonic seconds)."""
        return self._at

    def run(self, now: float) -> None:
        """Do what is due."""
        if now < self._at:
            return
        self._tell_of_ended_allows()
        self._at = now + min(EVERY_S, self._until_allow_ends())
        for prefix, port in self._store.expire_sources():
            if port:
                self._world.gate.unban_pair(wire.Pair(prefix, port))
            else:
                self._world.gate.unban(prefix)
        self._spending.turn_month()
        self._fraud.expire()
        self._store.prune_exposure(self._store.today())
        self._store.sweep()
        self._store.prune_attempts()
        self._store.prune_notices()

    def _tell_of_ended_allows(self) -> None:
        """The gate has the whole plan when a row has ended, of whichever kind: what stood behind it, such as a trunk's
        address, counts again."""
        if 0 < self._allow_ends_at <= self._world.clock.wall():
            self._world.gate.resync()
        self._allow_ends_at = self._store.next_allow_end()

    def _until_allow_ends(self) -> float:
        """Seconds until a row ends, if one does."""
        return self._allow_ends_at - self._world.clock.wall() if self._allow_ends_at else EVERY_S
