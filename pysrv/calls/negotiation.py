"""Offers and answers in a dialog of one leg (RFC 3264), carried by re-INVITE, UPDATE and PRACK (RFC 6337).

One exchange at a time in either direction: a crossing one is refused with 491 or 500 (RFC 3261 14, RFC 3311 5.2).
What changes nothing is answered here, so each leg is refreshed by itself; what does change goes to the call.
An offer of the appliance's own is tried again after glare by the rule of RFC 3261 14.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pysrv.calls.bridge import continued
from pysrv.calls.events import Carrier, Update, Updated, UpdateFailed, UpdateWithdrawn
from pysrv.calls.requests import Purpose, Sent
from pysrv.calls.switch import ALLOW, SDP, SUPPORTED, Alarm, HeaderLines
from pysrv.sip.dialog import Dialog
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import TransactionKey
from pysrv.sip.message import Message, Request, Response

if TYPE_CHECKING:
    from pysrv.calls.leg import Leg

MAX_GLARE = 5
_IN_DIALOG = b"timer, replaces, norefersub"  # no 100rel: a re-INVITE needs no reliable ringing
PENDING = 491
_CONTENT_SDP: HeaderLines = ((b"Content-Type", SDP),)


@dataclass(slots=True)
class Mine:
    """An offer of ours (or a request for one) that is not concluded. `retry`: of the appliance's own making."""

    key: TransactionKey
    sdp: bytes | None
    carrier: Carrier
    retry: bool = False
    tries: int = 0
    unacked: tuple[Dialog, int] | None = None  # the 2xx brought an offer: the ACK waits for our answer


@dataclass(slots=True)
class Theirs:
    """A request of the peer that waits for the call's answer, or for the ACK of ours."""

    ticket: int
    key: TransactionKey
    carrier: Carrier
    sdp: bytes | None
    answered: bool = False


def sdp_of(message: Message) -> bytes | None:
    """The session description in a message. Raises BadMessage 415 for a body of another kind."""
    if not message.body:
        return None
    if message.content_type != SDP:
        raise BadMessage(415, "Unsupported Media Type", message if isinstance(message, Request) else None)
    return message.body


