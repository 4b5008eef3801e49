"""Requests inside a dialog that leave the session as it is: INFO, MESSAGE, REFER, NOTIFY, SUBSCRIBE, OPTIONS.

Functions on one leg, without state of their own. What concerns the other side becomes an event; the rest is answered
here. Sources: RFC 6086 (INFO), 3428 (MESSAGE), 3515 and 4488 (REFER), 3891 (Replaces in Refer-To), 6665, 3261 11.2.
"""

from typing import TYPE_CHECKING

from pysrv.calls.crossing import MAX_BODY_BYTES, Where, crossing
from pysrv.calls.events import Note, NoteAnswered, Refer
from pysrv.calls.requests import Purpose
from pysrv.calls.switch import ALLOW, SDP, SUPPORTED
from pysrv.sip.errors import BadMessage
from pysrv.sip.events import TransactionKey
from pysrv.sip.grammar import unescape
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Request, Response

if TYPE_CHECKING:
    from pysrv.calls.leg import Leg

KEEP_ALIVE_EVENTS = frozenset((b"keep-alive", b"keepalive"))


def receive(leg: "Leg", key: TransactionKey, request: Request) -> None:
    """Serve one such request of the peer. Raises BadMessage with the status to answer."""
    match request.method:
        case b"INFO" | b"MESSAGE":
            _note(leg, key, request)
        case b"REFER":
            _refer(leg, key, request)
        case b"OPTIONS":
            leg.switch.reply(
                key, request, 200, headers=((b"Allow", ALLOW), (b"Accept", SDP), (b"Supported", SUPPORTED))
            )
        case b"NOTIFY":
            event = (request.headers.get(b"event") or b"").partition(b";")[0].strip().lower()
            leg.switch.reply(key, request, 200 if event in KEEP_ALIVE_EVENTS else 481)
        case _:  # SUBSCRIBE: nothing inside a call can be subscribed to
            leg.switch.reply(key, request, 489, headers=((b"Allow-Events", b"refer"),))


def answered(ticket: int, response: Response) -> NoteAnswered:
    """The peer's answer to a Note of the other side, with what of it may cross."""
    body = response.body if len(response.body) <= MAX_BODY_BYTES else b""
    headers = crossing(response, Where.NOTE) if body else ()
    return NoteAnswered(ticket, response.status, response.reason, headers, body)


def refer_target(value: bytes) -> tuple[NameAddr, tuple[bytes, bytes, bytes] | None]:
    """Refer-To as an address and, when it has Replaces, the dialog it names: Call-ID, to-tag, from-tag.

    Raises BadMessage.
    """
    target = NameAddr.parse(value)
    for name, text in target.uri.headers:
        if name.lower() == b"replaces" and text:
            return target, replaces(unescape(text))
    return target, None


def replaces(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Call-ID, to-tag and from-tag of a Replaces header (RFC 3891 6.1). Raises BadMessage."""
    call_id, *params = (part.strip() for part in value.split(b";"))
    tags = {name.strip().lower(): tag.strip() for name, _, tag in (param.partition(b"=") for param in params)}
    if not call_id or b"to-tag" not in tags or b"from-tag" not in tags:
        raise BadMessage(400, "Malformed Replaces")
    return call_id, tags[b"to-tag"], tags[b"from-tag"]


def _note(leg: "Leg", key: TransactionKey, request: Request) -> None:
    if len(request.body) > MAX_BODY_BYTES:
        raise BadMessage(413, "Body too large", request)
    headers = crossing(request, Where.NOTE)
    leg.tell(Note(leg.hold_ticket(key, request), request.method, headers, request.body))


def _refer(leg: "Leg", key: TransactionKey, request: Request) -> None:
    values = request.headers.get_all(b"refer-to")
    if len(values) != 1:
        raise BadMessage(400, "One Refer-To is needed", request)
    target, dialog = refer_target(values[0])
    if target.uri.scheme not in (b"sip", b"sips", b"tel"):
        raise BadMessage(416, "Unsupported Refer-To scheme", request)
    if (target.uri.param(b"method") or b"INVITE").upper() != b"INVITE":
        raise BadMessage(603, "Only calls can be transferred", request)
    leg.refers, leg.refer_seq = leg.refers + 1, request.cseq.number
    silent = (request.headers.get(b"refer-sub") or b"").partition(b";")[0].strip().lower() == b"false"
    ticket = leg.hold_ticket(key, request)
    leg.tell(Refer(ticket, target.uri, request.headers.get(b"referred-by"), silent, dialog))


def notify_refer(leg: "Leg", status_line: bytes, expires_s: int | None) -> None:
    """Tell the peer how its REFER goes on; `expires_s` None: this is the last word (RFC 3515 2.4.4 and 2.4.6)."""
    event = b"refer" if leg.refers == 1 else b"refer;id=%d" % leg.refer_seq
    state = b"terminated;reason=noresource" if expires_s is None else b"active;expires=%d" % expires_s
    headers = ((b"Event", event), (b"Subscription-State", state), (b"Content-Type", b"message/sipfrag;version=2.0"))
    leg.send_in_dialog(Purpose.NOTIFY, b"NOTIFY", headers, status_line + b"\r\n")
