"""Plays a ladder diagram against one endpoint: a peer on the left, the endpoint in the middle, its user on the right.

    -> INVITE            the peer sends a request (a new one), or `-> 180`, a response to our latest request
    -> again             the peer's last message once more, byte for byte; `-> INVITE again` that one
    -> ACK               ... of the failure that we sent; `-> ACK of 2xx` of our 2xx; `-> CANCEL` of its INVITE
    -> 200 to CANCEL     a response to our request of that method
    <- 180               the next message that we send; `<- 200 to CANCEL` checks the CSeq's method too
    tell Cancelled       the next event for the user; `tell ResponseReceived 180` checks the status too
    user 180             the user answers the latest request; `user refuses 401` without keeping state
    user INVITE          the user sends a request; `user cancels` it; `user acks` its 2xx
    transport fails      the flow is gone
    after 0.5            seconds pass
    gone                 no transaction is held, no timer armed

Whatever is sent or told and not expected fails the ladder, and so does the reverse. `# ...` is a comment.
"""

import itertools
from collections import deque
from collections.abc import Callable

from pysrv.sip import events as tell
from pysrv.sip.endpoint import Endpoint, EndpointLimits
from pysrv.sip.inbound import LIMITS
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.parser import parse_datagram
from pysrv.sip.transaction import TransactionLayer
from pysrv.sip.uri import Uri

US, PEER = ("192.0.2.1", 5060), ("192.0.2.9", 5070)
UDP = tell.Flow("udp", US, PEER)
TCP = tell.Flow("tcp", US, PEER, 7)


def token_source() -> Callable[[], bytes]:
    """Tokens that can be told apart, the same in each run."""
    count = itertools.count(1)
    return lambda: b"%016x" % next(count)


def request_bytes(
    method: bytes = b"INVITE",
    branch: bytes = b"z9hG4bKpeer1",
    number: int = 1,
    *,
    cseq_method: bytes | None = None,
    call_id: bytes = b"ladder",
    to_tag: bytes = b"",
    from_tag: bytes = b"peer",
    via: bytes = b"192.0.2.9:5070",
    uri: bytes = b"sip:us@192.0.2.1",
    extra: tuple[bytes, ...] = (),
) -> bytes:
    """A request as the peer would send it."""
    lines = (
        b"%b %b SIP/2.0" % (method, uri),
        b"Via: SIP/2.0/UDP %b;branch=%b;rport" % (via, branch),
        b"Max-Forwards: 70",
        b"From: <sip:peer@example.com>;tag=" + from_tag,
        b"To: <sip:us@example.com>" + (b";tag=" + to_tag if to_tag else b""),
        b"Call-ID: " + call_id,
        b"CSeq: %d %b" % (number, cseq_method or method),
        b"Contact: <sip:peer@192.0.2.9:5070>",
        *extra,
        b"Content-Length: 0",
    )
    return b"\r\n".join((*lines, b"", b""))


def our_request(method: bytes, number: int = 1) -> Request:
    """A request as our user would send it."""
    pairs = (
        (b"from", b"<sip:us@example.com>;tag=us"),
        (b"to", b"<sip:peer@example.com>"),
        (b"call-id", b"ours"),
        (b"cseq", b"%d %b" % (number, method)),
        (b"contact", b"<sip:us@192.0.2.1>"),
    )
    return Request.new(method, Uri.parse(b"sip:peer@192.0.2.9:5070"), pairs)


def endpoint(limits: EndpointLimits = LIMITS) -> Endpoint:
    """An endpoint whose tokens are predictable."""
    return Endpoint(token_source(), b"secret", limits=limits)


def told(sip: Endpoint) -> list[tell.Event]:
    """Everything it has told since."""
    events = []
    while (event := sip.next_event()) is not None:
        events.append(event)
    return events


def asked(sip: Endpoint) -> tell.RequestReceived:
    """The one request it has told of."""
    (event,) = told(sip)
    assert isinstance(event, tell.RequestReceived)
    return event


def answer(sip: Endpoint) -> tuple[Response, tell.Flow]:
    """The one response it has sent, and where to."""
    ((data, flow),) = sip.datagrams_to_send()
    message = parse_datagram(data)
    assert isinstance(message, Response)
    return message, flow


def parse_request(data: bytes) -> Request:
    """The request that bytes hold."""
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


