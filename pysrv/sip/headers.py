"""Header fields: the block as a list of lines, and the few structured values that every message carries.

A header's name is known by one spelling, its long form in lower case (`i:` is b"call-id"); values stay bytes until
somebody asks for their meaning. RFC 3261 sections 7.3, 20 and 25; compact forms as registered with IANA.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.grammar import HOST, TOKEN, Params, is_token, join_params, param, split_list, split_params
from pysrv.sip.uri import Uri

COMPACT: Final = {
    b"a": b"accept-contact", b"b": b"referred-by", b"c": b"content-type", b"d": b"request-disposition",
    b"e": b"content-encoding", b"f": b"from", b"i": b"call-id", b"j": b"reject-contact", b"k": b"supported",
    b"l": b"content-length", b"m": b"contact", b"n": b"identity-info", b"o": b"event", b"r": b"refer-to",
    b"s": b"subject", b"t": b"to", b"u": b"allow-events", b"v": b"via", b"x": b"session-expires", b"y": b"identity",
}  # fmt: skip
_SPELLED: Final = {
    b"call-id": b"Call-ID", b"cseq": b"CSeq", b"www-authenticate": b"WWW-Authenticate", b"min-se": b"Min-SE",
    b"rseq": b"RSeq", b"rack": b"RAck", b"sip-etag": b"SIP-ETag", b"sip-if-match": b"SIP-If-Match",
    b"mime-version": b"MIME-Version", b"p-asserted-identity": b"P-Asserted-Identity",
}  # fmt: skip
_UNSAFE: Final = re.compile(rb"[\r\n\x00]").search

Line = tuple[bytes, bytes]


@lru_cache(maxsize=1024)
def canonical(name: bytes) -> bytes:
    """The one spelling of a header's name. Raises BadMessage(400) for what is not a token."""
    low = name.rstrip(b" \t").lower()
    if not is_token(low):
        raise BadMessage(400, "malformed header name")
    return COMPACT.get(low, low)


@lru_cache(maxsize=1024)
def spelled(name: bytes) -> bytes:
    """A canonical name as it is written on the wire."""
    return _SPELLED.get(name) or b"-".join(part.capitalize() for part in name.split(b"-"))


class Headers:
    """The header lines of one message, in order. Names given to it are canonical."""

    __slots__ = ("changed", "lines")

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        """`lines` are trusted: they come from the parser, which splits at line ends, or were checked by `add`."""
        self.lines: list[Line] = list(lines)
        self.changed = False

    def get(self, name: bytes) -> bytes | None:
        """The value of the first line of that name, None if there is none."""
        for key, value in self.lines:
            if key == name:
                return value
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        """The value of each line of that name."""
        return [value for key, value in self.lines if key == name]

    def split(self, name: bytes) -> list[bytes]:
        """The comma-separated elements over all lines of that name. Raises BadMessage(400)."""
        return [part for key, value in self.lines if key == name for part in split_list(value) if part]

    def add(self, name: bytes, value: bytes) -> None:
        """Append a line. Raises UnsafeHeader when the value would break out of it."""
        self.lines.append((name, safe(name, value)))
        self.changed = True

    def prepend(self, name: bytes, value: bytes) -> None:
        """Insert a line before all others. Raises UnsafeHeader."""
        self.lines.insert(0, (name, safe(name, value)))
        self.changed = True

    def set(self, name: bytes, value: bytes) -> None:
        """One line of that name: replaces the first, removes the others, appends if there was none."""
        line = (name, safe(name, value))
        kept: list[Line] = []
        for old in self.lines:
            if old[0] != name:
                kept.append(old)
            elif line not in kept:
                kept.append(line)
        if line not in kept:
            kept.append(line)
        self.lines, self.changed = kept, True

    def remove(self, name: bytes) -> None:
        """Drop every line of that name."""
        self.lines = [line for line in self.lines if line[0] != name]
        self.changed = True

    def items(self) -> Iterator[Line]:
        """(name, value) of each line."""
        return iter(self.lines)

    def copy(self) -> "Headers":
        """An independent copy."""
        return Headers(self.lines)

    def __contains__(self, name: bytes) -> bool:
        return any(key == name for key, _ in self.lines)

    def __len__(self) -> int:
        return len(self.lines)


def safe(name: bytes, value: bytes) -> bytes:
    """`value`, if it stays within its line. Raises UnsafeHeader."""
    if _UNSAFE(value):
        raise UnsafeHeader(f"line break inside {name.decode('ascii', 'replace')}")
    return value


