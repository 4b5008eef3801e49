"""Listeners that count every connection from its first packet on, before TLS, by who it comes from.

A server that counts after the handshake can be filled by those who never begin one, and one without a deadline by
those who never finish it (CWE-400, CWE-770). Knows sockets and TLS, neither HTTP nor SIP: that is the protocol that it
is given.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

HANDSHAKE_TIMEOUT_S = 10.0
PAUSE_S = 0.2  # after an accept that failed: no descriptor is left
BACKLOG = 128

Serve = Callable[[Callable[[], None]], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Room:
    """How many connections there may be, and how many of one IPv4 address or IPv6 /64."""

    most: int
    of_network: int


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Whose connections are counted together: an IPv4 address, or the /64 of an IPv6 one."""
    return address if ":" not in address else str(ip_network((address.partition("%")[0], 64), strict=False))


class Doors:
    """All listeners of one kind. `serve` makes the protocol of one connection and is given what it must call when the
    connection ends; `context` is asked for each connection, so that a new certificate needs no new listener. None: in
    the clear.
    """

    def __init__(self, serve: Serve, context: Callable[[], ssl.SSLContext] | None, room: Callable[[], Room]) -> None:
        self._serve, self._context, self._room = serve, context, room
        self._inside: Counter[str] = Counter()
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.turned_away = 0  # connections for which there was no room

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
        """Listen no more, and end handshakes; connections that have their TLS are the server's to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

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
            room = self._room()
            if self.inside >= room.most or self._inside[whose] >= room.of_network:
                connection.close()
                self.turned_away += 1
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
            context = self._context() if self._context is not None else None
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._serve(gone),
                connection,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if context is not None else None,
            )
        except BaseException as error:  # a handshake that failed, or our own end
            gone()
            with contextlib.suppress(OSError):
                connection.close()
            if not isinstance(error, OSError):  # ssl.SSLError, TimeoutError and lost connections are OSErrors
                raise
