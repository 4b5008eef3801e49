"""A small SIP network on a table: real endpoints, a clock that is a number, and a wire that may lose and repeat.

Phones are as dumb as they can be: they answer what a test tells them to, and remember what came. Everything that
happens is written down as one line, so that a test reads like a ladder diagram:

    caller  INVITE ->      the caller sent it to the appliance
    callee  <- INVITE      the appliance sent it to the callee
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from pysrv.calls import events as tell
from pysrv.calls.b2bua import B2bua
from pysrv.calls.plan import B2buaConfig, CallPlan, Target
from pysrv.media.ports import PortPool
from pysrv.sip import events as sip
from pysrv.sip.dialog import Dialog
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import Flow
from pysrv.sip.message import Message, Request, Response, response_to
from pysrv.sip.parser import parse_datagram
from pysrv.sip.uri import Uri

APPLIANCE = ("192.0.2.1", 5060)
SECRET = b"0123456789abcdef"
WIRE_S = 0.005


def sdp(address: str, port: int, *, direction: str = "sendrecv", formats: str = "0 8", version: int = 1) -> bytes:
    """A plain telephone's description."""
    lines = (
        "v=0",
        f"o=phone 1 {version} IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
        f"a={direction}",
    )
    return ("\r\n".join(lines) + "\r\n").encode()


def source(prefix: str) -> Callable[[], bytes]:
    """Tokens that are the same in every run: 32 hex digits."""
    numbers = random.Random(prefix)
    return lambda: b"%032x" % numbers.getrandbits(128)


@dataclass
class Wire:
    """What is on its way; `loss` and `repeat` are chances, `rng` decides."""

    loss: float = 0.0
    repeat: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    queue: list[tuple[float, int, bytes, Flow]] = field(default_factory=list)
    order: Iterator[int] = field(default_factory=count)

    def put(self, payload: bytes, flow: Flow, now: float) -> None:
        copies = 1 + (self.rng.random() < self.repeat)
        for _ in range(copies):
            if self.rng.random() >= self.loss:
                late = self.rng.random() * WIRE_S if self.loss else 0.0
                self.queue.append((now + WIRE_S + late, next(self.order), payload, flow))
        self.queue.sort()


