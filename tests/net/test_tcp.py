"""SIP over TCP against peers that misbehave: real connections over loopback."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from pysrv.net import tcp
from pysrv.net.doors import network
from pysrv.net.tcp import TcpConnections
from pysrv.sip.events import Flow
from pysrv.sip.message import Message
from pysrv.sip.parser import Limits

OPTIONS = (
    b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\n"
    b"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


@dataclass
class Server:
    """A listener that answers each message with `reply`."""

    reply: bytes = b""
    heard: list[Message] = field(default_factory=list)
    failed: list[Flow] = field(default_factory=list)
    port: int = 0
    longest_s: float = 60.0

    def receive(self, message: Message, flow: Flow) -> None:
        self.heard.append(message)
        if self.reply:
            self.connections.send(self.reply, flow)

    async def start(self) -> None:
        self.connections = TcpConnections(
            self.receive, lambda: None, self.failed.append, Limits(), lambda: self.longest_s
        )
        await self.connections.listen("127.0.0.1", 0)
        self.port = self.connections._servers[0].sockets[0].getsockname()[1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.start()
    yield made
    await made.connections.close()


async def test_who_says_nothing_is_let_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MESSAGE_TIMEOUT_S", 0.1)
    reader, _ = await server.connect()
    async with asyncio.timeout(30):
        assert await reader.read() == b""


async def test_a_message_that_trickles_in_has_no_more_time_than_another(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MESSAGE_TIMEOUT_S", 0.3)
    reader, writer = await server.connect()
    writer.write(OPTIONS)
    began = asyncio.get_running_loop().time()
    ended = asyncio.create_task(reader.read())
    while not ended.done() and asyncio.get_running_loop().time() < began + 5:
        writer.write(b"O")
        await asyncio.wait([ended], timeout=0.05)
    assert ended.done()
    assert len(server.heard) == 1


async def test_keepalives_hold_a_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, ahead_s = asyncio.get_running_loop(), 0.0
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + ahead_s)
    server.longest_s = 1e6
    reader, writer = await server.connect()
    for _ in range(6):
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        ahead_s += tcp.MESSAGE_TIMEOUT_S / 2
    assert not reader.at_eof()
    ahead_s += tcp.MESSAGE_TIMEOUT_S + tcp.IDLE_TIMEOUT_S
    assert await reader.read() == b""


async def test_one_network_has_a_share_of_the_connections(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_PER_NETWORK", 1)
    first, writer = await server.connect()
    writer.write(b"\r\n\r\n")
    assert await first.readexactly(2) == b"\r\n"
    second, _ = await server.connect()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await second.readexactly(1)
    assert network("2001:db8::1") == network("2001:db8::ffff") != network("2001:db8:0:1::1")


async def test_who_does_not_read_its_answers_is_dropped(server: Server) -> None:
    server.reply = b"x" * 60_000
    _, writer = await server.connect()
    async with asyncio.timeout(30):
        while not server.failed:
            writer.write(OPTIONS)
            await asyncio.sleep(0)


@pytest.mark.setting("sessionabsolutetimeout")
async def test_a_connection_that_has_lasted_too_long_is_closed_however_busy_it_is(server: Server) -> None:
    lasting, kept = await server.connect()
    kept.write(b"\r\n\r\n")
    assert await lasting.readexactly(2) == b"\r\n"
    server.longest_s = 0.3
    reader, writer = await server.connect()
    ended = asyncio.create_task(reader.read())
    async with asyncio.timeout(30):
        while not ended.done():
            writer.write(b"\r\n\r\n")
            await asyncio.wait([ended], timeout=0.05)
    kept.write(b"\r\n\r\n")
    assert await lasting.readexactly(2) == b"\r\n"  # it began under the longer limit
