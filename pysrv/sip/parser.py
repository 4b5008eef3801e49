"""Bytes to messages: datagrams, and streams cut into messages.

Splits start line and header lines only; what a header says is read when somebody asks the message. Knows no
transport. RFC 3261 sections 7, 18.3 and 20.14; RFC 5626 sections 3.5.1 and 4.4.1 for keep-alives. Line ends are CRLF
and nothing else: two readers of one message must never disagree about where a line ends.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import is_token, number
from pysrv.sip.headers import Headers, Line, canonical, canonical_names
from pysrv.sip.message import Request, Response
from pysrv.sip.uri import Uri

_METHODS: Final = frozenset(
    b"INVITE ACK CANCEL BYE REGISTER OPTIONS INFO PRACK UPDATE REFER SUBSCRIBE NOTIFY MESSAGE PUBLISH".split()
)
_CONTROLS: Final = bytes((*range(9), *range(10, 32), 127))
# only inside quoted strings may a control character stand, behind a backslash (RFC 3261 25.1, RFC 4475 3.1.1.2)
_ESCAPED_CONTROL: Final = re.compile(rb"\\[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_WITH_DISPLAY_NAME: Final = frozenset((b"from", b"f", b"to", b"t", b"contact", b"m"))
_fold: Final = re.compile(rb"[ \t]*+\r\n[ \t]++")
_is_folded: Final = re.compile(rb"\r\n[ \t]").search
_version: Final = re.compile(rb"[Ss][Ii][Pp]/[0-9]++\.[0-9]++").fullmatch
_status_line: Final = re.compile(rb"[Ss][Ii][Pp]/2\.0 ([1-6][0-9][0-9])(?: (.*+))?", re.DOTALL).fullmatch
_looks_like_request: Final = re.compile(rb"([A-Za-z0-9.!%*_+`'~-]++)[ \t].*?SIP/", re.DOTALL).match


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of anything one message may have; sizes in bytes."""

    max_message_bytes: int = 65_535
    max_headers: int = 200
    max_header_bytes: int = 8_192  # one header, name included, after unfolding
    max_head_bytes: int = 32_768  # start line and all headers
    max_start_line_bytes: int = 2_048
    max_body_bytes: int = 65_535


class KeepAlive(Enum):
    """What stands between messages on a stream (RFC 5626 section 4.4.1)."""

    PING = auto()  # CRLFCRLF: answer with CRLF
    PONG = auto()  # CRLF


_DEFAULT: Final = Limits()


def is_keepalive(data: bytes) -> bool:
    """Whether a datagram holds nothing but line ends or NULs: it keeps a NAT binding open and wants no answer."""
    return not data.strip(b"\r\n\0")


def parse_datagram(data: bytes, limits: Limits = _DEFAULT) -> Request | Response:
    """One message from one datagram; octets beyond Content-Length are ignored (18.3). Raises BadMessage only."""
    if len(data) > limits.max_message_bytes:
        raise BadMessage(513, "message too large")
    if data[:1] == b"\r":
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise _blame(BadMessage(400, "no empty line after the headers"), data.rstrip(b"\r\n")[: limits.max_head_bytes])
    try:
        message = _split_head(data[:end], limits)
    except BadMessage as bad:
        raise _blame(bad, data[:end]) from None
    start = end + 4
    try:
        end = start + _datagram_length(message.headers, len(data) - start, limits)
    except BadMessage as bad:
        raise _at_fault(bad, message) from None
    message.body = data[start:end]
    message._raw = data if end == len(data) else data[:end]
    message._body_at = start
    return message