class Phone:
    """A user agent at one address. `received` holds requests and responses until a test takes them."""

    def __init__(self, table: "Table", name: str, address: tuple[str, int]) -> None:
        self.table, self.name, self.address = table, name, address
        self.tokens = source(name)
        self.endpoint = Endpoint(self.tokens, SECRET)
        self.flow = Flow("udp", address, APPLIANCE)
        self.requests: list[sip.RequestReceived] = []
        self.responses: list[sip.ResponseReceived] = []
        self.events: list[sip.Event] = []
        self.dialog: Dialog | None = None
        self.script: Callable[[Phone, sip.Event], None] | None = None
        self.uri = Uri(b"sip", name.encode(), address[0].encode(), address[1])
        self.invite_request: Request | None = None
        self.key = b""
        self.acks: dict[bytes, Request] = {}

    @property
    def now(self) -> float:
        return self.table.now

    @property
    def contact(self) -> bytes:
        return b"<" + self.uri.to_bytes() + b">"

    # --- as a caller ---

    def invite(
        self, user: str = "bob", body: bytes | None = None, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> bytes:
        """Call somebody through the appliance. `body` b"": without an offer."""
        body = sdp(self.address[0], 10_000) if body is None else body
        lines: list[tuple[bytes, bytes]] = [
            (
                b"From",
                b'"%b" <sip:%b@example.org>;tag=%b'
                % (self.name.title().encode(), self.name.encode(), self.tokens()[:8]),
            ),
            (b"To", b"<sip:%b@example.org>" % user.encode()),
            (b"Call-ID", self.tokens()),
            (b"CSeq", b"1 INVITE"),
            (b"Contact", self.contact),
            (b"Allow", b"INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER, NOTIFY"),
            *headers,
        ]
        if body:
            lines.append((b"Content-Type", b"application/sdp"))
        uri = Uri(b"sip", user.encode(), APPLIANCE[0].encode(), APPLIANCE[1])
        self.invite_request = Request.new(b"INVITE", uri, lines, body)
        self.key = self.endpoint.send_request(self.invite_request, self.flow, self.now)
        self.table.settle()
        return self.key

    def established(self, body: bytes = b"") -> Dialog:
        """Acknowledge the 200 that came and keep its dialog."""
        answer = self.last_response(b"INVITE")
        assert answer.status == 200, answer
        assert self.invite_request is not None
        if self.dialog is None or self.dialog.id[1:] != (answer.from_.tag, answer.to.tag):
            self.dialog = Dialog.uac(self.invite_request, answer, self.flow)
        self.ack(answer, body)
        return self.dialog

    def ack(self, answer: Response, body: bytes = b"") -> None:
        assert self.dialog is not None
        headers = ((b"Content-Type", b"application/sdp"),) if body else ()
        self.endpoint.send_ack(self.dialog.ack(answer.cseq.number, headers, body), self.flow)
        self.table.settle()

    def cancel(self) -> None:
        self.endpoint.cancel(self.key, self.now)
        self.table.settle()

    # --- as a callee ---

    def respond(
        self,
        status: int,
        body: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        *,
        method: bytes = b"INVITE",
        tag: bytes | None = None,
        keep: bool = False,
    ) -> Response:
        """Answer the last request of that method."""
        event = next(e for e in reversed(self.requests) if e.request.method == method)
        if status >= 200 and not keep:
            self.requests.remove(event)
        lines = [*headers, (b"Contact", self.contact)]
        if body:
            lines.append((b"Content-Type", b"application/sdp"))
        if method == b"INVITE" and status == 200:
            lines.append((b"Allow", b"INVITE, ACK, BYE, CANCEL, UPDATE, PRACK, INFO, MESSAGE, REFER, NOTIFY"))
        tag = tag or b"tag-" + self.name.encode()
        if event.request.to.tag is None and status >= 180 and method == b"INVITE" and status < 300:
            seq = self.dialog.local_seq if self.dialog is not None and not self.dialog.confirmed else 0
            self.dialog = Dialog.uas(event.request, tag, self.contact, self.flow)
            self.dialog.local_seq = seq
            self.dialog.confirmed = status >= 200
        response = response_to(event.request, status, to_tag=tag, headers=lines, body=body)
        self.endpoint.respond(event.key, response, self.now)
        self.table.settle()
        return response

    # --- in a dialog ---

    def request(self, method: bytes, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
        """Send a request inside the dialog."""
        assert self.dialog is not None
        if body and not any(name == b"Content-Type" for name, _ in headers):
            headers = (*headers, (b"Content-Type", b"application/sdp"))
        key = self.endpoint.send_request(self.dialog.request(method, headers, body), self.flow, self.now)
        self.table.settle()
        return key

    def bye(self, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.request(b"BYE", headers=headers)

    def last_response(self, method: bytes) -> Response:
        return next(e.response for e in reversed(self.responses) if e.response.cseq.method == method)

    def last_request(self, method: bytes) -> Request:
        return next(e.request for e in reversed(self.requests) if e.request.method == method)

    def statuses(self, method: bytes = b"INVITE") -> list[int]:
        return [e.response.status for e in self.responses if e.response.cseq.method == method]

    def methods(self) -> list[bytes]:
        return [e.request.method for e in self.requests]

    def drain(self) -> bool:
        moved = False
        while (event := self.endpoint.next_event()) is not None:
            moved = True
            self.events.append(event)
            if isinstance(event, sip.RequestReceived):
                self.requests.append(event)
                if self.dialog is not None and event.request.to.tag == self.dialog.local.tag:
                    self.dialog.receive(event.request)
            elif isinstance(event, sip.ResponseReceived):
                self.responses.append(event)
                if self.dialog is not None and event.response.status < 300:
                    self.dialog.receive_response(event.response)
            if self.script is not None:
                self.script(self, event)
        return moved


class Table:
    """The appliance, its phones, the wire between them and the clock."""

    def __init__(
        self, *names: str, loss: float = 0.0, repeat: float = 0.0, seed: int = 1, config: B2buaConfig | None = None
    ) -> None:
        self.now = 1000.0
        self.ladder: list[str] = []
        self.wire = Wire(loss, repeat, random.Random(seed))
        tokens = source(f"appliance{seed}")
        self.endpoint = Endpoint(tokens, SECRET)
        self.ports = PortPool(20_000, 20_999)
        self.b2bua = B2bua(self.endpoint, self.ports, config or B2buaConfig(), tokens)
        self.others: list[sip.Event] = []
        self.service: deque[tell.ServiceEvent] = deque()
        self.phones: dict[tuple[str, int], Phone] = {}
        self.by_name: dict[str, Phone] = {}
        self.decide: Callable[[tell.ServiceEvent], None] | None = None
        self.down: set[str] = set()  # phones whose packets are lost
        for index, name in enumerate(names or ("alice", "bob")):
            self.add(name, (f"198.51.100.{10 + index}", 5060))

    def add(self, name: str, address: tuple[str, int]) -> Phone:
        phone = Phone(self, name, address)
        self.phones[address] = self.by_name[name] = phone
        return phone

    def __getitem__(self, name: str) -> Phone:
        return self.by_name[name]

    def target(self, name: str, **kwargs: object) -> Target:
        phone = self.by_name[name]
        return Target(Flow("udp", APPLIANCE, phone.address), phone.uri, **kwargs)  # type: ignore[arg-type]

    # --- time ---

    def settle(self) -> None:
        """Let everything arrive that is on its way, without the clock moving further than that."""
        self._exchange()
        while self.wire.queue:
            at = self.wire.queue[0][0]
            self.now = max(self.now, at)
            self._deliver()
            self._exchange()

    def run(self, seconds: float) -> None:
        """Let time pass, with everything that is due in it."""
        end = self.now + seconds
        self.settle()
        while True:
            due = self._next()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self._fire()
            self._deliver()
            self._exchange()
        self.now = max(self.now, end)

    def _next(self) -> float | None:
        moments = [self.endpoint.get_timer(), self.b2bua.get_timer()]
        moments += [phone.endpoint.get_timer() for phone in self.phones.values()]
        if self.wire.queue:
            moments.append(self.wire.queue[0][0])
        return min((moment for moment in moments if moment is not None), default=None)

    def _fire(self) -> None:
        self.endpoint.handle_timer(self.now)
        self.b2bua.handle_timer(self.now)
        for phone in self.phones.values():
            phone.endpoint.handle_timer(self.now)

    def _deliver(self) -> None:
        while self.wire.queue and self.wire.queue[0][0] <= self.now:
            _, _, payload, flow = self.wire.queue.pop(0)
            arrived = Flow(flow.transport, flow.remote, flow.local)
            if flow.remote == APPLIANCE:
                self.endpoint.receive_datagram(payload, arrived, self.now)
            elif flow.remote in self.phones and self.phones[flow.remote].name not in self.down:
                self.phones[flow.remote].endpoint.receive_datagram(payload, arrived, self.now)

    def _exchange(self) -> None:
        moved = True
        while moved:
            moved = self._pump()
            for phone in self.phones.values():
                moved = phone.drain() or moved
            self._transmit()

    def _pump(self) -> bool:
        moved = False
        while (event := self.endpoint.next_event()) is not None:
            moved = True
            if not self.b2bua.handle(event, self.now):
                self.others.append(event)
        while (happened := self.b2bua.next_event()) is not None:
            moved = True
            self.service.append(happened)
            if self.decide is not None:
                self.decide(happened)
        return moved

    def _transmit(self) -> None:
        for payload, flow in self.endpoint.datagrams_to_send():
            phone = self.phones.get(flow.remote)
            self.ladder.append(f"{phone.name if phone else flow.remote[0]} <- {_short(payload)}")
            self.wire.put(payload, flow, self.now)
        for phone in self.phones.values():
            for payload, flow in phone.endpoint.datagrams_to_send():
                if phone.name not in self.down:
                    self.ladder.append(f"{phone.name} -> {_short(payload)}")
                    self.wire.put(payload, flow, self.now)

    # --- what the service would do ---

    def admit(self, *groups: object, plan: CallPlan | None = None) -> str:
        """Let the call that was requested last go out to these phones (names, or tuples of names)."""
        asked = self.take(tell.CallRequested)
        targets = [self._group(group) for group in groups]
        self.b2bua.admit(asked.call_id, targets, plan or CallPlan(), self.now)
        self.settle()
        return asked.call_id

    def _group(self, group: object) -> tuple[Target, ...]:
        members = group if isinstance(group, tuple) else (group,)
        return tuple(item if isinstance(item, Target) else self.target(str(item)) for item in members)

    def take(self, kind: type) -> "tell.ServiceEvent | object":
        """Take the oldest service event of that kind."""
        for event in self.service:
            if isinstance(event, kind):
                self.service.remove(event)
                return event
        raise AssertionError(f"no {kind.__name__} among {list(self.service)}")

    def all(self, kind: type) -> list[object]:
        return [event for event in self.service if isinstance(event, kind)]

    def steps(self, start: int = 0) -> list[str]:
        """The ladder so far, without 100s."""
        return [line for line in self.ladder[start:] if not line.endswith(" 100")]

    def assert_clean(self) -> None:
        """Some time after the last call nothing may be left of it."""
        self.run(200.0)
        assert not self.b2bua.calls
        assert self.b2bua.remnants == (0, 0, 0)
        assert self.ports.in_use == 0
        assert self.endpoint.transactions == (0, 0)
        asked = [e.call_id for e in self.all(tell.CallRequested)]
        ended = [e.call_id for e in self.all(tell.CallEnded)]
        assert len(ended) == len(set(ended))
        assert set(asked) <= set(ended)


def _short(payload: bytes) -> str:
    message = parse_datagram(payload)
    if isinstance(message, Request):
        return message.method.decode() + (" sdp" if message.body.startswith(b"v=") else "")
    assert isinstance(message, Response)
    return f"{message.status} {message.cseq.method.decode()}" + (" sdp" if message.body.startswith(b"v=") else "")


def media_port(message: Message) -> int:
    """The audio port that a message's description names."""
    line = next(line for line in message.body.split(b"\r\n") if line.startswith(b"m=audio"))
    return int(line.split()[1])


def talking(table: Table, caller: str = "alice", callee: str = "bob", plan: CallPlan | None = None) -> str:
    """A call from one phone to another, answered and acknowledged."""
    table[caller].invite(callee)
    call_id = table.admit(callee, plan=plan)
    table[callee].respond(180)
    table[callee].respond(200, sdp(table[callee].address[0], 12_000))
    table[caller].established()
    table.settle()
    table[caller].responses.clear()
    table[callee].responses.clear()
    return call_id
