"""The userspace relay: the gate's media walk on ordinary sockets, for where XDP cannot relay (loopback, some drivers).

Same verbs, same rows, same rules and same counters as the kernel's relay, so that nobody above it can tell; it costs
about a hundred times more per packet. A lease is looked at for every packet, so audio ends at its deadline and not a
timer's tick later. Knows rows of `appliance.wire`, not calls. RFC 3550 (what is RTP, what RTCP), RFC 4961
(symmetric RTP), RFC 5761 (both on one port).
"""

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.wire import RelaySession, RelayStream, SessionCounters, StreamCounters, WireError

BATCH: Final = 32  # datagrams of one port before others get their turn
MAX_DATAGRAM_BYTES: Final = 1452  # as the kernel's relay
_HEADERS_BYTES: Final = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}  # counters speak of whole frames
_RTP_BURST: Final = 1000  # packets of one stream at once, and the time in which it gains one more: bpf/limits.def
_RTP_INTERVAL_NS: Final = 500_000
_RTP_HEADER_BYTES: Final = 12
_RTCP_HEADER_BYTES: Final = 8

Endpoint = tuple[str, int]


def is_rtp(packet: bytes) -> bool:
    """Whether `packet` is RTP (RFC 3550 section 5.1): version 2, room for the sources and extension it announces."""
    header = _RTP_HEADER_BYTES + 4 * (packet[0] & 0x0F)
    if len(packet) < header or packet[0] >> 6 != 2:
        return False
    if not packet[0] & 0x10:
        return True
    return len(packet) >= header + 4 + 4 * int.from_bytes(packet[header + 2 : header + 4], "big")


def is_rtcp(packet: bytes) -> bool:
    """Whether `packet` begins with a whole RTCP packet (RFC 3550 section 6.1), types 192-223 (RFC 5761 section 4)."""
    if len(packet) < _RTCP_HEADER_BYTES or packet[0] >> 6 != 2 or not 192 <= packet[1] <= 223:
        return False
    return 4 * (int.from_bytes(packet[2:4], "big") + 1) <= len(packet)


@dataclass(slots=True)
class _Lease:
    session: int
    deadline_ns: int
    ports: "dict[Endpoint, _Port]"


class _Port:
    """One socket: the row it serves, whom it listens to, and what passed."""

    __slots__ = (
        "bytes",
        "dropped",
        "full_ns",
        "headers_bytes",
        "last_ns",
        "lease",
        "packets",
        "peer",
        "row",
        "sock",
        "source",
        "types",
    )

    def __init__(self, sock: socket.socket, row: RelayStream, lease: _Lease) -> None:
        self.sock, self.lease = sock, lease
        self.peer: _Port | None = None
        self.source: Endpoint | None = None  # who is listened to; None: not known yet
        self.packets = self.bytes = self.dropped = self.last_ns = self.full_ns = 0
        self.headers_bytes = _HEADERS_BYTES[sock.family]
        self.row = row
        self.types = frozenset(row.payload_types)

    def serve(self, row: RelayStream) -> None:
        """Take a newer row; a new announced remote voids what was learned under the old one."""
        if row.remote != self.row.remote:
            self.source = None
        self.row, self.types = row, frozenset(row.payload_types)

    def admits(self, source: Endpoint) -> bool:
        """Whether to listen to `source`: the announced one always, any other only if it is the first."""
        if source == self.row.remote or (self.source is None and self.row.learn):
            self.source = source
        return source == self.source

    def passes(self, packet: bytes) -> bool:
        """Whether `packet` is what this stream may carry."""
        if len(packet) > MAX_DATAGRAM_BYTES or len(packet) < _RTCP_HEADER_BYTES:
            return False
        if self.row.rtcp or 192 <= packet[1] <= 223:
            return is_rtcp(packet)
        return is_rtp(packet) and (not self.types or packet[1] & 0x7F in self.types)

    def in_rate(self, now_ns: int, burst: int, interval_ns: int) -> bool:
        """Take a token from the stream's bucket (the same arithmetic as bpf/bucket.h)."""
        full_ns = max(self.full_ns, now_ns) + interval_ns
        if full_ns - now_ns > burst * interval_ns:
            return False
        self.full_ns = full_ns
        return True

    @property
    def destination(self) -> Endpoint | None:
        """Where packets for this port's side go: where it sends from, else where it announced."""
        return self.source or self.row.remote

    def counters(self) -> StreamCounters:
        """What passed so far."""
        return StreamCounters(self.row.local, self.packets, self.bytes, self.dropped, self.last_ns, self.source)


