"""The SIP endpoint: bytes and fired timers in; events, datagrams and the next timer out.

Knows messages, transactions and flows; no socket, no clock, no call, no account. It decides what RFC 3261 section 8.2
lets a core decide from a message alone, answers repetitions, ACKs and CANCELs itself, and leaves the rest to its user.
Sources: RFC 3261 8.1, 8.2, 9, 13.3.1.4, 17, 18; RFC 3581 (rport); RFC 6026.
"""

from collections.abc import Callable, Iterable

from pysrv.sip import events as tell
from pysrv.sip import hop, keys
from pysrv.sip.errors import BadMessage
from pysrv.sip.inbound import LIMITS, EndpointLimits, Inbound, Tally
from pysrv.sip.message import MAGIC_COOKIE, Message, Request, Response
from pysrv.sip.parser import is_keepalive, parse_datagram
from pysrv.sip.rules import RULES, Rules
from pysrv.sip.tables import Input, Machine
from pysrv.sip.timers import RFC_VALUES, TimerValues
from pysrv.sip.transaction import Transaction, TransactionLayer

__all__ = ["Endpoint", "EndpointLimits", "Rules", "Tally"]

_NO_TRANSACTION = frozenset((b"ACK", b"CANCEL"))


class Endpoint:
    """One SIP element of this machine, all flows together.

    `tokens` returns unguessable hex (16 characters or more), `secret` (1 to 64 bytes) keys the tags of answers of
    which no state is kept. Nothing that arrives makes a method raise; a misuse by the user raises ValueError.
    """

    def __init__(
        self,
        tokens: Callable[[], bytes],
        secret: bytes,
        *,
        rules: Rules = RULES,
        limits: EndpointLimits = LIMITS,
        values: TimerValues = RFC_VALUES,
    ) -> None:
        if not 0 < len(secret) <= keys.MAX_SECRET_BYTES:
            raise ValueError(f"the endpoint's secret must be 1 to {keys.MAX_SECRET_BYTES} bytes, not {len(secret)}")
        self._tokens, self._secret, self._limits = tokens, secret, limits
        self._layer = TransactionLayer(values)
        self._inbound = Inbound(self._layer, secret, rules, limits)

    # What the shell calls: five verbs, and the news of a dead flow.

    def receive_datagram(self, data: bytes, flow: tell.Flow, now: float) -> None:
        """Take one datagram. An exact repetition of a request is answered here, unparsed."""
        digest = hash(data)
        known = self._layer.repetitions.get(digest)
        if known is not None and known.came_by == flow:
            self._inbound.tally.repeated_requests += 1
            self._layer.fire(known, Input.REQUEST, now)
            return
        if is_keepalive(data):
            return  # RFC 5626 3.5.1 asks for no answer over UDP, and an honest phone is no offender
        try:
            message = parse_datagram(data, self._limits.messages)
        except BadMessage as bad:
            self._inbound.malformed(bad, bad.message, flow, data.lstrip(b"\r\n").partition(b"\r\n")[0])
            return
        self._inbound.take(message, flow, now, digest)

    def receive_message(self, message: Message, flow: tell.Flow, now: float) -> None:
        """Take one message that a stream has framed."""
        self._inbound.take(message, flow, now)

    def next_event(self) -> tell.Event | None:
        """The oldest event not taken yet, or None."""
        return self._layer.events.popleft() if self._layer.events else None

    def datagrams_to_send(self) -> list[tuple[bytes, tell.Flow]]:
        """All that has been queued since the last call, in order; on streams each entry is one message."""
        queued = self._layer.outbox[:]
        self._layer.outbox.clear()
        return queued

    def get_timer(self) -> float | None:
        """When to call `handle_timer`, or None."""
        return self._layer.timers.next_at()

    def handle_timer(self, now: float) -> None:
        """Let everything happen that is due at `now`."""
        layer = self._layer
        while (due := layer.timers.pop_due(now)) is not None:
            layer.fire(due[0], due[1], now)

    def transport_failed(self, flow: tell.Flow, now: float) -> None:
        """A stream has closed, or a datagram could not be sent: tell those whom it concerns."""
        for txn in self._layer.on_flow(flow):
            self._layer.fire(txn, Input.TRANSPORT_FAILED, now)

    # What the transaction user calls.

    def send_request(self, request: Request, flow: tell.Flow, now: float) -> tell.TransactionKey:
        """Send a request in a new client transaction. Its Via is replaced; Max-Forwards is added where it lacks."""
        if request.method in _NO_TRANSACTION:
            raise ValueError(f"{request.method.decode()} has no transaction: use send_ack or cancel")
        branch = MAGIC_COOKIE + self._tokens()
        hop.stamp(request, flow, branch)
        return self._layer.begin_client(request, branch, flow, now).key

    def send_ack(self, request: Request, flow: tell.Flow) -> None:
        """Send the ACK of a 2xx; the same request given again is sent unchanged."""
        if b"via" not in request.headers:
            hop.stamp(request, flow, MAGIC_COOKIE + self._tokens())
        self._layer.outbox.append((request.to_bytes(), flow))

    def respond(self, key: tell.TransactionKey, response: Response, now: float) -> bool:
        """Answer a server transaction. False: it has had its final response, or is gone, and nothing was sent.

        A response above 100 without a To tag gets one. A 2xx to an INVITE is repeated until its ACK comes.
        """
        txn = self._layer.servers.get(key)
        if txn is None:
            return False
        given = _sending(txn.machine, response.status)
        if (txn.state, given) not in self._layer.tables[txn.machine]:
            return False
        if response.status > 100:
            self._tag(txn, response)
        self._layer.fire(txn, given, now, response)
        if response.status >= 200:
            txn.request = None
        return True

    def respond_stateless(self, request: Request, response: Response, flow: tell.Flow) -> None:
        """Answer (300-699) and forget: repetitions come up as new requests, the ACK is known by its To tag."""
        txn = self._layer.servers.get(self._inbound.key_of(request))
        if txn is not None and txn.request is request:
            self._layer.drop(txn)
        if request.to.tag is None:
            hop.set_to_tag(response, self.stateless_tag(request))
        self._layer.outbox.append((response.to_bytes(), txn.flow if txn else hop.response_flow(request, flow)))

    def ignore(self, request: Request) -> None:
        """Forget a request that gets no answer at all: repetitions come up as new ones."""
        txn = self._layer.servers.get(self._inbound.key_of(request))
        if txn is not None and txn.request is request:
            self._layer.drop(txn)

    def stateless_tag(self, request: Request) -> bytes:
        """The To tag that `respond_stateless` gives: always the same one for the same request."""
        return keys.stateless_tag(self._secret, request)

    def cancel(self, key: tell.TransactionKey, now: float, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Cancel an INVITE that we sent: as soon as it has a provisional response (9.1), if that comes at all.

        `headers` go into the CANCEL, such as Reason ("Call completed elsewhere" keeps phones from showing a miss).
        The INVITE still ends as every request does: with a final response, mostly 487, or RequestTimedOut.
        """
        txn = self._layer.clients.get(key)
        if txn is not None and (txn.state, Input.CANCEL) in self._layer.tables[txn.machine]:
            txn.cancel_lines = tuple(headers)
            self._layer.fire(txn, Input.CANCEL, now)

    @property
    def transactions(self) -> tuple[int, int]:
        """How many client and server transactions are held."""
        return len(self._layer.clients), len(self._layer.servers)

    @property
    def tally(self) -> Tally:
        """What this endpoint did of its own accord."""
        return self._inbound.tally

    def _tag(self, txn: Transaction, response: Response) -> None:
        """See to a response's To tag, and for a 2xx to an INVITE to its ACK."""
        tag, request = hop.to_tag(response), txn.request
        if request is None:
            return
        if tag is None:
            tag = self.stateless_tag(request)
            hop.set_to_tag(response, tag)
        if txn.machine is Machine.INVITE_SERVER:
            txn.local_tag = tag
            if 200 <= response.status <= 299:
                self._layer.await_ack(txn, keys.ack_key(request.call_id, tag, request.cseq.number))


def _sending(machine: Machine, status: int) -> Input:
    if status < 200:
        return Input.SEND_PROVISIONAL
    if machine is Machine.NON_INVITE_SERVER:
        return Input.SEND_FINAL
    return Input.SEND_SUCCESS if status < 300 else Input.SEND_FAILURE
