"""Session descriptions: read tolerantly, changed in single places, written back byte for byte where nothing changed.

RFC 8866 (SDP), RFC 3264 (what offer and answer mean by it), RFC 3605 (a=rtcp), RFC 5761 (a=rtcp-mux). Knows neither
messages nor ports of ours. Lines that mean nothing here stay in their order; line ends stay what they were.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import Final, Self

from pysrv.sip.errors import BadMessage, UnsafeHeader

MAX_LINES: Final = 1000
MAX_PORT: Final = 65535
_split: Final = re.compile(rb"([^\r\n]*+)(\r\n|\n|\r|\Z)").findall
_line: Final = re.compile(rb"([A-Za-z])=(.*+)", re.DOTALL).fullmatch
_m: Final = re.compile(rb"(\S++) ++([0-9]{1,5}+)(?:/([0-9]{1,5}+))? ++(\S++)((?: ++\S++)*) *+").fullmatch
_c: Final = re.compile(rb"(\S++) ++(\S++) ++(\S++) *+").fullmatch
_o: Final = re.compile(rb"(\S++) ++([0-9]{1,20}+) ++([0-9]{1,20}+) ++(\S++) ++(\S++) ++(\S++) *+").fullmatch
_rtcp: Final = re.compile(rb"([0-9]{1,5}+)(?: ++(\S++) ++(\S++) ++(\S++))? *+").fullmatch
_rtpmap: Final = re.compile(rb"(\S++) ++([^\s/]++)/([0-9]{1,9}+)(?:/(\S++))?.*").fullmatch
_UNSAFE: Final = re.compile(rb"[\r\n\0]").search


class Direction(Enum):
    """Who sends, seen from the one who says so (RFC 3264 section 5.1)."""

    SENDRECV = b"sendrecv"
    SENDONLY = b"sendonly"
    RECVONLY = b"recvonly"
    INACTIVE = b"inactive"

    @property
    def mirrored(self) -> "Direction":
        """The same, seen from the other side: the most that an answer to it may say."""
        return _MIRRORED.get(self, self)


_MIRRORED: Final = {Direction.SENDONLY: Direction.RECVONLY, Direction.RECVONLY: Direction.SENDONLY}
_DIRECTIONS: Final = {direction.value: direction for direction in Direction}


@dataclass(frozen=True, slots=True)
class Line:
    """`kind=value` with the line end it came with; an empty line has no kind."""

    kind: bytes
    value: bytes
    end: bytes = b"\r\n"

    def to_bytes(self) -> bytes:
        """The line as it goes on the wire."""
        return self.kind + b"=" + self.value + self.end if self.kind else self.end


@dataclass(frozen=True, slots=True)
class Connection:
    """A c= line: `IN`, `IP4` or `IP6`, and the address (a multicast one keeps its `/ttl`)."""

    network: bytes
    family: bytes
    address: bytes

    def to_bytes(self) -> bytes:
        """The value of the line."""
        return b"%b %b %b" % (self.network, self.family, self.address)


@dataclass(frozen=True, slots=True)
class Origin:
    """The o= line; a later description of the same session has the next `version` (RFC 3264 section 8)."""

    user: bytes
    session: int
    version: int
    connection: Connection

    def to_bytes(self) -> bytes:
        """The value of the line."""
        return b"%b %d %d %b" % (self.user, self.session, self.version, self.connection.to_bytes())


@dataclass(frozen=True, slots=True)
class Codec:
    """What a payload type stands for; the name in lower case."""

    name: bytes
    clock: int
    channels: bytes = b""


@dataclass(frozen=True, slots=True)
class Section:
    """The session's own lines, or one m= line with those that belong to it. Changes give a new section."""

    lines: tuple[Line, ...]

    def values(self, kind: bytes) -> list[bytes]:
        """The values of every line of that kind."""
        return [line.value for line in self.lines if line.kind == kind]

    @property
    def attributes(self) -> list[tuple[bytes, bytes | None]]:
        """Name and value of every a= line; None for a flag."""
        pairs = [value.partition(b":") for value in self.values(b"a")]
        return [(name, value if colon else None) for name, colon, value in pairs]

    def attribute(self, name: bytes) -> bytes | None:
        """The value of the first attribute of that name (b"" for a flag), None if absent."""
        return next((value or b"" for key, value in self.attributes if key == name), None)

    @property
    def connection(self) -> Connection | None:
        """The c= line of this section. Raises BadMessage(400)."""
        values = self.values(b"c")
        if not values:
            return None
        match = _c(values[0])
        if match is None:
            raise BadMessage(400, "malformed c= line in the session description")
        return Connection(*match.groups())

    @property
    def direction(self) -> Direction | None:
        """The direction that this section states, if it does."""
        return next(
            (_DIRECTIONS[name] for name, value in self.attributes if value is None and name in _DIRECTIONS), None
        )

    def with_connection(self, connection: Connection) -> Self:
        """With its c= line replaced; a section without one gets it in the place that the grammar wants."""
        if not self.values(b"c"):
            return self._with(self._inserted(b"c", connection.to_bytes(), before=b"btrkzam"))
        return self._with(_set_first(self.lines, lambda line: line.kind == b"c", b"c", connection.to_bytes()))

    def with_attribute(self, name: bytes, value: bytes | None = None) -> Self:
        """With one attribute of that name: in the place of the first, else at the end."""
        text = name if value is None else name + b":" + value
        if self.attribute(name) is None:
            return self._with((*self.lines, Line(b"a", _safe(text), self.lines[-1].end or b"\r\n")))
        return self._with(_set_first(self.lines, lambda line: _names(line, name), b"a", text))

    def without_attributes(self, *names: bytes) -> Self:
        """Without any attribute of those names."""
        return self._with(tuple(line for line in self.lines if not any(_names(line, name) for name in names)))

    def with_direction(self, direction: Direction) -> Self:
        """With this direction and no other."""
        return self.without_attributes(*_DIRECTIONS).with_attribute(direction.value)

    def to_bytes(self) -> bytes:
        """The lines as they go on the wire."""
        return b"".join([line.to_bytes() for line in self.lines])

    def _with(self, lines: tuple[Line, ...]) -> Self:
        return replace(self, lines=lines)

    def _inserted(self, kind: bytes, value: bytes, before: bytes) -> tuple[Line, ...]:
        for place, line in enumerate(self.lines):
            if place and line.kind in before:
                return (*self.lines[:place], Line(kind, _safe(value), line.end or b"\r\n"), *self.lines[place:])
        return (*self.lines, Line(kind, _safe(value)))


