"""An INVITE with Replaces: the newcomer takes the place of one party of a running call (RFC 3891).

The newcomer's offer goes to the kept party as a re-INVITE; when that has answered, the newcomer is answered and the
replaced party is let go. The newcomer's own call runs on beside the one it joined, and ends with it.
"""

from typing import TYPE_CHECKING

from pysrv.calls import causes
from pysrv.calls import events as tell
from pysrv.calls.causes import Cause
from pysrv.calls.events import Carrier, EndedBy, LegEvent
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.uas import UasLeg
from pysrv.media.errors import MediaError

if TYPE_CHECKING:
    from pysrv.calls.call import Call


class Replacement:
    """One INVITE with Replaces and what becomes of it. Stands where a Transfer would: one at a time for a call."""

    __slots__ = ("_call", "_guest", "_kept", "_newcomer", "_replaced", "_restoring")

    def __init__(self, call: "Call", replaced: Leg, newcomer: "Call") -> None:
        kept, guest = call.peer_of(replaced), newcomer.caller
        assert kept is not None
        assert isinstance(guest, UasLeg)
        self._call, self._replaced, self._kept, self._newcomer, self._guest = call, replaced, kept, newcomer, guest
        self._restoring = False  # the newcomer left when the kept party had agreed already

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
                self._agreed(event.sdp)
                return True
            case tell.UpdateFailed(own=True) if leg is self._kept:
                self._refused(event.status)
                return True
            case _:
                return False

    def hear(self, _leg: Leg, event: LegEvent) -> None:
        """Something happened on the newcomer's leg."""
        if isinstance(event, tell.Hangup):
            self._kept.negotiation.cancel()
            self._newcomer.end(event.cause, EndedBy.CALLER)

    def _agreed(self, answer: bytes | None) -> None:
        """The kept party has taken the newcomer's offer, or its old peer's again."""
        call, guest, kept = self._call, self._guest, self._kept
        try:
            if answer is None:
                raise MediaError(488, "no answer")
            sdp = call.bridge.answer(kept.role, answer, guest.local_address, kept.local_address)
            if not self._restoring and guest.state is not LegState.SETUP:
                self._restore()
                return
        except MediaError:
            call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
            return
        call.transfer = None
        if self._restoring:
            call.bridge.show()
        else:
            self._connect(sdp)

    def _restore(self) -> None:
        """The newcomer is gone: the kept party talks to its old peer again. Raises MediaError."""
        self._restoring = True
        old, kept = self._replaced, self._kept
        if old.negotiation.remote is None:
            raise MediaError(488, "nothing to return to")
        sdp = self._call.bridge.offer(old.role, old.negotiation.remote, kept.local_address, old.local_address)
        kept.negotiation.offer(sdp, Carrier.INVITE, retry=True)

    def _refused(self, status: int) -> None:
        self._call.bridge.withdraw()
        if self._restoring:
            self._call.end(causes.BAD_MEDIA, EndedBy.APPLIANCE)
        else:
            self._failed(status)

    def _connect(self, sdp: bytes) -> None:
        call, guest = self._call, self._guest
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
