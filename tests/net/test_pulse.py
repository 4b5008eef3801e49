"""The heartbeat: what it measures on real sockets, what it tells a keeper, and what it hears back."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance import verbs, wire
from appliance.kernel.fake import FakeGate
from appliance.listener import Listener
from appliance.verbs import Caller
from appliance.wire import KeeperVerb, WireError
from pysrv.net.gate import GateClient
from pysrv.net.pulse import MOST_DELAY_S, PULSE_EVERY_S, Pulse, QueueDelay
from pysrv.net.udp import UdpSockets
from tests.net.keeper import Keeper
from tests.net.test_gate import Events, until
from tests.ports import free_port

PLAN = wire.Plan(1, (("udp", 5060),), (20_000, 29_999))


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Keeper]:
    keeper = Keeper(str(tmp_path / "keeper.sock"))
    await keeper.start()
    yield keeper
    await keeper.stop()


def pair() -> tuple[socket.socket, socket.socket]:
    inbox, sender = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    inbox.bind(("127.0.0.1", 0))
    return inbox, sender


def stamping() -> None:
    """Returns when the kernel stamps what arrives: the first socket that asks for it has it begin somewhat later, and
    what arrived before is stamped when it is read (net_enable_timestamp() leaves it to a work queue)."""
    delay = QueueDelay()
    inbox, sender = pair()
    with inbox, sender:
        delay.watch(inbox)
        for _ in range(1000):
            sender.sendto(b"x", inbox.getsockname())
            time.sleep(0.005)
            delay.read(inbox, 100)
            if delay.take() >= 0.004:
                return
    raise AssertionError("the kernel stamps nothing")


def test_the_wait_of_a_datagram_in_its_socket_is_what_the_kernel_stamped() -> None:
    now = [0]
    delay = QueueDelay(lambda: now[0])
    inbox, sender = pair()
    with inbox, sender:
        delay.watch(inbox)
        before = time.time_ns()
        sender.sendto(b"x", inbox.getsockname())
        after = time.time_ns()
        now[0] = after + 30_000_000
        assert delay.read(inbox, 100) == (b"x", ("127.0.0.1", sender.getsockname()[1]))
        late = time.time_ns()  # another CPU may stamp it after sendto() has returned
    assert 0.03 - (late - after) / 1e9 <= delay.take() <= 0.03 + (after - before) / 1e9
    assert delay.take() == 0.0


def test_the_longest_wait_is_told_and_a_clock_that_was_set_is_not() -> None:
    delay = QueueDelay()
    for wait in (0.01, 0.2, 0.05, -3.0, MOST_DELAY_S + 1):
        delay.note(wait)
    assert delay.take() == 0.2


async def test_a_full_socket_that_is_drained_late_shows_its_delay() -> None:
    delay, got = QueueDelay(), list[bytes]()
    sockets = UdpSockets(lambda payload, _flow: got.append(payload), lambda: None, delay)
    port = free_port()
    loop = asyncio.get_running_loop()
    sockets.listen(loop, "127.0.0.1", port)
    stamping()
    began = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(10):
            sender.sendto(b"%d" % number, ("127.0.0.1", port))
        held = time.monotonic()
        while time.monotonic() - held < 0.05:
            pass  # the office is busy
    await until(lambda: len(got) == 10)
    sockets.close(loop)
    assert 0.05 <= delay.take() <= time.monotonic() - began  # of this machine, however busy it is


async def test_the_office_beats_every_50_ms_while_the_keeper_is_there_and_tells_its_delay(keeper: Keeper) -> None:
    delays = iter([7.0])  # more than this machine lets it wait
    client = GateClient(
        keeper.path, lambda: PLAN, Events(), back_off_s=(0.01,), queue_delay_s=lambda: next(delays, 0.0)
    )
    await client.start()
    await until(lambda: keeper.verbs.count("pulse") >= 1)
    began, seen = time.monotonic(), keeper.verbs.count("pulse")
    await until(lambda: keeper.verbs.count("pulse") >= seen + 6)
    assert time.monotonic() - began >= 4 * PULSE_EVERY_S  # the first and the last may have been on their way
    assert any(b'"verb":"pulse","args":{"queue_delay_ms":7000.0}' in data for data in keeper.reads)
    await keeper.stop()
    await until(lambda: client.status is None)
    await keeper.start()
    beats = keeper.verbs.count("pulse")
    await until(lambda: keeper.verbs.count("pulse") > beats)
    await client.stop()


async def test_a_keeper_that_takes_no_pulses_is_not_asked_again(keeper: Keeper) -> None:
    keeper.refuse["pulse"] = WireError("unknown_verb", "there is no verb 'pulse'")
    client = GateClient(keeper.path, lambda: PLAN, Events(), back_off_s=(0.01,), queue_delay_s=lambda: 0.0)
    await client.start()
    await until(lambda: "pulse" in keeper.verbs)
    await asyncio.sleep(3 * PULSE_EVERY_S)
    assert keeper.verbs.count("pulse") == 1
    await client.stop()


async def test_offences_come_back_with_the_beat_and_a_busy_keeper_is_asked_once() -> None:
    class Mute:
        def __init__(self) -> None:
            self.asked = list[object]()

        def ask_now(self, verb: KeeperVerb, args: object, done: object, refused: object) -> None:
            self.asked.append(args)
            self.done = done

    mute, seen = Mute(), list[wire.Offence]()
    pulse = Pulse(mute, lambda: 0.0, seen.extend)
    pulse.start()
    await asyncio.sleep(3 * PULSE_EVERY_S)
    assert len(mute.asked) == 1
    offence = wire.Offence("maxsubsmmsgcount", "192.0.2.66", 5060, 39_001, 1.0, 2.0, "known_limit")
    mute.done({"offences": [wire.to_dict(offence)], "lost": 0})  # type: ignore[operator]
    assert seen == [offence]
    await until(lambda: len(mute.asked) == 2)
    pulse.stop()


async def test_known_and_banned_pairs_reach_the_keepers_tables(tmp_path: Path) -> None:
    gate, said = FakeGate(), list[str]()
    gate.attach("eth0")
    listener = Listener(
        tmp_path / "keeper.sock", {os.getuid(): Caller.OFFICE}, os.getgid(),
        lambda caller, line: verbs.answer(gate, caller, line, said.append), said.append,
    )  # fmt: skip
    await listener.start()
    later = time.time() + 60
    plan = wire.Plan(
        1, (("udp", 5060),), (20_000, 29_999), known_pairs=(wire.KnownPair("192.0.2.1", 5060, later),),
        pair_bans=(wire.PairBan("192.0.2.1", 5060, later), wire.PairBan("192.0.2.2", 5061)),
    )  # fmt: skip
    client = GateClient(str(tmp_path / "keeper.sock"), lambda: plan, Events(), queue_delay_s=lambda: 0.0)
    await client.start()
    await until(lambda: client.status is not None)
    client.unban_pair(wire.Pair("192.0.2.2", 5061))
    client.know_pair(wire.KnownPair("192.0.2.3", 5060, later))
    client.ban_pair(wire.PairBan("2001:db8::1", 5060, later))
    client.forget_pair(wire.Pair("192.0.2.3", 5060))
    tallies: list[object] = []
    client.tallies(tallies.append)
    client.flush()
    await until(lambda: bool(tallies))
    await client.stop()
    await listener.stop()
    assert said == []


def test_a_second_listener_hears_the_worst_wait_since_it_last_asked() -> None:
    delay = QueueDelay()
    delay.note(0.2)
    assert delay.take() == 0.2
    delay.note(0.1)
    assert (delay.take(), delay.take_worst(), delay.take_worst()) == (0.1, 0.2, 0.0)
    delay.note(11.0)  # a clock that was set
    assert delay.take_worst() == 0.0
