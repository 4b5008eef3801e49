"""Whom an event of the endpoint is for: the leg of its transaction or dialog, or a call that begins with it.

Functions on the switch's tables. Sources: RFC 3261 8.2, 12.2.2, 16.3 (loops); RFC 3891 (Replaces); RFC 4028 section 9
(422).
"""

from collections.abc import Callable

from pysrv.calls import notes, session_timer
from pysrv.calls.leg import Leg, LegState
from pysrv.calls.switch import HeaderLines, Switch
from pysrv.calls.uac import UacLeg
from pysrv.sip import events as sip
from pysrv.sip.errors import BadMessage
from pysrv.sip.message import Request

# Methods that may belong to something else than a call although they have a To tag.
_NOT_OURS = frozenset((b"REGISTER", b"PUBLISH", b"SUBSCRIBE", b"NOTIFY", b"OPTIONS", b"MESSAGE"))

Begin = Callable[[sip.RequestReceived], None]
"""Begins a call with an INVITE."""


def dispatch(switch: Switch, event: sip.Event, begin: Begin) -> bool:
    """Give an event of the endpoint to the leg that it is for; False: it is not about a call."""
    match event:
        case sip.RequestReceived():
            return _request(switch, event, begin)
        case sip.AckReceived():
            return _ack(switch, event)
        case sip.MalformedReceived():
            return False
        case _:
            party = switch.transactions.get(event.key)
            if party is None:
                return False
    match event:
        case sip.ResponseReceived():
            party.receive_response(event.key, event.response)
        case sip.Cancelled():
            party.cancelled(event.key)
        case sip.AckTimedOut():
            party.unacknowledged(event.key)
        case sip.RequestTimedOut():
            party.unanswered(event.key, 408)
        case sip.TransportFailed() if event.key[:1] == b">":  # a server transaction goes on without it
            party.unanswered(event.key, 503)
    return True


def _ack(switch: Switch, event: sip.AckReceived) -> bool:
    party = switch.transactions.get(event.key) if event.key is not None else None
    if party is None or event.key is None:
        return False
    party.receive_ack(event.key, event.request)
    return True


def _request(switch: Switch, event: sip.RequestReceived, begin: Begin) -> bool:
    request = event.request
    tag = request.to.tag
    if tag is None:
        if request.method == b"INVITE":
            _fresh(switch, event, begin)
            return True
        return False
    party = switch.dialogs.get((request.call_id, tag))
    if party is not None:
        party.receive_request(event.key, request, event.flow)
        return True
    if request.method in _NOT_OURS:
        return False
    switch.refuse_stranger(request, 481, event.flow)
    return True


def _fresh(switch: Switch, event: sip.RequestReceived, begin: Begin) -> None:
    """An INVITE outside of any dialog: it may be a loop, or want a shorter session than we keep up."""
    try:
        objection = _objection(switch, event.request)
    except BadMessage as error:
        objection = error.status, ()
    if objection is None:
        begin(event)
    else:
        switch.reply(event.key, event.request, objection[0], headers=objection[1])


def _objection(switch: Switch, request: Request) -> tuple[int, HeaderLines] | None:
    ours = switch.dialogs.get((request.call_id, request.from_.tag or b""))
    if isinstance(ours, UacLeg) and ours.target.uri.user == request.uri.user:
        return 482, ()  # what we sent came back to us unchanged
    if request.body and request.content_type != b"application/sdp":
        return 415, ((b"Accept", b"application/sdp"),)
    short = session_timer.of_request(request, switch.config.min_se_s, switch.config.min_se_s)
    if isinstance(short, session_timer.TooShort):
        return 422, short.headers
    return None


def replaced(switch: Switch, request: Request) -> Leg | None:
    """The leg that an INVITE wants to replace. Raises BadMessage (481) when there is none."""
    values = request.headers.get_all(b"replaces")
    if not values:
        return None
    if len(values) > 1:
        raise BadMessage(400, "more than one Replaces", request)
    leg = named(switch, notes.replaces(values[0]))
    if leg is None or leg.state is not LegState.CONFIRMED:
        raise BadMessage(481, "no such dialog to replace", request)
    if b"early-only" in values[0].lower():
        raise BadMessage(486, "the dialog is confirmed", request)
    return leg


def named(switch: Switch, dialog: tuple[bytes, bytes, bytes]) -> Leg | None:
    """Our leg of a dialog that the peer names: Call-ID, our tag (to-tag), its tag (from-tag)."""
    call_id, to_tag, from_tag = dialog
    leg = switch.dialogs.get((call_id, to_tag))
    if not isinstance(leg, Leg) or leg.dialog is None or (leg.dialog.remote.tag or b"0") != from_tag:
        return None
    return leg