@dataclass(frozen=True, slots=True)
class Media(Section):
    """One m= line and what belongs to it. `port` 0: refused or switched off."""

    kind: bytes
    port: int
    port_count: int
    proto: bytes
    formats: tuple[bytes, ...]

    @staticmethod
    def of(lines: tuple[Line, ...]) -> "Media":
        """From lines of which the first is the m= line. Raises BadMessage(400)."""
        match = _m(lines[0].value)
        if match is None or int(match[2]) > MAX_PORT:
            raise BadMessage(400, "malformed m= line in the session description")
        return Media(lines, match[1], int(match[2]), int(match[3] or 1), match[4], tuple(match[5].split()))

    @property
    def is_rtp(self) -> bool:
        """Whether it is RTP, secured or not."""
        return b"RTP/" in self.proto

    @property
    def rtcp_mux(self) -> bool:
        """Whether RTCP may come on the RTP port (RFC 5761)."""
        return self.attribute(b"rtcp-mux") is not None

    @property
    def rtcp(self) -> tuple[int, Connection | None] | None:
        """Port and, if given, address of a=rtcp (RFC 3605). Raises BadMessage(400)."""
        value = self.attribute(b"rtcp")
        if value is None:
            return None
        match = _rtcp(value)
        if match is None or int(match[1]) > MAX_PORT:
            raise BadMessage(400, "malformed a=rtcp in the session description")
        return int(match[1]), None if match[2] is None else Connection(match[2], match[3], match[4])

    @property
    def codecs(self) -> dict[bytes, Codec]:
        """What the payload types stand for that have an a=rtpmap."""
        found = (_rtpmap(value) for name, value in self.attributes if name == b"rtpmap" and value is not None)
        return {match[1]: Codec(match[2].lower(), int(match[3]), match[4] or b"") for match in found if match}

    def with_port(self, port: int) -> "Media":
        """With another port; 0 refuses the stream."""
        return self._with_m(port, self.formats)

    def with_formats(self, formats: tuple[bytes, ...]) -> "Media":
        """With these formats alone; attributes of the others go with them."""
        gone = set(self.formats) - set(formats)
        kept = [line for line in self.lines if not (line.kind == b"a" and _format_of(line.value) in gone)]
        return replace(self, lines=tuple(kept))._with_m(self.port, formats)

    def _with_m(self, port: int, formats: tuple[bytes, ...]) -> "Media":
        if not 0 <= port <= MAX_PORT:
            raise ValueError(f"no port: {port}")
        count = b"/%d" % self.port_count if self.port_count != 1 else b""
        value = b" ".join((self.kind, b"%d%b" % (port, count), self.proto, *formats))
        first = replace(self.lines[0], value=_safe(value))
        return replace(self, lines=(first, *self.lines[1:]), port=port, formats=formats)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """The session's own lines and its media, in order."""

    session: Section
    media: tuple[Media, ...]

    @staticmethod
    def parse(text: bytes) -> "SessionDescription":
        """Reads a description; LF alone ends a line too. Raises BadMessage(400)."""
        lines = _lines(text)
        starts = [place for place, line in enumerate(lines) if line.kind == b"m"]
        bounds = [*starts, len(lines)]
        media = tuple(Media.of(tuple(lines[start:end])) for start, end in pairwise(bounds))
        return SessionDescription(Section(tuple(lines[: bounds[0]])), media)

    def to_bytes(self) -> bytes:
        """The description as it goes on the wire."""
        return self.session.to_bytes() + b"".join([media.to_bytes() for media in self.media])

    @property
    def origin(self) -> Origin:
        """The o= line. Raises BadMessage(400)."""
        match = _o((self.session.values(b"o") or [b""])[0])
        if match is None:
            raise BadMessage(400, "malformed or missing o= line in the session description")
        return Origin(match[1], int(match[2]), int(match[3]), Connection(match[4], match[5], match[6]))

    def with_origin(self, origin: Origin) -> "SessionDescription":
        """With its o= line replaced."""
        lines = _set_first(self.session.lines, lambda line: line.kind == b"o", b"o", origin.to_bytes())
        return replace(self, session=Section(lines))

    def with_media(self, index: int, media: Media) -> "SessionDescription":
        """With the stream at `index` replaced."""
        return replace(self, media=(*self.media[:index], media, *self.media[index + 1 :]))

    def connection_of(self, media: Media) -> Connection | None:
        """Where a stream goes: its own c= line, else the session's."""
        return media.connection or self.session.connection

    def direction_of(self, media: Media) -> Direction:
        """A stream's direction: its own, else the session's, else both ways."""
        return media.direction or self.session.direction or Direction.SENDRECV


