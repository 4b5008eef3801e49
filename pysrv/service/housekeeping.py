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
        self._trust_ends_at = 0.0  # of the trusted source that ends next, Unix seconds; 0: none does

    def get_timer(self) -> float:
        """When `run` wants to be called (monotonic seconds)."""
        return self._at

    def run(self, now: float) -> None:
        """Do what is due."""
        if now < self._at:
            return
        self._at = now + min(EVERY_S, self._until_trust_ends())
        for prefix, port in self._store.expire_bans():
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

    def _until_trust_ends(self) -> float:
        """Seconds until somebody is trusted no more. Who just was is told to the gate with the whole plan: what stood
        behind that row, such as a trunk's address, counts again."""
        wall = self._world.clock.wall()
        if 0 < self._trust_ends_at <= wall:
            self._world.gate.resync()
        self._trust_ends_at = self._store.next_allow_end()
        return self._trust_ends_at - wall if self._trust_ends_at else EVERY_S
