"""What all legs and calls share: the endpoint, who owns which transaction, dialog and alarm, and where events go.

Holds tables, decides nothing. `now` is set at every entry of the B2bua, so that nothing below needs a clock.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from pysrv.calls.events import LegEvent, ServiceEvent
from pysrv.calls.plan import B2buaConfig
from pysrv.sip.endpoint import Endpoint
from pysrv.sip.events import SECURE, Flow, TransactionKey
from pysrv.sip.message import Request, Response, response_to
from pysrv.sip.timers import Armed, TimerHeap
from pysrv.sip.uri import Uri

HeaderLines = tuple[tuple[bytes, bytes], ...]
ALLOW = b"INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, NOTIFY"
SUPPORTED = b"100rel, timer, replaces, norefersub"
SDP = b"application/sdp"
_TRANSPORT = {  # RFC 3261 19.1.1
    "udp": b"",
    "tcp": b";transport=tcp",
    "tls": b";transport=tls",
}


class Alarm(Enum):
    """What a timer of a call or a leg is for."""

    INIT = auto()  # no provisional answer
    RING = auto()  # no answer
    LIMIT = auto()  # longest call
    TRANSFER = auto()  # a transfer that does not come to an end
    RELIABLE = auto()  # a reliable provisional answer is not confirmed yet
    REFRESH = auto()  # the session timer wants a refresh from us
    EXPIRY = auto()  # the session was not refreshed
    GLARE = auto()  # an offer may be tried again


class Timed:
    """Something with alarms: at most one of each kind."""

    __slots__ = ("_alarms", "switch")

    def __init__(self, switch: "Switch") -> None:
        self.switch = switch
        self._alarms: dict[Alarm, Armed[Timed, Alarm]] = {}

    def arm(self, alarm: Alarm, at: float) -> None:
        """Let `fire(alarm)` be called at `at`, instead of when it was armed for before."""
        self.disarm(alarm)
        self._alarms[alarm] = self.switch.alarms.arm(at, self, alarm)

    def disarm(self, alarm: Alarm) -> None:
        """Forget an alarm, if it is armed."""
        armed = self._alarms.pop(alarm, None)
        if armed is not None:
            self.switch.alarms.cancel(armed)

    def disarm_all(self) -> None:
        """Forget all alarms."""
        for armed in self._alarms.values():
            self.switch.alarms.cancel(armed)
        self._alarms.clear()

    def fire(self, alarm: Alarm) -> None:
        """An alarm went off."""
        raise NotImplementedError


class Party(Protocol):
    """A leg, as the switch sees it: the owner of transactions and dialogs."""

    def receive_request(self, key: TransactionKey, request: Request, flow: Flow) -> None:
        """A request inside one of its dialogs."""

    def receive_response(self, key: TransactionKey, response: Response) -> None:
        """A response to one of its requests."""

    def receive_ack(self, key: TransactionKey, request: Request) -> None:
        """The ACK of its 2xx."""

    def cancelled(self, key: TransactionKey) -> None:
        """An INVITE that it has not answered was cancelled."""

    def unacknowledged(self, key: TransactionKey) -> None:
        """Its 2xx was never acknowledged."""

    def unanswered(self, key: TransactionKey, status: int) -> None:
        """Its request got no answer: 408, or 503 when the transport failed."""

    def deliver(self, event: LegEvent) -> None:
        """Hand an event of its own to its call."""


class Switch:
    """The tables of one B2bua."""

    __slots__ = (
        "_contacts",
        "_retiring",
        "_ticket",
        "alarms",
        "config",
        "dialogs",
        "endpoint",
        "inbox",
        "now",
        "outbox",
        "tokens",
        "transactions",
    )

    def __init__(self, endpoint: Endpoint, config: B2buaConfig, tokens: Callable[[], bytes]) -> None:
        self.endpoint, self.config, self.tokens = endpoint, config, tokens
        self.now = 0.0
        self.transactions: dict[TransactionKey, Party] = {}
        self.dialogs: dict[tuple[bytes, bytes], Party] = {}  # (Call-ID, our tag)
        self.alarms: TimerHeap[Timed, Alarm] = TimerHeap()
        self.inbox: deque[tuple[Party, LegEvent]] = deque()  # between legs and calls
        self.outbox: deque[ServiceEvent] = deque()
        self._retiring: deque[tuple[float, TransactionKey]] = deque()
        self._contacts: dict[tuple[str, tuple[str, int], bool], bytes] = {}
        self._ticket = 0

    def ticket(self) -> int:
        """A number that was not used before."""
        self._ticket += 1
        return self._ticket

    def chance(self, below: int) -> int:
        """A random number from 0 to below-1."""
        return int(self.tokens()[:12], 16) % below

    def contact(self, flow: Flow, asked: Uri) -> bytes:
        """The value of our Contact header toward `flow` in the dialog that a request to `asked` begins.

        Who asks for a sips URI is answered with one (RFC 3261 8.1.1.8 and 12.1.1), where the flow can keep the promise.
        """
        sips = asked.scheme == b"sips" and flow.transport in SECURE
        held = self._contacts.get((flow.transport, flow.local, sips))
        if held is None:
            transport = b"" if sips else _TRANSPORT[flow.transport]
            where = host(flow.local[0]) + b":%d" % flow.local[1]
            scheme = b"sips" if sips else b"sip"
            held = b"<%b:%b@%b%b>" % (scheme, self.config.contact_user, where, transport)
            if len(self._contacts) > 256:
                self._contacts.clear()
            self._contacts[flow.transport, flow.local, sips] = held
        return held

    def send(self, party: Party, request: Request, flow: Flow) -> TransactionKey:
        """Send a request; its responses go to `party`."""
        request.headers.add(b"User-Agent", self.config.product)
        key = self.endpoint.send_request(request, flow, self.now)
        self.transactions[key] = party
        return key

    def reply(
        self,
        key: TransactionKey,
        request: Request,
        status: int,
        reason: bytes | None = None,
        *,
        headers: HeaderLines = (),
        body: bytes = b"",
        to_tag: bytes | None = None,
    ) -> Response:
        """Answer a request, with our product name; returns the response."""
        product = ((b"Server", self.config.product),)
        response = response_to(request, status, reason, to_tag=to_tag, headers=headers + product, body=body)
        self.endpoint.respond(key, response, self.now)
        return response

    def refuse_stranger(self, request: Request, status: int, flow: Flow) -> None:
        """Refuse a request of no dialog of ours; anybody may send it, so no state is kept of it."""
        response = response_to(request, status, headers=((b"Server", self.config.product),))
        self.endpoint.respond_stateless(request, response, flow)

    def retire(self, key: TransactionKey) -> None:
        """Forget whose transaction `key` is once no more 2xx can come for it (64*T1)."""
        self._retiring.append((self.now + self.config.timers.patience_s + 1.0, key))

    def get_timer(self) -> float | None:
        """When something is due."""
        alarm = self.alarms.next_at()
        if self._retiring and (alarm is None or self._retiring[0][0] < alarm):
            return self._retiring[0][0]
        return alarm

    def forget_retired(self) -> None:
        """Drop the transactions whose time has come."""
        while self._retiring and self._retiring[0][0] <= self.now:
            self.transactions.pop(self._retiring.popleft()[1], None)


def host(address: str) -> bytes:
    """An address as the host of a URI."""
    return b"[" + address.encode() + b"]" if ":" in address else address.encode()
