"""The appliance itself as the other party of a call: it answers, hears keys, and connects the caller to somebody.

A caller may also be somebody that we called first (pysrv.calls.callback). It stands where a transfer would: one at a
time for a call, and told first of what the caller's leg says. Until somebody has answered there is no callee; then the
caller is re-INVITEd with that answer as an offer (RFC 3725 flow I), and the call is one like all others. What is said
and what the keys mean is the service's business.
"""

from typing import TYPE_CHECKING

from pysrv.calls import causes
from pysrv.calls import events as tell
from pysrv.calls.bridge import sending_both_ways
from pysrv.calls.causes import Cause
from pysrv.calls.events import Carrier, EndedBy, LegEvent, Role
from pysrv.calls.failover import told
from pysrv.calls.hunt import Hunt
from pysrv.calls.leg import Leg
from pysrv.calls.plan import CallPlan, Groups, Target
from pysrv.calls.uac import UacLeg
from pysrv.calls.uas import UasLeg
from pysrv.media.errors import MediaError
from pysrv.media.events import info_digit

if TYPE_CHECKING:
    from pysrv.calls.call import Call


class Attendant:
    """One caller in the care of the appliance."""

    __slots__ = ("_call", "_caller", "_early", "_hunt", "joining")

    def __init__(self, call: "Call", caller: UasLeg | UacLeg) -> None:
        self._call, self._caller = call, caller
        self._hunt: Hunt | None = None
        self._early: dict[bytes, bytes] = {}  # by fork: the answer that came in a reliable ringing
        self.joining = False  # the caller is being re-INVITEd to the one who answered

    @property
    def call_id(self) -> str:
        """The call that the legs which are being called belong to."""
        return self._call.id

    @property
    def hunting(self) -> bool:
        """Whether somebody is being called."""
        return self._hunt is not None

    def answer(self) -> None:
        """Accept the call. Raises MediaError for an offer that the appliance cannot speak in."""
        caller, call = self._caller, self._call
        assert isinstance(caller, UasLeg)
        sdp = self._describe(caller.negotiation.remote)
        caller.answer(sdp, (), call.plan.session_expires_s)
        call.bridge.show()

    def greet(self, offer: bytes) -> None:
        """Somebody that we called has answered with this offer. Raises MediaError as `answer`."""
        assert isinstance(self._caller, UacLeg)
        self._caller.confirm(self._describe(offer))
        self._call.bridge.show()
        self._begin()

    def _describe(self, offer: bytes | None) -> bytes:
        if offer is None:
            raise MediaError(488, "an access number needs an offer in the INVITE")
        return self._call.bridge.attend(offer, self._caller.local_address)

    def _begin(self) -> None:
        call, bridge = self._call, self._call.bridge
        assert bridge.tongue is not None
        call.switch.outbox.append(tell.CallAttended(call.id, bridge.key, bridge.tongue, call.switch.now))

    # --- what the service says ---

    def connect(self, groups: Groups, plan: CallPlan) -> None:
        """Call these targets for the caller."""
        call = self._call
        assert call.identity is not None
        self._hunt = Hunt(call.switch, self, Role.CALLEE, groups, plan, call.identity)
        self._hunt.start()

    # --- what the hunt asks and tells ---

    def description_for(self, target: Target) -> bytes | None:
        """What the caller offered at first."""
        return self._offer_to(target.flow.local[0])

    def _offer_to(self, to_ip: str) -> bytes:
        remote = self._caller.negotiation.remote
        if remote is None:
            raise MediaError(488, "the caller never described itself")
        return self._call.bridge.offer(Role.CALLER, sending_both_ways(remote), to_ip, self._caller.local_address)

    def route_failed(self, target: Target, cause: Cause) -> None:
        """One target failed."""
        self._call.route_failed(target, cause)

    def hunt_failed(self, cause: Cause, _headers: tell.CrossingHeaders) -> None:
        """Nobody answered."""
        call = self._call
        call.bridge.withdraw()
        self._hunt = None
        call.switch.outbox.append(tell.ConnectFailed(call.id, told(cause), call.switch.now))

    def rang(self, leg: UacLeg, ring: tell.Ring) -> None:
        """It rings there. The caller hears the appliance's own ringing, whatever is sent from there."""
        call = self._call
        if ring.sdp is not None:
            self._early[ring.fork] = ring.sdp
        if ring.reliable:
            leg.prack(ring.fork)
        if call.times.ringing_at is None:
            call.times.ringing_at, call.target = call.switch.now, leg.target
            call.switch.outbox.append(tell.CallRinging(call.id, leg.target, call.switch.now))

    def won(self, leg: UacLeg, answer: tell.Answer) -> None:
        """Somebody answered: the two are connected."""
        self._hunt = None
        leg.prack(answer.fork)
        leg.confirm(None)
        try:
            sdp = self._answer_of(leg, answer)
        except MediaError:
            leg.bye(causes.BAD_MEDIA)
            self.hunt_failed(causes.BAD_MEDIA, ())
            return
        self.joining = True
        self._call.answered_by(leg)
        self._caller.negotiation.offer(sdp, Carrier.INVITE, retry=True)
        self._call.bridge.show()

    def _answer_of(self, leg: UacLeg, answer: tell.Answer) -> bytes:
        call, said = self._call, answer.sdp or self._early.get(answer.fork)
        if said is None:
            raise MediaError(488, "no answer")
        self._offer_to(leg.local_address)  # a description of the caller's meanwhile may have replaced the open offer
        return call.bridge.leave(said, self._caller.local_address, leg.local_address)

    def hear(self, leg: Leg, event: LegEvent) -> None:
        """Something happened on a leg that is being called."""
        if isinstance(leg, UacLeg) and self._hunt is not None and leg in self._hunt.forks:
            self._hunt.hear(leg, event)

    # --- what the caller's leg tells ---

    def overhear(self, leg: Leg, event: LegEvent) -> bool:
        """Something happened on a leg of the call; True: it was the attendant's business."""
        if self.joining:
            return self._overhear_joining(leg, event)
        match event:
            case tell.Hangup():
                return False
            case tell.Confirm():
                self._begin()
            case tell.Update():
                self._update(event)
            case tell.Note():
                self._note(event)
            case tell.Refer():
                leg.answer_ticket(event.ticket, 603)
            case _:
                pass
        return True

    def _overhear_joining(self, leg: Leg, event: LegEvent) -> bool:
        match event:
            case tell.Updated(own=True) if leg is self._caller:
                self._joined(event.sdp)
            case tell.UpdateFailed(own=True) if leg is self._caller:
                self._call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            case _:
                return False
        return True

    def _update(self, event: tell.Update) -> None:
        """The caller describes itself anew: hold, another codec, another address."""
        negotiation = self._caller.negotiation
        if self.hunting:
            negotiation.refuse(event.ticket, 491)
            return
        try:
            sdp = self._describe(event.sdp)
        except MediaError as error:
            negotiation.refuse(event.ticket, error.status)
            return
        negotiation.accept(event.ticket, sdp)
        self._call.bridge.show()
        self._begin()

    def _note(self, event: tell.Note) -> None:
        kind = next((value for name, value in event.headers if name.lower() == b"content-type"), b"")
        digit = info_digit(kind, event.body) if event.method == b"INFO" else ""
        self._caller.answer_ticket(event.ticket, 200 if digit or not event.body else 415)
        if digit:
            self._call.switch.outbox.append(tell.DigitPressed(self._call.id, digit, self._call.switch.now))

    def _joined(self, sdp: bytes | None) -> None:
        call = self._call
        try:
            if sdp is not None:
                call.bridge.renew(Role.CALLER, sdp)
        except MediaError:
            call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            return
        call.transfer = None
        call.bridge.show()
        call.switch.outbox.append(tell.PartiesConnected(call.id, call.switch.now))

    # --- the end ---

    def abandon(self, cause: Cause) -> None:
        """The call ends."""
        self._call.transfer = None
        if self._hunt is not None:
            self._hunt.stop(cause)
            self._hunt = None

    def timed_out(self) -> None:
        """Not used: the service bounds the menu, the hunt bounds itself."""
