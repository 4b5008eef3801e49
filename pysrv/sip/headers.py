"""The header fields of a message, and the structured values that several headers share: Via, name-addr, CSeq.

Knows no message and no transaction. Names are canonical: lower case, long form (RFC 3261 sections 7.3 and 20).
Every value added here is safe to write: one that holds CR, LF or NUL is refused. The structured values are never
altered; the type checker holds that (a frozen dataclass would take five times as long to make, for every message).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.grammar import (
    HOST,
    QUOTED,
    TOKEN,
    Params,
    join_params,
    number,
    param,
    quote,
    split_list,
    split_params,
    unquote,
    with_param,
)
from pysrv.sip.names import COMPACT, canonical, canonical_names, spelled
from pysrv.sip.uri import Uri

__all__ = [
    "COMPACT",
    "CSeq",
    "Headers",
    "Line",
    "NameAddr",
    "Via",
    "canonical",
    "canonical_names",
    "safe",
    "spelled",
]

Line = tuple[bytes, bytes]
T = TypeVar("T")

_unsafe: Final = re.compile(rb"[\r\n\0]").search
_via: Final = re.compile(
    rb"[Ss][Ii][Pp][ \t]*+/[ \t]*+(" + TOKEN + rb")[ \t]*+/[ \t]*+(" + TOKEN + rb")[ \t]++(" + HOST + rb")"
    rb"(?:[ \t]*+:[ \t]*+([0-9]{1,5}+))?[ \t]*+(.*+)",
    re.DOTALL,
).fullmatch
_name_addr: Final = re.compile(
    rb"[ \t]*+(" + QUOTED + rb"|(?:" + TOKEN + rb"[ \t]*+)*)[ \t]*+<([^<>\s\"]*+)>[ \t]*+(.*+)", re.DOTALL
).fullmatch
_addr_spec: Final = re.compile(rb"[ \t]*+([^\s<>\",;?]++)[ \t]*+((?:;.*+)?)", re.DOTALL).fullmatch
_cseq: Final = re.compile(rb"([0-9]++)[ \t]++(" + TOKEN + rb")").fullmatch


def safe(value: bytes) -> bytes:
    """The value, if it stays within its line. Raises UnsafeHeader."""
    if _unsafe(value):
        raise UnsafeHeader("line break or NUL in a header value")
    return value


class Headers:
    """The header lines of one message, in order, each a canonical name and an unfolded value.

    Whoever alters `lines` directly sets `changed` afterwards, and answers for their being safe to write.
    """

    __slots__ = ("_changed", "index", "lines", "understood")

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        """Takes any spelling of names. Raises UnsafeHeader."""
        self.lines: list[Line] = [(canonical(name), safe(value)) for name, value in lines]
        self.index: dict[bytes, bytes] | None = None
        self.understood: dict[bytes, tuple[Any, Any]] = {}
        self._changed = True

    @classmethod
    def received(cls, lines: list[Line]) -> "Headers":
        """Lines that the parser has checked, taken as they are."""
        headers = cls.__new__(cls)
        headers.lines = lines
        headers.index = dict(lines[::-1])
        headers.understood = {}
        headers._changed = False
        return headers

    @property
    def changed(self) -> bool:
        """Whether anything was altered since the message came in; to be set after altering `lines`."""
        return self._changed

    @changed.setter
    def changed(self, changed: bool) -> None:
        self._changed = changed
        self.index = None

    def first(self) -> dict[bytes, bytes]:
        """The value of the first line of every name; not to be altered."""
        found = self.index
        if found is None:
            found = self.index = dict(self.lines[::-1])
        return found

    def is_single(self, name: bytes) -> bool:
        """Whether there is at most one line of that (canonical) name."""
        return len(self.first()) == len(self.lines) or sum(key == name for key, _ in self.lines) <= 1

    def read_all(self, name: bytes, parse: Callable[[bytes], T]) -> list[T]:
        """What `parse` makes of every comma-separated element of that name. Raises BadMessage(400)."""
        first = self.first()
        if name not in first:
            return []
        single = len(first) == len(self.lines)
        values = [first[name]] if single else [value for key, value in self.lines if key == name]
        held = self.understood.get(name + b",")
        if held is None or held[0] != values:
            held = values, [parse(element) for value in values for element in split_list(value) if element]
            self.understood[name + b","] = held
        return held[1].copy()

    def get(self, name: bytes) -> bytes | None:
        """The first line of that name."""
        first = self.first()
        return first.get(name) or first.get(canonical(name))

    def get_all(self, name: bytes) -> list[bytes]:
        """One value for each line of that name, in order."""
        name = canonical(name)
        return [value for key, value in self.lines if key == name]

    def split(self, name: bytes) -> list[bytes]:
        """The comma-separated elements over all lines of that name. Raises BadMessage(400) on unbalanced quotes."""
        return [element for value in self.get_all(name) for element in split_list(value) if element]

    def add(self, name: bytes, value: bytes) -> None:
        """One more line after all others. Raises UnsafeHeader."""
        self.lines.append((canonical(name), safe(value)))
        self.changed = True

    def prepend(self, name: bytes, value: bytes) -> None:
        """One more line before all others. Raises UnsafeHeader."""
        self.lines.insert(0, (canonical(name), safe(value)))
        self.changed = True

    def set(self, name: bytes, value: bytes) -> None:
        """Exactly one line of that name, in the place of the first. Raises UnsafeHeader."""
        name, value = canonical(name), safe(value)
        place = next((index for index, line in enumerate(self.lines) if line[0] == name), len(self.lines))
        self.lines = [line for line in self.lines if line[0] != name]
        self.lines.insert(place, (name, value))
        self.changed = True

    def set_first(self, name: bytes, value: bytes | None) -> None:
        """Replaces the first element of that name (None: takes it away), wherever the commas are.

        Raises UnsafeHeader, and BadMessage(400) when the elements cannot be told apart.
        """
        name = canonical(name)
        first = [] if value is None else [safe(value)]
        for place, (key, old) in enumerate(self.lines):
            if key == name:
                left = first + (split_list(old)[1:] if b"," in old else [])
                self.lines[place : place + 1] = [(name, b", ".join(left))] if left else []
                break
        else:
            self.lines[:0] = [(name, element) for element in first]
        self.changed = True

    def remove(self, name: bytes) -> None:
        """No line of that name."""
        name = canonical(name)
        self.lines = [line for line in self.lines if line[0] != name]
        self.changed = True

    def __contains__(self, name: bytes) -> bool:
        first = self.first()
        return name in first or canonical(name) in first

    def __len__(self) -> int:
        return len(self.lines)

    def items(self) -> Iterator[Line]:
        """Canonical name and value of every line."""
        return iter(self.lines)

    def copy(self) -> "Headers":
        """Headers of their own with the same lines."""
        other = Headers.received(self.lines.copy())
        other.understood = self.understood.copy()
        other._changed = True
        return other

    def __repr__(self) -> str:
        return f"Headers({self.lines!r})"


@dataclass(slots=True, unsafe_hash=True)
class Via:
    """One Via element (RFC 3261 section 20.42). `host` of IPv6 keeps its brackets; parameter names in lower case."""

    transport: Final[bytes]
    host: Final[bytes]
    port: Final[int | None] = None
    params: Final[Params] = ()
    version: Final[bytes] = b"2.0"

    @staticmethod
    def parse(text: bytes) -> "Via":
        """Reads one element. Raises BadMessage(400)."""
        match = _via(text)
        if match is None:
            raise BadMessage(400, "malformed Via")
        version, transport, host, port, params = match.groups()
        at = None if port is None else number(port, 65535, "port of Via")
        return Via(transport.upper(), host, at, split_params(params) if params else (), version)

    def to_bytes(self) -> bytes:
        """The element as it is written."""
        port = b"" if self.port is None else b":%d" % self.port
        return b"SIP/" + self.version + b"/" + self.transport + b" " + self.host + port + join_params(self.params)

    @property
    def branch(self) -> bytes | None:
        """The transaction's identifier, as the sender gave it; None when there is none or it is empty."""
        return param(self.params, b"branch") or None

    @property
    def received(self) -> bytes | None:
        """The address the request really came from (18.2.1)."""
        return param(self.params, b"received")

    @property
    def rport(self) -> bytes | None:
        """The port the request really came from; b"" when it was asked for but not yet filled in (RFC 3581)."""
        return param(self.params, b"rport")

    def param(self, name: bytes) -> bytes | None:
        """The value of a parameter by its lower-case name (b"" for a flag), None if absent."""
        return param(self.params, name)

    def with_param(self, name: bytes, value: bytes | None = None) -> "Via":
        """The same element with one parameter set, in its old place if it had one."""
        return replace(self, params=with_param(self.params, name, value))


