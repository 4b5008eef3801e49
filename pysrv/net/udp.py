"""SIP over UDP: one socket for each local address, drained in batches.

Knows sockets and flows, not SIP: a datagram goes to `receive`, and when the socket is empty (or a batch is full)
`turn` lets the conductor commit and transmit once for all of them. One socket for each address, instead of a
wildcard, keeps the source address of every answer the one that was asked (RFC 3261 18.2.2, RFC 3581 section 4).
"""

import asyncio
import errno
import socket
from collections.abc import Callable

from pysrv.net.pulse import QueueDelay
from pysrv.sip.events import Flow

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
BATCH = 128  # datagrams between two commits: enough to share a commit, few enough to keep timers punctual
MAX_DATAGRAM_BYTES = 65_535
MAX_FLOWS = 65_536

Receive = Callable[[bytes, Flow], None]
_QUIET = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})


class PortBusy(Exception):
    """A listening port could not be had; the message names it and says what to do."""


def bind_error(protocol: str, address: str, port: int, error: OSError) -> PortBusy:
    """The one clear line for a listener that could not be bound."""
    if error.errno == errno.EADDRINUSE:
        return PortBusy(f"{protocol} {address}:{port} is in use by another program; stop it or choose another port")
    if error.errno == errno.EADDRNOTAVAIL:
        return PortBusy(f"{address} is not an address of this machine; correct --listen")
    return PortBusy(f"cannot listen on {protocol} {address}:{port}: {error.strerror}")


class UdpSockets:
    """The UDP listeners of the service."""

    def __init__(self, receive: Receive, turn: Callable[[], None], delay: QueueDelay | None = None) -> None:
        """`delay` hears how long datagrams wait in the sockets."""
        self._receive, self._turn, self._delay = receive, turn, delay or QueueDelay()
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self._flows: dict[tuple[tuple[str, int], tuple[str, int]], Flow] = {}

    def listen(self, loop: asyncio.AbstractEventLoop, address: str, port: int) -> None:
        """Bind `address`:`port` and start to drain it. Raises PortBusy."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER_BYTES)
            self._delay.watch(sock)
            sock.bind((address, port))
        except OSError as error:
            sock.close()
            raise bind_error("UDP", address, port, error) from None
        local = (address, port)
        self._sockets[local] = sock
        loop.add_reader(sock.fileno(), self._drain, sock, local)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The local addresses that are listened on."""
        return list(self._sockets)

    def send(self, payload: bytes, flow: Flow) -> bool:
        """Send one datagram; False when the kernel refused it (the transaction's timers decide what that means)."""
        sock = self._sockets.get(flow.local)
        if sock is None:
            return False
        try:
            sock.sendto(payload, flow.remote)
        except OSError as error:
            # A full send buffer is loss, which UDP's timers repair; anything else is a dead destination.
            return error.errno in _QUIET or error.errno == errno.ENOBUFS
        return True

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop listening."""
        for sock in self._sockets.values():
            loop.remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def _drain(self, sock: socket.socket, local: tuple[str, int]) -> None:
        receive, flow_of = self._receive, self._flow
        try:
            payload, remote = self._delay.read(sock, MAX_DATAGRAM_BYTES)  # the one that has waited longest
            receive(payload, flow_of(local, remote[:2]))
            for _ in range(BATCH - 1):
                payload, remote = sock.recvfrom(MAX_DATAGRAM_BYTES)
                receive(payload, flow_of(local, remote[:2]))
        except BlockingIOError:
            pass
        except OSError as error:
            # An ICMP error for something sent earlier surfaces here; it says nothing about the next datagram.
            if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
                raise
        finally:
            self._turn()

    def _flow(self, local: tuple[str, int], remote: tuple[str, int]) -> Flow:
        key = (local, remote)
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= MAX_FLOWS:
                self._flows.clear()
            flow = self._flows[key] = Flow("udp", local, remote)
        return flow
