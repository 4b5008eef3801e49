"""keeper.sock: who may connect, lines in and replies out, and peers that misbehave."""

import asyncio
import grp
import os
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from appliance import listener, wire
from appliance.listener import Listener
from appliance.verbs import Caller


@dataclass
class Desk:
    """A listener whose answers are echoes."""

    path: Path
    callers: dict[int, Caller] = field(default_factory=lambda: {0: Caller.ROOT})
    said: list[str] = field(default_factory=list)
    asked: list[tuple[Caller, bytes]] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    reply: Callable[[bytes], bytes] = lambda line: b"<" + line + b">\n"

    def answer(self, caller: Caller, line: bytes) -> bytes:
        self.asked.append((caller, line))
        return self.reply(line)

    def say(self, line: str) -> None:
        self.said.append(line)
        self.told.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self.path))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path / "keeper.sock")
    group = grp.getgrnam("pysrv").gr_gid
    serving = Listener(desk.path, desk.callers, group, desk.answer, desk.say)
    await serving.start()
    yield desk
    await serving.stop()


async def test_the_socket_is_for_root_and_the_offices_group(desk: Desk) -> None:
    found = desk.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, grp.getgrnam("pysrv").gr_gid, 0o660)


async def test_a_socket_that_a_killed_keeper_left_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "keeper.sock"))
    serving = Listener(tmp_path / "keeper.sock", {}, 0, lambda _caller, line: line, print)
    await serving.start()
    await serving.stop()
    assert not (tmp_path / "keeper.sock").exists()


async def test_replies_come_in_the_order_of_the_requests_however_they_are_cut(desk: Desk) -> None:
    reader, writer = await desk.connect()
    for piece in (b"on", b"e\ntwo\nth", b"ree\n"):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)
    assert [await reader.readline() for _ in range(3)] == [b"<one>\n", b"<two>\n", b"<three>\n"]
    assert desk.asked[0] == (Caller.ROOT, b"one")
    writer.close()


async def test_a_stranger_is_hung_up_on(desk: Desk) -> None:
    desk.callers.clear()
    reader, writer = await desk.connect()
    assert await reader.read() == b""
    assert desk.said == ["hung up on user 0, who has no business with the keeper"]
    assert desk.asked == []
    writer.close()


async def test_the_peers_user_is_what_the_kernel_says() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert listener.peer_uid(ours) == os.getuid()


async def test_a_line_without_end_is_hung_up_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_LINE_BYTES", 1000)
    reader, writer = await desk.connect()
    writer.write(b"x" * 2000)
    assert await reader.read() == b""
    assert desk.said == ["hung up on a peer whose line has no end"]
    writer.close()


async def test_a_peer_that_leaves_its_replies_unread_is_dropped(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PATIENCE_S", 0.01)
    desk.reply = lambda _: b"x" * (4 * listener.BACKLOG_BYTES)
    reader, writer = await desk.connect()
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"one\n")
    await desk.told.wait()
    assert desk.said == ["hung up on the root, who left its replies unread for 0 s"]
    writer.close()


async def test_a_peer_that_catches_up_is_read_again(desk: Desk) -> None:
    size = 4 * listener.BACKLOG_BYTES
    desk.reply = lambda _: b"x" * size
    reader, writer = await desk.connect()
    writer.write(b"one\n")
    await reader.readexactly(size)
    writer.write(b"two\n")
    await reader.readexactly(size)
    assert desk.said == []
    writer.close()


async def test_the_office_has_a_handful_of_connections_and_root_is_not_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 2)
    desk.callers[0] = Caller.OFFICE
    held = [await desk.connect() for _ in range(2)]
    for reader, writer in held:
        writer.write(b"a\n")
        assert await reader.readline() == b"<a>\n"
    reader, _ = await desk.connect()
    assert await reader.read() == b""
    desk.callers[0] = Caller.ROOT
    reader, writer = await desk.connect()
    writer.write(b"b\n")
    assert await reader.readline() == b"<b>\n"