@dataclass(slots=True, unsafe_hash=True)
class NameAddr:
    """A name-addr or addr-spec with its header parameters (20.10, 20.20, 20.34, 20.39).

    `display` is plain text, without the quotes and escapes that it may need on the wire.
    """

    display: Final[bytes]
    uri: Final[Uri]
    params: Final[Params] = ()

    @staticmethod
    def parse(text: bytes) -> "NameAddr":
        """Reads one element. Raises BadMessage(400)."""
        match = _name_addr(text)
        if match is not None:
            display, address, params = match.groups()
            if display:
                display = unquote(display) if display[:1] == b'"' else display.rstrip(b" \t")
            return NameAddr(display, Uri.parse(address), split_params(params) if params else ())
        match = _addr_spec(text)
        if match is None:
            raise BadMessage(400, "malformed address")
        return NameAddr(b"", Uri.parse(match[1]), split_params(match[2]) if match[2] else ())

    def to_bytes(self) -> bytes:
        """Always the bracketed form, the display name quoted."""
        display = quote(self.display) + b" " if self.display else b""
        return display + b"<" + self.uri.to_bytes() + b">" + join_params(self.params)

    @property
    def tag(self) -> bytes | None:
        """The tag; None when there is none or it is empty."""
        return param(self.params, b"tag") or None

    def with_tag(self, tag: bytes | None) -> "NameAddr":
        """The same address with this tag (None: without)."""
        kept = tuple(pair for pair in self.params if pair[0] != b"tag")
        return replace(self, params=kept if tag is None else (*kept, (b"tag", tag)))

    def param(self, name: bytes) -> bytes | None:
        """The value of a header parameter by its lower-case name (b"" for a flag, quotes kept), None if absent."""
        return param(self.params, name)

    def with_param(self, name: bytes, value: bytes | None = None) -> "NameAddr":
        """The same address with one header parameter set."""
        return replace(self, params=with_param(self.params, name, value))


@dataclass(slots=True, unsafe_hash=True)
class CSeq:
    """Sequence number (0 to 2**31 - 1) and method (8.1.1.5, 20.16)."""

    number: Final[int]
    method: Final[bytes]

    @staticmethod
    def parse(text: bytes) -> "CSeq":
        """Raises BadMessage(400)."""
        match = _cseq(text)
        if match is None:
            raise BadMessage(400, "malformed CSeq")
        return CSeq(number(match[1], 2**31 - 1, "CSeq number"), match[2])

    def to_bytes(self) -> bytes:
        """`4711 INVITE`."""
        return b"%d %b" % (self.number, self.method)
