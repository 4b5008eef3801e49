"""A store, settings and a dispatcher on a clock that the test turns."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.config.settings import Settings
from pysrv.notify import Dispatcher
from pysrv.notify.dispatcher import SENDERS
from pysrv.service.notices import Notices
from pysrv.store import Store
from pysrv.store.notices import DeliveryRow
from pysrv.store.rows import NewAccount

NOW = 1_800_000_000.0


@dataclass
class Outbox:
    """Tells and sends. `now` is the time; `use` changes settings."""

    store: Store
    settings: Settings = field(default_factory=Settings)
    now: float = NOW

    def __post_init__(self) -> None:
        self.store._clock = lambda: self.now
        self.notices = Notices(self.store)
        self.senders: dict[Any, Any] = dict(SENDERS)
        self.restart()

    def restart(self) -> None:
        """Another dispatcher over the same store."""
        self.dispatcher = Dispatcher(
            self.store, lambda: self.settings, lambda: self.now, self.store.commit, self.senders
        )

    def use(self, **texts: object) -> None:
        self.settings = self.settings.with_changes({name: str(text) for name, text in texts.items()}, 1)

    def tell(self, kind: str, account: str = "", key: str = "", **figures: int | str) -> None:
        self.notices.tell(kind, account, key, **figures)
        self.store.commit()

    async def drain(self) -> float:
        """Send until nothing is due; after how many seconds something is."""
        while not (pause_s := await self.dispatcher.step()):
            pass
        return pause_s

    def rows(self) -> list[DeliveryRow]:
        return self.store.notices()[::-1]

    def states(self) -> list[tuple[str, str, str, str]]:
        return [(row.channel, row.recipient, row.status, row.reason) for row in self.rows()]


def outbox(directory: Path, **texts: object) -> Outbox:
    """An outbox with an account `alice`."""
    made = Outbox(Store.open(directory / "appliance.db"))
    made.store.add_account(NewAccount("alice", "x-secret-1", "appliance", email="alice@example.org", phone="+491701"))
    made.store.commit()
    made.use(notifyprivate="true", **texts)  # the servers of the tests are on loopback
    return made
