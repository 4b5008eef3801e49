"""The service with a carrier to every number of the world, and a caller who tries one number after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pysrv.service import Service
from pysrv.sip.message import Response
from pysrv.store.rows import NewTrunk, Route
from tests.calls.playbook import sdp, source
from tests.service.bench import WALL, Bench, Client, opened

WORLD = "198.51.100.8"
ALICE = "192.0.2.11"
CHEAP, DEAR = 10_000, 5_000_000  # a minute
DECK = (
    "prefix,per_minute,initial_increment,next_increment\n"
    + "".join(f"{digit},0.01,1,1\n" for digit in range(10))
    + "252,5.00,1,1\n"
)


@dataclass
class Line:
    """One account's telephone, and the carrier behind the appliance."""

    bench: Bench
    phone: Client
    carrier: Client

    def set(self, **texts: str) -> None:
        """Change settings of the running service."""
        service = self.bench.service
        service.operators.apply_settings(service.operators.settings().with_changes(texts))

    def account(self, **changes: Any) -> None:
        """Change the account."""
        self.bench.store.set_account(self.phone.name, **changes)

    def dial(self, number: str, talk_s: float | None = None) -> str:
        """Call a number that is busy, or with `talk_s` one that is answered for so long; the setting that refuses it,
        as the caller hears it, or empty."""
        self.phone.invite(number)
        asked = [request for request in self.carrier.requests() if request.method == b"INVITE"]
        if not asked:
            return self.refused_by()
        if talk_s is None:
            self.carrier.reply(asked[0], 486)
        else:
            answer = self.answer(asked[0])
            if talk_s:
                self.bench.sleep(talk_s)
            self.hang_up(answer)
        self.settle()
        return ""

    def begin(self, number: str) -> Response | None:
        """Call a number that is answered and goes on; None: it was refused."""
        self.phone.invite(number)
        asked = [request for request in self.carrier.requests() if request.method == b"INVITE"]
        return self.answer(asked[0]) if asked else None

    def answer(self, invite: Any) -> Response:
        """The carrier answers, the caller acknowledges."""
        self.carrier.reply(invite, 200, sdp(self.carrier.address, 12_000))
        answer = self.phone.responses()[-1]
        self.bench.receive(self.phone.inside(answer, "ACK", answer.cseq.number), self.phone.flow)
        self.carrier.requests()
        return answer

    def hang_up(self, answer: Response) -> None:
        """The caller ends a call."""
        self.bench.receive(self.phone.inside(answer, "BYE", answer.cseq.number + 1), self.phone.flow)
        for bye in self.carrier.requests():
            self.carrier.reply(bye, 200)

    def settle(self) -> None:
        """What is left on the wires is read."""
        self.bench.turn()
        self.phone.responses()
        self.carrier.requests()

    def refused_by(self) -> str:
        """What the last record says."""
        return self.bench.store.cdrs(limit=1)[0].refused_by

    def notices(self, kind: str) -> list[str]:
        """Keys of what people were told."""
        return [key for told, _, key in self.bench.told if told == kind]  # type: ignore[attr-defined]


def restarted(bench: Bench) -> None:
    """The same store under another process."""
    settings = bench.service.operators.settings()
    bench.service = Service(bench.store, settings, replace(bench._world(), tokens=source("another process")))
    bench.service.start()
    hear(bench)


@contextmanager
def line_to_the_world(directory: Path) -> Iterator[Line]:
    """alice with 10.00, and a carrier for every number at 0.01 a minute, Somalia at 5.00."""
    with opened(directory) as bench:
        ident = bench.store.import_begin("world")
        bench.store.import_rows(ident, 1, DECK)
        bench.store.import_commit(ident)
        bench.store.set_account("alice", deck="world")
        bench.store.add_trunk(NewTrunk("world", WORLD, routes=(Route("", priority=10),), inbound=(WORLD,)))
        bench.store.remove_trunk("carrier")
        bench.store.commit()
        bench.store._clock = lambda: WALL + bench.now
        hear(bench)
        yield Line(bench, Client(bench, "alice", ALICE), Client(bench, "world", WORLD))


def hear(bench: Bench) -> None:
    """Keeps what people are told as (kind, account, key)."""
    told: list[tuple[str, str, str]] = []
    bench.told = told  # type: ignore[attr-defined]
    before = bench.service.parts.fraud._tell

    def tell(kind: str, account: str, key: str, **figures: Any) -> None:
        told.append((kind, account, key))
        before(kind, account, key, **figures)

    bench.service.parts.fraud._tell = tell
    bench.service.parts.brake._tell = tell
