"""No overspend, ever: two hundred calls at once on money for ninety seconds of one.

The service is whole, the wire loses and repeats, callers hang up when they like, the process is killed and started
again in between, and the clock passes midnight and a month's end. The gate carries audio as the kernel does: from the
answer to a session's deadline, also while nobody serves. Afterwards every second that was carried is paid.
"""

import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance import wire
from pysrv.billing.calendar import day_of, first_day, month_of
from pysrv.service import Service
from tests.service.bench import WALL, Bench, opened
from tests.service.test_loss import Stage

CALLS = 200
CREDIT = 900_000  # micro-units: at 0.01 a second, ninety seconds of one call
DAY_LIMITS = (0, 400_000)  # off: then the credit itself is what ends
RATES = "prefix,per_minute,connect_fee,initial_increment,next_increment\n49,0.60,0,1,1\n"
DAY = 86_400.0


@dataclass
class Session:
    """One relay session of the kernel: it carries until it is closed or its deadline passes."""

    deadline: float
    closed: float | None = None

    def until(self) -> float:
        """The last instant at which audio was carried."""
        return self.deadline if self.closed is None else min(self.closed, self.deadline)


@dataclass
class Kernel:
    """What the fake gate is told, with times."""

    bench: Bench
    sessions: dict[int, Session] = field(default_factory=dict)
    call_of: dict[int, str] = field(default_factory=dict)

    def watch(self) -> None:
        """Wraps the verbs of the gate."""
        gate = self.bench.gate
        open_session, renew, close = gate.open_session, gate.renew_lease, gate.close_session

        def opened_session(session: wire.RelaySession) -> None:
            self.sessions.setdefault(session.session, Session(0.0)).deadline = session.deadline_ns / 1e9
            open_session(session)

        def renewed(session: int, deadline_ns: int) -> None:
            self.sessions[session].deadline = deadline_ns / 1e9
            renew(session, deadline_ns)

        def closed(session: int) -> None:
            self.sessions[session].closed = self.bench.now
            close(session)

        gate.open_session, gate.renew_lease, gate.close_session = opened_session, renewed, closed  # type: ignore[method-assign]

    def note(self) -> None:
        """Which call each session is of."""
        for call_id, call in self.bench.service.parts.accounting.running.items():
            if call.session:
                self.call_of[call.session] = call_id

    def forget_strangers(self) -> None:
        """A service that is back says which sessions it wants; the others end now."""
        wanted = {call.session for call in self.bench.service.parts.accounting.running.values()}
        for number, session in self.sessions.items():
            if number not in wanted and session.closed is None:
                session.closed = self.bench.now
                self.bench.gate.sessions.pop(number, None)


class Killed(Stage):
    """The stage of calls, whose service dies now and then."""

    def __init__(self, bench: Bench, seed: int, loss: float, day_limit: int) -> None:
        super().__init__(bench, seed, loss)
        self.day_limit = day_limit
        self.dead = False
        self.kernel = Kernel(bench)
        self.kernel.watch()

    def kill(self, away_s: float) -> None:
        """The process dies with what it has not committed; peers go on talking to nobody, then it is back."""
        self.bench.store.rollback()
        self.dead = True
        self.run(away_s)
        bench, before = self.bench, self.bench.service
        bench.service = Service(bench.store, before.operators.settings(), bench._world())
        bench.service.start()
        self.dead = False
        self.kernel.note()
        self.kernel.forget_strangers()
        self._settle()

    def _settle(self) -> None:
        if self.dead:
            for peer in self.peers.values():
                peer.drain()
            return
        super()._settle()
        self.kernel.note()
        self.check()

    def run(self, seconds: float) -> None:
        if not self.dead:
            super().run(seconds)
            return
        until = self.bench.now + seconds
        while (due := min((row[0] for row in self.wire.queue), default=until)) < until:
            self.bench.now = max(self.bench.now, due)
            self.wire.queue = [row for row in self.wire.queue if row[0] > due]  # nobody is there to hear
        self.bench.now = until

    def check(self) -> None:
        """At every turn: nothing is owed, and what is reserved is there."""
        account = self.bench.store.account("alice")
        assert account is not None
        assert 0 <= account.reserved <= account.balance
        usage = self.bench.store.usage(account.id)
        assert not self.day_limit or usage.spent_today + account.reserved <= self.day_limit


def prepared(bench: Bench, day_limit: int) -> None:
    """Alice with her ninety seconds, perhaps a limit of her day, half a minute before the end of a month."""
    store = bench.store
    ident = store.import_begin("seconds")
    store.import_rows(ident, 1, RATES)
    store.import_commit(ident)
    store.set_account("alice", deck="seconds", maxlines=0, maxdailycredit=day_limit)
    store.adjust("alice", CREDIT - 10_000_000)
    month = month_of(day_of(WALL + bench.now))
    bench.now = first_day(month + 1) * DAY - WALL - 30
    store.commit()


# Not shrunk when it fails: each example is a stage of its own, and its seed says all.
@settings(
    max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate)
)
@given(
    seed=st.integers(0, 10_000),
    day_limit=st.sampled_from(DAY_LIMITS),
    loss=st.sampled_from([0.0, 0.05]),
    kills=st.lists(st.floats(0.2, 25.0), min_size=1, max_size=3),
)
def test_two_hundred_calls_never_spend_more_than_there_is_and_every_second_carried_is_paid(
    seed: int, day_limit: int, loss: float, kills: list[float]
) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as directory, opened(Path(directory)) as bench:
        prepared(bench, day_limit)
        stage = Killed(bench, seed, loss, day_limit)
        for index in range(CALLS):
            stage.caller.place(index + 1, rng.uniform(0.2, 60))
            stage.run(rng.uniform(0.0, 0.05))
        for away_s in kills:
            stage.run(rng.uniform(1, 15))
            stage.kill(away_s)
        stage.run(300)
        account = bench.store.account("alice")
        assert account is not None
        postings = bench.store.postings("alice", limit=10_000)
        assert account.balance == sum(row.amount for row in postings) >= 0
        assert (account.reserved, account.lines, account.reserved_s, bench.store.open_calls()) == (0, 0, 0, [])
        records = {row.call_id: row for row in bench.store.cdrs(limit=10 * CALLS)}
        assert sum(row.charge for row in records.values()) == CREDIT - account.balance
        assert any(row.charge for row in records.values())
        for number, session in stage.kernel.sessions.items():
            record = records[stage.kernel.call_of[number]]
            if record.answered_at is None:
                continue
            carried_s = session.until() - (record.answered_at - WALL)
            assert carried_s <= record.billable_seconds + 0.001, (record, session)