class Playbook:
    """One endpoint, its peer and its user; `play` runs a ladder."""

    def __init__(self, flow: tell.Flow = UDP, limits: EndpointLimits = LIMITS) -> None:
        self.endpoint = Endpoint(token_source(), b"a secret of the endpoint", limits=limits)
        self.flow = flow
        self.now = 100.0
        self.sent: deque[Request | Response] = deque()
        self.told: deque[tell.Event] = deque()
        self._number = 0
        self._branch = b""
        self._last_datagram = b""
        self._asked: tell.RequestReceived | None = None
        self._invite: tell.RequestReceived | None = None
        self._last_answer: Response | None = None
        self._our: dict[bytes, Request] = {}
        self._our_key = b""
        self._ack: Request | None = None

    @property
    def layer(self) -> TransactionLayer:
        """The transactions under the endpoint."""
        return self.endpoint._layer

    def play(self, ladder: str) -> None:
        """Run the steps; whatever is left over at the end is an error."""
        for number, line in enumerate(ladder.splitlines(), 1):
            step = line.partition("#")[0].split()
            if step:
                try:
                    self._step(step)
                except AssertionError as error:
                    raise AssertionError(f"line {number}, `{line.strip()}`: {error}") from error
                self._collect()
        assert not self.sent, f"sent and not expected: {list(self.sent)}"
        assert not self.told, f"told and not expected: {list(self.told)}"

    def receive(self, data: bytes) -> None:
        """The peer's bytes arrive, on a stream as one framed message."""
        self._last_datagram = data
        if self.flow.reliable:
            self.endpoint.receive_message(parse_datagram(data), self.flow, self.now)
        else:
            self.endpoint.receive_datagram(data, self.flow, self.now)
        self._collect()

    def wait(self, seconds: float) -> None:
        """Let time pass, firing each timer at its moment."""
        until = self.now + seconds
        while (at := self.endpoint.get_timer()) is not None and at <= until:
            self.now = max(self.now, at)
            self.endpoint.handle_timer(self.now)
            self._collect()
        self.now = until

    def _collect(self) -> None:
        for data, flow in self.endpoint.datagrams_to_send():
            assert flow.remote == self.flow.remote
            message = parse_datagram(data)
            self.sent.append(message)
            if isinstance(message, Request):
                self._our[message.method] = message
            else:
                self._last_answer = message
        while (event := self.endpoint.next_event()) is not None:
            self.told.append(event)
            if isinstance(event, tell.RequestReceived):
                self._asked = event
                if event.request.method == b"INVITE":
                    self._invite = event

    def _step(self, step: list[str]) -> None:
        match step:
            case ["->", "again"]:
                self.receive(self._last_datagram)
            case ["->", "ACK", "of", "2xx"]:
                self.receive(self._peer_ack(b"z9hG4bKack%d" % self._number))
            case ["->", "ACK"]:
                self.receive(self._peer_ack(self._branch))
            case ["->", "CANCEL"]:
                self.receive(request_bytes(b"CANCEL", self._branch, self._number))
            case ["->", "INVITE", "again"]:
                self.receive(request_bytes(b"INVITE", self._branch, self._number))
            case ["->", status, *rest] if status.isdigit():
                self.receive(self._peer_response(int(status), rest[1].encode() if rest else b""))
            case ["->", method]:
                self._number += 1
                self._branch = b"z9hG4bKpeer%d" % self._number
                self.receive(request_bytes(method.encode(), self._branch, self._number))
            case ["<-", what, *rest]:
                self._expect_sent(what, rest[1] if rest else "")
            case ["tell", name, *rest]:
                self._expect_told(name, int(rest[0]) if rest else None)
            case ["user", *words]:
                self._user(words)
            case ["transport", "fails"]:
                self.endpoint.transport_failed(self.flow, self.now)
            case ["after", seconds]:
                self.wait(float(seconds))
            case ["gone"]:
                self._expect_gone()
            case _:
                raise ValueError(f"no such step: {step}")

    def _user(self, words: list[str]) -> None:
        match words:
            case ["cancels"]:
                self.endpoint.cancel(self._our_key, self.now)
            case ["acks"]:
                self._ack = self._ack or our_request(b"ACK", self._number)
                self.endpoint.send_ack(self._ack, self.flow)
            case ["refuses", status]:
                asked = self._answerable(b"")
                answer = response_to(asked.request, int(status))
                self.endpoint.respond_stateless(asked.request, answer, asked.flow)
            case [status, *rest] if status.isdigit():
                asked = self._answerable(rest[1].encode() if rest else b"")
                answer = response_to(asked.request, int(status), to_tag=b"ours")
                self.endpoint.respond(asked.key, answer, self.now)
            case [method]:
                self._number += 1
                request = our_request(method.encode(), self._number)
                self._our_key = self.endpoint.send_request(request, self.flow, self.now)
            case _:
                raise ValueError(f"the user cannot do that: {words}")

    def _answerable(self, method: bytes) -> tell.RequestReceived:
        asked = self._invite if method == b"INVITE" else self._asked
        assert asked is not None, "nothing to answer"
        return asked

    def _peer_ack(self, branch: bytes) -> bytes:
        assert self._last_answer is not None, "nothing to acknowledge"
        return request_bytes(b"ACK", branch, self._number, to_tag=self._last_answer.to.tag or b"")

    def _peer_response(self, status: int, method: bytes) -> bytes:
        request = self._our[method] if method else next(r for m, r in self._our.items() if m not in (b"ACK", b"CANCEL"))
        return response_to(request, status, to_tag=b"theirs").to_bytes()

    def _expect_sent(self, what: str, method: str) -> None:
        assert self.sent, "nothing was sent"
        message = self.sent.popleft()
        seen = str(message.status) if isinstance(message, Response) else message.method.decode()
        assert seen == what, f"sent {seen}"
        assert not method or message.cseq.method.decode() == method, f"sent {seen} to {message.cseq.method!r}"

    def _expect_told(self, name: str, status: int | None) -> None:
        assert self.told, "nothing was told"
        event = self.told.popleft()
        assert type(event).__name__ == name, f"told {event}"
        if status is not None:
            seen = event.response.status if isinstance(event, tell.ResponseReceived) else None
            seen = event.status if isinstance(event, tell.MalformedReceived) else seen
            assert seen == status, f"told of {seen}"

    def _expect_gone(self) -> None:
        layer = self.layer
        held = (layer.clients, layer.servers, layer.origins, layer.acks, layer.repetitions, layer.streams)
        assert not any(held), f"still held: {held}"
        assert self.endpoint.get_timer() is None, "a timer is still armed"
