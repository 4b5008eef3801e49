"""An INVITE with Replaces: the newcomer takes the place of one party of a running call (RFC 3891).

The newcomer's offer goes to the kept party as a re-INVITE; when that has answered, the newcomer is answered and the
replaced party is let go. The newcomer's own call runs on beside the one it joined, and ends with it.
"""

from typing import TYPE_CHECKING

from pysrv.calls import causes
from pysrv.calls import events as tell
from pysrv.calls.causes import Cause
from pysrv.calls.events import Carrier, EndedBy, LegEvent
from pysrv.calls.leg import Leg
from pysrv.calls.uas import UasLeg
from pysrv.media.errors import MediaError

if TYPE_CHECKING:
    from pysrv.calls.call import Call


class Replacement:
    """One INVITE with Replaces and what becomes of it. Stands where a Transfer would: one at a time for a call."""

    __slots__ = ("_call", "_guest", "_kept", "_newcomer", "_replaced")

    def __init__(self, call: "Call", replaced: Leg, newcomer: "Call") -> None:
        kept, guest = call.peer_of(replaced), newcomer.caller
        assert kept is not None
        assert isinstance(guest, UasLeg)
        self._call, self._replaced, self._kept, self._newcomer, self._guest = call, replaced, kept, newcomer, guest

    joining = True

    def start(self) -> None:
        """Offer the newcomer's media to the kept party."""
        guest, kept, call = self._guest, self._kept, self._call
        offer = guest.negotiation.remote
        guest.listener, guest.role = self, self._replaced.role
        call.exchanges.abort()
        try:
            if offer is None:
                raise MediaError(488, "Replaces without an offer")
            sdp = call.bridge.offer(guest.role, offer, kept.local_address, guest.local_address)
        except MediaError as error:
            self._failed(error.status)
            return
        kept.negotiation.offer(sdp, Carrier.INVITE, retry=True)

    def overhear(self, leg: Leg, event: LegEvent) -> bool:
        """Something happened on a leg of the call; True: it was ours."""
        match event:
            case tell.Updated(own=True) if leg is self._kept:
                self._connect(event.sdp)
                return True
            case tell.UpdateFailed(own=True) if leg is self._kept:
                self._call.bridge.withdraw()
                self._failed(event.status)
                return True
            case _:
                return False

    def hear(self, _leg: Leg, event: LegEvent) -> None:
        """Something happened on the newcomer's leg."""
        if isinstance(event, tell.Hangup):
            self._call.transfer = None
            self._newcomer.end(event.cause, EndedBy.CALLER)

    def _connect(self, answer: bytes | None) -> None:
        call, guest, kept = self._call, self._guest, self._kept
        try:
            if answer is None:
                raise MediaError(488, "no answer")
            sdp = call.bridge.answer(kept.role, answer, guest.local_address, kept.local_address)
        except MediaError:
            call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            return
        call.transfer = None
        call.seat(guest, guest.role)
        self._replaced.bye(causes.REPLACED)
        self._newcomer.absorbed_by(call)
        guest.answer(sdp, (), call.plan.session_expires_s)
        call.bridge.show()

    def _failed(self, status: int) -> None:
        self._call.transfer = None
        self._guest.listener = self._newcomer
        self._newcomer.refuse(status, None, ())

    def abandon(self, cause: Cause) -> None:
        """The call ends: there is nobody to talk to."""
        self._call.transfer = None
        self._guest.listener = self._newcomer
        self._newcomer.refuse(481, None, ((b"Reason", cause.reason()),))

    def timed_out(self) -> None:
        """Not used: the re-INVITE ends by its own transaction."""
