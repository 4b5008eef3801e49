"""The leg of a party that called us: ringing, answering, refusing, and reliable provisional answers.

Source: RFC 3261 13.3, RFC 3262 section 3. A caller may be shown several early dialogs, one for each place that rings
with media of its own: `rebranch` begins another, with another tag, as a forking proxy would.
"""

from collections import deque
from dataclasses import dataclass

from pysrv.calls import session_timer
from pysrv.calls.causes import CANCELLED, Cause
from pysrv.calls.events import CrossingHeaders, Hangup, RingConfirmed, Role
from pysrv.calls.leg import Leg, LegState, Listener
from pysrv.calls.negotiation import sdp_of
from pysrv.calls.reliable import REL, Unconfirmed
from pysrv.calls.session_timer import SessionTimer
from pysrv.calls.switch import ALLOW, SDP, SUPPORTED, Alarm, HeaderLines, Switch
from pysrv.sip.dialog import Dialog
from pysrv.sip.events import Flow, TransactionKey
from pysrv.sip.message import Request

NO_PRACK = Cause(102, 504, "Ringing was never confirmed")
FIRST_RSEQ_BELOW = 2**30
_CONTENT_SDP: HeaderLines = ((b"Content-Type", SDP),)


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional answer as it will be sent."""

    status: int
    reason: bytes
    sdp: bytes | None
    headers: CrossingHeaders


class UasLeg(Leg):
    """A leg that began with an INVITE to us."""

    __slots__ = ("_answer", "_queue", "_rseq", "_unconfirmed", "invite", "key", "settled", "wants_rel")

    def __init__(
        self, switch: Switch, listener: Listener | None, key: TransactionKey, invite: Request, flow: Flow
    ) -> None:
        """Raises BadMessage when the INVITE cannot make a dialog."""
        super().__init__(switch, listener, Role.CALLER, flow, invite.call_id, switch.tokens())
        self.key, self.invite = key, invite
        self.dialog = Dialog.uas(invite, self.local_tag, switch.contact(flow, invite.uri), flow)
        self.negotiation.remote = sdp_of(invite)
        self.peer_allows = invite.allow
        self.wants_rel = REL in invite.require
        self.settled = False  # the caller has confirmed an answer to its offer
        self._rseq = 0
        self._unconfirmed: Unconfirmed | None = None
        self._queue: deque[Progress] = deque()
        self._answer: tuple[bytes | None, CrossingHeaders] | None = None
        switch.transactions[key] = self
        switch.dialogs[self.call_id, self.local_tag] = self

    @property
    def takes_rel(self) -> bool:
        """Whether the caller understands reliable provisional answers."""
        return self.wants_rel or REL in self.invite.supported

    def rebranch(self) -> None:
        """Show the caller another early dialog from now on, unless nothing was shown in this one yet."""
        if self.negotiation.local is None and self._unconfirmed is None:
            return
        self.switch.dialogs.pop((self.call_id, self.local_tag), None)
        self.local_tag = self.switch.tokens()
        self.switch.dialogs[self.call_id, self.local_tag] = self
        contact = self.switch.contact(self.flow, self.invite.uri)
        self.dialog = Dialog.uas(self.invite, self.local_tag, contact, self.flow)
        self.drop_tickets()
        self.negotiation.local, self.settled, self._unconfirmed = None, False, None
        self._queue.clear()
        self.disarm(Alarm.RELIABLE)

    # --- answers of ours ---

    def ring(self, status: int, reason: bytes, sdp: bytes | None, headers: CrossingHeaders, *, reliable: bool) -> None:
        """Send a provisional answer. Reliable ones follow each other, the next when the last was confirmed."""
        if self.state is not LegState.SETUP or self._answer is not None:
            return
        progress = Progress(status, reason, sdp, headers)
        if sdp is not None:
            self.negotiation.local = sdp
        if not reliable or not self.takes_rel:
            self._progress(progress, ())
        elif self._unconfirmed is not None:
            self._queue.append(progress)
        else:
            self._progress_reliably(progress)

    def _progress(self, progress: Progress, extra: HeaderLines) -> None:
        assert self.dialog is not None
        headers = ((b"Contact", self.dialog.local_contact), (b"Allow", ALLOW), *progress.headers, *extra)
        if progress.sdp:
            headers += _CONTENT_SDP
        response = self.switch.reply(
            self.key,
            self.invite,
            progress.status,
            progress.reason or None,
            headers=headers,
            body=progress.sdp or b"",
            to_tag=self.local_tag,
        )
        if extra:
            now, t1_s = self.switch.now, self.switch.config.timers.t1_s
            self._unconfirmed = Unconfirmed.sent(self._rseq, self.invite.cseq.number, response, now, t1_s)
            self.arm(Alarm.RELIABLE, self._unconfirmed.next_at)

    def _progress_reliably(self, progress: Progress) -> None:
        self._rseq = self._rseq + 1 if self._rseq else 1 + self.switch.chance(FIRST_RSEQ_BELOW)
        self._progress(progress, ((b"Require", REL), (b"RSeq", b"%d" % self._rseq)))

    def answer(self, sdp: bytes | None, headers: CrossingHeaders, expires_s: int) -> None:
        """Accept the call; held back while a reliable answer with a description is not confirmed (section 3).

        `expires_s`: the session interval that we would like.
        """
        if self.state is not LegState.SETUP:
            return
        if self._unconfirmed is not None and self._unconfirmed.has_sdp:
            self._answer = (sdp, headers)
            self._queue.clear()
            self._wanted(expires_s)
            return
        if self.clock.timer is None:
            self._wanted(expires_s)
        self._send_answer(sdp, headers)

    def _wanted(self, expires_s: int) -> None:
        agreed = session_timer.of_request(self.invite, expires_s, self.switch.config.min_se_s)
        self.clock.timer = agreed if isinstance(agreed, SessionTimer) else None

    def _send_answer(self, sdp: bytes | None, headers: CrossingHeaders) -> None:
        assert self.dialog is not None
        self.disarm_all()
        self._queue.clear()
        self.state = LegState.ANSWERED
        self.dialog.confirmed = True
        if self.clock.timer is not None:
            self.clock.agree(self.clock.timer)
        contact = self.dialog.local_contact
        lines: HeaderLines = ((b"Contact", contact), (b"Allow", ALLOW), (b"Supported", SUPPORTED))
        lines += (*headers, *self.clock.in_response())
        if sdp is not None:
            self.negotiation.local = sdp
            lines += _CONTENT_SDP
        self.switch.reply(self.key, self.invite, 200, headers=lines, body=sdp or b"", to_tag=self.local_tag)

    def reject(self, status: int, reason: bytes | None = None, headers: HeaderLines = ()) -> None:
        """Refuse the call. The leg is over."""
        if self.state is LegState.SETUP:
            self.over()
            self.switch.reply(self.key, self.invite, status, reason, headers=headers, to_tag=self.local_tag)

    def over(self) -> None:
        """The dialog is gone; a 2xx that waits for its ACK keeps its transaction."""
        if self.state is LegState.SETUP:
            self.switch.transactions.pop(self.key, None)
        self._unconfirmed, self._answer = None, None
        self._queue.clear()
        super().over()

    def _may_bye(self) -> bool:
        return False

    # --- what the caller does ---

    def cancelled(self, key: TransactionKey) -> None:
        """CANCEL: 487 unless the answer is out already."""
        if key != self.key:
            super().cancelled(key)
        elif self.state is LegState.SETUP:
            self.reject(487)
            self.tell(Hangup(CANCELLED))

    def _receive_bye(self, key: TransactionKey, request: Request) -> None:
        early = self.state is LegState.SETUP
        super()._receive_bye(key, request)
        if early:  # RFC 3261 15.1.2: a BYE on an early dialog ends the INVITE as well
            self.switch.reply(self.key, self.invite, 487, to_tag=self.local_tag)

    def receive_prack(self, key: TransactionKey, request: Request) -> None:
        """The caller confirms a provisional answer."""
        held = self._unconfirmed
        if held is None or not held.confirmed_by(request):
            self.switch.reply(key, request, 481)
            return
        sdp = sdp_of(request)
        ticket = self.negotiation.receive_prack(key, request, sdp) if sdp is not None else None
        if sdp is not None and ticket is None:
            return
        if ticket is None:
            self.switch.reply(key, request, 200)
        self.settled = self.settled or held.has_sdp
        self._unconfirmed = None
        self.disarm(Alarm.RELIABLE)
        self.tell(RingConfirmed(ticket, sdp))
        self._go_on()

    def _go_on(self) -> None:
        if self._answer is not None:
            answer, self._answer = self._answer, None
            self._send_answer(*answer)
        elif self._queue:
            self._progress_reliably(self._queue.popleft())

    def fire(self, alarm: Alarm) -> None:
        """A timer of this leg went off."""
        if alarm is Alarm.RELIABLE:
            self._repeat()
        else:
            super().fire(alarm)

    def _repeat(self) -> None:
        held = self._unconfirmed
        if held is None:
            return
        if self.switch.now >= held.gives_up_at:
            self.reject(NO_PRACK.status, b"Provisional Response Not Acknowledged")
            self.lost(NO_PRACK)
            return
        self.switch.endpoint.respond(self.key, held.response, self.switch.now)
        held.repeated()
        self.arm(Alarm.RELIABLE, min(held.next_at, held.gives_up_at))
