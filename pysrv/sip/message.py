"""Requests and responses: start line, headers, body; the headers that everybody asks for are read when asked.

Knows neither transports nor transactions. RFC 3261 sections 7, 8.1.1 and 8.2.6. Whatever is read from a received
message raises BadMessage(400) when it is not there or not well-formed; `validate_request` asks for all of it at once.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, Self, TypeVar

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.grammar import is_token, number, split_list
from pysrv.sip.headers import CSeq, Headers, Line, NameAddr, Via, safe, spelled
from pysrv.sip.reasons import REASONS, reason_of
from pysrv.sip.uri import Uri

__all__ = ["REASONS", "Message", "Request", "Response", "reason_of", "response_to", "validate_request"]

T = TypeVar("T")

MAX_FORWARDS: Final = 255
MAX_EXPIRES_S: Final = 2**32 - 1
DEFAULT_EXPIRES_S: Final = 3600
MAGIC_COOKIE: Final = b"z9hG4bK"

_is_call_id: Final = re.compile(rb"[!-~\x80-\xff]++").fullmatch
_EMPTY: Final[frozenset[bytes]] = frozenset()
_COPIED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq", b"record-route"))


class Message:
    """What requests and responses have in common."""

    __slots__ = ("_body_at", "_raw", "body", "defect", "headers")

    def __init__(self, headers: Headers, body: bytes = b"", raw: bytes | None = None, body_at: int = 0) -> None:
        self.headers = headers
        self.body = body
        self.defect: BadMessage | None = None  # what the parser found wrong with a request that must still be answered
        self._raw = raw
        self._body_at = body_at

    def start_line(self) -> bytes:
        """The first line without its end."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """The message on the wire: as it came if nothing was changed, else written anew with its Content-Length."""
        first, raw = self.start_line(), self._raw
        if raw is not None and self._is_unchanged(first, raw):
            return raw
        parts = [b"%b: %b" % (spelled(name), value) for name, value in self.headers.lines if name != b"content-length"]
        parts.append(b"Content-Length: %d\r\n\r\n" % len(self.body))
        return first + b"\r\n" + b"\r\n".join(parts) + self.body

    def _is_unchanged(self, first: bytes, raw: bytes) -> bool:
        return (
            not self.headers.changed
            and raw.startswith(first)
            and raw[self._body_at :] == self.body
            and b"content-length" in self.headers
        )

    @property
    def top_via(self) -> Via:
        """The first Via element."""
        return self._read(b"via", _first_via)

    @property
    def vias(self) -> list[Via]:
        """All Via elements, topmost first."""
        return self._list(b"via", Via.parse)

    @property
    def from_(self) -> NameAddr:
        """From."""
        return self._read(b"from", NameAddr.parse)

    @property
    def to(self) -> NameAddr:
        """To."""
        return self._read(b"to", NameAddr.parse)

    @property
    def call_id(self) -> bytes:
        """Call-ID."""
        return self._read(b"call-id", _call_id)

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return self._read(b"cseq", CSeq.parse)

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact elements; none when Contact is `*`."""
        if self.headers.first().get(b"contact") == b"*" and self.contact_star:
            return []
        return self._list(b"contact", NameAddr.parse)

    @property
    def contact_star(self) -> bool:
        """Whether Contact is `*`, which a REGISTER uses to remove every binding (10.2.2)."""
        return self.headers.get(b"contact") == b"*" and len(self.headers.get_all(b"contact")) == 1

    @property
    def routes(self) -> list[NameAddr]:
        """All Route elements, next hop first."""
        return self._list(b"route", NameAddr.parse)

    @property
    def record_routes(self) -> list[NameAddr]:
        """All Record-Route elements, in the order of the message."""
        return self._list(b"record-route", NameAddr.parse)

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255; None when there is none."""
        return self._read(b"max-forwards", _max_forwards) if b"max-forwards" in self.headers else None

    @property
    def expires(self) -> int | None:
        """Expires in seconds; a number beyond 2**32 - 1 counts as 3600 (RFC 4475 3.1.2.4); None when there is none."""
        return self._read(b"expires", _expires) if b"expires" in self.headers else None

    @property
    def content_type(self) -> bytes | None:
        """The media type in lower case, without parameters; None when there is none."""
        value = self.headers.get(b"content-type")
        if value is None:
            return None
        return value.partition(b";")[0].replace(b" ", b"").replace(b"\t", b"").lower()

    @property
    def supported(self) -> frozenset[bytes]:
        """Option tags of Supported, in lower case."""
        return self._tags(b"supported")

    @property
    def require(self) -> frozenset[bytes]:
        """Option tags of Require, in lower case."""
        return self._tags(b"require")

    @property
    def proxy_require(self) -> frozenset[bytes]:
        """Option tags of Proxy-Require, in lower case."""
        return self._tags(b"proxy-require")

    @property
    def allow(self) -> frozenset[bytes]:
        """The methods of Allow."""
        return frozenset(self._list(b"allow", bytes))

    def replace_top_via(self, via: Via | None) -> None:
        """Puts another element in the place of the topmost Via; None takes it away."""
        self.headers.set_first(b"via", None if via is None else via.to_bytes())
        if via is not None:
            self.headers.understood[b"via"] = (self.headers.first()[b"via"], via)

    def _tags(self, name: bytes) -> frozenset[bytes]:
        return frozenset(self._list(name, bytes.lower)) if name in self.headers else _EMPTY

    def _read(self, name: bytes, parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the first line of that name, kept until the line changes."""
        headers = self.headers
        value = (headers.index or headers.first()).get(name)
        held = headers.understood.get(name)
        if held is not None and held[0] is value:
            return held[1]  # type: ignore[no-any-return]
        return self._read_anew(name, value, parse)

    def _read_anew(self, name: bytes, value: bytes | None, parse: Callable[[bytes], T]) -> T:
        try:
            if value is None:
                raise BadMessage(400, f"missing {spelled(name).decode()}")
            if name != b"via" and not self.headers.is_single(name):
                raise BadMessage(400, f"several lines of {spelled(name).decode()}")
            parsed = parse(value)
        except BadMessage as bad:
            raise self._blame(bad, name) from None
        self.headers.understood[name] = (value, parsed)
        return parsed

    def _list(self, name: bytes, parse: Callable[[bytes], T]) -> list[T]:
        try:
            return self.headers.read_all(name, parse)
        except BadMessage as bad:
            raise self._blame(bad, name) from None

    def _blame(self, bad: BadMessage, name: bytes) -> BadMessage:
        if isinstance(self, Request) and name != b"via" and self.is_answerable:
            bad.message = self
        return bad


