"""The userspace relay: the gate's media walk on ordinary sockets, for where XDP cannot relay (loopback, some drivers).

Same verbs, same rows, same rules and same counters as the kernel's relay, so that nobody above it can tell; it costs
about a hundred times more per packet. A lease is looked at for every packet, so audio ends at its deadline and not a
timer's tick later. What passes on a stream whose other side is the office is handed to `heard`, also where the kernel
relays: there it has passed the same rules in the gate before. Knows rows of `appliance.wire`, not calls.
RFC 3550 (what is RTP, what RTCP), RFC 4961 (symmetric RTP), RFC 5761 (both on one port).
"""

import asyncio
import errno
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from appliance.wire import RelaySession, RelayStream, SessionCounters, StreamCounters, WireError
from pysrv.net.guard import Endpoint, GuardLimits, StreamGuard

BATCH: Final = 32  # datagrams of one port before others get their turn
_HEADERS_BYTES: Final = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}  # counters speak of whole frames


@dataclass(slots=True)
class _Lease:
    session: int
    deadline_ns: int
    ports: "dict[Endpoint, _Port]"


class _Port:
    """One socket: the guard of its stream, and what passed."""

    __slots__ = ("bytes", "dropped", "guard", "headers_bytes", "last_ns", "lease", "packets", "peer", "rtp", "sock")

    def __init__(self, sock: socket.socket, row: RelayStream, lease: _Lease, limits: GuardLimits) -> None:
        self.sock, self.lease = sock, lease
        self.peer: _Port | None = None
        self.rtp: StreamGuard | None = None  # the stream that this one's RTCP speaks of
        self.packets = self.bytes = self.dropped = self.last_ns = 0
        self.headers_bytes = _HEADERS_BYTES[sock.family]
        self.guard = StreamGuard(row, limits)

    @property
    def row(self) -> RelayStream:
        """What the stream is to be."""
        return self.guard.row

    @property
    def destination(self) -> Endpoint | None:
        """Where packets for this port's side go: where it sends from, else where it announced."""
        return self.guard.source or self.row.remote

    def counters(self) -> StreamCounters:
        """What passed so far."""
        row, source = self.row, self.guard.source
        return StreamCounters(row.local, self.packets, self.bytes, self.dropped, self.last_ns, source)


class UserRelay:
    """Relays the sessions that are open, until their deadlines. Use it from the thread of `loop` only.

    `clock` gives nanoseconds of CLOCK_MONOTONIC, the clock of every deadline.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int] = time.monotonic_ns,
        heard: Callable[[int, bytes], None] = lambda _session, _packet: None,
    ) -> None:
        self._loop, self._clock, self._heard = loop, clock, heard
        self._leases: dict[int, _Lease] = {}
        self._limits = GuardLimits()
        self.verdicts: Counter[str] = Counter()  # packets that were not passed on, by the gate's names

    def limit(self, values: dict[str, int], report_only: tuple[str, ...] = ()) -> None:
        """Take what concerns media out of the gate's limits; what is missing stays. `report_only` as in the plan."""
        self._limits.take(values)
        self._limits.report_only = frozenset(report_only)

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
                self._start(_Port(fresh[local], row, lease, self._limits))
            else:
                lease.ports[local].guard.serve(row)
        for port in lease.ports.values():
            port.peer = lease.ports.get(port.row.peer_local)
            beside = lease.ports.get((port.row.local[0], port.row.local[1] - 1)) if port.row.rtcp else None
            port.rtp = beside.guard if beside is not None else None

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

    def say(self, session: int, packet: bytes) -> bool:
        """Send to the party of a session whose other side is the office; False: nobody to send to, or too late."""
        lease = self._leases.get(session)
        port = next((each for each in lease.ports.values() if each.row.office), None) if lease is not None else None
        if lease is None or port is None or port.destination is None or self._clock() >= lease.deadline_ns:
            return False
        try:
            port.sock.sendto(packet, port.destination)
        except OSError:  # as in _forward: what cannot be sent now is late already
            return False
        return True

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
            verdict = self._verdict(port, packet, source[:2], now_ns)
            if not verdict and port.row.office:
                _count(port, packet, now_ns)
                self._heard(port.lease.session, packet)
            elif not verdict:
                verdict = _forward(port, packet, now_ns)
            if verdict:
                port.dropped += 1
                self.verdicts[verdict] += 1

    def _verdict(self, port: _Port, packet: bytes, source: Endpoint, now_ns: int) -> str:
        if now_ns >= port.lease.deadline_ns:
            return "lease_lapsed" if port.lease.deadline_ns else "lease_closed"
        return port.guard.judge(packet, source, now_ns, port.rtp)


def _forward(port: _Port, packet: bytes, now_ns: int) -> str:
    """Send it on; why it could not be, by the gate's names."""
    peer = port.peer
    destination = None if peer is None else peer.destination
    if peer is None or destination is None:
        return "rtp_no_remote"
    try:
        peer.sock.sendto(packet, destination)
    except OSError:  # a full buffer or an unreachable destination: media is lost, not kept
        return "rtp_no_route"
    _count(port, packet, now_ns)
    return ""


def _count(port: _Port, packet: bytes, now_ns: int) -> None:
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
