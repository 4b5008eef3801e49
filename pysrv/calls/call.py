"""A call: the caller's leg, the hunt for somebody who answers, the callee's leg, and what passes between them.

Legs tell it events; it tells the service what matters. Knows neither SIP messages nor sockets. Exactly one CallEnded
comes of it, whatever happens, and from then on it is deaf: its legs finish their transactions by themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from pysrv.calls import causes, conversation
from pysrv.calls import events as tell
from pysrv.calls.attendant import Attendant
from pysrv.calls.bridge import Bridge
from pysrv.calls.callback import Callback
from pysrv.calls.causes import Cause
from pysrv.calls.events import EndedBy, LegEvent, Role
from pysrv.calls.exchange import Exchanges
from pysrv.calls.failover import told
from pysrv.calls.hunt import Hunt
from pysrv.calls.invitation import Caller
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.plan import CallPlan, Groups, Target
from pysrv.calls.replacement import Replacement
from pysrv.calls.ringing import Ringing
from pysrv.calls.switch import Alarm, HeaderLines, Switch, Timed
from pysrv.calls.transfer import Transfer
from pysrv.calls.uac import UacLeg
from pysrv.calls.uas import UasLeg
from pysrv.media.errors import MediaError
from pysrv.sip.events import Flow
from pysrv.sip.message import Request


class CallState(StrEnum):
    """Where a call stands."""

    REQUESTED = "requested"  # the service has not decided yet
    HUNTING = "hunting"
    ATTENDED = "attended"  # the appliance itself has answered
    ANSWERED = "answered"
    ABSORBED = "absorbed"  # its far party talks in another call; this one runs on beside it
    OVER = "over"


@dataclass(slots=True)
class Times:
    """When what happened, on the B2bua's clock."""

    setup_at: float
    ringing_at: float | None = None
    answered_at: float | None = None


