"""A dialog: what two user agents remember of each other between requests.

Knows messages and one flow; no transaction, no timer. Sources: RFC 3261 section 12 (construction, route sets, strict
routers, target refresh, order of CSeq), 13.2.2.4 (the 2xx decides the route set), RFC 6665 (SUBSCRIBE, NOTIFY and
REFER refresh the target too).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pysrv.sip.errors import BadMessage
from pysrv.sip.events import Flow
from pysrv.sip.headers import NameAddr
from pysrv.sip.message import Message, Request, Response
from pysrv.sip.uri import Uri

MAX_CSEQ = 2**31 - 1
TARGET_REFRESH = frozenset((b"INVITE", b"UPDATE", b"SUBSCRIBE", b"NOTIFY", b"REFER"))

DialogId = tuple[bytes, bytes, bytes]
HeaderLines = Iterable[tuple[bytes, bytes]]


class OutOfOrder(BadMessage):
    """A request whose CSeq is not above the last one of its dialog: answer 500 (12.2.2)."""

    def __init__(self, request: Request) -> None:
        super().__init__(500, "CSeq Out of Order", request)


@dataclass(slots=True, kw_only=True)
class Dialog:
    """One dialog, early or confirmed. `local` and `remote` are our and their From/To values, tags included."""

    call_id: bytes
    local: NameAddr
    remote: NameAddr
    local_contact: bytes  # the value of our Contact header
    remote_target: Uri
    route_set: tuple[NameAddr, ...]  # in the order of our Route headers
    flow: Flow
    local_seq: int  # CSeq of the last request that we sent; 0: none yet
    remote_seq: int | None  # of the last that they sent
    confirmed: bool

    @classmethod
    def uas(cls, request: Request, local_tag: bytes, local_contact: bytes, flow: Flow) -> "Dialog":
        """The dialog that our answer to `request` makes (12.1.1). Raises BadMessage (400) without a usable Contact."""
        return cls(
            call_id=request.call_id,
            local=request.to.with_tag(local_tag),
            remote=request.from_,
            local_contact=local_contact,
            remote_target=_contact(request),
            route_set=tuple(request.record_routes),
            flow=flow,
            local_seq=0,
            remote_seq=request.cseq.number,
            confirmed=False,
        )

    @classmethod
    def uac(cls, request: Request, response: Response, flow: Flow) -> "Dialog":
        """The dialog that `response` (101-299, with a To tag) to our `request` makes (12.1.2). Raises BadMessage."""
        confirmed = response.status >= 200
        early_target = None if confirmed else request.uri
        return cls(
            call_id=request.call_id,
            local=request.from_,
            remote=response.to,
            local_contact=request.headers.get(b"contact") or b"",
            remote_target=_contact(response, early_target),
            route_set=tuple(reversed(response.record_routes)),
            flow=flow,
            local_seq=request.cseq.number,
            remote_seq=None,
            confirmed=confirmed,
        )

    @property
    def id(self) -> DialogId:
        """Call-ID, local tag, remote tag (b"" where an RFC 2543 peer gave none)."""
        return self.call_id, self.local.tag or b"", self.remote.tag or b""

    def request(self, method: bytes, headers: HeaderLines = (), body: bytes = b"") -> Request:
        """The next request inside the dialog (12.2.1.1), without Via: the endpoint adds that."""
        if self.local_seq >= MAX_CSEQ:
            raise ValueError("the dialog has used up its CSeq numbers")
        self.local_seq += 1
        lines = [(b"contact", self.local_contact)] if method in TARGET_REFRESH and self.local_contact else []
        return self._build(method, self.local_seq, [*lines, *headers], body)

    def ack(self, invite_cseq: int, headers: HeaderLines = (), body: bytes = b"") -> Request:
        """The ACK of the 2xx to our INVITE numbered `invite_cseq` (13.2.2.4)."""
        return self._build(b"ACK", invite_cseq, headers, body)

    def receive(self, request: Request) -> None:
        """Take a request of the peer into account: its CSeq and, if it refreshes the target, its Contact (12.2.2).

        ACK and CANCEL have the number of their INVITE and change nothing. Raises OutOfOrder, and BadMessage.
        """
        if request.method in (b"ACK", b"CANCEL"):
            return
        number = request.cseq.number
        if self.remote_seq is not None and number <= self.remote_seq:
            raise OutOfOrder(request)
        self.remote_seq = number
        if request.method in TARGET_REFRESH:
            self.remote_target = _contact(request, self.remote_target)

    def receive_response(self, response: Response) -> None:
        """Take a response to one of our requests into account. Raises BadMessage.

        A 2xx refreshes the target, the first one to the INVITE also fixes the route set (13.2.2.4); a provisional one
        to the INVITE may bring the Contact that an earlier one lacked. Refusals change nothing (12.2.1.2).
        """
        method = response.cseq.method
        if response.status > 299 or method not in TARGET_REFRESH:
            return
        if response.status < 200:
            if method == b"INVITE" and not self.confirmed:
                self.remote_target = _contact(response, self.remote_target)
            return
        if method == b"INVITE" and not self.confirmed:
            self.route_set = tuple(reversed(response.record_routes))
            self.confirmed = True
        self.remote_target = _contact(response, self.remote_target)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can keep it."""
        return {
            "call_id": _text(self.call_id),
            "local": _text(self.local.to_bytes()),
            "remote": _text(self.remote.to_bytes()),
            "local_contact": _text(self.local_contact),
            "remote_target": _text(self.remote_target.to_bytes()),
            "route_set": [_text(route.to_bytes()) for route in self.route_set],
            "flow": [self.flow.transport, list(self.flow.local), list(self.flow.remote), self.flow.connection],
            "local_seq": self.local_seq,
            "remote_seq": self.remote_seq,
            "confirmed": self.confirmed,
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Dialog":
        """The dialog that `to_dict` wrote. Raises KeyError, ValueError or BadMessage when it did not."""
        transport, local, remote, connection = kept["flow"]
        return cls(
            call_id=_octets(kept["call_id"]),
            local=NameAddr.parse(_octets(kept["local"])),
            remote=NameAddr.parse(_octets(kept["remote"])),
            local_contact=_octets(kept["local_contact"]),
            remote_target=Uri.parse(_octets(kept["remote_target"])),
            route_set=tuple(NameAddr.parse(_octets(route)) for route in kept["route_set"]),
            flow=Flow(transport, (local[0], local[1]), (remote[0], remote[1]), connection),
            local_seq=kept["local_seq"],
            remote_seq=kept["remote_seq"],
            confirmed=kept["confirmed"],
        )

    def _build(self, method: bytes, number: int, headers: HeaderLines, body: bytes) -> Request:
        target, routes = self._path()
        lines = [
            *((b"route", route) for route in routes),
            (b"from", self.local.to_bytes()),
            (b"to", self.remote.to_bytes()),
            (b"call-id", self.call_id),
            (b"cseq", b"%d %b" % (number, method)),
            *headers,
        ]
        return Request.new(method, target, lines, body)

    def _path(self) -> tuple[Uri, list[bytes]]:
        """Request-URI and Route values; a first hop without `lr` is a strict router and wants to be the URI."""
        routes = [route.to_bytes() for route in self.route_set]
        if not routes or self.route_set[0].uri.param(b"lr") is not None:
            return self.remote_target, routes
        return self.route_set[0].uri, [*routes[1:], b"<" + self.remote_target.to_bytes() + b">"]


class DialogSet:
    """The dialogs of one INVITE that we sent: a forking proxy may answer with several To tags (12.1.2)."""

    __slots__ = ("_dialogs", "_flow", "_request")

    def __init__(self, request: Request, flow: Flow) -> None:
        self._request, self._flow = request, flow
        self._dialogs: dict[bytes, Dialog] = {}

    def receive(self, response: Response) -> Dialog | None:
        """The dialog that a 101-299 belongs to, made when its tag is new; None for a response without a tag.

        Raises BadMessage when the response cannot make a dialog.
        """
        tag = response.to.tag
        if not tag or not 101 <= response.status <= 299:
            return None
        dialog = self._dialogs.get(tag)
        if dialog is None:
            dialog = self._dialogs[tag] = Dialog.uac(self._request, response, self._flow)
        else:
            dialog.receive_response(response)
        return dialog

    def __iter__(self) -> Iterator[Dialog]:
        return iter(self._dialogs.values())


def dialog_id(message: Message) -> DialogId:
    """The id under which we hold the dialog of a request that came, or of a response to our request."""
    from_tag, to_tag = message.from_.tag or b"", message.to.tag or b""
    if isinstance(message, Request):
        return message.call_id, to_tag, from_tag
    return message.call_id, from_tag, to_tag


def _contact(message: Message, fallback: Uri | None = None) -> Uri:
    contacts = message.contacts
    if contacts:
        return contacts[0].uri
    if fallback is None:
        raise BadMessage(400, "Missing Contact", message if isinstance(message, Request) else None)
    return fallback


def _text(octets: bytes) -> str:
    return octets.decode("latin-1")


def _octets(text: str) -> bytes:
    return text.encode("latin-1")
