"""office.sock: who may talk, in what order replies come, what ends a conversation."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.net.control_socket import MOST_LINE_BYTES, ControlSocket

STRANGER = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b"hello\\n")
print(sock.recv(100))
"""


class Echo:
    """A conversation that repeats what it hears."""

    def __init__(self, who: str) -> None:
        self.who, self.closed = who, False

    def answer(self, line: bytes) -> bytes:
        return self.who.encode() + b":" + line

    def close(self) -> None:
        self.closed = True


class Desk:
    """Opens conversations and remembers them."""

    def __init__(self) -> None:
        self.opened: list[Echo] = []

    def __call__(self, who: str) -> Echo:
        self.opened.append(Echo(who))
        return self.opened[-1]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def path(tmp_path: Path, desk: Desk) -> AsyncIterator[Path]:
    listener = ControlSocket(tmp_path / "office.sock", desk)
    await listener.start()
    yield tmp_path / "office.sock"
    await listener.stop()
    assert not (tmp_path / "office.sock").exists()


async def test_pipelined_lines_are_answered_in_order(path: Path, desk: Desk) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"1\n2\n3\n")
    assert [await reader.readline() for _ in range(3)] == [b"root:1\n", b"root:2\n", b"root:3\n"]
    writer.close()
    while not desk.opened[0].closed:
        await asyncio.sleep(0)


async def test_half_a_line_at_the_end_is_no_request(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"whole\nhal")
    writer.write_eof()
    assert await reader.read() == b"root:whole\n"


async def test_a_line_without_an_end_ends_the_conversation(path: Path, desk: Desk) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    with pytest.raises((ConnectionError, BrokenPipeError, asyncio.IncompleteReadError)):
        for _ in range(4):
            writer.write(b"x" * MOST_LINE_BYTES)
            await writer.drain()
        await reader.readexactly(1)
    assert desk.opened[0].closed


async def test_the_socket_is_for_its_owner_alone(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_stranger_who_gets_through_the_mode_is_known_by_his_user(path: Path, desk: Desk) -> None:
    path.chmod(0o666)
    for parent in path.parents:
        if parent.stat().st_mode & 0o055 != 0o055 and parent != parent.parent:
            parent.chmod(0o755)
    # Debian's Python, not the environment's: a stranger may be kept out of the directory that the clone lies in.
    command = [os.path.realpath(sys.executable), "-I", "-c", STRANGER, str(path)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, user=65534, cwd="/", timeout=10)
    assert b"root" not in done.stdout
    assert done.stdout == b"b''\n" or b"ConnectionReset" in done.stderr or b"BrokenPipe" in done.stderr
    assert desk.opened == []


async def test_a_socket_that_a_killed_office_left_is_replaced(tmp_path: Path, desk: Desk) -> None:
    (tmp_path / "office.sock").touch()
    listener = ControlSocket(tmp_path / "office.sock", desk)
    await listener.start()
    _, writer = await asyncio.open_unix_connection(tmp_path / "office.sock")
    writer.close()
    await listener.stop()


async def test_stopping_hangs_up_on_everybody(tmp_path: Path, desk: Desk) -> None:
    listener = ControlSocket(tmp_path / "office.sock", desk)
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "office.sock")
    writer.write(b"1\n")
    await reader.readline()
    await listener.stop()
    assert await reader.read() == b""
    assert desk.opened[0].closed


async def test_the_service_gets_its_turn_after_each_answer(tmp_path: Path, desk: Desk) -> None:
    turns: list[int] = []
    listener = ControlSocket(tmp_path / "office.sock", desk, lambda: turns.append(len(turns)))
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "office.sock")
    writer.write(b"1\n2\n")
    await reader.readline()
    await reader.readline()
    assert turns == [0, 1]
    writer.close()
    await listener.stop()


@pytest.mark.setting("sessionabsolutetimeout")
@pytest.mark.parametrize(("longest_s", "ended"), [(None, False), (60.0, False), (1.0, True)])
async def test_a_console_that_has_lasted_too_long_is_hung_up_on(
    tmp_path: Path, desk: Desk, longest_s: float | None, ended: bool
) -> None:
    listener = ControlSocket(tmp_path / "office.sock", desk, longest_s=lambda: longest_s)
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "office.sock")
    writer.write(b"1\n")
    assert await reader.readline() == b"root:1\n"
    gone = asyncio.create_task(reader.read())
    done, _ = await asyncio.wait([gone], timeout=30 if ended else 0.2)
    assert bool(done) is ended
    assert desk.opened[0].closed is ended
    await listener.stop()
    assert await gone == b""
