"""The gate client against the keeper's own listener, verbs and planner; only the kernel's tables are in memory."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from appliance import verbs, wire
from appliance.kernel.fake import FakeGate
from appliance.listener import Listener
from appliance.verbs import Caller
from pysrv.media.ports import PortPool
from pysrv.media.session import MediaSession, Side
from pysrv.net.gate import GateClient
from tests.media.sdp import audio
from tests.net.test_gate import Events

PLAN = wire.Plan(
    1,
    (("udp", 5060), ("tcp", 5060)),
    (20_000, 29_999),
    bans=(wire.Ban("192.0.2.66"),),
    sources=(wire.Source("192.0.2.5"),),
)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


class Keeper:
    """The keeper's socket side over a gate in memory."""

    def __init__(self, path: Path, gate: FakeGate) -> None:
        self.gate, self.said = gate, list[str]()
        callers = {os.getuid(): Caller.OFFICE}
        answer = lambda caller, line: verbs.answer(gate, caller, line, self.said.append)  # noqa: E731
        self.listener = Listener(path, callers, os.getgid(), answer, self.said.append)


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    gate = FakeGate()
    gate.attach("eth0")
    keeper = Keeper(tmp_path / "keeper.sock", gate)
    await keeper.listener.start()
    yield keeper
    await keeper.listener.stop()
    assert keeper.said == []


@pytest.fixture
async def client(keeper: Keeper, tmp_path: Path) -> AsyncIterator[tuple[GateClient, Events]]:
    events = Events()
    client = GateClient(str(tmp_path / "keeper.sock"), lambda: PLAN, events, back_off_s=(0.01,))
    await client.start()
    yield client, events
    await client.stop()


def a_call(session: int) -> MediaSession:
    """A call between an IPv4 and an IPv6 phone, answered."""
    media = MediaSession(session, PortPool(20_000, 20_099))
    media.forward_offer(Side.A, audio("192.0.2.7", 4000), "2001:db8::1", 0.0, from_local_ip="203.0.113.1")
    media.forward_answer(Side.B, audio("2001:db8::7", 6000), "203.0.113.1", 0.0)
    return media


async def test_a_call_s_rows_are_taken_counted_and_closed(keeper: Keeper, client: tuple[GateClient, Events]) -> None:
    gate, events = client
    await until(lambda: gate.status is not None)
    assert [ban.prefix for ban in keeper.gate.bans()] == ["192.0.2.66"]
    media = a_call(2**63 + 5)
    gate.open_session(media.relay_session(0))
    gate.renew_lease(media.session, time.monotonic_ns() + 10**10)
    gate.flush()
    await until(lambda: len(keeper.gate.counters()) == 1)
    local = media.streams()[0].local
    keeper.gate.count(local, 50, 50 * 214, time.monotonic_ns())
    gate.request_counters()
    gate.close_session(media.session)
    gate.flush()
    await until(lambda: media.session in events.closed)
    final = {row.local: row.packets for row in events.closed[media.session].streams}
    assert final[local] == 50 and len(final) == 4
    assert [row.session for row in events.counters[0]] == [media.session]
    assert keeper.gate.counters() == []


async def test_an_office_that_starts_again_keeps_its_calls_and_drops_the_others(
    keeper: Keeper, client: tuple[GateClient, Events], tmp_path: Path
) -> None:
    gate, _ = client
    await until(lambda: gate.status is not None)
    kept, lost = a_call(1), a_call(2)
    lost_rows = tuple(
        wire.RelayStream((row.local[0], row.local[1] + 100), (row.peer_local[0], row.peer_local[1] + 100), row.remote)
        for row in lost.streams()
    )
    gate.open_session(kept.relay_session(10**18))
    gate.open_session(wire.RelaySession(2, 10**18, lost_rows))
    gate.flush()
    await until(lambda: len(keeper.gate.counters()) == 2)
    keeper.gate.count(kept.streams()[0].local, 7, 700, time.monotonic_ns())
    await gate.stop()

    events = Events()
    again = GateClient(str(tmp_path / "keeper.sock"), lambda: PLAN, events)
    again.open_session(kept.relay_session(10**18))
    await again.start()
    await until(lambda: again.status is not None)
    assert [row.session for row in keeper.gate.counters()] == [1]
    again.close_session(1)
    again.flush()
    await until(lambda: 1 in events.closed)
    assert events.closed[1].streams[0].packets == 7
    await again.stop()


async def test_every_verb_is_understood(keeper: Keeper, client: tuple[GateClient, Events]) -> None:
    gate, _ = client
    await until(lambda: gate.status is not None)
    answers: list[tuple[wire.Tally, ...]] = []
    bans: list[tuple[wire.Ban, ...]] = []
    gate.ban(wire.Ban("198.51.100.0/24"))
    gate.unban("192.0.2.66")
    gate.allow(wire.Source("192.0.2.6", wire.SourceClass.KNOWN))
    gate.disallow("192.0.2.5")
    gate.tallies(answers.append)
    gate.bans(bans.append)
    gate.flush()
    await until(lambda: bool(bans))
    assert [ban.prefix for ban in bans[0]] == ["198.51.100.0/24"]
    assert {tally.verdict for tally in answers[0]} >= {"banned", "rtp_relayed"}
