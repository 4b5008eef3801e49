"""SIP over TLS: real handshakes over loopback, with peers that behave, and some that do not."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pysrv.certificates import selfsigned
from pysrv.net import doors, tcp
from pysrv.net.tls import TlsConnections
from pysrv.net.udp import PortBusy
from pysrv.sip.events import Flow
from pysrv.sip.message import Message
from pysrv.sip.parser import Limits
from tests.net.test_tcp import OPTIONS

HERE = "127.0.0.1"


@dataclass
class Server:
    """A listener that hears; `names` says whose certificate a peer must show."""

    directory: Path
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    heard: list[tuple[Message, Flow]] = field(default_factory=list)
    failed: list[Flow] = field(default_factory=list)
    turned: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        made = selfsigned.ensure(self.directory, ["pbx.example"], [HERE], time.time())
        self.certificate, self.context = made.path, made.context()
        self.trusting = ssl.create_default_context(cafile=str(made.path))
        self.connections = TlsConnections(
            lambda message, flow: self.heard.append((message, flow)), self.turned.set, self.failed.append, Limits()
        )
        self.connections.secure(lambda: self.context, lambda: self.trusting, lambda flow: self.names.get(flow.remote))
        await self.connections.listen(HERE, 0)
        self.port = self.connections.port

    async def connect(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HERE, self.port, ssl=context or self.trusting)

    async def until_heard(self, count: int = 1) -> None:
        await self.until(lambda: len(self.heard) >= count)

    async def until(self, there: object) -> None:
        async with asyncio.timeout(30):
            while not there():  # type: ignore[operator]
                self.turned.clear()
                await self.turned.wait()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    made = Server(tmp_path)
    await made.start()
    yield made
    await made.connections.close()


async def test_a_message_comes_in_and_its_answer_leaves_on_the_same_connection(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(OPTIONS)
    await server.until_heard()
    flow = server.heard[0][1]
    assert (flow.transport, flow.local, flow.remote) == (
        "tls",
        (HERE, server.port),
        writer.get_extra_info("sockname"),
    )
    assert flow.reliable and flow.connection
    assert server.connections.send(b"SIP/2.0 200 OK\r\n\r\n", flow)
    async with asyncio.timeout(30):
        assert await reader.readline() == b"SIP/2.0 200 OK\r\n"


async def test_nothing_is_served_without_tls(server: Server) -> None:
    reader, writer = await asyncio.open_connection(HERE, server.port)
    writer.write(OPTIONS)
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert b"SIP/2.0" not in await reader.read()
    assert server.heard == []


async def test_old_versions_of_tls_are_refused(server: Server) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(server.certificate)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await server.connect(old)


async def test_who_never_begins_the_handshake_holds_up_nobody_and_is_let_go(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "HANDSHAKE_TIMEOUT_S", 2.0)
    silent, _ = await asyncio.open_connection(HERE, server.port)
    _, writer = await server.connect()
    writer.write(OPTIONS)
    await server.until_heard()
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert await silent.read() == b""


async def test_connections_of_one_network_are_counted_before_their_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_PER_NETWORK", 2)
    server = Server(tmp_path)
    await server.start()
    silent = [await asyncio.open_connection(HERE, server.port) for _ in range(2)]
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(30):
            await server.connect()
    silent[0][1].close()
    async with asyncio.timeout(30):
        while True:  # the place is free when the server has seen that it is
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await server.connect()
                break
    await server.connections.close()


async def test_a_telephone_that_is_gone_is_not_called_back_on_a_connection_of_ours(server: Server) -> None:
    _, writer = await server.connect()
    writer.write(OPTIONS)
    await server.until_heard()
    flow = server.heard[0][1]
    writer.transport.abort()
    await server.until(lambda: flow in server.failed)
    server.failed.clear()
    server.connections.send(b"INVITE", flow)
    await server.until(lambda: server.failed == [flow])


async def test_a_carrier_is_called_when_its_certificate_is_for_its_name(server: Server) -> None:
    remote = (HERE, server.port)
    server.names[remote] = "pbx.example"
    flow = Flow("tls", (HERE, 5061), remote)
    server.connections.send(OPTIONS, flow)
    server.connections.send(OPTIONS, flow)
    await server.until_heard(2)
    assert len({heard.connection for _, heard in server.heard}) == 1  # both went over one connection
    assert server.failed == []


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
async def test_a_carrier_with_another_s_certificate_hears_nothing(server: Server, name: str) -> None:
    remote = (HERE, server.port)
    server.names[remote] = name
    flow = Flow("tls", (HERE, 5061), remote)
    server.connections.send(OPTIONS, flow)
    await server.until(lambda: server.failed)
    assert server.failed == [flow] and server.heard == []


async def test_authorities_that_cannot_be_read_fail_one_call_and_not_all_that_follow(server: Server) -> None:
    remote = (HERE, server.port)
    server.names[remote] = "pbx.example"
    flow = Flow("tls", (HERE, 5061), remote)
    unread: list[OSError] = [ssl.SSLError("no certificate or crl found")]

    def authorities() -> ssl.SSLContext:
        if unread:
            raise unread.pop()
        return server.trusting

    server.connections.secure(lambda: server.context, authorities, lambda to: server.names.get(to.remote))
    server.connections.send(OPTIONS, flow)
    await server.until(lambda: server.failed == [flow])
    server.connections.send(OPTIONS, flow)
    await server.until_heard()


async def test_a_carrier_whose_authority_nobody_knows_hears_nothing(server: Server) -> None:
    server.trusting = ssl.create_default_context()
    remote = (HERE, server.port)
    server.names[remote] = "pbx.example"
    flow = Flow("tls", (HERE, 5061), remote)
    server.connections.send(OPTIONS, flow)
    await server.until(lambda: server.failed)
    assert server.failed == [flow] and server.heard == []


async def test_a_connection_that_somebody_opened_from_a_carrier_s_port_is_not_taken_for_the_carrier(
    server: Server,
) -> None:
    _, writer = await server.connect()
    writer.write(OPTIONS)
    await server.until_heard()
    remote = server.heard[0][1].remote
    flow = Flow("tls", (HERE, 5061), remote)
    server.connections.send(b"INVITE", flow)
    await server.until(lambda: server.failed == [flow])


async def test_another_certificate_serves_the_next_connection(server: Server, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    made = selfsigned.ensure(tmp_path / "new", ["pbx.example"], [HERE], time.time())
    _, first = await server.connect()
    server.context = made.context()
    with pytest.raises(ssl.SSLCertVerificationError):
        await server.connect()
    _, second = await server.connect(ssl.create_default_context(cafile=str(made.path)))
    for writer in (first, second):
        writer.write(OPTIONS)
    await server.until_heard(2)


async def test_a_busy_port_says_so_and_a_closed_one_can_be_opened_again(server: Server) -> None:
    with pytest.raises(PortBusy, match=f"TLS {HERE}:{server.port} is in use"):
        await server.connections.listen(HERE, server.port)
    port = server.port
    await server.connections.close()
    with pytest.raises(ConnectionError):
        await server.connect()
    await server.connections.listen(HERE, port)
    await server.connect()
