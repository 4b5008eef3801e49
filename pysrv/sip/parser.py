"""From bytes to messages: one datagram, or a stream cut into messages, under limits.

A header line is cut at its colon here and understood later (message.py). Raises BadMessage only, with the status to
answer and the request as far as it was understood. RFC 3261 sections 7.3.1 (folding), 7.5 and 18.3 (framing), RFC
5626 3.5.1 (keepalives).
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import is_token, number
from pysrv.sip.headers import Headers, Line, canonical
from pysrv.sip.message import Message, Request, Response

_fold: Final = re.compile(rb"\r\n[ \t]++")
_stray: Final = re.compile(rb"[\r\n\x00]").search
_version: Final = re.compile(rb"SIP/([0-9]+)\.([0-9]+)", re.IGNORECASE).fullmatch
_status_line: Final = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ([^\r\n\x00]*+)", re.IGNORECASE).fullmatch
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a message may be, all in bytes but `max_headers` (lines)."""

    max_message_bytes: int = 65_535
    max_head_bytes: int = 32_768
    max_headers: int = 200
    max_header_bytes: int = 8_192
    max_uri_bytes: int = 2_048
    max_body_bytes: int = 60_000


class KeepAlive(Enum):
    """What a stream carries between messages: a double CRLF asks, a single one answers (RFC 5626 3.5.1)."""

    PING = b"\r\n\r\n"
    PONG = b"\r\n"


def parse_datagram(data: bytes, limits: Limits = Limits()) -> Request | Response:  # noqa: B008
    """The message that a datagram holds; bytes beyond Content-Length are ignored (18.3). Raises BadMessage."""
    if len(data) > limits.max_message_bytes:
        raise BadMessage(513, "message too large")
    data = data.lstrip(b"\r\n")
    end = data.find(END_OF_HEAD)
    if end < 0:
        raise _with_message(BadMessage(400, "no empty line after the header fields"), data.rstrip(b"\r\n"), limits)
    message = _parse_head(data[:end], limits)
    body = data[end + 4 :]
    length = _content_length(message)
    if length is not None and length != len(body):
        if length > len(body):
            raise BadMessage(400, "body shorter than Content-Length", _request(message))
        body = body[:length]
    return _with_body(message, body, data[: end + 4 + len(body)], limits)


class StreamParser:
    """Cuts a stream into messages. After a BadMessage the stream cannot be trusted any more: close it."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008
        self._limits = limits
        self._buffer = b""

    def feed(self, data: bytes) -> list[Request | Response | KeepAlive]:
        """The messages and keepalives that are complete now. Raises BadMessage."""
        self._buffer += data
        found: list[Request | Response | KeepAlive] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def _next(self) -> Request | Response | KeepAlive | None:
        if self._buffer[:1] in (b"\r", b"\n"):
            return self._keepalive()
        end = self._buffer.find(END_OF_HEAD)
        if end < 0:
            if len(self._buffer) > self._limits.max_head_bytes:
                raise BadMessage(513, "header fields too large")
            return None
        message = _parse_head(self._buffer[:end], self._limits)
        length = _content_length(message)
        if length is None:
            raise BadMessage(400, "Content-Length is mandatory on a stream", _request(message))
        if length > self._limits.max_body_bytes:
            raise BadMessage(513, "body too large", _request(message))
        stop = end + 4 + length
        if len(self._buffer) < stop:
            return None
        raw, self._buffer = self._buffer[:stop], self._buffer[stop:]
        return _with_body(message, raw[end + 4 :], raw, self._limits)

    def _keepalive(self) -> KeepAlive | None:
        if self._buffer.startswith(KeepAlive.PING.value):
            self._buffer = self._buffer[4:]
            return KeepAlive.PING
        if KeepAlive.PING.value.startswith(self._buffer) and len(self._buffer) != 2:
            return None  # one or three bytes of a ping
        if self._buffer.startswith(KeepAlive.PONG.value):
            self._buffer = self._buffer[2:]
            return KeepAlive.PONG
        raise BadMessage(400, "stray line end between messages")


def _parse_head(head: bytes, limits: Limits) -> Request | Response:
    if len(head) > limits.max_head_bytes:
        raise BadMessage(513, "header fields too large")
    if b"\r\n " in head or b"\r\n\t" in head:
        head = _fold.sub(b" ", head)
    first, *rest = head.split(b"\r\n")
    headers, error = _parse_lines(rest, limits)
    message = _parse_first(first, headers, limits)
    if error is not None:
        raise BadMessage(error.status, error.reason, _request(message))
    return message


def _parse_lines(rows: list[bytes], limits: Limits) -> tuple[Headers, BadMessage | None]:
    """The header lines; after a bad one those before and behind it still serve to answer."""
    lines: list[Line] = []
    error: BadMessage | None = None
    if len(rows) > limits.max_headers:
        rows, error = rows[: limits.max_headers], BadMessage(400, "too many header fields")
    for row in rows:
        name, colon, value = row.partition(b":")
        try:
            key = canonical(name)
        except BadMessage as bad:
            error = error or bad
            continue
        if not colon:
            error = error or BadMessage(400, "header line without a colon")
        elif len(value) > limits.max_header_bytes:
            error = error or BadMessage(400, f"{key.decode()} too long")
        elif _stray(value):
            error = error or BadMessage(400, f"stray line end in {key.decode()}")
        else:
            lines.append((key, value.strip(b" \t")))
    return Headers(lines), error


def _parse_first(first: bytes, headers: Headers, limits: Limits) -> Request | Response:
    if first[:4].upper() == b"SIP/":
        match = _status_line(first) or _status_line(first + b" ")
        if match is None:
            raise BadMessage(400, "malformed status line")
        return Response(int(match[1]), match[2].rstrip(b" "), headers)
    method, _, rest = first.partition(b" ")
    uri, _, version = rest.rpartition(b" ")
    if not is_token(method):
        raise BadMessage(400, "not a SIP message")
    request = Request(method, uri, headers)
    numbers = _version(version)
    if numbers is None:
        raise BadMessage(400, "malformed request line", request)
    if (int(numbers[1][:3]), int(numbers[2][:3])) != (2, 0):
        raise BadMessage(505, "only SIP/2.0 is spoken here", request)
    if not uri or b" " in uri or b"\t" in uri or _stray(uri):
        raise BadMessage(400, "malformed Request-URI", request)
    if len(uri) > limits.max_uri_bytes:
        raise BadMessage(414, "Request-URI too long", request)
    return request


def _content_length(message: Request | Response) -> int | None:
    values = message.headers.get_all(b"content-length")
    if not values:
        return None
    if len(set(values)) > 1:
        raise BadMessage(400, "contradicting Content-Length", _request(message))
    try:
        return number(values[0], 2**31, "Content-Length")
    except BadMessage as error:
        raise BadMessage(error.status, error.reason, _request(message)) from None


def _with_body(message: Request | Response, body: bytes, raw: bytes, limits: Limits) -> Request | Response:
    if len(body) > limits.max_body_bytes:
        raise BadMessage(513, "body too large", _request(message))
    if body:
        message.body = body
    message.raw = raw
    return message


def _with_message(error: BadMessage, data: bytes, limits: Limits) -> BadMessage:
    """The error with the request that can be made out of what there is, so that it can be answered."""
    try:
        return BadMessage(error.status, error.reason, _request(_parse_head(data, limits)))
    except BadMessage:
        return error


def _request(message: Message) -> Request | None:
    return message if isinstance(message, Request) else None
