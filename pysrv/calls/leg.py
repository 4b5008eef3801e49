"""A leg: one dialog of a call, seen from our side. SIP on the outside, call events toward the call.

Here is what both kinds of legs do inside a dialog: requests of ours and their answers, requests of the peer, BYE.
How a dialog begins is in `uas.py` and `uac.py`, offers and session timers are in `negotiation.py`.
Source: RFC 3261 12.2 and 15; RFC 5057 (which failures end a dialog).
"""

from enum import StrEnum
from typing import Protocol

from pysrv.calls import notes
from pysrv.calls.authorization import Authorization
from pysrv.calls.causes import LOST, NORMAL, NOT_ACKNOWLEDGED, Cause
from pysrv.calls.events import Carrier, Confirm, CrossingHeaders, Hangup, LegEvent, NoteAnswered, Role
from pysrv.calls.negotiation import Negotiation
from pysrv.calls.refresh import SessionClock
from pysrv.calls.requests import Purpose, Sent, Ticket
from pysrv.calls.switch import ALLOW, Alarm, HeaderLines, Switch, Timed
from pysrv.sip.dialog import Dialog, OutOfOrder
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow, TransactionKey
from pysrv.sip.message import Message, Request, Response

NO_DIALOG = 481
DEAD = frozenset((408, 481))  # RFC 3261 12.2.1.2: these end the dialog


class LegState(StrEnum):
    """Where a leg stands."""

    SETUP = "setup"  # no final answer yet
    CANCELLING = "cancelling"  # given up by us; its final answer is awaited
    ANSWERED = "answered"  # 2xx, not acknowledged yet
    CONFIRMED = "confirmed"
    CLOSING = "closing"  # our BYE is on its way
    OVER = "over"


MOST_ACKS = 16  # INVITEs of one leg whose 2xx may still come again


class Listener(Protocol):
    """The call that a leg belongs to."""

    def hear(self, leg: "Leg", event: LegEvent) -> None:
        """Something happened on `leg`."""


