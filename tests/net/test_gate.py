"""The gate client against a keeper on a real unix socket that is killed, restarted, mute, wrong or without a kernel."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from appliance import wire
from appliance.wire import RelaySession, RelayStream, SessionCounters, WireError
from pysrv.net.gate import GateClient
from tests.net.keeper import Keeper
from tests.net.rtp import Phone, rtp
from tests.ports import free_pair, is_free

NEVER_NS = 2**62
BANS = (wire.Ban("192.0.2.66"),)


@dataclass
class Events:
    """What the client told, in order."""

    log: list[tuple[str, object]] = field(default_factory=list)
    closed: dict[int, SessionCounters] = field(default_factory=dict)
    counters: list[tuple[SessionCounters, ...]] = field(default_factory=list)

    def on_connected(self, status: wire.GateStatus) -> None:
        self.log.append(("connected", status.relay))

    def on_disconnected(self, reason: str) -> None:
        self.log.append(("disconnected", reason))

    def on_session_refused(self, session: int, error: WireError) -> None:
        self.log.append(("refused", (session, error.code)))

    def on_session_closed(self, session: int, counters: SessionCounters) -> None:
        self.log.append(("closed", session))
        self.closed[session] = counters

    def on_counters(self, counters: tuple[SessionCounters, ...]) -> None:
        self.counters.append(counters)

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        self.log += [("offence", each.rule) for each in offences]


@dataclass
class Bench:
    keeper: Keeper
    gate: GateClient
    events: Events

    async def up(self) -> None:
        await self.gate.start()
        await until(lambda: self.gate.status is not None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    events = Events()
    path = str(tmp_path / "keeper.sock")
    plan = wire.Plan(1, (("udp", 5060),), (20_000, 29_999), bans=BANS)
    gate = GateClient(path, lambda: plan, events, back_off_s=(0.01,))
    bench = Bench(Keeper(path), gate, events)
    await bench.keeper.start()
    yield bench
    await gate.stop()
    await bench.keeper.stop()


def session(ident: int, deadline_ns: int = NEVER_NS) -> RelaySession:
    return RelaySession(ident, deadline_ns, (RelayStream(("192.0.2.1", 20_000), ("192.0.2.1", 20_002)),))


async def test_the_whole_plan_comes_first_then_the_status(bench: Bench) -> None:
    bench.gate.open_session(session(7))
    await bench.up()
    assert bench.keeper.verbs == ["hello", "sync"]
    assert bench.keeper.plan is not None
    assert bench.keeper.plan.bans == BANS
    assert bench.keeper.sessions == {7: session(7)}
    assert bench.events.log == [("connected", "kernel")]
    assert bench.gate.relays


async def test_verbs_leave_together_at_flush_and_in_order(bench: Bench) -> None:
    await bench.up()
    bench.keeper.reads.clear()
    bench.gate.open_session(session(1, 5))
    bench.gate.renew_lease(1, 9)
    bench.gate.ban(wire.Ban("192.0.2.99"))
    bench.gate.allow(wire.Source("192.0.2.5"))
    await asyncio.sleep(0.01)
    assert bench.keeper.reads == []
    bench.gate.flush()
    await until(lambda: bench.keeper.verbs[-4:] == ["open_session", "renew_lease", "ban", "allow"])
    assert len(bench.keeper.reads) == 1
    assert bench.keeper.sessions[1].deadline_ns == 9


async def test_closing_brings_the_final_counters(bench: Bench) -> None:
    await bench.up()
    bench.gate.open_session(session(1))
    bench.gate.close_session(1)
    bench.gate.flush()
    await until(lambda: 1 in bench.events.closed)
    assert bench.events.closed[1].streams[0].packets == 50
    assert bench.gate.sessions == 0


async def test_a_keeper_without_memory_gets_everything_again(bench: Bench) -> None:
    await bench.up()
    for ident in (1, 2, 3):
        bench.gate.open_session(session(ident, 5))
    bench.gate.flush()
    await until(lambda: len(bench.keeper.sessions) == 3)
    bench.gate.request_counters()
    bench.gate.flush()
    await until(lambda: len(bench.events.counters) == 1)

    await bench.keeper.stop()
    await until(lambda: bench.gate.status is None)
    bench.gate.renew_lease(1, 11)
    bench.gate.close_session(2)
    bench.gate.open_session(session(4))
    bench.gate.flush()
    await until(lambda: 2 in bench.events.closed)
    assert bench.events.closed[2].streams[0].packets == 50  # the last ones known

    await bench.keeper.start()
    await until(lambda: bench.gate.status is not None)
    assert bench.keeper.sessions == {1: session(1, 11), 3: session(3, 5), 4: session(4)}
    assert [name for name, _ in bench.events.log] == ["connected", "disconnected", "closed", "connected"]


async def test_requests_in_flight_when_the_keeper_dies_are_answered(bench: Bench) -> None:
    await bench.up()
    bench.keeper.mute = True
    bench.gate.open_session(session(1))
    bench.gate.open_session(session(2))
    bench.gate.close_session(2)
    answers: list[tuple[wire.Tally, ...]] = []
    bench.gate.tallies(answers.append)
    bench.gate.flush()
    await asyncio.sleep(0.01)
    await bench.keeper.stop()
    await until(lambda: 2 in bench.events.closed)
    assert not bench.events.closed[2].found
    assert answers == [()]
    assert not any(name == "refused" for name, _ in bench.events.log)
    bench.keeper.mute = False
    await bench.keeper.start()
    await until(lambda: bench.gate.status is not None)
    assert set(bench.keeper.sessions) == {1}


async def test_a_keeper_that_falls_silent_is_left_and_tried_again(bench: Bench) -> None:
    bench.gate._reply_timeout_s = 0.5
    await bench.up()
    bench.keeper.mute = True
    bench.gate.open_session(session(1))
    bench.gate.flush()
    await until(lambda: bench.gate.status is None)
    assert bench.events.log[-1] == ("disconnected", "no reply within 0.5 s")
    bench.keeper.mute = False
    await until(lambda: bench.gate.status is not None)
    assert set(bench.keeper.sessions) == {1}


async def test_a_refused_session_is_told_and_no_longer_wanted(bench: Bench) -> None:
    await bench.up()
    bench.keeper.refuse["open_session"] = WireError("full", "no room for another session")
    bench.gate.open_session(session(1))
    bench.gate.flush()
    await until(lambda: len(bench.events.log) == 2)
    assert bench.events.log[-1] == ("refused", (1, "full"))
    assert bench.gate.sessions == 0


@pytest.mark.parametrize("verb", ["hello", "sync"])
async def test_a_keeper_that_refuses_the_plan_is_asked_again(bench: Bench, verb: str) -> None:
    bench.keeper.refuse[verb] = WireError("no", "not now")
    await bench.gate.start()
    await until(lambda: bench.keeper.verbs.count(verb) >= 3)
    assert bench.gate.status is None and not bench.gate.relays
    assert len(bench.events.log) == 1  # told once, not at every attempt
    bench.keeper.refuse.clear()
    await until(lambda: bench.gate.status is not None)


async def test_a_keeper_of_another_version_is_refused(bench: Bench) -> None:
    bench.keeper.version = 99
    await bench.gate.start()
    await until(lambda: bool(bench.events.log))
    assert "version 99" in str(bench.events.log[0][1])


async def test_tallies_and_bans_come_to_their_callers(bench: Bench) -> None:
    await bench.up()
    answers: list[tuple[wire.Tally, ...]] = []
    bench.gate.tallies(answers.append)
    bench.gate.flush()
    await until(lambda: bool(answers))
    assert answers[0][0].packets == 3


async def test_the_status_comes_to_its_caller_or_none_while_the_keeper_is_away(bench: Bench) -> None:
    answers: list[wire.GateStatus | None] = []
    bench.gate.read_status(answers.append)
    await until(lambda: answers == [None])
    await bench.up()
    bench.gate.read_status(answers.append)
    bench.gate.flush()
    await until(lambda: len(answers) == 2)
    assert answers[1] is not None
    assert answers[1].interfaces[0].name == "eth0"
    bench.keeper.slot = "B"
    bench.gate.read_status(answers.append)
    bench.gate.flush()
    await until(lambda: len(answers) == 3)
    assert bench.gate.status is not None
    assert bench.gate.status.slot == "B"  # what is shown is the newest


async def test_resync_sends_the_plan_again(bench: Bench) -> None:
    await bench.up()
    bench.gate.resync()
    await until(lambda: bench.keeper.verbs == ["hello", "sync", "sync"])


async def test_what_the_keeper_left_out_of_a_plan_is_said_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.keeper.skips = ("203.0.113.0/24",)
    await bench.up()
    bench.gate.resync()
    await until(lambda: bench.keeper.verbs == ["hello", "sync", "sync"])
    bench.gate.resync()
    await until(lambda: bench.keeper.verbs == ["hello", "sync", "sync", "sync"])
    assert caplog.messages.count("the gate left out of the plan: 203.0.113.0/24") == 1


async def test_without_a_kernel_relay_the_office_relays_itself(bench: Bench) -> None:
    bench.keeper.relay = "user"
    a, b, port = Phone(), Phone(), free_pair()
    here, there = ("127.0.0.1", port), ("127.0.0.1", port + 1)
    bench.gate.open_session(RelaySession(1, 0, (RelayStream(here, there, a.at), RelayStream(there, here, b.at))))
    await bench.up()
    assert bench.keeper.plan is not None and bench.keeper.plan.sessions == ()
    bench.gate.renew_lease(1, NEVER_NS)
    a.send(rtp(b"there"), here)
    assert await b.receive() == rtp(b"there")
    await bench.keeper.stop()  # the keeper is not needed to go on
    await until(lambda: bench.gate.status is None)
    assert bench.gate.relays
    b.send(rtp(b"back"), there)
    assert await a.receive() == rtp(b"back")
    bench.gate.request_counters()
    bench.gate.close_session(1)
    assert bench.events.closed == {}  # never from inside a verb
    await until(lambda: 1 in bench.events.closed)
    assert [c.packets for c in bench.events.closed[1].streams] == [1, 1]
    assert bench.events.counters[0][0].session == 1
    await bench.keeper.start()
    for phone in (a, b):
        phone.close()


async def test_a_port_that_the_office_cannot_have_refuses_the_session(bench: Bench) -> None:
    bench.keeper.relay = "user"
    await bench.up()
    squatter = Phone()
    bench.gate.open_session(RelaySession(1, 0, (RelayStream(squatter.at, ("127.0.0.1", 20_002)),)))
    await until(lambda: bench.events.log[-1] == ("refused", (1, "port_busy")))
    squatter.close()


async def test_a_kernel_that_relays_again_takes_the_sessions_over(bench: Bench) -> None:
    bench.keeper.relay = "user"
    await bench.up()
    port = free_pair()
    rows = (RelayStream(("127.0.0.1", port), ("127.0.0.1", port + 1)),)
    bench.gate.open_session(RelaySession(1, 0, rows))
    await bench.keeper.stop()
    await until(lambda: bench.gate.status is None)
    bench.keeper.relay = "kernel"
    await bench.keeper.start()
    await until(lambda: bench.gate.status is not None)
    assert bench.keeper.sessions == {1: RelaySession(1, 0, rows)}
    assert is_free(port) and is_free(port + 1)  # the office's own sockets are closed


async def test_nobody_at_the_socket_is_tried_for_ever_and_stops_cleanly(tmp_path: Path) -> None:
    events = Events()
    plan = wire.Plan(1, (), (20_000, 29_999))
    gate = GateClient(str(tmp_path / "none.sock"), lambda: plan, events, back_off_s=(0.001,))
    await gate.start()
    gate.open_session(session(1))
    gate.close_session(1)
    gate.flush()
    await until(lambda: dict(events.log) == {"closed": 1, "disconnected": os.strerror(2)})
    await gate.stop()


def test_it_runs_on_uvloop_too(tmp_path: Path) -> None:
    async def talk() -> None:
        keeper, events = Keeper(str(tmp_path / "keeper.sock")), Events()
        plan = wire.Plan(1, (), (20_000, 29_999))
        await keeper.start()
        gate = GateClient(keeper.path, lambda: plan, events)
        await gate.start()
        await until(lambda: gate.status is not None)
        gate.open_session(session(1))
        gate.close_session(1)
        gate.flush()
        await until(lambda: events.closed.get(1, SessionCounters(1, False)).found)
        await gate.stop()
        await keeper.stop()

    uvloop.run(talk())
