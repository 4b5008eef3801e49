"""The console's sockets: console.sock for whoever has the machine (SO_PEERCRED, unix(7)), and TCP for addresses that
are let in, where a login comes first.

Knows framing, patience and the order of the login. What a line means and whether a password is right others say. A
password is typed into a line of its own: nothing of it is echoed by us, kept or logged. Over TCP the telnet option ECHO
(RFC 857) asks a telnet client not to show it.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from appliance.wire import WireError
from pysrv.net.control_socket import name_of, uid_of

MOST_CONSOLES: Final = 16
MOST_OF_AN_ADDRESS: Final = 4
MOST_LOGINS: Final = 5  # of one connection
LOGIN_S: Final = 60.0  # until somebody over TCP has logged in
_IAC, _WILL, _WONT, _ECHO = 255, 251, 252, 1
_SILENT, _LOUD = bytes((_IAC, _WILL, _ECHO)), bytes((_IAC, _WONT, _ECHO))
_COMMANDS: Final = range(240, 251)  # telnet commands of two bytes (RFC 854)
_log = logging.getLogger("pysrv.console")


class Console(Protocol):
    """One conversation of somebody who was let in."""

    def hear(self, line: bytes) -> Sequence[str] | None:
        """The lines of the answer; None: he wants to go. Raises WireError: he may be here no longer."""

    def close(self) -> None:
        """It has ended."""


class Desk(Protocol):
    """Who lets people in."""

    def local(self, user: str) -> Console:
        """Somebody who has the machine."""

    def lets_in(self, address: str) -> bool:
        """Whether this address may log in at all."""

    async def log_in(self, address: str, name: str, password: str, code: str) -> Console:
        """Raises WireError with words to show."""


class ConsoleSockets:
    """Both ways to the console. A line has at most so many bytes, the next one comes within `idle_s`, and the whole
    conversation ends after `longest_s` seconds (None: never).
    """

    def __init__(
        self,
        path: Path,
        desk: Desk,
        most_line_bytes: int,
        idle_s: float,
        longest_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._path, self._desk, self._most, self._idle_s, self._longest_s = (
            path, desk, most_line_bytes, idle_s, longest_s,
        )  # fmt: skip
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self._of: Counter[str] = Counter()

    async def start(self, addresses: Sequence[str] = (), port: int = 0) -> None:
        """Listen; over TCP when there is a port. Raises OSError."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            sock.bind(str(self._path))
        finally:
            os.umask(before)
        self._servers.append(await asyncio.start_unix_server(self._near, sock=sock, limit=self._most))
        if port:
            await self.listen(addresses, port)

    async def listen(self, addresses: Sequence[str], port: int) -> int:
        """Listen over TCP; the port (for 0). Raises OSError."""
        server = await asyncio.start_server(self._far, list(addresses), port, limit=self._most)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def leave(self, addresses: Sequence[str]) -> None:
        """Listen at these addresses no more; who talks there may finish."""
        for server in list(self._servers):
            if any(sock.getsockname()[0] in addresses for sock in server.sockets if sock.family != socket.AF_UNIX):
                server.close()
                self._servers.remove(server)

    async def stop(self) -> None:
        """Hang up on everybody."""
        for server in self._servers:
            server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = uid_of(writer.get_extra_info("socket"))
        if uid in (0, os.geteuid()):
            await self._serve("", writer, lambda: self._talk(reader, writer, self._desk.local(name_of(uid))))
        else:
            writer.close()

    async def _far(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str(writer.get_extra_info("peername")[0])
        if self._desk.lets_in(address):
            await self._serve(address, writer, lambda: self._welcome(reader, writer, address))
        else:
            _log.info("console refused source=%s", address)
            writer.close()

    async def _serve(self, address: str, writer: asyncio.StreamWriter, talk: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._open) >= MOST_CONSOLES or (address and self._of[address] >= MOST_OF_AN_ADDRESS):
            writer.close()
            return
        self._open.add(task)
        self._of[address] += 1
        try:
            async with asyncio.timeout(self._longest_s()):
                await talk()
        except (ConnectionError, asyncio.CancelledError, TimeoutError):
            pass  # he has gone or said nothing for too long, or we are going
        finally:
            self._open.discard(task)
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        """`login NAME`, the password, the code: within a minute, and not for ever."""
        console = None
        async with asyncio.timeout(LOGIN_S):
            for _ in range(MOST_LOGINS):
                line = await self._line(reader)
                if not line:
                    return
                words = line.decode("utf-8", "replace").replace(",", " ").split()
                if len(words) != 2 or words[0].lower() != "login":
                    await _say(writer, ["error: log in first: login NAME"])
                    continue
                console = await self._login(reader, writer, address, words[1])
                if console is not None:
                    break
        if console is not None:
            await _say(writer, ["welcome; help lists the commands"])
            await self._talk(reader, writer, console)

    async def _login(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, name: str
    ) -> Console | None:
        password = await self._secret(reader, writer, "password:")
        # Asked of everybody: who has a second factor, or whether there is such a name, is nobody's business.
        code = await self._secret(reader, writer, "code, if you have a second factor; else an empty line:")
        try:
            return await self._desk.log_in(address, name, password, code.strip())
        except WireError as error:
            await _say(writer, [f"error: {error.message}"])
            return None

    async def _secret(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: str) -> str:
        writer.write(_SILENT)
        await _say(writer, [words])
        line = await self._line(reader)
        writer.write(_LOUD)
        if not line:
            raise ConnectionResetError
        return line.decode("utf-8", "replace").rstrip("\r\n")

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, console: Console) -> None:
        try:
            while True:
                async with asyncio.timeout(self._idle_s):
                    line = await self._line(reader)
                    answer = console.hear(line) if line else None
                    if answer is None:
                        return
                    await _say(writer, answer)
                await asyncio.sleep(0)  # one line a turn: calls come first
        except WireError as error:
            await _say(writer, [f"error: {error.message}"])
        finally:
            console.close()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """The next whole line without telnet's own bytes; empty at the end, and for a line that is too long."""
        try:
            line = await reader.readline()
        except ValueError:
            return b""
        return _plain(line) if line.endswith(b"\n") and len(line) <= self._most else b""


async def _say(writer: asyncio.StreamWriter, lines: Sequence[str]) -> None:
    writer.write(b"".join(line.encode("utf-8", "replace") + b"\r\n" for line in lines))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LOGIN_S):
            await writer.drain()
            return
    raise ConnectionResetError  # he does not read


def _plain(line: bytes) -> bytes:
    """What a telnet client answers to the option is no text: IAC and its command with one option byte (RFC 854)."""
    kept, at = bytearray(), 0
    while at < len(line):
        if line[at] != _IAC:
            kept.append(line[at])
            at += 1
        else:
            at += 2 if at + 1 < len(line) and line[at + 1] in _COMMANDS else 3
    return bytes(kept) or b"\n"
