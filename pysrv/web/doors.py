"""The panel's listeners: every connection is counted from its first packet on, before TLS, by who it comes from.

A server that counts after the handshake can be filled by those who never begin one, and one without a deadline by
those who never finish a request (CWE-400, CWE-770). Knows sockets and TLS, no HTTP: that is the protocol it is given.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable

from pysrv.web.guesses import network

MAX_CONNECTIONS = 256
MAX_PER_NETWORK = 64  # of one IPv4 address or IPv6 /64
HANDSHAKE_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 20.0  # from the handshake, or the last whole request, to the next one
PAUSE_S = 0.2  # after an accept that failed: no descriptor is left
BACKLOG = 128


class Visit(asyncio.Protocol):
    """One connection behind its TLS: passes everything on, and ends when no whole request comes in time."""

    def __init__(self, inner: asyncio.Protocol, gone: Callable[[], None]) -> None:
        self._inner, self._gone = inner, gone
        self._transport: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up."""
        self._transport = transport
        self.heard()
        self._inner.connection_made(transport)

    def heard(self) -> None:
        """A whole request has come: the next one has its time again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(REQUEST_TIMEOUT_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on, and make room."""
        if self._timer is not None:
            self._timer.cancel()
        self._gone()
        self._inner.connection_lost(exc)

    def _give_up(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()


class Doors:
    """All listeners of one panel; `serve` makes the protocol of one connection."""

    def __init__(self, serve: Callable[[], asyncio.Protocol], context: ssl.SSLContext) -> None:
        self._serve, self._context = serve, context
        self._inside: Counter[str] = Counter()
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def inside(self) -> int:
        """Connections now, those in their handshake included."""
        return self._inside.total()

    def open(self, address: str, port: int) -> int:
        """Listen; returns the port (for `port` 0). Raises OSError."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
        listener.setblocking(False)
        self._listeners.append(listener)
        self._start(self._accept(listener))
        return int(listener.getsockname()[1])

    async def close(self) -> None:
        """Listen no more; connections that have their TLS are the server's to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(PAUSE_S)
                continue
            whose = network(str(peer[0]))
            if self.inside >= MAX_CONNECTIONS or self._inside[whose] >= MAX_PER_NETWORK:
                connection.close()
                continue
            self._inside[whose] += 1
            self._start(self._welcome(connection, whose))

    async def _welcome(self, connection: socket.socket, whose: str) -> None:
        left = False

        def gone() -> None:
            nonlocal left
            if not left:
                left = True
                self._inside[whose] -= 1
                if not self._inside[whose]:
                    del self._inside[whose]

        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Visit(self._serve(), gone),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S,
            )
        except BaseException as error:  # a handshake that failed, or our own end
            gone()
            with contextlib.suppress(OSError):
                connection.close()
            if not isinstance(error, OSError):  # ssl.SSLError, TimeoutError and lost connections are OSErrors
                raise
