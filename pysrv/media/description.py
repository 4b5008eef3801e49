"""What the relay must know of a session description: where each stream is to be sent, and what it may carry.

Reads lines and keeps them, in order, for `rewrite`. It is stricter than a phone where a wrong guess would aim media
at a wrong place, and indifferent to everything else. Knows no ports of ours and no sides. RFC 8866; RFC 3605
(a=rtcp), RFC 5761 (a=rtcp-mux), RFC 2543 appendix B.5 (hold by the unspecified address).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import pairwise
from typing import Final

from pysrv.media.errors import BadDescription

MAX_MEDIA: Final = 16  # m= lines of one description: more is no telephone
RELAYED: Final = frozenset(
    {b"RTP/AVP", b"RTP/AVPF", b"RTP/SAVP", b"RTP/SAVPF", b"UDP/TLS/RTP/SAVP", b"UDP/TLS/RTP/SAVPF"}
)
_line: Final = re.compile(rb"([a-z])=([^\x00\r\n]*+)").fullmatch
_m: Final = re.compile(rb"([!-~]{1,32}) (\d{1,5})(?:/\d{1,5})? ([!-~]{1,32})((?: [!-~]+)+) *").fullmatch
_c: Final = re.compile(rb"IN (IP4|IP6) ([!-~]+) *").fullmatch
_rtcp: Final = re.compile(rb"(\d{1,5})(?: IN IP[46] ([!-~]+))? *").fullmatch
_rtpmap: Final = re.compile(rb"(\d{1,3}) +([^/ ]+)/(\d+)(.*)").fullmatch
_o: Final = re.compile(rb"\S+ \d+ \d+ IN IP[46] (\S+) *").fullmatch

Line = tuple[bytes, bytes]
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Media:
    """One m= line as its sender means it.

    `port` 0: refused or switched off. `relayed`: RTP that the relay can carry. `remote` and `rtcp` say where the
    sender wants packets; None when it named no address that packets can be sent to (on hold, or a host name). `held`
    is RFC 2543's way: c= with the unspecified address. `formats` are RTP payload types; `codecs` their
    `name/clock` in lower case where an rtpmap gives one. `mux`: RTCP may share the RTP port. `ptime_ms` and
    `maxptime_ms`: how long a packet's sound should or may be, 0 when not said. `fingerprint`: keys come by DTLS.
    """

    kind: str
    port: int
    relayed: bool
    remote: Endpoint | None
    rtcp: Endpoint | None
    held: bool
    mux: bool
    formats: tuple[int, ...]
    codecs: tuple[tuple[int, str], ...]
    ptime_ms: int = 0
    maxptime_ms: int = 0
    fingerprint: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The lines above the first m=, or of one m=: in order, its attributes by name (b"" for a flag), its c= address."""

    lines: tuple[Line, ...]
    attributes: dict[bytes, list[bytes]]
    connection: bytes | None


@dataclass(frozen=True, slots=True)
class Description:
    """A session description, read: its sections as they stand, its media, and every address its sender shows."""

    session: Section
    sections: tuple[Section, ...]
    media: tuple[Media, ...]
    addresses: frozenset[bytes]


def read(sdp: bytes) -> Description:
    """The description in `sdp`. Raises BadDescription that says what is wrong."""
    lines = _lines(sdp)
    starts = [index for index, (kind, _) in enumerate(lines) if kind == b"m"]
    if len(starts) > MAX_MEDIA:
        raise BadDescription(f"more than {MAX_MEDIA} media streams")
    bounds = [*starts, len(lines)]
    session = _section(lines[: bounds[0]])
    sections = tuple(_section(lines[a:b]) for a, b in pairwise(bounds))
    media = tuple(_media(section, session) for section in sections)
    return Description(session, sections, media, _addresses(session, sections))


@lru_cache(maxsize=256)
def address_text(address: str) -> str:
    """One of our own addresses in normal form. Raises ValueError."""
    return str(ip_address(address))


def is_unspecified(address: bytes | None) -> bool:
    """Whether `address` is 0.0.0.0 or ::, RFC 2543's hold."""
    return address == b"0.0.0.0" or (address is not None and b"::" in address and not address.strip(b"0:"))


def _lines(sdp: bytes) -> list[Line]:
    found: list[Line] = []
    for raw in sdp.rstrip(b"\r\n").split(b"\n"):
        match = _line(raw.removesuffix(b"\r"))
        if match is None:
            raise BadDescription(f"SDP line not understood: {_shown(raw)}")
        found.append((match[1], match[2]))
    if found[0] != (b"v", b"0"):
        raise BadDescription("SDP must begin with v=0")
    return found


