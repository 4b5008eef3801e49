"""The search for somebody who answers: groups of targets one after the other, those of a group at once.

The first 2xx wins, all others are given up. Which failures go on to the next group is in `failover.py`. A target that
stays silent for the plan's call_init_timeout_s has failed; one that rings may do so for ring_timeout_s, all together.
"""

from dataclasses import replace
from typing import Protocol

from pysrv.calls.causes import ELSEWHERE, NO_ANSWER, UNANSWERED_ROUTE, Cause
from pysrv.calls.events import Answer, CrossingHeaders, Fail, Hangup, LegEvent, Ring, Role, Trying
from pysrv.calls.failover import best, fails_over
from pysrv.calls.invitation import Caller, invitation
from pysrv.calls.leg import Listener
from pysrv.calls.plan import CallPlan, Groups, Target, TargetKind
from pysrv.calls.switch import Alarm, Switch, Timed
from pysrv.calls.uac import UacLeg
from pysrv.media.errors import MediaError
from pysrv.sip.uri import Uri


class HuntOwner(Listener, Protocol):
    """Who wants somebody to answer."""

    def description_for(self, target: Target) -> bytes | None:
        """The offer for a target, None to ask for one. Raises MediaError."""

    def rang(self, leg: UacLeg, ring: Ring) -> None:
        """A fork has a provisional answer."""

    def won(self, leg: UacLeg, answer: Answer) -> None:
        """A fork answered; all others were given up."""

    def route_failed(self, target: Target, cause: Cause) -> None:
        """One target failed."""

    def hunt_failed(self, cause: Cause, headers: CrossingHeaders) -> None:
        """Nobody answered."""


class Hunt(Timed):
    """One search."""

    __slots__ = (
        "_caller",
        "_failures",
        "_final",
        "_group",
        "_groups",
        "_headers",
        "_heard",
        "_owner",
        "_plan",
        "_redirects",
        "_rings",
        "_role",
        "forks",
    )  # fmt: skip

    def __init__(
        self, switch: Switch, owner: HuntOwner, role: Role, groups: Groups, plan: CallPlan, caller: Caller
    ) -> None:
        super().__init__(switch)
        self._owner, self._role, self._groups, self._plan, self._caller = owner, role, groups, plan, caller
        self.forks: list[UacLeg] = []
        self._group = 0
        self._heard: set[UacLeg] = set()
        self._failures: list[Cause] = []
        self._headers: CrossingHeaders = ()
        self._final = False  # a failure that no other target can mend
        self._redirects = 0
        self._rings = False

    def start(self) -> None:
        """Call the first group."""
        self._next_group()

    def stop(self, cause: Cause) -> None:
        """Give up everything."""
        self.disarm_all()
        forks, self.forks = self.forks, []
        for leg in forks:
            leg.cancel(cause)

    def hear(self, leg: UacLeg, event: LegEvent) -> None:
        """Something happened on one of the forks."""
        match event:
            case Trying():
                self._alive(leg)
            case Ring():
                self._alive(leg)
                self._owner.rang(leg, event)
            case Answer():
                self.forks.remove(leg)
                self.stop(ELSEWHERE)
                self._owner.won(leg, event)
            case Fail():
                self.forks.remove(leg)
                self._failed(leg.target, event)
                self._go_on()
            case Hangup():
                self.forks.remove(leg)
                leg.cancel(event.cause)
                self._failed(leg.target, Fail(event.cause))
                self._go_on()
            case _:
                pass

    def fire(self, alarm: Alarm) -> None:
        """INIT: who has not said anything has failed. RING: nobody answers."""
        if alarm is Alarm.RING:
            self.stop(NO_ANSWER)
            self._owner.hunt_failed(NO_ANSWER, ())
        elif alarm is Alarm.INIT:
            self._drop_silent()
            self._go_on()

    def _alive(self, leg: UacLeg) -> None:
        self._heard.add(leg)
        if not self._rings:
            self._rings = True
            self.arm(Alarm.RING, self.switch.now + self._plan.ring_timeout_s)

    def _drop_silent(self) -> None:
        for leg in [leg for leg in self.forks if leg not in self._heard]:
            self.forks.remove(leg)
            leg.cancel(UNANSWERED_ROUTE)
            self._failed(leg.target, Fail(UNANSWERED_ROUTE))

    def _next_group(self) -> None:
        """Call the next group that can be called at all."""
        while self._group < len(self._groups) and not self.forks and not self._final:
            group = self._groups[self._group][: self.switch.config.max_forks]
            self._group += 1
            self._heard.clear()
            for target in group:
                self._call(target)
        if self.forks:
            self.arm(Alarm.INIT, self.switch.now + self._plan.call_init_timeout_s)
        else:
            self.disarm_all()
            self._owner.hunt_failed(best(self._failures), self._headers)

    def _call(self, target: Target) -> None:
        try:
            sdp = self._owner.description_for(target)
        except MediaError as error:
            self._failed(target, Fail(Cause.of_status(error.status, error.reason)))
            return
        token = self.switch.tokens
        invite = invitation(target, self._plan, self._caller, token() + token(), token())
        leg = UacLeg(self.switch, self._owner, self._role, invite, sdp, self._plan.session_expires_s)
        self.forks.append(leg)

    def _failed(self, target: Target, fail: Fail) -> None:
        self._failures.append(fail.cause)
        if best(self._failures) is fail.cause:
            self._headers = fail.headers
        self._owner.route_failed(target, fail.cause)
        if self._plan.follow_redirects and fail.redirects:
            self._redirect(target, fail.redirects)
        elif not fails_over(fail.cause.status, target.kind):
            self._final = True
            if fail.cause.status >= 600:
                self.stop(fail.cause)

    def _redirect(self, target: Target, contacts: tuple[Uri, ...]) -> None:
        """Ask the same peer again for the places that it named: where it sends us is its own business."""
        for uri in contacts:
            if self._redirects >= self.switch.config.max_redirects or target.kind is not TargetKind.TRUNK:
                return
            if uri.scheme in (b"sip", b"sips", b"tel"):
                self._redirects += 1
                self._call(replace(target, uri=replace(uri, headers=())))

    def _go_on(self) -> None:
        if not self.forks:
            self._next_group()
