"""One offer/answer exchange that crosses a running call: from the leg that asked to the other one and back.

Re-INVITE stays re-INVITE, UPDATE stays UPDATE where the other side takes it. A failure leaves both sides with what
they had (RFC 3264 section 8); only an answer that cannot be passed on ends the call, for the sides then disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pysrv.calls.bridge import Bridge
from pysrv.calls.events import Carrier, Update
from pysrv.calls.leg import Leg
from pysrv.media.errors import MediaError


@dataclass(slots=True)
class Open:
    """An exchange under way. `bare`: the asker gave no offer, so the offer is the other side's."""

    asker: Leg
    ticket: int
    asked: Leg
    bare: bool
    confirming: bool = False  # the asked side's offer is with the asker, whose ACK will answer it


class Exchanges:
    """At most one exchange at a time of one call. `broken` is called when the sides cannot be made to agree."""

    __slots__ = ("_bridge", "_broken", "_open")

    def __init__(self, bridge: Bridge, broken: Callable[[], None]) -> None:
        self._bridge, self._broken = bridge, broken
        self._open: Open | None = None

    @property
    def busy(self) -> bool:
        """Whether one is under way."""
        return self._open is not None

    def ask(self, asker: Leg, update: Update, asked: Leg, *, confirm: Callable[[bytes], bool] | None = None) -> None:
        """`asker` wants to change the session with `asked`. `confirm` sends a PRACK with the offer, if it can."""
        if self._open is not None:
            asker.negotiation.refuse(update.ticket, 491)
            return
        sdp: bytes | None = None
        if update.sdp is not None:
            try:
                sdp = self._bridge.offer(asker.role, update.sdp, asked.local_address, asker.local_address)
            except MediaError as error:
                asker.negotiation.refuse(update.ticket, error.status)
                return
        self._open = Open(asker, update.ticket, asked, bare=sdp is None)
        carrier = update.carrier
        if carrier is Carrier.PRACK and sdp is not None:
            if confirm is not None and confirm(sdp):
                return
            carrier = Carrier.UPDATE
        asked.negotiation.offer(sdp, carrier)

    def updated(self, asked: Leg, sdp: bytes | None) -> None:
        """The asked side has accepted; `sdp` is its answer, or its offer when none was given."""
        held = self._open
        if held is None or held.asked is not asked:
            return
        try:
            told = self._pass_on(held, sdp)
        except MediaError:
            held.asker.negotiation.refuse(held.ticket, 488)
            self._open = None
            self._broken()
            return
        held.asker.negotiation.accept(held.ticket, told)
        if held.bare and told is not None:
            held.confirming = True
        else:
            self._open = None
            self._bridge.show()

    def _pass_on(self, held: Open, sdp: bytes | None) -> bytes | None:
        role, to_ip, from_ip = held.asked.role, held.asker.local_address, held.asked.local_address
        if sdp is None:
            return None
        if held.bare:
            return self._bridge.offer(role, sdp, to_ip, from_ip)
        return self._bridge.answer(role, sdp, to_ip, from_ip)

    def failed(self, asked: Leg, status: int, reason: bytes) -> None:
        """The asked side has refused."""
        held = self._open
        if held is not None and held.asked is asked:
            self._open = None
            self._bridge.withdraw()
            held.asker.negotiation.refuse(held.ticket, _told(status), reason if _told(status) == status else b"")

    def withdrawn(self, asker: Leg, ticket: int) -> None:
        """The asker has cancelled: pass that on; the answer decides."""
        held = self._open
        if held is not None and held.asker is asker and held.ticket == ticket:
            held.asked.negotiation.cancel()

    def confirmed(self, asker: Leg, sdp: bytes | None) -> None:
        """The asker's ACK: the answer to the asked side's offer."""
        held = self._open
        if held is None or held.asker is not asker or not held.confirming:
            return
        self._open = None
        try:
            if sdp is None:
                raise MediaError(488, "no answer in the ACK")
            answer = self._bridge.answer(asker.role, sdp, held.asked.local_address, asker.local_address)
        except MediaError:
            held.asked.negotiation.confirm(None)
            self._broken()
            return
        held.asked.negotiation.confirm(answer)
        self._bridge.show()

    def abort(self) -> None:
        """One of the sides is being replaced: the asker may try again with the new one."""
        held, self._open = self._open, None
        if held is not None and not held.confirming:
            held.asker.negotiation.refuse(held.ticket, 491)

    def drop(self) -> None:
        """The call is over."""
        self._open = None


def _told(status: int) -> int:
    """A challenge or a dead dialog of one side is no business of the other."""
    return {401: 488, 407: 488, 408: 500, 481: 500, 503: 500}.get(status, status)