class StreamParser:
    """Cuts a stream into messages; one for each connection.

    After a BadMessage the place of the next message is unknown: the connection must be closed. A request whose
    framing is sound but which is malformed otherwise comes out with its `defect`, which validate_request raises.
    `pings`: we send keep-alives on this stream, so that every single CRLF is their answer.
    """

    def __init__(self, limits: Limits = _DEFAULT, *, pings: bool = False) -> None:
        self._limits = limits
        self._pings = pings
        self._buffer = bytearray()
        self._searched = 0
        self._head: Request | Response | None = None
        self._start = self._end = 0
        self._half_ping = False
        self._failure: BadMessage | None = None

    def feed(self, data: bytes) -> list[Request | Response | KeepAlive]:
        """What `data` completed, in order.

        Raises BadMessage, but gives what came before the fault first and raises when called again.
        """
        if self._failure is not None:
            raise self._failure
        self._buffer += data
        found: list[Request | Response | KeepAlive] = []
        try:
            while (item := self._next()) is not None:
                found.append(item)
        except BadMessage as bad:
            self._failure = bad
            if not found:
                raise
        return found

    @property
    def failure(self) -> BadMessage | None:
        """Why nothing more can come of this stream, if so."""
        return self._failure

    def _next(self) -> Request | Response | KeepAlive | None:
        if self._head is None:
            if self._buffer[:1] == b"\r":
                return self._keepalive()
            if not self._begin():
                return None
        return self._complete()

    def _keepalive(self) -> KeepAlive | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        if buffer[:2] != b"\r\n":
            raise BadMessage(400, "bare CR between messages")
        second_half = self._half_ping and not self._pings
        self._half_ping = False
        if second_half or buffer[:4] == b"\r\n\r\n":
            del buffer[: 2 if second_half else 4]
            return KeepAlive.PING
        del buffer[:2]
        self._half_ping = len(buffer) == buffer.count(b"\r")
        return KeepAlive.PONG

    def _begin(self) -> bool:
        """Reads the next head; False while it is incomplete."""
        buffer, limits = self._buffer, self._limits
        if buffer:
            self._half_ping = False
        end = buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > limits.max_head_bytes:
                raise BadMessage(513, "headers too large")
            return False
        head = _streamed_head(bytes(buffer[:end]), limits)
        try:
            size = _stream_length(head, end + 4, limits)
        except BadMessage as bad:
            raise _at_fault(bad, head) from None
        self._head, self._start, self._end = head, end + 4, end + 4 + size
        return True

    def _complete(self) -> Request | Response | None:
        message = self._head
        if message is None or len(self._buffer) < self._end:
            return None
        raw = bytes(self._buffer[: self._end])
        message.body = raw[self._start :]
        message._raw, message._body_at = raw, self._start
        del self._buffer[: self._end]
        self._head, self._searched = None, 0
        return message


def _datagram_length(headers: Headers, available: int, limits: Limits) -> int:
    text = headers.first().get(b"content-length")
    size = available if text is None else _content_length(text, headers)
    if size > available:
        raise BadMessage(400, "Content-Length beyond the end of the datagram")
    if size > limits.max_body_bytes:
        raise BadMessage(413, "body too large")
    return size


def _stream_length(head: Request | Response, start: int, limits: Limits) -> int:
    text = head.headers.first().get(b"content-length")
    if text is None:
        raise BadMessage(400, "no Content-Length on a stream")
    size = _content_length(text, head.headers)
    if size > limits.max_body_bytes:
        raise BadMessage(413, "body too large")
    if start + size > limits.max_message_bytes:
        raise BadMessage(513, "message too large")
    return size


def _streamed_head(head: bytes, limits: Limits) -> Request | Response:
    """Start line and header lines; an answerable request comes back with its defect instead of raising."""
    try:
        return _split_head(head, limits)
    except BadMessage as bad:
        _blame(bad, head)
        if isinstance(bad.message, Request):
            bad.message.defect = bad
            return bad.message
        raise


