"""SIP over TCP and TLS: framed messages in, flows with a connection number out (RFC 3261 18, RFC 5626 keepalives).

Knows streams and flows, not SIP semantics. A response goes back on the connection that its request came on; a
request to a peer without a connection opens one. An idle or garbled connection is closed: framing cannot recover.
What TLS adds is in pysrv.net.tls.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

from pysrv.net.doors import network
from pysrv.net.udp import bind_error
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.message import Message
from pysrv.sip.parser import KeepAlive, Limits, StreamParser

IDLE_TIMEOUT_S = 900.0
CONNECT_TIMEOUT_S = 4.0
MAX_CONNECTIONS = 4096
MAX_PER_NETWORK = 256  # of one IPv4 address or IPv6 /64
MAX_UNSENT_BYTES = 1 << 17
MESSAGE_TIMEOUT_S = 64.0  # for the first message, and for the rest of one that has begun (64*T1)
LONGEST_S = 43_200.0  # of a connection, unless somebody says otherwise
LINGER_S = 5.0  # for what is queued on a connection that is being closed

Receive = Callable[[Message, Flow], None]
Failed = Callable[[Flow], None]


class TcpConnection(asyncio.Protocol):
    """One stream: bytes to framed messages; its flow names it by number."""

    def __init__(self, owner: "TcpConnections", connection: int, gone: Callable[[], None] | None = None) -> None:
        """`gone` is told when it ends; a connection that we opened ourselves has none."""
        self._owner, self.connection, self._gone = owner, connection, gone
        self._parser = StreamParser(owner.limits)
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._end: asyncio.TimerHandle | None = None
        self._hurried = True  # a message is awaited, or has begun: what trickles in does not lengthen its time
        self.flow = Flow(owner.transport, ("", 0), ("", 0), connection)

    @property
    def dialled(self) -> bool:
        """Whether we opened it to a peer whose name was checked."""
        return self._gone is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from asyncio's
        local, remote = transport.get_extra_info("sockname")[:2], transport.get_extra_info("peername")[:2]
        self.flow = Flow(self._owner.transport, local, remote, self.connection)
        if not self._owner.opened(self):
            self._transport.abort()
        self._rearm(MESSAGE_TIMEOUT_S)
        self._end = asyncio.get_running_loop().call_later(self._owner.longest_s(), self.close)

    def data_received(self, data: bytes) -> None:
        try:
            items = self._parser.feed(data)
            for item in items:
                self._deliver(item)
            self._watch(progress=bool(items))
            if self._parser.failure is not None:
                self.close()
        except BadMessage:
            self.close()
        self._owner.turn()

    def connection_lost(self, _exc: Exception | None) -> None:
        for timer in (self._idle, self._end):
            if timer is not None:
                timer.cancel()
        if self._gone is not None:
            self._gone()
        self._owner.closed(self)

    def write(self, payload: bytes) -> bool:
        """Queue bytes; False when the peer does not read (the connection is then dropped)."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self._transport.abort()
            return False
        self._transport.write(payload)
        return True

    def close(self) -> None:
        """Close after what is queued has been sent, if the peer takes it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def _deliver(self, item: Message | KeepAlive) -> None:
        if isinstance(item, KeepAlive):
            if item is KeepAlive.PING:
                self.write(b"\r\n")
            return
        self._owner.receive(item, self.flow)

    def _watch(self, *, progress: bool) -> None:
        """Whole messages and keep-alives prolong the connection; a message that has begun must end in time."""
        if progress:
            self._hurried = False
            self._rearm(IDLE_TIMEOUT_S)
        elif not self._hurried:
            self._hurried = True
            self._rearm(MESSAGE_TIMEOUT_S)

    def _rearm(self, seconds: float) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(seconds, self.close)


class TcpConnections:
    """The TCP listeners and every open connection."""

    transport = "tcp"
    reuses_accepted = True  # whether requests to a peer may go over a connection that it has opened

    def __init__(
        self,
        receive: Receive,
        turn: Callable[[], None],
        failed: Failed,
        limits: Limits,
        longest_s: Callable[[], float] = lambda: LONGEST_S,
    ) -> None:
        """`longest_s` is asked when a connection is made: it is closed after so long, however busy it is."""
        self.receive, self.turn, self._failed, self.limits = receive, turn, failed, limits
        self.longest_s = longest_s
        self._connections: dict[int, TcpConnection] = {}
        self._per_network: dict[str, int] = {}
        self._by_remote: dict[tuple[str, int], int] = {}
        self._dialing: dict[tuple[str, int], list[tuple[bytes, Flow]]] = {}
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._last = 0

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def listening(self) -> bool:
        """Whether there are listeners and all of them take connections."""
        return bool(self._servers) and all(server.is_serving() for server in self._servers)

    async def listen(self, address: str, port: int) -> None:
        """Bind `address`:`port`. Raises PortBusy."""
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(self.protocol, address, port, backlog=256)
        except OSError as error:
            raise bind_error("TCP", address, port, error) from None
        self._servers.append(server)

    def send(self, payload: bytes, flow: Flow) -> bool:
        """Send on the flow's connection, else on one to its remote, else on a new one."""
        number = flow.connection or self._by_remote.get(flow.remote, 0)
        connection = self._connections.get(number) or self._connections.get(self._by_remote.get(flow.remote, 0))
        if connection is not None:
            return connection.write(payload)
        waiting = self._dialing.setdefault(flow.remote, [])
        waiting.append((payload, flow))
        if len(waiting) == 1:
            task = asyncio.get_running_loop().create_task(self._dial(flow))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return True

    def opened(self, connection: TcpConnection) -> bool:
        """Count a new connection; False when there are too many (of this network or in all)."""
        whose = network(connection.flow.remote[0])
        held = self._per_network.get(whose, 0)
        self._per_network[whose] = held + 1
        self._connections[connection.connection] = connection
        if connection.dialled or self.reuses_accepted:
            self._by_remote[connection.flow.remote] = connection.connection
        return len(self._connections) <= MAX_CONNECTIONS and held < MAX_PER_NETWORK

    def closed(self, connection: TcpConnection) -> None:
        """Forget a connection; transactions that waited on it fail."""
        if self._connections.pop(connection.connection, None) is None:
            return
        remote = connection.flow.remote
        if self._by_remote.get(remote) == connection.connection:
            del self._by_remote[remote]
        whose = network(remote[0])
        left = self._per_network.get(whose, 1) - 1
        if left:
            self._per_network[whose] = left
        else:
            self._per_network.pop(whose, None)
        self._failed(connection.flow)
        self.turn()

    async def close(self) -> None:
        """Stop listening and close every connection."""
        for server in self._servers:
            server.close()
        for connection in list(self._connections.values()):
            connection.close()
        for task in list(self._tasks):
            task.cancel()

    def protocol(self, gone: Callable[[], None] | None = None) -> TcpConnection:
        """The protocol of one new connection."""
        self._last += 1
        return TcpConnection(self, self._last, gone)

    def dialling(self, _flow: Flow) -> dict[str, Any] | None:
        """What a connection to that peer takes beside its address; None: there is to be none. Raises OSError."""
        return {}

    async def _dial(self, flow: Flow) -> None:
        loop = asyncio.get_running_loop()
        connection = None
        # The source port is the kernel's choice: a listener already owns the SIP port for accepted connections.
        with contextlib.suppress(OSError, TimeoutError):
            if (options := self.dialling(flow)) is not None:
                dial = loop.create_connection(self.protocol, *flow.remote, local_addr=(flow.local[0], 0), **options)
                _, connection = await asyncio.wait_for(dial, CONNECT_TIMEOUT_S)
        for payload, waiting in self._dialing.pop(flow.remote, []):
            if connection is None or not connection.write(payload):
                self._failed(waiting)
        self.turn()
