"""What becomes of a message that arrives: absorbed, answered, refused, or told to the user.

Knows messages, transactions and rules; not how bytes were framed, nor who its user is. Everything here may meet a
hostile message: whatever the parser objects to on a closer look ends as one MalformedReceived.
Sources: RFC 3261 8.2 (order of checks), 9.2 (CANCEL), 17.1.3, 17.2.3, 18.2.1; RFC 3581 section 4.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from pysrv.sip import events as tell
from pysrv.sip import hop, keys
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Message, Request, Response, response_to, validate_request
from pysrv.sip.parser import Limits
from pysrv.sip.rules import Objection, Rules, examine, objection
from pysrv.sip.tables import Input, Machine, State
from pysrv.sip.transaction import Transaction, TransactionLayer

FIRST_LINE_BYTES = 120
OVERLOAD = Objection(503, "Service Unavailable")
MERGED = Objection(482, "Request Merged")

_ACCEPTED = frozenset((State.ACCEPTED, State.ACKNOWLEDGED))


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """How much an endpoint may hold, and how long the peer is asked to stay away when it is full."""

    max_server_transactions: int = 100_000
    reserve: int = 10_000  # on top, for requests inside dialogs: a full house must still hear BYE
    retry_after_s: int = 10
    messages: Limits = field(default_factory=Limits)


LIMITS = EndpointLimits()


@dataclass(slots=True)
class Tally:
    """What an endpoint did of its own accord, since it began."""

    repeated_requests: int = 0
    stray_responses: int = 0
    absorbed_acks: int = 0
    malformed: int = 0
    refused: int = 0
    overload: int = 0


class Inbound:
    """The way of a message from the transport to the transaction layer."""

    __slots__ = ("_latest", "_layer", "_limits", "_rules", "_secret", "tally")

    def __init__(self, layer: TransactionLayer, secret: bytes, rules: Rules, limits: EndpointLimits) -> None:
        self._layer, self._secret, self._rules, self._limits = layer, secret, rules, limits
        self._latest: tuple[Request | None, bytes] = (None, b"")  # the request told of last, with its key
        self.tally = Tally()

    def take(self, message: Message, flow: tell.Flow, now: float, digest: int = 0) -> None:
        """Find out what a message is, and do what it asks for. `digest`: keyed hash of its datagram, 0 for none."""
        try:
            if isinstance(message, Request):
                self._request(message, flow, now, digest)
            elif isinstance(message, Response):
                self._response(message, flow, now)
        except BadMessage as bad:
            self.malformed(bad, message if isinstance(message, Request) else None, flow, message.start_line())

    def malformed(self, bad: BadMessage, request: Message | None, flow: tell.Flow, first_line: bytes) -> None:
        """Answer a bad message where that is possible, and tell of it."""
        self.tally.malformed += 1
        if isinstance(request, Request) and request.method != b"ACK":
            with suppress(BadMessage):  # not even an answer can be made of what some of them say
                self._refuse(request, flow, bad.status, bad.reason)
        reason, line = bad.reason, first_line[:FIRST_LINE_BYTES]
        self._layer.events.append(tell.MalformedReceived(flow, bad.status, reason, line))

    def key_of(self, request: Request) -> bytes:
        """The key of a request that was told of, remembered from then for the one told of last."""
        latest, key = self._latest
        return key if latest is request else keys.server_key(request)

    def _request(self, request: Request, flow: tell.Flow, now: float, digest: int) -> None:
        validate_request(request)
        if request.method == b"ACK":
            self._ack(request, flow, now)
            return
        key = keys.server_key(request)
        known = self._layer.servers.get(key)
        if known is not None:
            self.tally.repeated_requests += 1
            self._layer.fire(known, Input.REQUEST, now)
        elif request.method == b"CANCEL":
            self._cancel(key, request, flow, now, digest)
        else:
            self._new(key, request, flow, now, digest)

    def _new(self, key: bytes, request: Request, flow: tell.Flow, now: float, digest: int) -> None:
        layer, outside = self._layer, request.to.tag is None
        room = self._limits.max_server_transactions + (0 if outside else self._limits.reserve)
        origin = keys.origin_key(request) if outside else None
        wrong = OVERLOAD if len(layer.servers) >= room else objection(request, self._rules)
        if wrong is None and origin is not None and origin in layer.origins:
            wrong = MERGED
        if wrong is not None:
            self._object(wrong, request, flow)
            return
        txn = Transaction(server_machine(request), key, request, hop.response_flow(request, flow), flow)
        hop.mark_source(request, flow)
        self._latest = (request, key)
        layer.keep_server(txn, origin, digest)
        layer.fire(txn, Input.REQUEST, now, request, flow)

    def _object(self, wrong: Objection, request: Request, flow: tell.Flow) -> None:
        headers = wrong.headers
        if wrong is OVERLOAD:
            self.tally.overload += 1
            headers = ((b"retry-after", b"%d" % self._limits.retry_after_s),)
        else:
            self.tally.refused += 1
        self._refuse(request, flow, wrong.status, wrong.reason, headers)

    def _ack(self, ack: Request, flow: tell.Flow, now: float) -> None:
        """An ACK of a failure has the branch of its INVITE; that of a 2xx only its numbers (17.1.1.3, 13.2.2.4)."""
        layer = self._layer
        txn = layer.servers.get(keys.server_key(ack))
        if txn is None or txn.state in _ACCEPTED:
            txn = layer.acks.get(keys.ack_key(ack.call_id, ack.to.tag or b"", ack.cseq.number))
        if txn is not None:
            if not layer.fire(txn, Input.ACK, now, ack, flow):
                self.tally.absorbed_acks += 1
        elif keys.is_stateless_ack(self._secret, ack):
            self.tally.absorbed_acks += 1
        else:
            layer.events.append(tell.AckReceived(None, ack, flow))

    def _cancel(self, key: bytes, cancel: Request, flow: tell.Flow, now: float, digest: int) -> None:
        """Answer a CANCEL: 200 when its INVITE is known and came from the same host, else 481 (9.2, 22.1)."""
        layer = self._layer
        invite = layer.servers.get(keys.server_key(cancel, b"INVITE"))
        if invite is None or invite.flow.remote[0] != flow.remote[0]:
            self._refuse(cancel, flow, 481, "Call/Transaction Does Not Exist")
            return
        txn = Transaction(Machine.NON_INVITE_SERVER, key, cancel, hop.response_flow(cancel, flow), flow)
        hop.mark_source(cancel, flow)
        txn.state = State.TRYING  # its user is this core, which answers at once
        layer.keep_server(txn, None, digest)
        tag = invite.local_tag or keys.stateless_tag(self._secret, cancel)
        layer.fire(txn, Input.SEND_FINAL, now, response_to(cancel, 200, to_tag=tag))
        txn.request = None
        layer.fire(invite, Input.PEER_CANCEL, now)

    def _response(self, response: Response, flow: tell.Flow, now: float) -> None:
        txn = self._layer.clients.get(keys.response_key(response))
        if txn is None:
            self.tally.stray_responses += 1
            return
        examine(response)
        status = response.status
        if status < 200:
            given = Input.PROVISIONAL
        elif txn.machine is Machine.NON_INVITE_CLIENT:
            given = Input.FINAL
        else:
            given = Input.SUCCESS if status < 300 else Input.FAILURE
        self._layer.fire(txn, given, now, response, flow)
        if status >= 200:
            txn.request = None

    def _refuse(
        self,
        request: Request,
        flow: tell.Flow,
        status: int,
        reason: str,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Answer without keeping state; the reason is ours, so it never carries the peer's text."""
        target = hop.response_flow(request, flow)
        hop.mark_source(request, flow)
        response = response_to(request, status, reason.encode(), to_tag=self._tag(request), headers=headers)
        self._layer.outbox.append((response.to_bytes(), target))

    def _tag(self, request: Request) -> bytes | None:
        try:
            return keys.stateless_tag(self._secret, request)
        except BadMessage:
            return None  # too broken to be repeated or acknowledged


def server_machine(request: Request) -> Machine:
    """The machine that a new request starts."""
    return Machine.INVITE_SERVER if request.method == b"INVITE" else Machine.NON_INVITE_SERVER