class Call(Timed):
    """One call from CallRequested to CallEnded."""

    __slots__ = (
        "_failure", "_on_end", "bridge", "callee", "caller", "exchanges", "hunt", "id",
        "identity", "partners", "plan", "ringing", "state", "target", "times", "transfer",
    )  # fmt: skip

    def __init__(self, switch: Switch, call_id: str, on_end: Callable[["Call"], None]) -> None:
        super().__init__(switch)
        self.id, self._on_end = call_id, on_end
        self.state = CallState.REQUESTED
        self.times = Times(switch.now)
        self.plan = CallPlan()
        self.identity: Caller | None = None
        self.caller: Leg | None = None
        self.callee: Leg | None = None
        self.target: Target | None = None
        self.hunt: Hunt | None = None
        self._failure: tuple[Cause, tell.CrossingHeaders] | None = None  # that the service has still to look at
        self.ringing: Ringing | None = None
        self.transfer: Transfer | Replacement | Attendant | Callback | None = None
        self.partners: list[Call] = []  # calls that end together with this one
        self.bridge = Bridge(switch, call_id, None)
        self.exchanges = Exchanges(self.bridge, self.disagree)

    # --- commands of the service ---

    def invited(self, leg: UasLeg, invite: Request, flow: Flow) -> None:
        """The INVITE that this call begins with. Raises BadMessage."""
        self.caller, self.identity = leg, Caller.of(invite, flow)

    def admit(self, groups: Groups, plan: CallPlan, bridge: Bridge) -> None:
        """Go and find somebody who answers."""
        self.plan, self.state = plan, CallState.HUNTING
        self.use(bridge)
        assert isinstance(self.caller, UasLeg)
        assert self.identity is not None
        self.ringing = Ringing(self.caller, bridge, plan)
        self.hunt = Hunt(self.switch, self, Role.CALLEE, groups, plan, self.identity)
        self.hunt.start()

    @property
    def failed(self) -> bool:
        """Whether nobody answered and the service has not said yet how to go on."""
        return self.state is CallState.HUNTING and self._failure is not None

    def divert(self, groups: Groups, plan: CallPlan) -> None:
        """Look elsewhere: the first search found nobody."""
        assert self.identity is not None
        self._failure, self.plan = None, plan
        self.hunt = Hunt(self.switch, self, Role.CALLEE, groups, plan, self.identity)
        self.hunt.start()

    def give_up(self) -> None:
        """Tell the caller that nobody answered."""
        assert self._failure is not None
        (cause, headers), self._failure = self._failure, None
        self.plan = replace(self.plan, diverts=False)
        self.hunt_failed(cause, headers)

    def attend(self, plan: CallPlan, bridge: Bridge) -> None:
        """Answer in the appliance's own name; what cannot be spoken with is refused."""
        assert isinstance(self.caller, UasLeg)
        self.plan, self.state = plan, CallState.ATTENDED
        self.use(bridge)
        attendant = Attendant(self, self.caller)
        self.transfer = attendant
        try:
            attendant.answer()
        except MediaError as error:
            self.transfer = None
            self.refuse(error.status, None, ())

    def greet(self, leg: UacLeg, offer: bytes) -> None:
        """A party that we called answers: it is this call's caller, and hears the appliance until another one is there.

        Raises MediaError for an offer that the appliance cannot speak in.
        """
        attendant = Attendant(self, leg)
        self.seat(leg, Role.CALLER)
        self.transfer, self.state = attendant, CallState.ATTENDED
        attendant.greet(offer)

    def connect(self, groups: Groups, plan: CallPlan) -> None:
        """Find somebody who talks to the attended caller."""
        assert isinstance(self.transfer, Attendant)
        self.plan = plan
        self.transfer.connect(groups, plan)

    def answered_by(self, leg: UacLeg) -> None:
        """Somebody takes the appliance's place: the charged time begins."""
        self.seat(leg, Role.CALLEE)
        self._answered(leg)

    def use(self, bridge: Bridge) -> None:
        """The media of this call go over `bridge`."""
        self.bridge = bridge
        bridge.parties = self
        self.exchanges = Exchanges(bridge, self.disagree)

    def refuse(self, status: int, reason: bytes | None, headers: HeaderLines) -> None:
        """Answer the INVITE with a failure of the service's choice."""
        if isinstance(self.caller, UasLeg):
            self.caller.reject(status, reason, headers)
        self._over(Cause.of_status(status, (reason or b"").decode("utf-8", "replace")), EndedBy.APPLIANCE)

    # --- what the hunt asks and tells ---

    def description_for(self, target: Target) -> bytes | None:
        """The caller's offer as this target is to see it."""
        assert self.caller is not None
        offer = self.caller.negotiation.remote
        if offer is None:
            return None
        return self.bridge.offer(Role.CALLER, offer, target.flow.local[0], self.caller.local_address)

    def route_failed(self, target: Target, cause: Cause) -> None:
        """One target failed."""
        self.target = target
        self.switch.outbox.append(tell.RouteFailed(self.id, target, cause, self.switch.now))

    def hunt_failed(self, cause: Cause, headers: tell.CrossingHeaders) -> None:
        """Nobody answered."""
        if self.plan.diverts:
            self._failure = cause, headers
            self.switch.outbox.append(tell.HuntFailed(self.id, cause, self.switch.now))
            return
        cause = told(cause)
        if isinstance(self.caller, UasLeg):
            self.caller.reject(cause.status, None, (*headers, (b"Reason", cause.reason())))
        by = EndedBy.APPLIANCE if cause in (causes.NO_ANSWER, causes.NO_ROUTE) else EndedBy.CALLEE
        self._over(cause, by)

    def rang(self, leg: UacLeg, ring: tell.Ring) -> None:
        """A fork has a provisional answer: show it to the caller."""
        if self.times.ringing_at is None:
            self.times.ringing_at = self.switch.now
            self.target = leg.target
            self.switch.outbox.append(tell.CallRinging(self.id, leg.target, self.switch.now))
        if self.ringing is not None and self.hunt is not None:
            self.ringing.show(leg, ring, self.hunt.forks)

    def won(self, leg: UacLeg, answer: tell.Answer) -> None:
        """A fork answered: it is the callee now."""
        self.callee = leg
        leg.prack(answer.fork)
        self._answered(leg)
        assert self.ringing is not None
        try:
            self.ringing.connect(leg, answer)
        except MediaError:
            self.disagree()

    def _answered(self, leg: UacLeg) -> None:
        self.target, self.state = leg.target, CallState.ANSWERED
        self.times.answered_at = self.switch.now
        self.arm(Alarm.LIMIT, self.switch.now + self.plan.call_timeout_s)
        self.switch.outbox.append(tell.CallAnswered(self.id, leg.target, self.switch.now))

    # --- what the legs tell ---

    def hear(self, leg: Leg, event: LegEvent) -> None:
        """Something happened on one of the legs."""
        if self.state in (CallState.OVER, CallState.ABSORBED):
            return
        if self.transfer is not None and self.transfer.overhear(leg, event):
            return
        if isinstance(leg, UacLeg) and self.hunt is not None and leg in self.hunt.forks:
            self._hear_fork(leg, event)
            return
        match event:
            case tell.Hangup():
                self.end(event.cause, EndedBy(leg.role.value) if event.by_party else EndedBy.APPLIANCE)
            case tell.Refer():
                self._refer(leg, event)
            case _:
                conversation.hear(self, leg, event)

    def _hear_fork(self, leg: UacLeg, event: LegEvent) -> None:
        match event:
            case tell.Trying() | tell.Ring() | tell.Answer() | tell.Fail() | tell.Hangup():
                assert self.hunt is not None
                self.hunt.hear(leg, event)
            case _:
                conversation.hear(self, leg, event)

    def _refer(self, leg: Leg, event: tell.Refer) -> None:
        if not self.can_change(leg):
            leg.answer_ticket(event.ticket, 491)
            return
        change = Transfer(self, leg, event, self._named_call(event))
        self.transfer = change
        change.ask()

    def _named_call(self, event: tell.Refer) -> str | None:
        """The call whose party a REFER names; one that is not answered yet is transferred to blindly instead."""
        if event.replaces is None:
            return None
        call_id, to_tag, _ = event.replaces
        near = self.switch.dialogs.get((call_id, to_tag))
        other = near.listener if isinstance(near, Leg) else None
        return other.id if isinstance(other, Call) and other.state is CallState.ANSWERED else None

    def can_change(self, leg: Leg) -> bool:
        """Whether `leg` may be replaced: the call is answered and nothing of the kind is under way."""
        peer = self.peer_of(leg)
        settled = peer is not None and peer.state is LegState.CONFIRMED
        return self.state is CallState.ANSWERED and self.transfer is None and settled

    def identity_of(self, leg: Leg) -> Caller:
        """Who `leg` is, for a new party that is about to talk to it."""
        assert self.identity is not None
        if leg.role is Role.CALLER or self.target is None:
            return self.identity
        user = self.target.to_user.encode() if self.target.to_user is not None else self.target.uri.user or b""
        return replace(
            self.identity, user=user, display=b"", address=leg.flow.remote, crossing=(), trusted=(), private=False
        )

    def peer_of(self, leg: Leg) -> Leg | None:
        """Who is on the other side of `leg`; before the answer, the place whose media the caller was shown."""
        if leg is self.callee:
            return self.caller
        shown = self.ringing.shown if self.ringing is not None else None
        speaker = shown or self._only_fork()
        if leg is self.caller:
            return self.callee or speaker
        return self.caller if leg is speaker else None

    @property
    def answered(self) -> bool:
        """Whether there is, or was, a callee."""
        return self.times.answered_at is not None

    def signalling_address(self, role: Role) -> str:
        """Where this party's signalling comes from; "" while there is nobody."""
        callee = self.callee or (self.ringing.shown if self.ringing is not None else None) or self._only_fork()
        leg = self.caller if role is Role.CALLER else callee
        return "" if leg is None else leg.flow.remote[0]

    def _only_fork(self) -> Leg | None:
        forks = self.hunt.forks if self.hunt is not None else []
        return forks[0] if len(forks) == 1 else None

    def disagree(self) -> None:
        """Its sides cannot be made to agree on media."""
        self.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)

    # --- parties that change ---

    def seat(self, leg: Leg, role: Role) -> None:
        """`leg` takes this side of the call."""
        leg.listener, leg.role = self, role
        if role is Role.CALLER:
            self.caller = leg
        else:
            self.callee = leg

    def unseat(self) -> None:
        """Let all parties and media go without a word to anybody: the call was never taken up."""
        for leg in (self.caller, self.callee):
            if leg is not None:
                leg.over()
        self.bridge.release()

    def lend(self) -> None:
        """The far party is being asked over to another call: be deaf meanwhile."""
        self.state = CallState.ABSORBED

    def take_back(self, leg: Leg, role: Role) -> None:
        """The other call did not get the party after all."""
        self.state = CallState.ANSWERED
        self.seat(leg, role)
        near = self.peer_of(leg)
        if near is None or near.state is LegState.OVER:
            self.end(causes.NORMAL, EndedBy(role.other.value))

    def absorbed_by(self, other: "Call") -> None:
        """This call has no parties of its own any more; it runs, and ends, with the other one."""
        self.caller = self.callee = None
        self.bridge.release()
        self.bridge.show()
        self.state = CallState.ABSORBED
        self.bind(other)
        self.switch.outbox.append(tell.CallsJoined(other.id, self.id, self.switch.now))

    def lent_to(self, other: "Call", leg: Leg) -> None:
        """The only party of this call is the caller of the other one, with which it ends anyway."""
        leg.listener, leg.role = other, Role.CALLER
        self.callee, self.state = None, CallState.ABSORBED
        self.switch.outbox.append(tell.CallsJoined(other.id, self.id, self.switch.now))

    def bind(self, other: "Call") -> None:
        """The two end together."""
        self.partners.append(other)
        other.partners.append(self)

    # --- the end ---

    def fire(self, alarm: Alarm) -> None:
        """A timer of this call went off."""
        if alarm is Alarm.LIMIT:
            self.end(causes.TIME_LIMIT, EndedBy.APPLIANCE)
        elif alarm is Alarm.TRANSFER and self.transfer is not None:
            self.transfer.timed_out()

    def end(self, cause: Cause, by: EndedBy) -> None:
        """Hang up whoever is still there."""
        if self.state is CallState.OVER:
            return
        if self.answered and cause.status == 487:
            cause = replace(cause, status=200)  # no request was terminated: the call was hung up
        if self.transfer is not None:
            self.transfer.abandon(cause)
        if self.hunt is not None:
            self.hunt.stop(cause)
        for leg in (self.caller, self.callee):
            if isinstance(leg, UasLeg) and leg.state is LegState.SETUP:
                status = cause.status if cause.status >= 400 else 480
                leg.reject(status, None, ((b"Reason", cause.reason()),))
            elif leg is not None:
                leg.bye(cause)
        self._over(cause, by)

    def _over(self, cause: Cause, by: EndedBy) -> None:
        if self.state is CallState.OVER:
            return
        self.disarm_all()
        self.state = CallState.OVER
        self.exchanges.drop()
        self.bridge.release()
        for leg in (self.caller, self.callee):
            if leg is not None:
                leg.listener = None
        times = self.times
        self.switch.outbox.append(
            tell.CallEnded(
                self.id, cause, by, times.setup_at, times.ringing_at, times.answered_at, self.switch.now, self.target
            )
        )
        self._on_end(self)
        partners, self.partners = self.partners, []
        for partner in partners:
            partner.end(replace(cause), by)
