"""keeper.sock: connections, their peers' identity, lines in and replies out.

Knows framing and SO_PEERCRED (unix(7)); what a line means is appliance.verbs' to say. All lines of one read are
answered with one write. A peer that does not read its replies is not read from, and dropped when that lasts.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import cast

from appliance import wire
from appliance.verbs import Caller

BACKLOG_BYTES = 1024 * 1024  # replies that wait before the peer is not read any further
MOST_CONNECTIONS = 8  # of the office, each of which may have a long line in memory; root is not counted
PATIENCE_S = 10.0  # how long a peer may leave its replies unread
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

Answer = Callable[[Caller, bytes], bytes]
Report = Callable[[str], None]


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end, as the kernel recorded it when the connection was made."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


class Connection(asyncio.Protocol):
    """One peer. `callers` maps the users who may talk to who they are."""

    def __init__(self, callers: dict[int, Caller], answer: Answer, report: Report, open_now: set["Connection"]) -> None:
        self._callers, self._answer, self._report, self._open_now = callers, answer, report, open_now
        self._caller = Caller.OFFICE
        self._rest = bytearray()
        self._searched = 0  # bytes of _rest that are known to hold no newline
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who it is; hang up on strangers."""
        self._transport = cast(asyncio.Transport, transport)
        uid = peer_uid(transport.get_extra_info("socket"))
        if uid not in self._callers:
            self._report(f"hung up on user {uid}, who has no business with the keeper")
            self._transport.abort()
            return
        self._caller = self._callers[uid]
        if self._caller is Caller.OFFICE and sum(each._caller is Caller.OFFICE for each in self._open_now) >= (
            MOST_CONNECTIONS
        ):
            self._report(f"hung up on the office, which has {MOST_CONNECTIONS} connections already")
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=BACKLOG_BYTES)
        self._open_now.add(self)

    def data_received(self, data: bytes) -> None:
        """Answer every whole line, with one write for all of them."""
        assert self._transport is not None
        self._rest += data
        end = self._rest.rfind(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._rest)
            if len(self._rest) > wire.MAX_LINE_BYTES:
                self._report("hung up on a peer whose line has no end")
                self._transport.abort()
            return
        lines = bytes(self._rest[:end]).split(b"\n")
        del self._rest[: end + 1]
        self._searched = len(self._rest)
        self._transport.write(b"".join([self._answer(self._caller, line) for line in lines]))

    def pause_writing(self) -> None:
        """The peer reads slower than it asks: stop reading it, and give it a while."""
        assert self._transport is not None
        self._transport.pause_reading()
        self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        assert self._transport is not None
        if self._patience is not None:
            self._patience.cancel()
        self._transport.resume_reading()

    def _give_up(self) -> None:
        self._report(f"hung up on the {self._caller}, who left its replies unread for {PATIENCE_S:.0f} s")
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the peer."""
        if self._patience is not None:
            self._patience.cancel()
        self._open_now.discard(self)


class Listener:
    """The keeper's socket."""

    def __init__(self, path: Path, callers: dict[int, Caller], group: int, answer: Answer, report: Report) -> None:
        self._path, self._group = path, group
        self._arguments = (callers, answer, report)
        self._server: asyncio.Server | None = None
        self._open_now: set[Connection] = set()

    async def start(self) -> None:
        """Listen, for root and the office's group alone. A socket that a killed keeper left is replaced."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            sock.bind(str(self._path))
        finally:
            os.umask(before)
        os.chown(self._path, 0, self._group)
        self._path.chmod(0o660)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(*self._arguments, self._open_now), sock=sock)

    async def stop(self) -> None:
        """Hang up on everybody and remove the socket."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._open_now):
            connection.hang_up()
        self._path.unlink(missing_ok=True)