_via: Final = re.compile(
    rb"SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+(" + TOKEN + rb")[ \t]++(" + HOST
    + rb")[ \t]*+(?::[ \t]*+([0-9]{1,5}+))?+[ \t]*+(;.*+)?+", re.IGNORECASE | re.DOTALL,
).fullmatch  # fmt: skip


@dataclass(frozen=True, slots=True)
class Via:
    """One hop that a request took (20.42). `port` None: the transport's default."""

    transport: bytes
    host: bytes
    port: int | None
    params: Params

    @staticmethod
    def parse(text: bytes) -> "Via":
        """Reads one element. Raises BadMessage(400)."""
        return _parse_via(text)

    def to_bytes(self) -> bytes:
        """The element as it goes on the wire."""
        port = b"" if self.port is None else b":%d" % self.port
        return b"SIP/2.0/" + self.transport + b" " + self.host + port + join_params(self.params)

    @property
    def branch(self) -> bytes | None:
        """The transaction's identifier (8.1.1.7)."""
        return param(self.params, b"branch") or None

    @property
    def received(self) -> bytes | None:
        """Where the request really came from (18.2.1)."""
        return param(self.params, b"received")

    @property
    def rport(self) -> bytes | None:
        """The port it came from; b"" when the sender only asks for it; None without the parameter (RFC 3581)."""
        return param(self.params, b"rport")

    def param(self, name: bytes) -> bytes | None:
        """Any parameter by its lower-case name."""
        return param(self.params, name)

    def with_param(self, name: bytes, value: bytes | None) -> "Via":
        """The same hop with one parameter set (in place if it was there)."""
        if any(key == name for key, _ in self.params):
            params = tuple((key, value if key == name else old) for key, old in self.params)
        else:
            params = (*self.params, (name, value))
        return replace(self, params=params)


def _parse_via(text: bytes) -> Via:
    match = _via(text)
    if match is None:
        raise BadMessage(400, "malformed Via")
    transport, host, port, params = match.groups()
    number = None if port is None else int(port)
    if number is not None and not 0 < number < 65536:
        raise BadMessage(400, "port out of range in Via")
    return Via(transport.upper(), host, number, split_params(params) if params else ())


_name_addr: Final = re.compile(
    rb'[ \t]*+((?:"(?:[^"\\]++|\\.)*+"|[^"<>;,]*+))[ \t]*+<([^<>]*+)>[ \t]*+(;.*+)?+', re.DOTALL
).fullmatch


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"Display" <uri>;params` (20.10). `display` keeps its quotes; parameters outside `<>` are the header's."""

    display: bytes
    uri: Uri
    params: Params = ()

    @staticmethod
    def parse(text: bytes) -> "NameAddr":
        """Reads name-addr or addr-spec. Raises BadMessage(400)."""
        return _parse_name_addr(text)

    def to_bytes(self) -> bytes:
        """Always with angle brackets."""
        display = self.display + b" " if self.display else b""
        return display + b"<" + self.uri.to_bytes() + b">" + join_params(self.params)

    @property
    def tag(self) -> bytes | None:
        """The dialog tag."""
        return param(self.params, b"tag") or None

    def param(self, name: bytes) -> bytes | None:
        """A header parameter by its lower-case name."""
        return param(self.params, name)

    def with_tag(self, tag: bytes) -> "NameAddr":
        """The same address with this tag."""
        return replace(self, params=(*(pair for pair in self.params if pair[0] != b"tag"), (b"tag", tag)))


@lru_cache(maxsize=4096)
def _parse_name_addr(text: bytes) -> NameAddr:
    match = _name_addr(text)
    if match is not None:
        display, uri, params = match.groups()
        display = display.strip(b" \t")
        if display and display[:1] != b'"' and not all(is_token(word) for word in display.split()):
            raise BadMessage(400, "display name needs quotes")
        return NameAddr(display, Uri.parse(uri.strip(b" \t")), split_params(params) if params else ())
    if b"<" in text or b">" in text:
        raise BadMessage(400, "malformed address")
    bare, semicolon, rest = text.strip(b" \t").partition(b";")
    if b"?" in bare or b"," in bare:
        raise BadMessage(400, "a URI with comma or question mark needs angle brackets")
    return NameAddr(b"", Uri.parse(bare.rstrip(b" \t")), split_params(b";" + rest) if semicolon else ())


@dataclass(frozen=True, slots=True)
class CSeq:
    """The order of a request within its dialog: 0 to 2**31-1, and its method (20.16)."""

    number: int
    method: bytes

    def to_bytes(self) -> bytes:
        """`number method`."""
        return b"%d %b" % (self.number, self.method)
