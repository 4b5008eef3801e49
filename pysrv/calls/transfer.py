"""Transfer: one party of a call sends the other one elsewhere (REFER), blind or to a party it already talks to.

The asked-for place gets an offer made of the kept party's last description; when it has answered, the kept party is
re-INVITEd with that answer as an offer, and the asking party is let go. If the place does not answer, nothing has
changed, unless the asking party has left already: then the call ends.
Sources: RFC 3515, RFC 4488 (no progress wanted), RFC 3891 (Replaces), RFC 5589 (the flows), RFC 3725 flow I.
"""

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pysrv.calls import causes, notes
from pysrv.calls import events as tell
from pysrv.calls.bridge import sending_both_ways
from pysrv.calls.causes import Cause
from pysrv.calls.events import Carrier, EndedBy, LegEvent, Role
from pysrv.calls.failover import told
from pysrv.calls.hunt import Hunt
from pysrv.calls.invitation import Caller
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.plan import CallPlan, Groups, Target
from pysrv.calls.switch import Alarm, HeaderLines
from pysrv.calls.uac import UacLeg
from pysrv.media.errors import MediaError
from pysrv.sip.message import reason_of

if TYPE_CHECKING:
    from pysrv.calls.call import Call

EXPIRED = Cause(102, 408, "Transfer took too long")


class Phase(StrEnum):
    """Where a transfer stands."""

    ASKED = "asked"  # the service has not decided yet
    HUNTING = "hunting"  # the new place is being called
    OFFERING = "offering"  # the party of the other call is being asked over
    JOINING = "joining"  # the kept party is being re-INVITEd