class Leg(Timed):
    """What UAS and UAC legs have in common."""

    __slots__ = (
        "_closing",
        "acks",
        "authorization",
        "call_id",
        "clock",
        "dialog",
        "flow",
        "listener",
        "local_tag",
        "negotiation",
        "peer_allows",
        "refer_seq",
        "refers",
        "role",
        "sent",
        "state",
        "tickets",
    )

    def __init__(
        self, switch: Switch, listener: Listener | None, role: Role, flow: Flow, call_id: bytes, local_tag: bytes
    ) -> None:
        super().__init__(switch)
        self.listener = listener  # None: the call has let go; the leg finishes by itself
        self.role, self.flow, self.call_id, self.local_tag = role, flow, call_id, local_tag
        self.state = LegState.SETUP
        self.dialog: Dialog | None = None
        self.authorization: Authorization | None = None
        self.peer_allows: frozenset[bytes] = frozenset()
        self.negotiation = Negotiation(self)
        self.clock = SessionClock(self)
        self.sent: dict[TransactionKey, Sent] = {}
        self.tickets: dict[int, Ticket] = {}
        self.acks: dict[TransactionKey, Request] = {}  # by our INVITE: the ACK to repeat
        self.refers = self.refer_seq = 0  # how many REFERs came, and the CSeq of the last
        self._closing: Cause | None = None  # hang up as soon as the peer acknowledges our 2xx

    @property
    def owns_call_id(self) -> bool:
        """Whether we made the Call-ID: decides who waits longer after glare (RFC 3261 14.1)."""
        return False

    @property
    def established(self) -> bool:
        """Whether the dialog is confirmed on both ends and nobody has hung up."""
        return self.state is LegState.CONFIRMED

    def can_offer(self, carrier: Carrier) -> bool:
        """Whether a new offer may go out: in a confirmed dialog, or by UPDATE once an early one has its answer."""
        if self.established or self.dialog is None:
            return self.established
        settled = self.negotiation.local is not None and self.negotiation.remote is not None
        return carrier is Carrier.UPDATE and settled and b"UPDATE" in self.peer_allows

    @property
    def local_address(self) -> str:
        """Our address that faces the peer."""
        return self.flow.local[0]

    # --- events to the call ---

    def tell(self, event: LegEvent) -> None:
        """Queue an event for the call."""
        if self.listener is not None:
            self.switch.inbox.append((self, event))

    def deliver(self, event: LegEvent) -> None:
        """Hand a queued event to the call, unless it has let go of the leg meanwhile."""
        if self.listener is not None:
            self.listener.hear(self, event)

    # --- requests of ours ---

    def send_in_dialog(
        self,
        purpose: Purpose,
        method: bytes,
        headers: HeaderLines = (),
        body: bytes = b"",
        *,
        ticket: int = 0,
        dialog: Dialog | None = None,
        attempts: int = 1,
    ) -> TransactionKey:
        """Send a request inside `dialog` (default: the leg's own)."""
        dialog = dialog or self.dialog
        assert dialog is not None
        lines = headers
        if self.authorization is not None:
            lines = (*headers, *self.authorization.headers(method, dialog.remote_target))
        request = dialog.request(method, lines, body)
        key = self.switch.send(self, request, self.flow)
        self.sent[key] = Sent(purpose, dialog, request, headers, ticket, attempts)
        return key

    def send_ack(self, key: TransactionKey, dialog: Dialog, cseq: int, sdp: bytes | None) -> None:
        """Acknowledge the 2xx to our INVITE `key`, and remember how, because the 2xx may come again."""
        headers: HeaderLines = ((b"Content-Type", b"application/sdp"),) if sdp else ()
        if self.authorization is not None:
            headers = (*headers, *self.authorization.headers(b"INVITE", dialog.remote_target, repeat=True))
        ack = dialog.ack(cseq, headers, sdp or b"")
        self.acks[key] = ack
        if len(self.acks) > MOST_ACKS:  # a peer that offers again and again must not fill the memory
            del self.acks[next(iter(self.acks))]
        self.switch.endpoint.send_ack(ack, self.flow)

    def repeat_ack(self, key: TransactionKey) -> None:
        """Acknowledge a repeated 2xx, if it was acknowledged before."""
        ack = self.acks.get(key)
        if ack is not None:
            self.switch.endpoint.send_ack(ack, self.flow)

    def send_note(self, method: bytes, headers: CrossingHeaders, body: bytes, ticket: int) -> None:
        """Pass a Note of the other side on; its answer comes back as NoteAnswered with `ticket`."""
        self.send_in_dialog(Purpose.NOTE, method, headers, body, ticket=ticket)

    def bye(self, cause: Cause) -> None:
        """End the dialog; what the peer still waits for is refused. The leg takes care of the rest by itself."""
        self.disarm_all()
        self.listener = None
        self.drop_tickets()
        if self.state is LegState.ANSWERED and not self._may_bye():
            self._closing = cause  # RFC 3261 section 15: the callee's side must not send BYE before the ACK
        elif self.state in (LegState.ANSWERED, LegState.CONFIRMED):
            self.state = LegState.CLOSING
            self.send_in_dialog(Purpose.BYE, b"BYE", ((b"Reason", cause.reason()),))

    def _may_bye(self) -> bool:
        return True

    def drop_tickets(self) -> None:
        """Refuse what the peer still waits for: the call is over (RFC 3261 15.1.2)."""
        for ticket in list(self.tickets.values()):
            self.switch.transactions.pop(ticket.key, None)
            self.switch.reply(ticket.key, ticket.request, 487)
        self.tickets.clear()
        self.negotiation.close()
        for key, sent in self.sent.items():
            if sent.request.method == b"INVITE":  # a re-INVITE that only rings would never end by itself
                self.switch.endpoint.cancel(key, self.switch.now)

    def over(self) -> None:
        """The dialog is gone. What the leg has told already still reaches the call."""
        self.disarm_all()
        self.drop_tickets()
        self.state = LegState.OVER
        self.switch.dialogs.pop((self.call_id, self.local_tag), None)

    def lost(self, cause: Cause = LOST) -> None:
        """The peer does not know or answer this dialog any more: tell the call, which hangs up."""
        self.tell(Hangup(cause, by_party=False))

    # --- answers to them ---

    def receive_response(self, key: TransactionKey, response: Response) -> None:
        """A response to a request inside the dialog."""
        sent = self.sent.get(key)
        if sent is None:
            self.repeat_ack(key)  # a 2xx to an INVITE of ours came again
            return
        if response.status < 200:
            return
        del self.sent[key]
        if sent.request.method == b"INVITE" and response.status < 300:
            self.switch.retire(key)
        else:
            del self.switch.transactions[key]
        if response.status in (401, 407) and self._try_again(key, sent, response):
            return
        try:
            self._conclude(key, sent, response)
        except BadMessage:
            self.lost(Cause.of_status(500, "Unusable answer"))

    def _conclude(self, key: TransactionKey, sent: Sent, response: Response) -> None:
        if response.status < 300:
            sent.dialog.receive_response(response)
        match sent.purpose:
            case Purpose.BYE:
                if sent.dialog is self.dialog:
                    self.over()
            case Purpose.OFFER | Purpose.PRACK:
                self.negotiation.concluded(key, sent, response)
            case Purpose.REFRESH:
                self.negotiation.refreshed(key, sent, response)
            case Purpose.NOTE:
                self.tell(notes.answered(sent.ticket, response))
            case Purpose.NOTIFY:
                pass  # RFC 6665 4.1.3: a refused NOTIFY ends the subscription, not the call
        if response.status == NO_DIALOG and sent.purpose in (Purpose.OFFER, Purpose.REFRESH, Purpose.NOTE):
            self.lost()

    def _try_again(self, old: TransactionKey, sent: Sent, response: Response) -> bool:
        """Answer a challenge to a request inside the dialog, once (twice when it says that our nonce was stale)."""
        if self.authorization is None or not self.authorization.learn(response, sent.attempts):
            return False
        key = self.send_in_dialog(
            sent.purpose,
            sent.request.method,
            sent.headers,
            sent.request.body,
            ticket=sent.ticket,
            dialog=sent.dialog,
            attempts=sent.attempts + 1,
        )
        self.negotiation.sent_again(old, key)
        return True

    def unanswered(self, key: TransactionKey, status: int) -> None:
        """A request of ours died: 408 no answer, 503 no transport."""
        self.switch.transactions.pop(key, None)
        sent = self.sent.pop(key, None)
        if sent is None:
            return
        match sent.purpose:
            case Purpose.BYE:
                if sent.dialog is self.dialog:
                    self.over()
            case Purpose.OFFER | Purpose.PRACK:
                self.negotiation.failed(status)
                if sent.purpose is Purpose.OFFER:
                    self.lost()
            case Purpose.REFRESH:
                self.lost()
            case Purpose.NOTE:
                # A peer that swallows an INFO is no reason to end the call (RFC 5057 leaves 408 to us).
                self.tell(NoteAnswered(sent.ticket, status, b"", (), b""))
            case Purpose.NOTIFY:
                pass

    # --- requests of the peer ---

    def receive_request(self, key: TransactionKey, request: Request, flow: Flow) -> None:
        """A request inside one of the leg's dialogs."""
        try:
            dialog = self.dialog_of(request)
            if dialog is None or self.state is LegState.OVER:
                self.switch.reply(key, request, NO_DIALOG)
                return
            dialog.receive(request)
            self._follow(flow)
            self._serve(key, request)
        except OutOfOrder as error:
            self.switch.reply(key, request, error.status, headers=((b"Retry-After", b"1"),))
        except BadMessage as error:
            self.switch.reply(key, request, error.status)

    def dialog_of(self, request: Message) -> Dialog | None:
        """Which of the leg's dialogs a request of the peer belongs to."""
        dialog = self.dialog
        return dialog if dialog is not None and (request.from_.tag or b"") == (dialog.remote.tag or b"") else None

    def _follow(self, flow: Flow) -> None:
        """A peer behind a NAT may come back from another port or connection: answer there from now on."""
        if flow is not self.flow and flow.remote[0] == self.flow.remote[0] and flow.transport == self.flow.transport:
            self.flow = flow

    def _serve(self, key: TransactionKey, request: Request) -> None:
        match request.method:
            case b"BYE":
                self._receive_bye(key, request)
            case _ if self.state is LegState.CLOSING:
                self.switch.reply(key, request, NO_DIALOG)
            case b"INVITE":
                self.negotiation.receive_invite(key, request)
            case b"UPDATE":
                self.negotiation.receive_update(key, request)
            case b"PRACK":
                self.receive_prack(key, request)
            case b"INFO" | b"MESSAGE" | b"REFER" | b"OPTIONS" | b"NOTIFY" | b"SUBSCRIBE":
                notes.receive(self, key, request)
            case _:
                self.switch.reply(key, request, 405, headers=((b"Allow", ALLOW),))

    def receive_prack(self, key: TransactionKey, request: Request) -> None:
        """Only a UAS leg sends what a PRACK could confirm."""
        self.switch.reply(key, request, NO_DIALOG)

    def _receive_bye(self, key: TransactionKey, request: Request) -> None:
        self.switch.reply(key, request, 200)
        if self.state is LegState.CLOSING:
            return  # both hung up at once: our own BYE concludes the dialog
        self.tell(Hangup(Cause.of_reason(request.headers.get_all(b"reason"), NORMAL)))
        self.over()

    def receive_ack(self, key: TransactionKey, request: Request) -> None:
        """The ACK of our 2xx, to the INVITE that began the dialog or to a later one."""
        self.switch.transactions.pop(key, None)
        sdp = request.body or None
        self.negotiation.acknowledged(key, sdp)
        if self.state is LegState.ANSWERED:
            self.state = LegState.CONFIRMED
            if self._closing is not None:
                self.bye(self._closing)
        self.tell(Confirm(sdp))

    def unacknowledged(self, key: TransactionKey) -> None:
        """No ACK came for our 2xx: the session must be ended with BYE (RFC 3261 13.3.1.4)."""
        self.switch.transactions.pop(key, None)
        self.negotiation.acknowledged(key, None)
        if self.state is LegState.ANSWERED:
            self.state = LegState.CONFIRMED
            if self._closing is not None:
                self.bye(self._closing)
        self.lost(NOT_ACKNOWLEDGED)

    def cancelled(self, key: TransactionKey) -> None:
        """A CANCEL for an INVITE that we have not answered."""
        self.negotiation.cancelled(key)

    def answer_ticket(
        self,
        ticket: int,
        status: int,
        reason: bytes | None = None,
        headers: HeaderLines = (),
        body: bytes = b"",
    ) -> None:
        """Answer a request of the peer that the call was told of; harmless when it is gone."""
        held = self.tickets.pop(ticket, None)
        if held is not None:
            self.switch.reply(held.key, held.request, status, reason or None, headers=headers, body=body)

    def hold_ticket(self, key: TransactionKey, request: Request) -> int:
        """Keep a request until the call answers it."""
        number = self.switch.ticket()
        self.tickets[number] = Ticket(key, request)
        return number

    def arm(self, alarm: Alarm, at: float) -> None:
        """Set an alarm, unless the leg has nothing left to wait for."""
        if self.state not in (LegState.CLOSING, LegState.OVER):
            super().arm(alarm, at)

    def fire(self, alarm: Alarm) -> None:
        """A timer of this leg went off."""
        if alarm is Alarm.GLARE:
            self.negotiation.fire_glare()
        else:
            self.clock.fire(alarm)