class Request(Message):
    """A request. `version` is what the start line said; only SIP/2.0 passes `validate_request`."""

    __slots__ = ("_uri", "method", "version")

    def __init__(
        self,
        method: bytes,
        uri: Uri | None,
        headers: Headers,
        body: bytes = b"",
        raw: bytes | None = None,
        body_at: int = 0,
    ) -> None:
        self.headers = headers
        self.body = body
        self.defect = None
        self._raw = raw
        self._body_at = body_at
        self.method = method
        self.version = b"SIP/2.0"
        self._uri = uri

    @classmethod
    def new(cls, method: bytes, uri: Uri, headers: Iterable[Line] = (), body: bytes = b"") -> Self:
        """A request of our own. Raises UnsafeHeader."""
        if not is_token(method):
            raise UnsafeHeader("the method is not a token")
        return cls(method, uri, Headers(headers), body)

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises BadMessage(400) when the message was salvaged from a malformed one."""
        if self._uri is None:
            raise BadMessage(400, "malformed Request-URI", self)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri) -> None:
        self._uri = uri

    def start_line(self) -> bytes:
        """`INVITE sip:bob@example.com SIP/2.0`; `?` stands for a URI that could not be read."""
        uri = b"?" if self._uri is None else self._uri.to_bytes()
        return b"%b %b SIP/2.0" % (self.method, safe(uri))

    @property
    def is_answerable(self) -> bool:
        """Whether an answer would find its way: there is a top Via that can be read."""
        try:
            return bool(_first_via(self.headers.get(b"via") or b""))
        except BadMessage:
            return False

    def copy(self) -> "Request":
        """A request of its own with the same content."""
        other = Request(self.method, self._uri, self.headers.copy(), self.body)
        other.version = self.version
        other.defect = self.defect
        return other

    def __repr__(self) -> str:
        return f"<Request {self.method.decode('ascii', 'replace')} {self._uri}>"


class Response(Message):
    """A response. `status` is 100 to 699."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: bytes,
        headers: Headers,
        body: bytes = b"",
        raw: bytes | None = None,
        body_at: int = 0,
    ) -> None:
        super().__init__(headers, body, raw, body_at)
        self.status = status
        self.reason = reason

    @classmethod
    def new(
        cls, status: int, reason: bytes | str | None = None, headers: Iterable[Line] = (), body: bytes = b""
    ) -> Self:
        """A response of our own; without a reason it gets the standard phrase. Raises UnsafeHeader, ValueError."""
        return cls(status, _phrase(status, reason), Headers(headers), body)

    def start_line(self) -> bytes:
        """`SIP/2.0 200 OK`."""
        return b"SIP/2.0 %d %b" % (self.status, safe(self.reason))

    def copy(self) -> "Response":
        """A response of its own with the same content."""
        return Response(self.status, self.reason, self.headers.copy(), self.body)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def response_to(
    request: Request,
    status: int,
    reason: bytes | str | None = None,
    *,
    to_tag: bytes | None = None,
    headers: Iterable[Line] = (),
    body: bytes = b"",
) -> Response:
    """The answer to a request: Via, From, To, Call-ID, CSeq and Record-Route copied (8.2.6.2, 12.1.1).

    `to_tag` is added to To unless that has one or the status is 100. Headers that a malformed request lacks stay
    missing. Raises UnsafeHeader, and ValueError for a status that does not exist.
    """
    lines = [line for line in request.headers.lines if line[0] in _COPIED]
    if status == 100:
        lines += [line for line in request.headers.lines if line[0] == b"timestamp"]
    elif to_tag is not None:
        _add_tag(request, lines, to_tag)
    answer = Response(status, _phrase(status, reason), Headers.received(lines), body)
    answer.headers.changed = True
    for name, value in headers:
        answer.headers.add(name, value)
    return answer