class Transfer:
    """One REFER and what becomes of it."""

    __slots__ = ("_asker", "_borrowed", "_call", "_hunt", "_refer", "id", "kept", "phase", "replaces", "target")

    def __init__(self, call: "Call", asker: Leg, refer: tell.Refer, replaces: str | None = None) -> None:
        kept = call.peer_of(asker)
        assert kept is not None
        self._call, self._asker, self._refer, self.kept = call, asker, refer, kept
        self.id, self.replaces = refer.ticket, replaces
        self.phase = Phase.ASKED
        self.target: Target | None = None
        self._hunt: Hunt | None = None
        self._borrowed: tuple[Call, Leg, Role] | None = None  # whose party it is, and which side it had there

    @property
    def joining(self) -> bool:
        """Whether the parties are being connected: no other exchange may start then."""
        return self.phase in (Phase.OFFERING, Phase.JOINING)

    @property
    def dialog(self) -> tuple[bytes, bytes, bytes] | None:
        """The dialog that Refer-To's Replaces names."""
        return self._refer.replaces

    def plan(self) -> CallPlan:
        """The call's plan, for the new leg: the kept party is who calls there."""
        plan = self._call.plan
        if self.kept.role is Role.CALLER:
            return plan
        return replace(plan, caller_user="", caller_display="", asserted_identity="", hide_caller=False)

    @property
    def asker_left(self) -> bool:
        """Whether the asking party has hung up meanwhile, as phones do after a 202."""
        return self._asker.state is LegState.OVER

    def ask(self) -> None:
        """Let the service decide."""
        call, refer = self._call, self._refer
        call.switch.outbox.append(
            tell.TransferRequested(
                call.id, self.id, self._asker.role, refer.refer_to.without_params(), refer.referred_by, self.replaces,
                call.switch.now,
            )
        )  # fmt: skip

    # --- what the service says ---

    def refuse(self, status: int, reason: bytes | None = None) -> None:
        """No."""
        self._asker.answer_ticket(self._refer.ticket, status, reason)
        self._call.transfer = None
        self._finished(Cause.of_status(status))
        self._end_if_left(causes.NORMAL)

    def begin(self, groups: Groups, plan: CallPlan, caller: Caller) -> None:
        """Yes, to these targets."""
        self._accept()
        self.phase = Phase.HUNTING
        self._hunt = Hunt(self._call.switch, self, self._asker.role, groups, plan, caller)
        self._hunt.start()

    def join(self, other: "Call", near: Leg, far: Leg) -> None:
        """Yes, to the party `far` that the asking one talks to, by its leg `near`, in `other`."""
        self._accept()
        self.phase = Phase.OFFERING
        self.target = other.target
        self._borrowed = (other, near, far.role)
        other.lend()
        far.listener, far.role = self, self._asker.role
        try:
            offer = self._offer_to(far.local_address)
        except MediaError as error:
            self._give_back(far)
            self._failed(Cause.of_status(error.status, error.reason))
            return
        far.negotiation.moved = True
        far.negotiation.offer(offer, Carrier.INVITE, retry=True)

    def _accept(self) -> None:
        call = self._call
        headers: HeaderLines = ((b"Refer-Sub", b"false"),) if self._refer.silent else ()
        self._asker.answer_ticket(self._refer.ticket, 202, None, headers)
        self._progress(100)
        call.arm(Alarm.TRANSFER, call.switch.now + call.switch.config.transfer_timeout_s)

    def _offer_to(self, to_ip: str) -> bytes:
        remote = self.kept.negotiation.remote
        if remote is None:
            raise MediaError(488, "the other party never described itself")
        return self._call.bridge.offer(self.kept.role, sending_both_ways(remote), to_ip, self.kept.local_address)

    # --- what the hunt asks and tells ---

    def description_for(self, target: Target) -> bytes | None:
        """What the kept party would offer."""
        return self._offer_to(target.flow.local[0])

    def route_failed(self, target: Target, cause: Cause) -> None:
        """One target failed."""
        self._call.switch.outbox.append(tell.RouteFailed(self._call.id, target, cause, self._call.switch.now))

    def hunt_failed(self, cause: Cause, _headers: tell.CrossingHeaders) -> None:
        """Nobody answered there."""
        self._call.bridge.withdraw()
        self._failed(told(cause))

    def rang(self, leg: UacLeg, ring: tell.Ring) -> None:
        """It rings there."""
        if ring.reliable:
            leg.prack(ring.fork)
        self._progress(ring.status)

    def won(self, leg: UacLeg, answer: tell.Answer) -> None:
        """Somebody answered there."""
        self.target = leg.target
        leg.prack(answer.fork)
        leg.confirm(None)
        if not self._connect(leg, answer.sdp):
            leg.bye(causes.BAD_MEDIA)
            self._failed(causes.BAD_MEDIA)

    def hear(self, leg: Leg, event: LegEvent) -> None:
        """Something happened on a leg that is not part of the call yet."""
        if isinstance(leg, UacLeg) and self._hunt is not None and leg in self._hunt.forks:
            self._hunt.hear(leg, event)
            return
        match event:
            case tell.Updated(own=True):
                if not self._connect(leg, event.sdp):
                    self._call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            case tell.UpdateFailed(own=True):
                self._give_back(leg)
                self._call.bridge.withdraw()
                self._failed(Cause.of_status(event.status))
            case tell.Hangup():
                self._lost(leg, event)
            case tell.Update() | tell.Note() | tell.Refer():
                leg.negotiation.refuse(event.ticket, 491)
            case _:
                pass

    # --- connecting ---

    def _connect(self, leg: Leg, answer: bytes | None) -> bool:
        """The new party has answered: the kept one hears of it, the asking one is let go."""
        call, kept, asker = self._call, self.kept, self._asker
        call.exchanges.abort()
        try:
            if answer is None:
                raise MediaError(488, "no answer")
            self._offer_to(leg.local_address)  # a hold meanwhile may have replaced the open offer
            sdp = call.bridge.answer(asker.role, answer, kept.local_address, leg.local_address)
        except MediaError:
            return False
        self.phase = Phase.JOINING
        self._hunt = None
        self._progress(200, final=True)
        asker.bye(causes.TRANSFERRED)
        call.seat(leg, asker.role)
        call.target = self.target
        if self._borrowed is not None:
            other, near, _ = self._borrowed
            near.bye(causes.TRANSFERRED)
            other.absorbed_by(call)
            self._borrowed = None
        kept.negotiation.offer(sdp, Carrier.INVITE, retry=True)
        call.bridge.show()
        return True

    def overhear(self, leg: Leg, event: LegEvent) -> bool:
        """Something happened on a leg of the call; True: it was the transfer's business."""
        match event:
            case tell.Hangup() if leg is self._asker and self.phase is not Phase.JOINING:
                self._call.exchanges.abort()  # it has left; the kept party waits for the new one
                return True
            case tell.Updated(own=True) if leg is self.kept:
                self._joined(event.sdp)
                return True
            case tell.UpdateFailed(own=True) if leg is self.kept:
                self._call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
                return True
            case tell.Update() if self.asker_left:
                leg.negotiation.refuse(event.ticket, 491)
                return True
            case _:
                return False

    def _joined(self, sdp: bytes | None) -> None:
        call = self._call
        try:
            if sdp is not None:
                call.bridge.renew(self.kept.role, sdp)
        except MediaError:
            call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            return
        call.transfer = None
        call.bridge.show()
        self._finished(None)

    # --- the end ---

    def timed_out(self) -> None:
        """It took too long."""
        if self.phase is Phase.ASKED:
            self.refuse(503)
        elif self._hunt is not None:
            self._hunt.stop(EXPIRED)
            self.hunt_failed(EXPIRED, ())
        # An open re-INVITE ends by its own transaction.

    def abandon(self, cause: Cause) -> None:
        """The call ends."""
        self._call.transfer = None
        if self.phase is Phase.ASKED:
            self._asker.answer_ticket(self._refer.ticket, 603)
        if self._hunt is not None:
            self._hunt.stop(cause)
        if self._borrowed is not None:
            other, near, role = self._borrowed
            far = other.peer_of(near)
            self._borrowed = None
            if far is not None:
                other.take_back(far, role)
        self._finished(cause)

    def _failed(self, cause: Cause) -> None:
        self._progress(cause.status, final=True)
        self._call.transfer = None
        self._finished(cause)
        self._end_if_left(cause)

    def _end_if_left(self, cause: Cause) -> None:
        if self.asker_left:
            self._call.end(cause, EndedBy(self._asker.role.value))

    def _give_back(self, far: Leg) -> None:
        if self._borrowed is not None:
            other, _, role = self._borrowed
            self._borrowed = None
            other.take_back(far, role)

    def _lost(self, far: Leg, event: tell.Hangup) -> None:
        """The other call's party hung up while it was being asked over: so its own call is over."""
        if self._borrowed is not None:
            other, _, role = self._borrowed
            self._borrowed = None
            other.seat(far, role)
            other.end(event.cause, EndedBy(role.value) if event.by_party else EndedBy.APPLIANCE)
        self._call.bridge.withdraw()
        self._failed(Cause.of_status(480))

    def _finished(self, cause: Cause | None) -> None:
        call = self._call
        call.disarm(Alarm.TRANSFER)
        target = self.target if cause is None else None
        call.switch.outbox.append(tell.TransferEnded(call.id, self.id, target, cause, call.switch.now))

    def _progress(self, status: int, *, final: bool = False) -> None:
        """Tell the asking party how it goes, if it is there and wants to know (RFC 3515 2.4.5)."""
        if self._refer.silent or self._asker.state is not LegState.CONFIRMED:
            return
        line = b"SIP/2.0 %d %b" % (status, reason_of(status))
        seconds = int(self._call.switch.config.transfer_timeout_s)
        notes.notify_refer(self._asker, line, None if final else seconds)