def _section(lines: list[Line]) -> Section:
    attributes: dict[bytes, list[bytes]] = {}
    address: bytes | None = None
    for kind, value in lines:
        if kind == b"a":
            name, _, text = value.partition(b":")
            attributes.setdefault(name, []).append(text)
        elif kind == b"c" and address is None:
            match = _c(value)
            if match is None:
                raise BadDescription(f"c= line not understood: {_shown(value)}")
            address = match[2]
    return Section(tuple(lines), attributes, address)


def _media(section: Section, session: Section) -> Media:
    line = section.lines[0][1]
    match = _m(line)
    if match is None:
        raise BadDescription(f"m= line not understood: {_shown(line)}")
    port = _port(match[2])
    relayed = match[3].upper() in RELAYED
    address = session.connection if section.connection is None else section.connection
    if address is None and port:
        raise BadDescription("a media stream without a c= line")
    return Media(
        kind=match[1].decode("ascii"),
        port=port,
        relayed=relayed,
        remote=_endpoint(address, port),
        rtcp=_rtcp_endpoint(section, address, port),
        held=is_unspecified(address),
        mux=b"rtcp-mux" in section.attributes or b"rtcp-mux-only" in section.attributes,
        formats=_formats(match[4]) if relayed else (),
        codecs=_codecs(section),
        ptime_ms=_milliseconds(section, b"ptime"),
        maxptime_ms=_milliseconds(section, b"maxptime"),
        fingerprint=b"fingerprint" in section.attributes or b"fingerprint" in session.attributes,
    )


def _milliseconds(section: Section, name: bytes) -> int:
    """An attribute in milliseconds; 0 when it is missing or no number: both are only wishes (RFC 8866 6.4)."""
    text = section.attributes.get(name, [b""])[0].strip()
    return int(text) if text.isdigit() and len(text) <= 4 else 0


def _formats(text: bytes) -> tuple[int, ...]:
    found = tuple(int(word) if word.isdigit() and len(word) <= 3 else 128 for word in text.split())
    if max(found) > 127:
        raise BadDescription(f"RTP payload types must be numbers from 0 to 127: {_shown(text)}")
    return found


def _codecs(section: Section) -> tuple[tuple[int, str], ...]:
    maps = (_rtpmap(value) for value in section.attributes.get(b"rtpmap", ()))
    return tuple((int(m[1]), (m[2] + b"/" + m[3]).decode("utf-8", "replace").lower()) for m in maps if m)


def _rtcp_endpoint(section: Section, address: bytes | None, port: int) -> Endpoint | None:
    for value in section.attributes.get(b"rtcp", ()):
        match = _rtcp(value)
        if match is None:
            raise BadDescription(f"a=rtcp not understood: {_shown(value)}")
        return _endpoint(match[2] or address, _port(match[1]))
    if b"rtcp-mux-only" in section.attributes:
        return _endpoint(address, port)
    return _endpoint(address, port + 1) if 0 < port < 65_535 else None


def _port(text: bytes) -> int:
    port = int(text)
    if port > 65_535:
        raise BadDescription(f"port {port} is above 65535")
    return port


def _endpoint(address: bytes | None, port: int) -> Endpoint | None:
    if address is None or not port:
        return None
    host = _host(address)
    return None if host is None else (host, port)


@lru_cache(maxsize=4096)
def _host(address: bytes) -> str | None:
    """An address in normal form, or None for one that no telephone has."""
    try:
        ip = ip_address(address.decode("ascii", "replace"))
    except ValueError:
        return None
    if ip.is_unspecified or ip.is_multicast or str(ip) == "255.255.255.255" or getattr(ip, "scope_id", None):
        return None
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def _addresses(session: Section, sections: tuple[Section, ...]) -> frozenset[bytes]:
    shown = [section.connection for section in (session, *sections) if section.connection]
    origin = next((value for kind, value in session.lines if kind == b"o"), b"")  # one (RFC 8866 5.2): each is costly
    if (match := _o(origin)) is not None:
        shown.append(match[1])
    found = {address.split(b"/")[0].lower() for address in shown}
    return frozenset(address for address in found if b"." in address or b":" in address)


def _shown(text: bytes) -> str:
    return repr(text[:60])[1:]