def validate_request(request: Request) -> None:
    """Raises BadMessage with the status to answer unless the core can go on with this request.

    Asks for version, the mandatory headers and their grammar, addresses included (RFC 3261 8.1.1 and 8.2,
    19.1.1 for the Request-URI); unknown methods, schemes and extensions are for the core to judge.
    """
    if request.defect is not None:
        raise request.defect
    via = request.top_via
    if request.version != b"SIP/2.0":
        raise BadMessage(505, "Version Not Supported", request)
    if via.branch == MAGIC_COOKIE:
        raise BadMessage(400, "branch without an identifier", request)
    if request.uri.headers:
        raise BadMessage(400, "headers in the Request-URI", request)
    headers = request.headers
    _ = request.from_, request.to, request.call_id, request.max_forwards
    if b"contact" in headers:
        _ = request.contacts
    if b"route" in headers or b"record-route" in headers:
        _ = request.routes, request.record_routes
    if request.cseq.method != request.method:
        raise BadMessage(400, "CSeq method does not match", request)


def _phrase(status: int, reason: bytes | str | None) -> bytes:
    if not 100 <= status <= 699:
        raise ValueError(f"no SIP status: {status}")
    if reason is None:
        return reason_of(status)
    return safe(reason.encode() if isinstance(reason, str) else reason)


def _add_tag(request: Request, lines: list[Line], tag: bytes) -> None:
    if not is_token(tag):
        raise UnsafeHeader("the tag is not a token")
    try:
        if request.to.tag is not None:
            return
    except BadMessage:
        return  # a To that nobody can read goes back as it came
    for place, (name, value) in enumerate(lines):
        if name == b"to":
            lines[place] = (name, value + b";tag=" + tag)


def _call_id(value: bytes) -> bytes:
    if not _is_call_id(value):
        raise BadMessage(400, "malformed Call-ID")
    return value


def _max_forwards(value: bytes) -> int:
    return number(value, MAX_FORWARDS, "Max-Forwards")


def _expires(value: bytes) -> int:
    if not value.isdigit():
        raise BadMessage(400, "Expires is not a number")
    seconds = int(value[-20:])
    return seconds if len(value) <= 20 and seconds <= MAX_EXPIRES_S else DEFAULT_EXPIRES_S


def _first_via(value: bytes) -> Via:
    return Via.parse(value if b"," not in value else split_list(value)[0])
