"""Requests and responses: a start line, header lines, a body; each header understood when somebody asks for it.

Knows no transport and no state. What is parsed is kept with the message. RFC 3261 sections 7, 8.1.1, 8.2.6 and 20.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import is_token, number, split_list
from pysrv.sip.headers import CSeq, Headers, Line, NameAddr, Via, safe, spelled
from pysrv.sip.uri import Uri

REASONS: Final = {
    100: b"Trying", 180: b"Ringing", 181: b"Call Is Being Forwarded", 182: b"Queued", 183: b"Session Progress",
    200: b"OK", 202: b"Accepted", 204: b"No Notification", 300: b"Multiple Choices", 301: b"Moved Permanently",
    302: b"Moved Temporarily", 305: b"Use Proxy", 380: b"Alternative Service", 400: b"Bad Request",
    401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found", 405: b"Method Not Allowed",
    406: b"Not Acceptable", 407: b"Proxy Authentication Required", 408: b"Request Timeout", 410: b"Gone",
    413: b"Request Entity Too Large", 414: b"Request-URI Too Long", 415: b"Unsupported Media Type",
    416: b"Unsupported URI Scheme", 420: b"Bad Extension", 421: b"Extension Required",
    422: b"Session Interval Too Small", 423: b"Interval Too Brief", 429: b"Provide Referrer Identity",
    430: b"Flow Failed", 433: b"Anonymity Disallowed", 439: b"First Hop Lacks Outbound Support",
    480: b"Temporarily Unavailable", 481: b"Call/Transaction Does Not Exist", 482: b"Loop Detected",
    483: b"Too Many Hops", 484: b"Address Incomplete", 485: b"Ambiguous", 486: b"Busy Here",
    487: b"Request Terminated", 488: b"Not Acceptable Here", 489: b"Bad Event", 491: b"Request Pending",
    493: b"Undecipherable", 500: b"Server Internal Error", 501: b"Not Implemented", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Server Time-out", 505: b"Version Not Supported", 513: b"Message Too Large",
    600: b"Busy Everywhere", 603: b"Decline", 604: b"Does Not Exist Anywhere", 606: b"Not Acceptable",
}  # fmt: skip
MAX_CSEQ: Final = 2**31 - 1
MAX_SECONDS: Final = 2**32 - 1
_COPIED: Final = frozenset((b"via", b"from", b"to", b"call-id", b"cseq", b"record-route"))
_T = TypeVar("_T")


class Message:
    """What requests and responses have in common. Properties raise BadMessage(400) where the value is malformed.

    A mandatory header that is missing is malformed. `raw` holds the bytes it came from until something changes.
    """

    __slots__ = ("_body", "_cache", "headers", "raw")

    def __init__(self, headers: Headers, body: bytes = b"", raw: bytes | None = None) -> None:
        self.headers, self._body, self.raw = headers, body, raw
        self._cache: dict[str, Any] = {}

    @property
    def body(self) -> bytes:
        """The body; setting it makes Content-Length follow."""
        return self._body

    @body.setter
    def body(self, body: bytes) -> None:
        self._body, self.raw = body, None

    def to_bytes(self) -> bytes:
        """The message on the wire, with a Content-Length that is true."""
        if self.raw is not None and not self.headers.changed:
            return self.raw
        lines = [
            b"%b: %b\r\n" % (spelled(name), value) for name, value in self.headers.lines if name != b"content-length"
        ]
        head = b"%b\r\n%bContent-Length: %d\r\n\r\n" % (self.start_line(), b"".join(lines), len(self._body))
        return head + self._body

    def start_line(self) -> bytes:
        """The first line, without its end."""
        raise AssertionError("a message is a request or a response")

    @property
    def top_via(self) -> Via:
        """The hop that sent this message to us (for a response: ours)."""
        value = self._mandatory(b"via")
        return self._cached("top_via", value, lambda text: Via.parse(split_list(text)[0]))

    @property
    def vias(self) -> list[Via]:
        """Every hop, the latest first."""
        return [Via.parse(text) for text in self.headers.split(b"via")]

    @property
    def from_(self) -> NameAddr:
        """Who began the dialog or transaction."""
        return NameAddr.parse(self._mandatory(b"from"))

    @property
    def to(self) -> NameAddr:
        """Whom it is for."""
        return NameAddr.parse(self._mandatory(b"to"))

    @property
    def call_id(self) -> bytes:
        """The Call-ID."""
        value = self._mandatory(b"call-id")
        if not value or b" " in value or b"\t" in value:
            raise BadMessage(400, "malformed Call-ID")
        return value

    @property
    def cseq(self) -> CSeq:
        """Number (0 to 2**31-1) and method."""
        return self._cached("cseq", self._mandatory(b"cseq"), _parse_cseq)

    @property
    def contacts(self) -> list[NameAddr]:
        """All contacts; none for `*`."""
        return [] if self.contact_star else self._addresses(b"contact")

    @property
    def contact_star(self) -> bool:
        """Whether Contact is `*` (10.2.2)."""
        return any(value.strip() == b"*" for value in self.headers.get_all(b"contact"))

    @property
    def routes(self) -> list[NameAddr]:
        """The Route set still to be visited."""
        return self._addresses(b"route")

    @property
    def record_routes(self) -> list[NameAddr]:
        """Proxies that want to stay in the path."""
        return self._addresses(b"record-route")

    @property
    def max_forwards(self) -> int | None:
        """Hops left, 0 to 255."""
        return self._number(b"max-forwards", 255)

    @property
    def expires(self) -> int | None:
        """Seconds, 0 to 2**32-1."""
        return self._number(b"expires", MAX_SECONDS)

    @property
    def content_type(self) -> bytes | None:
        """`type/subtype` in lower case, without parameters."""
        value = self.headers.get(b"content-type")
        return None if value is None else value.partition(b";")[0].strip().lower()

    @property
    def supported(self) -> frozenset[bytes]:
        """Option tags of Supported."""
        return self._tags(b"supported")

    @property
    def require(self) -> frozenset[bytes]:
        """Option tags of Require."""
        return self._tags(b"require")

    @property
    def proxy_require(self) -> frozenset[bytes]:
        """Option tags of Proxy-Require."""
        return self._tags(b"proxy-require")

    @property
    def allow(self) -> frozenset[bytes]:
        """Methods of Allow, in upper case."""
        return frozenset(method.upper() for method in self.headers.split(b"allow"))

    def _mandatory(self, name: bytes) -> bytes:
        value = self.headers.get(name)
        if value is None:
            raise BadMessage(400, f"missing {spelled(name).decode()}")
        return value

    def _cached(self, key: str, value: bytes, parse: Callable[[bytes], _T]) -> _T:
        """`parse(value)`, done once for the same line (a change of the line is a change of the key)."""
        held = self._cache.get(key)
        if held is not None and held[0] is value:
            return held[1]  # type: ignore[no-any-return]
        parsed = parse(value)
        self._cache[key] = (value, parsed)
        return parsed

    def _addresses(self, name: bytes) -> list[NameAddr]:
        return [NameAddr.parse(text) for text in self.headers.split(name)]

    def _tags(self, name: bytes) -> frozenset[bytes]:
        return frozenset(tag.lower() for tag in self.headers.split(name))

    def _number(self, name: bytes, limit: int) -> int | None:
        value = self.headers.get(name)
        return None if value is None else number(value.strip(b" \t"), limit, spelled(name).decode())


class Request(Message):
    """A method and the URI that it is sent to."""

    __slots__ = ("_method", "_uri", "_uri_text")

    def __init__(
        self, method: bytes, uri: Uri | bytes, headers: Headers, body: bytes = b"", raw: bytes | None = None
    ) -> None:
        """`uri` as bytes is understood when it is asked for."""
        super().__init__(headers, body, raw)
        self._method = method
        self._uri: Uri | None = uri if isinstance(uri, Uri) else None
        self._uri_text = uri if isinstance(uri, bytes) else b""

    @classmethod
    def new(cls, method: bytes, uri: Uri, headers: Iterable[Line] = (), body: bytes = b"") -> "Request":
        """A request of ours. Raises UnsafeHeader."""
        return cls(method, uri, Headers((name, safe(name, value)) for name, value in headers), body)

    @property
    def method(self) -> bytes:
        """INVITE, ACK and so on; case matters (7.1)."""
        return self._method

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises BadMessage(400)."""
        if self._uri is None:
            self._uri = Uri.parse(self._uri_text)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri) -> None:
        self._uri, self.raw = uri, None

    def start_line(self) -> bytes:
        return b"%b %b SIP/2.0" % (self._method, self._uri.to_bytes() if self._uri else self._uri_text)

    def copy(self) -> "Request":
        """An independent copy."""
        return Request(self._method, self._uri or self._uri_text, self.headers.copy(), self._body, self.raw)

    def __repr__(self) -> str:
        return f"<Request {self.start_line()!r}>"