def _lines(text: bytes) -> list[Line]:
    found: list[Line] = []
    for raw, end in _split(text):
        if not raw:
            if end:
                found.append(Line(b"", b"", end))
            continue
        match = _line(raw)
        if match is None or b"\0" in raw:
            raise BadMessage(400, "malformed line in the session description")
        found.append(Line(match[1], match[2], end))
    if len(found) > MAX_LINES:
        raise BadMessage(413, "session description too long")
    if not found or found[0].kind != b"v" or found[0].value.strip() != b"0":
        raise BadMessage(400, "no session description of version 0")
    return found


def _names(line: Line, name: bytes) -> bool:
    return line.kind == b"a" and line.value.partition(b":")[0] == name


def _format_of(attribute: bytes) -> bytes | None:
    name, _, value = attribute.partition(b":")
    return value.partition(b" ")[0] if name in (b"rtpmap", b"fmtp", b"rtcp-fb") else None


def _set_first(lines: tuple[Line, ...], matches: Callable[[Line], bool], kind: bytes, value: bytes) -> tuple[Line, ...]:
    """The first line that matches gets the value, the others that match go."""
    places = [place for place, line in enumerate(lines) if matches(line)]
    if not places:
        raise BadMessage(400, f"no {kind.decode()}= line in the session description")
    first = replace(lines[places[0]], kind=kind, value=_safe(value))
    return tuple(first if place == places[0] else line for place, line in enumerate(lines) if place not in places[1:])


def _safe(value: bytes) -> bytes:
    if _UNSAFE(value):
        raise UnsafeHeader("line break or NUL in a session description")
    return value
