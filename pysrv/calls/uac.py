"""The leg of a party that we call: the INVITE and its answers, early dialogs, CANCEL, challenges.

Source: RFC 3261 13.2 and 9.1, RFC 3262 section 4, RFC 4028 section 7. A leg that was given up stays until its last
transaction is over: a 2xx that comes late is acknowledged and hung up at once, and so is every 2xx after the first.
"""

from dataclasses import dataclass, field, replace

from pysrv.calls import session_timer
from pysrv.calls.authorization import Authorization
from pysrv.calls.causes import Cause
from pysrv.calls.crossing import Where, crossing
from pysrv.calls.events import Answer, Fail, Ring, Role, Trying
from pysrv.calls.invitation import Invitation, next_hop
from pysrv.calls.leg import Leg, LegState, Listener
from pysrv.calls.negotiation import sdp_of
from pysrv.calls.plan import TargetKind
from pysrv.calls.reliable import Received, rseq
from pysrv.calls.requests import Purpose
from pysrv.calls.session_timer import SessionTimer
from pysrv.calls.switch import ALLOW, SDP, HeaderLines, Switch
from pysrv.sip.dialog import Dialog, DialogSet
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import TransactionKey
from pysrv.sip.message import Message, Request, Response

MAX_INVITES = 5  # the first, a challenge, a stale nonce, two longer session intervals
BAD_ANSWER = Cause(127, 500, "Unusable answer from the destination")


@dataclass(slots=True)
class Early:
    """One early dialog of our INVITE; `sdp` is what it has said, `rack` the reliable answer to confirm."""

    dialog: Dialog
    received: Received = field(default_factory=Received)
    sdp: bytes | None = None
    rack: tuple[int, int] | None = None
    settled: bool = False  # its answer came reliably


