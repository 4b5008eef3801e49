"""What the parties of a call tell each other: changes of the session, confirmations, and notes that leave it as it is.

Functions on one call, without state of their own: an event of one leg becomes a request, or an answer, of the other.
"""

from typing import TYPE_CHECKING

from pysrv.calls import events as tell
from pysrv.calls.events import LegEvent
from pysrv.calls.failover import rule_of
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.uac import UacLeg
from pysrv.media.errors import MediaError

if TYPE_CHECKING:
    from pysrv.calls.call import Call


def hear(call: "Call", leg: Leg, event: LegEvent) -> None:
    """A party has said something that is for the other one; what is not, is passed over."""
    match event:
        case tell.Update():
            _update(call, leg, event)
        case tell.UpdateWithdrawn():
            call.exchanges.withdrawn(leg, event.ticket)
        case tell.Updated():
            call.exchanges.updated(leg, event.sdp)
        case tell.UpdateFailed():
            call.exchanges.failed(leg, event.status, event.reason)
        case tell.RingConfirmed():
            _ring_confirmed(call, leg, event)
        case tell.Confirm():
            _confirmed(call, leg, event)
        case tell.Note():
            _note(call, leg, event)
        case tell.NoteAnswered():
            _note_answered(call, leg, event)
        case _:
            pass


def _update(call: "Call", leg: Leg, event: tell.Update) -> None:
    peer = call.peer_of(leg)
    if peer is None or (call.transfer is not None and call.transfer.joining):
        leg.negotiation.refuse(event.ticket, 491)
    else:
        call.exchanges.ask(leg, event, peer)


def _ring_confirmed(call: "Call", leg: Leg, event: tell.RingConfirmed) -> None:
    place = call.ringing.confirmed() if call.ringing is not None else None
    if event.ticket is None or event.sdp is None:
        if place is not None:
            place[0].prack(place[1])
    elif place is None:
        leg.negotiation.refuse(event.ticket, 488)
    else:
        fork, tag = place
        update = tell.Update(event.ticket, tell.Carrier.PRACK, event.sdp)
        call.exchanges.ask(leg, update, fork, confirm=lambda sdp: fork.prack(tag, sdp))


def _confirmed(call: "Call", leg: Leg, event: tell.Confirm) -> None:
    callee, ringing = call.callee, call.ringing
    if ringing is None or not ringing.offerless or leg is not call.caller or callee is None:
        call.exchanges.confirmed(leg, event.sdp)
        return
    ringing.offerless = False
    try:
        if event.sdp is None:
            raise MediaError(488, "no answer in the ACK")
        sdp = call.bridge.answer(leg.role, event.sdp, callee.local_address, leg.local_address)
    except MediaError:
        call.disagree()
        return
    if isinstance(callee, UacLeg):
        callee.confirm(sdp)
    call.bridge.show()


def _note(call: "Call", leg: Leg, event: tell.Note) -> None:
    peer = call.peer_of(leg)
    if peer is None or peer.dialog is None or peer.state not in (LegState.SETUP, LegState.CONFIRMED):
        leg.answer_ticket(event.ticket, 480)
    elif peer.peer_allows and event.method not in peer.peer_allows:
        leg.answer_ticket(event.ticket, 405)
    else:
        peer.send_note(event.method, event.headers, event.body, event.ticket)


def _note_answered(call: "Call", leg: Leg, event: tell.NoteAnswered) -> None:
    peer = call.peer_of(leg)
    if peer is not None:
        status = rule_of(event.status).told or event.status
        peer.answer_ticket(event.ticket, status, None, event.headers, event.body)
