"""What the caller is shown of those who ring for it, and of the one who answers.

One place at a time has the caller's ear: its media, its reliable answers. When another place takes over with another
description, the caller sees a new early dialog, as behind a forking proxy (RFC 3261 13.2.2.4). A reliable answer is
confirmed end to end where the caller can do it, else by us (RFC 3262). RFC 6337 says when a description is repeated.
"""

from collections import deque
from collections.abc import Sequence

from pysrv.calls.bridge import Bridge
from pysrv.calls.events import Answer, Ring, Role
from pysrv.calls.plan import CallPlan
from pysrv.calls.uac import UacLeg
from pysrv.calls.uas import UasLeg
from pysrv.media.errors import MediaError

Place = tuple[UacLeg, bytes]  # a fork of ours and, behind it, the To tag of whoever rings


class Ringing:
    """The caller's side of a hunt."""

    __slots__ = ("_bridge", "_caller", "_confirming", "_plan", "_shown", "offerless")

    def __init__(self, caller: UasLeg, bridge: Bridge, plan: CallPlan) -> None:
        self._caller, self._bridge, self._plan = caller, bridge, plan
        self._shown: Place | None = None  # whose media the caller was shown
        self._confirming: deque[Place] = deque()  # whose ringing the caller has still to confirm
        self.offerless = caller.negotiation.remote is None  # and the callee's offer is not answered yet

    @property
    def shown(self) -> UacLeg | None:
        """The fork whose media the caller was shown."""
        return None if self._shown is None else self._shown[0]

    def show(self, leg: UacLeg, ring: Ring, forks: Sequence[UacLeg]) -> None:
        """A fork rings; `forks` are all that still do."""
        caller, place = self._caller, (leg, ring.fork)
        sdp = self._early_media(place, ring.sdp, forks)
        mirrored = ring.reliable and caller.takes_rel and self._shown in (None, place)
        if ring.reliable and (not mirrored or (ring.sdp is not None and sdp is None)):
            leg.prack(ring.fork)
            mirrored = False
        if self.offerless and caller.wants_rel:
            return  # every ringing would have to carry an offer, which nobody has made yet
        reliable = mirrored or caller.wants_rel
        if reliable:
            self._confirming.append(place)
        caller.ring(ring.status, b"", sdp, ring.headers, reliable=reliable)

    def _early_media(self, place: Place, sdp: bytes | None, forks: Sequence[UacLeg]) -> bytes | None:
        if sdp is None or self._plan.block_early_media or self.offerless:
            return None
        if self._shown is not None and self._shown != place and self._shown[0] in forks:
            return None
        try:
            seen = self._bridge.answer(Role.CALLEE, sdp, self._caller.local_address, place[0].local_address)
        except MediaError:
            return None
        self._turn_to(place, seen)
        self._shown = place
        self._bridge.show()
        return seen

    def _turn_to(self, place: Place, seen: bytes) -> None:
        """Begin another early dialog if the caller was shown another description by somebody else."""
        if self._shown not in (None, place) and seen != self._caller.negotiation.local:
            self._confirming.clear()
            self._caller.rebranch()

    def confirmed(self) -> Place | None:
        """The caller has confirmed its oldest reliable answer: whose it was."""
        return self._confirming.popleft() if self._confirming else None

    def connect(self, leg: UacLeg, answer: Answer) -> None:
        """A fork answered: so does our leg to the caller. Raises MediaError when the two cannot be connected."""
        caller, place = self._caller, (leg, answer.fork)
        if answer.sdp is None:
            raise MediaError(488, "no session description in the answer")
        expires_s = self._plan.session_expires_s
        if self.offerless:
            offer = self._bridge.offer(Role.CALLEE, answer.sdp, caller.local_address, leg.local_address)
            caller.answer(offer, answer.headers, expires_s)
            return
        seen: bytes | None = None
        if self._shown != place or not caller.settled:
            seen = self._bridge.answer(Role.CALLEE, answer.sdp, caller.local_address, leg.local_address)
            self._turn_to(place, seen)
        leg.confirm(None)
        caller.answer(seen, answer.headers, expires_s)
        self._bridge.show()
