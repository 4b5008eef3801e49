"""One visit to the web: a connection whose requests have to come in time.

A server without such a deadline can be filled by those who never finish a request (CWE-400). The listeners are
pysrv.net.doors. Knows no HTTP: that is the protocol it is given.
"""

import asyncio
from collections.abc import Callable

from pysrv.net.doors import Room

MAX_CONNECTIONS = 256
MAX_PER_NETWORK = 64  # of one IPv4 address or IPv6 /64
REQUEST_TIMEOUT_S = 20.0  # from the handshake, or the last whole request, to the next one


class Visit(asyncio.Protocol):
    """One connection behind its TLS: passes everything on, and ends when no whole request comes in time."""

    def __init__(
        self, inner: asyncio.Protocol, gone: Callable[[], None], slow: Callable[[], object] = lambda: None
    ) -> None:
        self._inner, self._gone, self._slow = inner, gone, slow
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
        self._slow()
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()


def room() -> Room:
    """How many may be inside."""
    return Room(MAX_CONNECTIONS, MAX_PER_NETWORK)
