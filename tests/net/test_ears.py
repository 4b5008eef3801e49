"""Streams whose other side is the office: heard through real sockets, under the rules and the lease of every stream."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from appliance import wire
from appliance.wire import RelaySession, RelayStream, WireError
from pysrv.net.ears import Ears
from pysrv.net.gate import GateClient
from pysrv.net.relay import UserRelay
from tests.net.keeper import Keeper
from tests.net.rtp import Phone, rtp
from tests.net.test_gate import Events, until
from tests.ports import free_pair

NEVER_NS, HERE = 2**62, "127.0.0.1"


def spoken(phone: Phone, port: int, **more: object) -> RelaySession:
    row = RelayStream((HERE, port), (HERE, port + 1), phone.at, payload_types=(0, 101), office=True, **more)  # type: ignore[arg-type]
    return RelaySession(1, NEVER_NS, (row,))


async def test_what_passes_is_heard_counted_and_answered_and_nothing_else() -> None:
    heard: list[tuple[int, bytes]] = []
    relay = UserRelay(asyncio.get_running_loop(), heard=lambda *both: heard.append(both))
    phone, thief = Phone(), Phone()
    session = spoken(phone, free_pair())
    relay.open(session)
    local = session.streams[0].local
    phone.send(rtp(b"hello"), local)
    await until(lambda: len(heard) == 1)
    thief.send(rtp(b"stolen", ssrc=2), local)
    phone.send(rtp(b"video", payload_type=96, sequence=1), local)
    phone.send(rtp(b"again", sequence=2), local)
    await until(lambda: len(heard) == 2)
    assert heard == [(1, rtp(b"hello")), (1, rtp(b"again", sequence=2))]
    assert relay.say(1, b"back")
    assert await phone.receive() == b"back"
    (counters,) = relay.counters()
    assert (counters.streams[0].packets, counters.streams[0].dropped) == (2, 2)
    relay.close_all()


async def test_after_the_lease_nobody_is_heard_or_spoken_to() -> None:
    heard: list[tuple[int, bytes]] = []
    now = [0]
    relay = UserRelay(asyncio.get_running_loop(), lambda: now[0], lambda *both: heard.append(both))
    phone = Phone()
    session = replace(spoken(phone, free_pair()), deadline_ns=1000)
    relay.open(session)
    now[0] = 1000
    phone.send(rtp(b"late"), session.streams[0].local)
    await until(lambda: relay.verdicts["lease_lapsed"] == 1)
    assert not relay.say(1, b"late")
    assert not heard
    assert not relay.say(2, b"nobody")
    relay.close_all()


async def test_sockets_stay_until_the_gate_relays_by_itself() -> None:
    ears = Ears(lambda _session, _packet: None)
    phone = Phone()
    session = spoken(phone, free_pair())
    ears.open(session)
    relayed = replace(session, streams=(replace(session.streams[0], office=False),))
    ears.open(relayed)
    assert ears.say(1, b"still here")
    ears.settle(relayed)
    assert not ears.say(1, b"gone")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(session.streams[0].local)
    ears.close_all()


async def test_a_port_that_is_taken_refuses_the_session() -> None:
    ears = Ears(lambda _session, _packet: None)
    phone = Phone()
    with pytest.raises(WireError):
        ears.open(spoken(phone, phone.at[1]))


async def test_the_gate_client_listens_beside_a_kernel_that_relays(tmp_path: Path) -> None:
    keeper, heard = Keeper(str(tmp_path / "k.sock")), []  # type: ignore[var-annotated]
    await keeper.start()
    client = GateClient(
        keeper.path,
        lambda: wire.Plan(1, (), (0, 0)),
        Events(),
        heard=lambda *both: heard.append(both),
        back_off_s=(0.01,),
    )
    await client.start()
    await until(lambda: client.relays)
    phone = Phone()
    session = spoken(phone, free_pair())
    client.open_session(session)
    client.flush()
    phone.send(rtp(b"hello"), session.streams[0].local)
    await until(lambda: len(heard) == 1)
    assert client.say(1, b"back")
    client.open_session(replace(session, streams=(replace(session.streams[0], office=False),)))
    client.flush()
    await until(lambda: not client.say(1, b"?"))
    client.open_session(session)
    client.close_session(1)
    assert not client.say(1, b"?")
    await client.stop()
    await keeper.stop()