class Response(Message):
    """A status and its words."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: bytes, headers: Headers, body: bytes = b"", raw: bytes | None = None
    ) -> None:
        super().__init__(headers, body, raw)
        self.status, self.reason = status, reason

    @classmethod
    def new(
        cls, status: int, reason: bytes | None = None, headers: Iterable[Line] = (), body: bytes = b""
    ) -> "Response":
        """A response of ours; `reason` defaults to the RFC's words. Raises UnsafeHeader."""
        words = reason_of(status) if reason is None else safe(b"reason", reason)
        return cls(status, words, Headers((name, safe(name, value)) for name, value in headers), body)

    def start_line(self) -> bytes:
        return b"SIP/2.0 %d %b" % (self.status, self.reason)

    def copy(self) -> "Response":
        """An independent copy."""
        return Response(self.status, self.reason, self.headers.copy(), self._body, self.raw)

    def __repr__(self) -> str:
        return f"<Response {self.start_line()!r}>"


def reason_of(status: int) -> bytes:
    """The RFC's words for a status; those of its class for an unknown one."""
    return REASONS.get(status) or REASONS.get(status // 100 * 100) or b"Unknown"


def response_to(
    request: Request,
    status: int,
    reason: bytes | None = None,
    *,
    to_tag: bytes | None = None,
    headers: Iterable[Line] = (),
    body: bytes = b"",
) -> Response:
    """An answer to a request: its Vias, From, To, Call-ID, CSeq and Record-Routes copied (8.2.6.2).

    `to_tag` is added where the request has none, but not to a 100. Raises UnsafeHeader.
    """
    lines = [line for line in request.headers.lines if line[0] in _COPIED]
    if status == 100:
        lines += [(name, value) for name, value in request.headers.lines if name == b"timestamp"]
    elif to_tag is not None:
        lines = [(name, _tagged(value, to_tag) if name == b"to" else value) for name, value in lines]
    response = Response.new(status, reason, headers, body)
    response.headers.lines[:0] = lines
    return response


def _tagged(value: bytes, tag: bytes) -> bytes:
    address = NameAddr.parse(value)
    return value if address.tag else address.with_tag(safe(b"to", tag)).to_bytes()


def validate_request(request: Request) -> None:
    """What a core demands of any request before it looks at the method (8.1.1, 8.2). Raises BadMessage.

    The Request-URI's scheme is the transaction user's matter (416), as are Require (420) and the method itself.
    """
    if not is_token(request.method):
        raise BadMessage(400, "malformed method", request)
    for name in (b"from", b"to", b"call-id", b"cseq", b"max-forwards"):
        if len(request.headers.get_all(name)) > 1:
            raise BadMessage(400, f"more than one {spelled(name).decode()}", request)
    try:
        _read_mandatory(request)
    except BadMessage as error:
        raise BadMessage(error.status, error.reason, request) from None


def _read_mandatory(request: Request) -> None:
    _ = (request.top_via, request.call_id, request.from_, request.to, request.max_forwards, request.uri)
    if request.cseq.method != request.method:
        raise BadMessage(400, "CSeq names another method")
    if request.from_.tag is None and b"tag" in dict(request.from_.params):
        raise BadMessage(400, "empty From tag")
    if request.uri.headers:
        raise BadMessage(400, "header fields in the Request-URI")
    if (
        len(split_list(request.headers.get(b"to") or b"")) > 1
        or len(split_list(request.headers.get(b"from") or b"")) > 1
    ):
        raise BadMessage(400, "more than one address in From or To")


def _parse_cseq(text: bytes) -> CSeq:
    parts = text.split()
    if len(parts) != 2 or not is_token(parts[1]):
        raise BadMessage(400, "malformed CSeq")
    return CSeq(number(parts[0], MAX_CSEQ, "CSeq"), parts[1])
