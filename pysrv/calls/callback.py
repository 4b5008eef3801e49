"""A callback: the appliance calls a party first and, when it has answered, the one that it wants to talk to.

Two calls, because each of the two may cost something and lasts no longer than its own lease: the near one to the party
called first, and the far one, in which that party is the caller. They end together. The first party is asked for its
offer (RFC 3725 flow III: none of ours is in the INVITE, so that it picks from all that it knows); the ACK brings the
appliance's own answer, in which the party hears ringing; the other one is called with its offer, as after a transfer.
Flow I would leave the first 200 without an ACK while the other party rings, for longer than RFC 3261 13.3.1.4 allows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pysrv.calls import causes
from pysrv.calls import events as tell
from pysrv.calls.causes import Cause
from pysrv.calls.events import EndedBy, LegEvent, Role
from pysrv.calls.hunt import Hunt
from pysrv.calls.leg import Leg
from pysrv.calls.plan import CallPlan, Groups, Target
from pysrv.calls.uac import UacLeg
from pysrv.media.errors import MediaError

if TYPE_CHECKING:
    from pysrv.calls.call import Call


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two calls as the service wants it: its id, where to, and how."""

    call_id: str
    groups: Groups
    plan: CallPlan


class Callback:
    """The near call until its party has answered. Stands where a transfer would: one at a time for a call."""

    __slots__ = ("_far", "_goal", "_hunt", "_near")

    joining = False

    def __init__(self, near: "Call", far: "Call", goal: Half) -> None:
        """`far` has its bridge already; `goal` says whom it calls."""
        self._near, self._far, self._goal = near, far, goal
        self._hunt: Hunt | None = None

    @property
    def call_id(self) -> str:
        """The call that this is all about: what the first party is told belongs to it too."""
        return self._far.id

    def start(self, groups: Groups, plan: CallPlan) -> None:
        """Call the first party."""
        near = self._near
        assert near.identity is not None
        near.plan = plan
        self._hunt = Hunt(near.switch, self, Role.CALLEE, groups, plan, near.identity)
        self._hunt.start()

    # --- what the hunt asks and tells ---

    def description_for(self, _target: Target) -> bytes | None:
        """The party makes the offer."""
        return None

    def route_failed(self, target: Target, cause: Cause) -> None:
        """One target failed."""
        self._near.route_failed(target, cause)

    def rang(self, leg: UacLeg, ring: tell.Ring) -> None:
        """It rings there; nobody hears anything yet."""
        near = self._near
        if ring.reliable:
            leg.prack(ring.fork)
        if near.times.ringing_at is None:
            near.times.ringing_at, near.target = near.switch.now, leg.target
            near.switch.outbox.append(tell.CallRinging(near.id, leg.target, near.switch.now))

    def hunt_failed(self, cause: Cause, headers: tell.CrossingHeaders) -> None:
        """The party did not answer: the one that it wanted is not called at all."""
        near, far = self._near, self._far
        self._hunt, near.transfer = None, None
        near.partners.remove(far)
        far.partners.remove(near)
        near.hunt_failed(cause, headers)
        silent = cause in (causes.NO_ANSWER, causes.NO_ROUTE)
        far.end(cause, EndedBy.APPLIANCE if silent else EndedBy.CALLER)

    def won(self, leg: UacLeg, answer: tell.Answer) -> None:
        """The party answered: from here on it is the caller of the far call, which goes out."""
        near, far = self._near, self._far
        self._hunt, near.transfer = None, None
        leg.prack(answer.fork)
        near.callee = leg
        try:
            if answer.sdp is None:
                raise MediaError(488, "no offer in the answer to an INVITE without one")
            far.greet(leg, answer.sdp)
        except MediaError:
            near.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            return
        near.answered_by(leg)
        near.lent_to(far, leg)
        far.connect(self._goal.groups, self._goal.plan)

    def hear(self, leg: Leg, event: LegEvent) -> None:
        """Something happened on a leg that is being called."""
        if isinstance(leg, UacLeg) and self._hunt is not None and leg in self._hunt.forks:
            self._hunt.hear(leg, event)

    def overhear(self, _leg: Leg, _event: LegEvent) -> bool:
        """Nobody is there yet who could say anything."""
        return False

    # --- the end ---

    def abandon(self, cause: Cause) -> None:
        """The call ends: the ringing stops."""
        self._near.transfer = None
        if self._hunt is not None:
            self._hunt.stop(cause)
            self._hunt = None

    def timed_out(self) -> None:
        """Not used: the hunt bounds itself."""
