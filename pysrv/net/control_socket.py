"""office.sock: operators' connections, their identity by SO_PEERCRED (unix(7)), lines in and replies out.

Knows framing alone; what a line means is a session's to say. After each reply the event loop gets its turn, so that a
long import never holds a call up.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

MOST_LINE_BYTES = 4 * 1024 * 1024
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Conversation(Protocol):
    """What answers the lines of one connection."""

    def answer(self, line: bytes) -> bytes:
        """The reply to one line, newline included."""

    def close(self) -> None:
        """The connection has ended."""


def _nothing() -> None:
    """What happens after an answer unless somebody wants more."""


class ControlSocket:
    """Serves operators: root, and the office's own user."""

    def __init__(
        self,
        path: Path,
        open_session: Callable[[str], Conversation],
        after: Callable[[], None] = _nothing,
        longest_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        """`open_session` gets the operator's user name; `after` is called when a line was answered: the service's turn,
        so that what it was told leaves at once. `longest_s` is how long a new connection may last; None: for ever.
        """
        self._path, self._open_session, self._after, self._longest_s = path, open_session, after, longest_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a socket that an earlier process left is replaced. Raises OSError."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            sock.bind(str(self._path))
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MOST_LINE_BYTES)

    async def stop(self) -> None:
        """Hang up on everybody and remove the socket."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            uid = uid_of(writer.get_extra_info("socket"))
            if uid in (0, os.geteuid()):
                async with asyncio.timeout(self._longest_s()):
                    await self._talk(reader, writer, name_of(uid))
        except (ConnectionError, asyncio.CancelledError, TimeoutError):
            pass  # the operator has gone or was there too long, or we are going
        finally:
            self._open.discard(task)
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str) -> None:
        session = self._open_session(who)
        try:
            while line := await _line(reader):
                writer.write(session.answer(line))
                self._after()
                await writer.drain()
                await asyncio.sleep(0)  # one line a turn: calls come first
        finally:
            session.close()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next whole line; empty at the end, and for a line that is too long."""
    try:
        line = await reader.readline()
    except ValueError:
        return b""
    return line if line.endswith(b"\n") else b""


def uid_of(sock: socket.socket) -> int:
    """The user at the other end of a unix socket (SO_PEERCRED)."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def name_of(uid: int) -> str:
    """A user's name, or his number."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