class UacLeg(Leg):
    """A leg that began with an INVITE of ours."""

    __slots__ = (
        "_dialogs",
        "_early",
        "_invitation",
        "_invites",
        "_key",
        "_strays",
        "_winner",
        "request",
        "sdp",
        "target",
    )

    def __init__(
        self, switch: Switch, listener: Listener, role: Role, invitation: Invitation, sdp: bytes | None, expires_s: int
    ) -> None:
        target = invitation.target
        super().__init__(switch, listener, role, target.flow, invitation.call_id, invitation.tag)
        self.target, self._invitation, self.sdp = target, invitation, sdp
        self.negotiation.local = sdp
        self.clock.timer = SessionTimer(max(expires_s, switch.config.min_se_s), ours=True)
        if target.credentials is not None:
            self.authorization = Authorization(target.credentials, switch.tokens)
        self._early: dict[bytes, Early] = {}
        self._strays: dict[bytes, Request] = {}
        self._winner: bytes | None = None
        self._invites = 0
        switch.dialogs[self.call_id, self.local_tag] = self
        self._invite()

    @property
    def owns_call_id(self) -> bool:
        return True

    def _invite(self) -> None:
        self._invites += 1
        contact = self.switch.contact(self.flow, self.target.uri)
        lines: HeaderLines = (*self._invitation.headers(self._invites), (b"Contact", contact))
        lines += ((b"Allow", ALLOW), (b"Supported", self._supported()), *self.clock.in_request())
        if self.authorization is not None:
            lines += self.authorization.headers(b"INVITE", self.target.uri)
        if self.sdp:
            lines += ((b"Content-Type", SDP),)
        self.request = Request.new(b"INVITE", self.target.uri, lines, self.sdp or b"")
        self._dialogs = DialogSet(self.request, self.flow)
        self._key = self.switch.send(self, self.request, self.flow)

    def _supported(self) -> bytes:
        """Without an offer no reliable ringing: it would have to carry the other side's offer."""
        return b"timer, replaces, norefersub" if self.sdp is None else b"100rel, timer, replaces, norefersub"

    # --- what the call wants ---

    def cancel(self, cause: Cause) -> None:
        """Give the INVITE up; a late 2xx is hung up with `cause`. The leg takes care of itself from now on."""
        self.listener = None
        if self.state is LegState.SETUP:
            self.state = LegState.CANCELLING
            self._closing = cause
            self.disarm_all()
            self.drop_tickets()
            self.switch.endpoint.cancel(self._key, self.switch.now, ((b"Reason", cause.reason()),))
        else:
            self.bye(cause)

    def prack(self, fork: bytes, sdp: bytes | None = None) -> bool:
        """Confirm the reliable answer of `fork` that still waits for it; False when none does."""
        early = self._early.get(fork)
        if early is None or early.rack is None:
            return False
        (number, cseq), early.rack = early.rack, None
        headers: HeaderLines = ((b"RAck", b"%d %d INVITE" % (number, cseq)),)
        if sdp is not None:
            headers += ((b"Content-Type", SDP),)
        key = self.send_in_dialog(Purpose.PRACK, b"PRACK", headers, sdp or b"", dialog=early.dialog)
        if sdp is not None:
            self.negotiation.prack(key, sdp)
        return True

    def confirm(self, sdp: bytes | None) -> None:
        """Acknowledge the 2xx; `sdp` is the answer to an offer that it brought."""
        if self.state is LegState.ANSWERED and self.dialog is not None:
            self.state = LegState.CONFIRMED
            self.negotiation.local = sdp or self.negotiation.local
            self.send_ack(self._key, self.dialog, self.request.cseq.number, sdp)

    def bye(self, cause: Cause) -> None:
        """End the dialog, acknowledging its 2xx first if that is still to be done."""
        self.confirm(None)
        super().bye(cause)

    # --- answers to the INVITE ---

    def receive_response(self, key: TransactionKey, response: Response) -> None:
        """A response to a request of ours."""
        if key != self._key:
            super().receive_response(key, response)
            return
        try:
            if response.status < 200:
                self._provisional(response)
            elif response.status < 300:
                self._accepted(response)
            else:
                self._rejected(response)
        except BadMessage:
            self._unusable(response)

    def _unusable(self, response: Response) -> None:
        if response.status >= 200 and self.state in (LegState.SETUP, LegState.CANCELLING):
            self._fail(Fail(BAD_ANSWER))

    def _provisional(self, response: Response) -> None:
        if self.state is not LegState.SETUP:
            return
        if response.status == 100:
            self.tell(Trying())
            return
        fork = response.to.tag or b""
        if fork not in self._early and len(self._early) >= self.switch.config.max_early_dialogs:
            return
        dialog = self._dialogs.receive(response)
        sdp = sdp_of(response) if self.sdp is not None else None
        reliable = False
        if dialog is not None:
            early = self._early.setdefault(fork, Early(dialog))
            number = rseq(response)
            if number is not None and not early.received.is_next(number):
                return
            reliable = number is not None
            if number is not None:
                early.rack = (number, response.cseq.number)
            self._heard(early, response, sdp, reliable)
        self.tell(Ring(response.status, response.reason, sdp, reliable, fork, crossing(response, Where.RING)))

    def _heard(self, early: Early, response: Response, sdp: bytes | None, reliable: bool) -> None:
        early.sdp = early.sdp or sdp  # the first description is the answer, RFC 3261 13.2.1
        early.settled = early.settled or (reliable and sdp is not None)
        self.peer_allows = self.peer_allows | response.allow
        if self.dialog is None or (sdp is not None and self.negotiation.remote is None):
            self.dialog = early.dialog
        if early.settled and self.dialog is early.dialog:
            self.negotiation.remote = early.sdp

    def _accepted(self, response: Response) -> None:
        tag = response.to.tag or b""
        if self._winner is None:
            self.switch.retire(self._key)
            self._winner = tag
            self._win(tag, response)
        elif tag == self._winner:
            self.repeat_ack(self._key)
        else:
            self._hang_up_stray(tag, response)

    def _win(self, tag: bytes, response: Response) -> None:
        given_up = self.state is not LegState.SETUP
        self.dialog = self._dialogs.receive(response) or Dialog.uac(self.request, response, self.flow)
        self.state = LegState.ANSWERED
        self.peer_allows = response.allow or self.peer_allows
        if self.target.kind is TargetKind.TRUNK:
            self.flow = next_hop(self.dialog, self.flow)
        early = self._early.get(tag)
        sdp = sdp_of(response)
        if self.sdp is not None:
            sdp = early.sdp if early is not None and early.settled else sdp or (early.sdp if early else None)
        self._early = {tag: early} if early is not None else {}
        if given_up:
            self.bye(self._closing or BAD_ANSWER)
            return
        wanted = self.clock.timer
        if wanted is not None:
            self.clock.agree(session_timer.of_response(response, wanted))
        self.negotiation.remote = sdp
        self.tell(Answer(sdp, tag, crossing(response, Where.ANSWER)))

    def _hang_up_stray(self, tag: bytes, response: Response) -> None:
        """A forking proxy lets a second party answer: one call is enough (RFC 3261 13.2.2.4)."""
        held = self._strays.get(tag)
        if held is not None:
            self.switch.endpoint.send_ack(held, self.flow)
            return
        if len(self._strays) >= self.switch.config.max_early_dialogs:
            return
        dialog = Dialog.uac(self.request, response, self.flow)
        ack = dialog.ack(self.request.cseq.number)
        self._strays[tag] = ack
        self.switch.endpoint.send_ack(ack, self.flow)
        reason = (b"Reason", b'SIP;cause=200;text="Call completed elsewhere"')
        self.send_in_dialog(Purpose.BYE, b"BYE", (reason,), dialog=dialog)

    def _rejected(self, response: Response) -> None:
        del self.switch.transactions[self._key]
        if self.state is LegState.SETUP and self._again(response):
            return
        redirects = tuple(contact.uri for contact in response.contacts) if response.status < 400 else ()
        cause = Cause.of_reason(response.headers.get_all(b"reason"), Cause.of_status(response.status))
        cause = replace(cause, status=response.status)
        self._fail(Fail(cause, crossing(response, Where.FAIL), redirects))

    def _again(self, response: Response) -> bool:
        """Whether the INVITE went out again, with credentials or with a longer session interval."""
        if self._invites >= MAX_INVITES:
            return False
        if response.status in (401, 407):
            if self.authorization is None or not self.authorization.learn(response, self._invites):
                return False
        elif response.status == 422 and self.clock.timer is not None:
            longer = session_timer.after_422(response, self.clock.timer)
            if longer is None:
                return False
            self.clock.timer = longer
        else:
            return False
        self._early.clear()
        self.dialog = None
        self._invite()
        return True

    def unanswered(self, key: TransactionKey, status: int) -> None:
        """A request of ours died."""
        if key != self._key:
            super().unanswered(key, status)
            return
        self.switch.transactions.pop(key, None)
        if self.state in (LegState.SETUP, LegState.CANCELLING):
            self._fail(Fail(Cause.of_status(status)))

    def _fail(self, fail: Fail) -> None:
        self.over()
        self.tell(fail)

    # --- requests of the peer before it answers ---

    def dialog_of(self, request: Message) -> Dialog | None:
        """Which of the leg's dialogs a request of the peer belongs to."""
        early = self._early.get(request.from_.tag or b"")
        return early.dialog if early is not None else super().dialog_of(request)

    def _receive_bye(self, key: TransactionKey, request: Request) -> None:
        if self.state in (LegState.SETUP, LegState.CANCELLING):
            self.switch.reply(key, request, 481)  # RFC 3261 section 15: a callee must not BYE before its answer
        else:
            super()._receive_bye(key, request)
