"""What one REGISTER asks for: its contacts as bindings, their lifetimes, whether it speaks RFC 5626.

Knows the request alone, no table of bindings. RFC 3261 sections 10.2 and 10.3, RFC 3327, RFC 5626 section 6.
"""

from dataclasses import dataclass, replace
from typing import Final

from pysrv.calls.bindings import Binding, q_of
from pysrv.sip.events import Flow
from pysrv.sip.grammar import unquote
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Request

HOUR_S: Final = 3600
_MAX_URI_BYTES: Final = 512
_MAX_PATH_BYTES: Final = 2048
_MAX_INSTANCE_BYTES: Final = 256
_MAX_USER_AGENT_BYTES: Final = 128

Headers = tuple[tuple[bytes, bytes], ...]


class Refused(Exception):
    """A REGISTER that changes nothing: the final status, its reason phrase and headers that belong to it."""

    def __init__(self, status: int, reason: str, headers: Headers = ()) -> None:
        super().__init__(f"{status} {reason}")
        self.status, self.reason, self.headers = status, reason, headers


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long bindings may live, in seconds."""

    least_s: int = 60
    most_s: int = HOUR_S
    default_s: int = HOUR_S


def granted(contact: NameAddr, header: int | None, lifetimes: Lifetimes) -> int:
    """The seconds for one contact, 0 to remove it; `header` is Expires. Raises Refused (423).

    A malformed parameter counts as one hour (10.2.1.1); below one hour a registrar may refuse, never above (10.3).
    """
    text = contact.param(b"expires")
    if text is None:
        asked = lifetimes.default_s if header is None else header
    else:
        asked = int(text) if text.isdigit() and len(text) <= 10 else HOUR_S
    if 0 < asked < min(lifetimes.least_s, HOUR_S):
        raise Refused(423, "Interval Too Brief", ((b"min-expires", b"%d" % lifetimes.least_s),))
    return min(asked, lifetimes.most_s)


def asked_binding(aor: str, contact: NameAddr, request: Request, flow: Flow, outbound: bool) -> Binding:
    """The binding that `contact` stands for, its times left at 0. Raises Refused (400), BadMessage."""
    uri = replace(contact.uri, headers=())
    if uri.scheme not in (b"sip", b"sips"):
        raise Refused(400, "Contact must be a SIP URI")
    path = tuple(request.headers.split(b"path"))
    reg_id = _reg_id(contact) if outbound else 0
    instance_id = unquote(contact.param(b"+sip.instance") or b"") if reg_id else b""
    sizes = (len(uri.to_bytes()), _MAX_URI_BYTES), (sum(map(len, path)), _MAX_PATH_BYTES)
    if any(size > most for size, most in (*sizes, (len(instance_id), _MAX_INSTANCE_BYTES))):
        raise Refused(400, "Contact or Path too long")
    return Binding(
        aor=aor,
        contact=uri,
        flow=flow,
        expires_at=0.0,
        call_id=request.call_id,
        cseq=request.cseq.number,
        instance_id=instance_id,
        reg_id=reg_id,
        user_agent=(request.headers.get(b"user-agent") or b"")[:_MAX_USER_AGENT_BYTES],
        q=q_of(contact),
        path=path,
    )


def _reg_id(contact: NameAddr) -> int:
    """The reg-id that counts: only beside an instance, from 1 to 2**31-1 (RFC 5626 section 11.2); else 0."""
    text = contact.param(b"reg-id") or b""
    if not contact.param(b"+sip.instance") or not text.isdigit() or len(text) > 10:
        return 0
    return int(text) if int(text) < 2**31 else 0


def asks_outbound(request: Request, contacts: list[NameAddr]) -> bool:
    """Whether the request asks for RFC 5626, by the rules of its section 6. Raises Refused."""
    marked = [contact for contact in contacts if _reg_id(contact)]
    if not marked or b"outbound" not in request.supported:
        return False
    if len(marked) > 1:
        raise Refused(400, "More Than One reg-id")
    if len(request.vias) > 1:
        nearest = request.headers.split(b"path")[-1:]
        if not nearest or NameAddr.parse(nearest[0]).uri.param(b"ob") is None:
            raise Refused(439, "First Hop Lacks Outbound Support")
    return True


def check_order(old: Binding, call_id: bytes, cseq: int) -> None:
    """A request older than the one that made a binding must not change it (10.3 step 7)."""
    if old.call_id == call_id and cseq <= old.cseq:
        raise Refused(500, "CSeq Out of Order")