class Negotiation:
    """The offer/answer state of one leg."""

    __slots__ = ("_leg", "_mine", "_retry", "_theirs", "local", "moved", "remote")

    def __init__(self, leg: "Leg") -> None:
        self._leg = leg
        self.local: bytes | None = None  # what the peer was told last
        self.remote: bytes | None = None  # what the peer said last
        self.moved = False  # to another call: its descriptions have another origin than the peer knows
        self._mine: Mine | None = None
        self._theirs: Theirs | None = None
        self._retry: Mine | None = None

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way."""
        return self._mine is not None or self._theirs is not None

    def close(self) -> None:
        """The dialog ends: nothing will be concluded any more; an ACK that still waits goes out bare."""
        if self._mine is not None and self._mine.unacked is not None:
            self._leg.send_ack(self._mine.key, *self._mine.unacked, None)
        self._mine = self._theirs = self._retry = None

    # --- ours ---

    def offer(self, sdp: bytes | None, carrier: Carrier, *, retry: bool = False, tries: int = 0) -> None:
        """Send an offer, or ask for one; concluded by Updated or UpdateFailed.

        `retry`: it is the appliance's own, and is tried again after glare; `tries`: how often it was.
        """
        leg, sdp = self._leg, self._continued(sdp)
        if not leg.can_offer(carrier) or self.busy or self._retry is not None:
            self._glare(Mine(b"", sdp, carrier, retry, tries))
            return
        if carrier is Carrier.UPDATE and b"UPDATE" not in leg.peer_allows:
            carrier = Carrier.INVITE
        if carrier is Carrier.INVITE and not leg.established:
            leg.tell(UpdateFailed(488, b"Not possible before the answer", retry))
            return
        key = self.send(Purpose.OFFER, carrier, sdp)
        self._mine = Mine(key, sdp, carrier, retry, tries)

    def prack(self, key: TransactionKey, sdp: bytes) -> None:
        """An offer of ours went out in a PRACK."""
        self._mine = Mine(key, sdp, Carrier.PRACK)

    def cancel(self) -> None:
        """The other side has lost interest in the re-INVITE that we passed on."""
        if self._mine is not None and self._mine.carrier is Carrier.INVITE and self._mine.unacked is None:
            self._leg.switch.endpoint.cancel(self._mine.key, self._leg.switch.now)

    def confirm(self, sdp: bytes | None) -> None:
        """Answer the offer that came in a 2xx: the answer travels in the ACK."""
        mine, sdp = self._mine, self._continued(sdp)
        if mine is not None and mine.unacked is not None:
            self._mine = None
            self.local = sdp or self.local
            self._leg.send_ack(mine.key, *mine.unacked, sdp)

    def sent_again(self, old: TransactionKey, new: TransactionKey) -> None:
        """The request was repeated with credentials."""
        if self._mine is not None and self._mine.key == old:
            self._mine.key = new

    def concluded(self, key: TransactionKey, sent: Sent, response: Response) -> None:
        """The final response to an offer of ours, or to a PRACK."""
        mine = self._mine if self._mine is not None and self._mine.key == key else None
        if sent.request.method == b"INVITE" and response.status < 300:
            self._reinvite_accepted(key, sent, response, mine)
        elif mine is not None:
            self._mine = None
            if response.status < 300:
                self._accepted(mine, response)
            else:
                self._refused(mine, response)

    def _reinvite_accepted(self, key: TransactionKey, sent: Sent, response: Response, mine: Mine | None) -> None:
        cseq = sent.request.cseq.number
        sdp = sdp_of(response)
        self._leg.clock.renewed(response)
        if mine is None or mine.sdp is not None or sdp is None:
            self._leg.send_ack(key, sent.dialog, cseq, None)
            if mine is not None:
                self._mine = None
                self._accepted(mine, response)
            return
        mine.unacked, self.remote = (sent.dialog, cseq), sdp
        self._leg.tell(Updated(sdp, mine.retry))

    def _accepted(self, mine: Mine, response: Response) -> None:
        sdp = sdp_of(response)
        if mine.carrier is Carrier.UPDATE:
            self._leg.clock.renewed(response)
        self.local = mine.sdp or self.local
        self.remote = sdp or self.remote
        self._leg.tell(Updated(sdp, mine.retry))

    def _refused(self, mine: Mine, response: Response) -> None:
        if response.status == PENDING:
            self._glare(mine)
        else:
            self._leg.tell(UpdateFailed(response.status, response.reason, mine.retry))

    def failed(self, status: int) -> None:
        """An offer of ours, or a PRACK, was never answered."""
        mine, self._mine = self._mine, None
        if mine is not None:
            self._leg.tell(UpdateFailed(status, b"", mine.retry))

    def _glare(self, mine: Mine) -> None:
        """Two offers met. Whose it is tries again; one that we only pass on is tried again by its own author."""
        if not mine.retry or mine.tries >= MAX_GLARE or not self._leg.established:
            self._leg.tell(UpdateFailed(PENDING, b"Request Pending", mine.retry))
            return
        mine.tries += 1
        self._retry = mine
        self._leg.arm(Alarm.GLARE, self._leg.switch.now + self.back_off_s())

    def back_off_s(self) -> float:
        """RFC 3261 14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other, in steps of 10 ms."""
        switch = self._leg.switch
        return (210 + switch.chance(191)) / 100 if self._leg.owns_call_id else switch.chance(201) / 100

    def _continued(self, sdp: bytes | None) -> bytes | None:
        """A description as this peer is to see it: one origin for the whole dialog."""
        return continued(self.local, sdp) if self.moved and sdp is not None else sdp

    # --- theirs ---

    def receive_invite(self, key: TransactionKey, request: Request) -> None:
        """A re-INVITE of the peer."""
        if not self._leg.established or self._mine is not None:
            return self._refuse(key, request, PENDING)
        if self._theirs is not None:
            return self._refuse_soon(key, request)
        sdp = sdp_of(request)
        if not self._leg.clock.agree_to(key, request):
            return None
        if sdp is not None and sdp == self.remote and self.local is not None:
            return self._repeat_answer(key, request)
        return self._ask(key, request, Carrier.INVITE, sdp)

    def receive_update(self, key: TransactionKey, request: Request) -> None:
        """An UPDATE of the peer (RFC 3311 5.2)."""
        sdp = sdp_of(request)
        if sdp is not None and self._mine is not None:
            return self._refuse(key, request, PENDING)
        if sdp is not None and (self._theirs is not None or self.local is None):
            return self._refuse_soon(key, request)
        if not self._leg.clock.agree_to(key, request):
            return None
        if sdp is None:
            self._leg.switch.reply(key, request, 200, headers=self._headers())
            return None
        return self._ask(key, request, Carrier.UPDATE, sdp)

    def receive_prack(self, key: TransactionKey, request: Request, sdp: bytes) -> int | None:
        """A PRACK that brings an offer: the ticket to answer it with, None when it was refused."""
        if self.busy:
            self._refuse_soon(key, request)
            return None
        ticket = self._leg.hold_ticket(key, request)
        self._theirs = Theirs(ticket, key, Carrier.PRACK, sdp)
        return ticket

    def accept(self, ticket: int, sdp: bytes | None) -> None:
        """Answer the peer's request with 200. For one without SDP, `sdp` is an offer, answered in the ACK."""
        theirs, sdp = self._theirs, self._continued(sdp)
        if theirs is None or theirs.ticket != ticket or ticket not in self._leg.tickets:
            return
        self.local = sdp or self.local
        self.remote = theirs.sdp or self.remote
        headers = () if theirs.carrier is Carrier.PRACK else self._headers()
        if theirs.carrier is Carrier.INVITE:
            theirs.answered = True
            self._leg.switch.transactions[theirs.key] = self._leg
        else:
            self._theirs = None
        self._leg.answer_ticket(ticket, 200, None, headers + (_CONTENT_SDP if sdp else ()), sdp or b"")

    def refuse(self, ticket: int, status: int, reason: bytes = b"", headers: HeaderLines = ()) -> None:
        """Refuse the peer's request: the session stays as it was."""
        if self._theirs is not None and self._theirs.ticket == ticket:
            self._leg.switch.transactions.pop(self._theirs.key, None)
            self._theirs = None
        self._leg.answer_ticket(ticket, status, reason, headers)

    def acknowledged(self, key: TransactionKey, sdp: bytes | None) -> None:
        """The ACK of our 200 to a re-INVITE came."""
        theirs = self._theirs
        if theirs is not None and theirs.key == key:
            self._theirs = None
        self.remote = sdp or self.remote

    def cancelled(self, key: TransactionKey) -> None:
        """The peer cancelled its re-INVITE; the answer is still the other side's to give."""
        if self._theirs is not None and self._theirs.key == key and not self._theirs.answered:
            self._leg.tell(UpdateWithdrawn(self._theirs.ticket))

    def _ask(self, key: TransactionKey, request: Request, carrier: Carrier, sdp: bytes | None) -> None:
        ticket = self._leg.hold_ticket(key, request)
        self._theirs = Theirs(ticket, key, carrier, sdp)
        if carrier is Carrier.INVITE:
            self._leg.switch.transactions[key] = self._leg  # it may be cancelled
        self._leg.tell(Update(ticket, carrier, sdp))

    def _repeat_answer(self, key: TransactionKey, request: Request) -> None:
        """The peer offers what it said before, as refreshes do: so does our answer."""
        self._theirs = Theirs(0, key, Carrier.INVITE, None, answered=True)
        self._leg.switch.transactions[key] = self._leg
        headers = self._headers() + _CONTENT_SDP
        self._leg.switch.reply(key, request, 200, headers=headers, body=self.local or b"")

    def _refuse(self, key: TransactionKey, request: Request, status: int, headers: HeaderLines = ()) -> None:
        self._leg.switch.reply(key, request, status, headers=headers)

    def _refuse_soon(self, key: TransactionKey, request: Request) -> None:
        """RFC 3261 14.2: the last one is not finished; try again in 0 to 10 s."""
        self._refuse(key, request, 500, ((b"Retry-After", b"%d" % self._leg.switch.chance(11)),))

    def _headers(self) -> HeaderLines:
        """What a 2xx to INVITE or UPDATE carries."""
        dialog = self._leg.dialog
        contact = dialog.local_contact if dialog is not None else b""
        common = ((b"Contact", contact), (b"Allow", ALLOW), (b"Supported", SUPPORTED))
        return common + self._leg.clock.in_response()

    # --- sending ---

    def fire_glare(self) -> None:
        """An offer of the appliance's own may be tried again."""
        again, self._retry = self._retry, None
        if again is not None:
            self.offer(again.sdp, again.carrier, retry=True, tries=again.tries)

    def send_refresh(self) -> None:
        """Say the last description again in a re-INVITE."""
        if self.local is not None:
            key = self.send(Purpose.REFRESH, Carrier.INVITE, self.local)
            self._mine = Mine(key, self.local, Carrier.INVITE)

    def refreshed(self, key: TransactionKey, sent: Sent, response: Response) -> None:
        """The answer to a refresh of ours."""
        if self._mine is not None and self._mine.key == key:
            self._mine = None
        if sent.request.method == b"INVITE" and response.status < 300:
            self._leg.send_ack(key, sent.dialog, sent.request.cseq.number, None)
        self._leg.clock.concluded(sent, response)

    def send(self, purpose: Purpose, carrier: Carrier, sdp: bytes | None) -> TransactionKey:
        """Send a re-INVITE or UPDATE; returns its key."""
        leg = self._leg
        headers: HeaderLines = ((b"Allow", ALLOW), (b"Supported", _IN_DIALOG), *leg.clock.in_request())
        if sdp:
            headers += _CONTENT_SDP
        return leg.send_in_dialog(purpose, carrier.value, headers, sdp or b"")
