"""The service before attackers: limits, guesses, knocks, and who is banned. The store's clock is the bench's, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.config.settings import Settings
from pysrv.sip.events import Flow
from tests.calls.playbook import APPLIANCE
from tests.service import bench as benches
from tests.service.bench import WALL, Bench, Client, opened

ALICE, BOT = "192.0.2.11", "192.0.2.66"
HOUR = 3600.0


@contextmanager
def attacked(directory: Path) -> Iterator[Bench]:
    """A service whose store's clock goes with the bench's."""
    with opened(directory) as made:
        made.store._clock = lambda: WALL + made.now
        yield made


def limited(bench: Bench, **limits: object) -> None:
    bench.service.operators.apply_settings(Settings(limits))


def guess(bench: Bench, name: str, port: int, times: int = 1, address: str = BOT) -> None:
    """Wrong passwords for an account, each under a nonce of its own, from one port."""
    right, benches.PASSWORD = benches.PASSWORD, "guessed"
    try:
        for _ in range(times):
            Client(bench, name, address, port).register()
    finally:
        benches.PASSWORD = right


def knock(bench: Bench, times: int, address: str = BOT, port: int = 5060) -> None:
    """Requests without credentials, never answered."""
    for _ in range(times):
        bench.receive(
            Client(bench, "nobody", address, port).message("REGISTER", ""), Flow("udp", APPLIANCE, (address, port))
        )


def banned(bench: Bench) -> list[str]:
    return [row.source for row in bench.store.bans()]