def _split_head(head: bytes, limits: Limits) -> Request | Response:
    if len(head) > limits.max_start_line_bytes or len(head) > limits.max_header_bytes:
        _check_sizes(head, limits)
    lines = head.split(b"\r\n")
    count = len(lines)
    if count > limits.max_headers:
        raise BadMessage(513, "too many headers")
    if len(head.translate(None, _CONTROLS)) != len(head) - 2 * count + 2:
        _check_controls(lines)
    first = lines[0]
    del lines[0]
    try:
        headers = Headers.received(_split_lines(lines))
    except BadMessage:
        if not _is_folded(head):  # a continuation cannot pass for a header: its name would begin with a blank
            raise
        headers = Headers.received(_split_lines(_unfold(lines)))
    parts = first.split(b" ")
    if len(parts) == 3 and parts[2] == b"SIP/2.0":
        method = parts[0]
        if method not in _METHODS and not is_token(method):
            raise BadMessage(400, "malformed method")
        return Request(method, Uri.parse(parts[1]), headers)
    return _read_other_first_line(first, parts, headers)


def _split_lines(lines: list[bytes]) -> list[Line]:
    found: list[Line] = []
    names = canonical_names
    try:
        for line in lines:
            name, value = line.split(b":", 1)
            try:
                found.append((names[name], value.strip()))
            except KeyError:
                found.append((canonical(name), value.strip()))
    except ValueError:
        raise BadMessage(400, "a header line without a colon") from None
    return found


def _read_other_first_line(line: bytes, parts: list[bytes], headers: Headers) -> Request | Response:
    """A status line, or a request line of an odd spelling or version."""
    match = _status_line(line)
    if match is not None:
        return Response(int(match[1]), match[2] or b"", headers)
    if len(parts) != 3 or not is_token(parts[0]) or not _version(parts[2]):
        raise BadMessage(400, "malformed start line")
    request = Request(parts[0], Uri.parse(parts[1]), headers)
    request.version = parts[2].upper()
    return request


def _content_length(text: bytes, headers: Headers) -> int:
    if not headers.is_single(b"content-length"):
        raise BadMessage(400, "several Content-Length headers")
    return number(text, 2**32 - 1, "Content-Length")


def _unfold(lines: list[bytes]) -> list[bytes]:
    """Folded lines joined by one space (7.3.1); the line after the start line cannot be a continuation."""
    if lines[0][:1] in (b" ", b"\t"):
        raise BadMessage(400, "the start line is folded")
    return _fold.sub(b" ", b"\r\n".join(lines)).split(b"\r\n")


def _check_sizes(head: bytes, limits: Limits) -> None:
    if len(head) > limits.max_head_bytes:
        raise BadMessage(513, "headers too large")
    lines = _fold.sub(b" ", head).split(b"\r\n")
    if len(lines[0]) > limits.max_start_line_bytes:
        raise BadMessage(414, "start line too long")
    if max(map(len, lines)) > limits.max_header_bytes:
        raise BadMessage(513, "header too long")


def _check_controls(lines: list[bytes]) -> None:
    for line in lines:
        name, _, value = line.partition(b":")
        if b'"' in value and name.strip().lower() in _WITH_DISPLAY_NAME:
            value = _ESCAPED_CONTROL.sub(b"", value)
        if len(name.translate(None, _CONTROLS)) != len(name) or len(value.translate(None, _CONTROLS)) != len(value):
            raise BadMessage(400, "control character in a header")


def _at_fault(bad: BadMessage, message: Request | Response) -> BadMessage:
    if isinstance(message, Request) and message.is_answerable:
        bad.message = message
    return bad


def _blame(bad: BadMessage, head: bytes) -> BadMessage:
    """Gives the error as much of the request as an answer needs, if it is a request and has a Via."""
    lines = _fold.sub(b" ", head).split(b"\r\n")
    start = _looks_like_request(lines[0])
    if start is None:
        return bad
    found: list[Line] = []
    for line in lines[1:]:
        _salvage(found, line)
    return _at_fault(bad, Request(start[1], None, Headers.received(found)))


def _salvage(found: list[Line], line: bytes) -> None:
    name, colon, value = line.partition(b":")
    value = value.strip()
    if not colon or not is_token(name.rstrip(b" \t")) or len(value.translate(None, _CONTROLS)) != len(value):
        return
    found.append((canonical(name), value))