class UserRelay:
    """Relays the sessions that are open, until their deadlines. Use it from the thread of `loop` only.

    `clock` gives nanoseconds of CLOCK_MONOTONIC, the clock of every deadline.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._loop, self._clock = loop, clock
        self._leases: dict[int, _Lease] = {}
        self._burst, self._interval_ns = _RTP_BURST, _RTP_INTERVAL_NS

    def limit(self, values: dict[str, int]) -> None:
        """Take `rtp_burst` and `rtp_interval` (ns; 0: no limit) out of the gate's limits; what is missing stays."""
        self._burst = values.get("rtp_burst", self._burst)
        self._interval_ns = values.get("rtp_interval", self._interval_ns)

    def open(self, session: RelaySession) -> None:
        """Open a session, or give an open one new streams and a new deadline; kept streams keep their counters.

        Raises WireError("port_busy" or "relay_refused"); the session is then as it was.
        """
        lease = self._leases.get(session.session)
        held = lease.ports if lease is not None else {}
        fresh = self._bind([row for row in session.streams if row.local not in held])
        if lease is None:
            lease = self._leases[session.session] = _Lease(session.session, session.deadline_ns, {})
        lease.deadline_ns = session.deadline_ns
        wanted = {row.local: row for row in session.streams}
        for local in [local for local in lease.ports if local not in wanted]:
            self._drop(lease.ports.pop(local))
        for local, row in wanted.items():
            if local in fresh:
                self._start(_Port(fresh[local], row, lease))
            else:
                lease.ports[local].serve(row)
        for port in lease.ports.values():
            port.peer = lease.ports.get(port.row.peer_local)

    def renew(self, session: int, deadline_ns: int) -> bool:
        """Move a session's deadline; False when it is not open."""
        lease = self._leases.get(session)
        if lease is not None:
            lease.deadline_ns = deadline_ns
        return lease is not None

    def close(self, session: int) -> SessionCounters:
        """Close a session's sockets; its final counters, with `found` False when it was not open."""
        lease = self._leases.pop(session, None)
        if lease is None:
            return SessionCounters(session, False)
        final = _counters(lease)
        for port in lease.ports.values():
            self._drop(port)
        return final

    def counters(self) -> tuple[SessionCounters, ...]:
        """The counters of every open session."""
        return tuple(map(_counters, self._leases.values()))

    def close_all(self) -> None:
        """Close every session."""
        for session in list(self._leases):
            self.close(session)

    def __len__(self) -> int:
        return len(self._leases)

    def _bind(self, rows: list[RelayStream]) -> dict[Endpoint, socket.socket]:
        bound: dict[Endpoint, socket.socket] = {}
        try:
            for row in rows:
                bound[row.local] = _bound(row.local)
        except OSError as error:
            for sock in bound.values():
                sock.close()
            raise _refusal(row.local, error) from None
        return bound

    def _start(self, port: _Port) -> None:
        port.lease.ports[port.row.local] = port
        self._loop.add_reader(port.sock.fileno(), self._drain, port)

    def _drop(self, port: _Port) -> None:
        self._loop.remove_reader(port.sock.fileno())
        port.sock.close()

    def _drain(self, port: _Port) -> None:
        receive, clock = port.sock.recvfrom, self._clock
        for _ in range(BATCH):
            try:
                packet, source = receive(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for something sent earlier says nothing about the next datagram
            now_ns = clock()
            if now_ns < port.lease.deadline_ns and self._admitted(port, packet, source[:2], now_ns):
                _forward(port, packet, now_ns)
            else:
                port.dropped += 1

    def _admitted(self, port: _Port, packet: bytes, source: Endpoint, now_ns: int) -> bool:
        if not (port.passes(packet) and (source == port.source or port.admits(source))):
            return False
        return not self._interval_ns or port.in_rate(now_ns, self._burst, self._interval_ns)


def _forward(port: _Port, packet: bytes, now_ns: int) -> None:
    peer = port.peer
    destination = None if peer is None else peer.destination
    if peer is None or destination is None:
        port.dropped += 1
        return
    try:
        peer.sock.sendto(packet, destination)
    except OSError:  # a full buffer or an unreachable destination: media is lost, not kept
        port.dropped += 1
        return
    port.packets += 1
    port.bytes += len(packet) + port.headers_bytes
    port.last_ns = now_ns


def _counters(lease: _Lease) -> SessionCounters:
    return SessionCounters(lease.session, True, tuple(port.counters() for port in lease.ports.values()))


def _bound(local: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.bind(local)
    except OSError:
        sock.close()
        raise
    return sock


def _refusal(local: Endpoint, error: OSError) -> WireError:
    where = f"{local[0]}:{local[1]}"
    if error.errno == errno.EADDRINUSE:
        return WireError("port_busy", f"media port {where} is in use", "another program uses the media range: move one")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return WireError("relay_refused", "no file descriptor is left for media", "raise the limit of open files")
    return WireError("relay_refused", f"media port {where}: {error.strerror}", "is it an address of this machine?")
