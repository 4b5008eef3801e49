"""Session descriptions as the appliance tells them: the same media in the same order, no trace of who sent them.

Every address, port and origin becomes ours (RFC 3264, RFC 8866); ICE and BUNDLE go, since candidates would lead
around the relay; codecs, directions, keys and everything else that names no address stay as they are. A line that
shows an address in any other place is left out. Pure: bytes in, bytes out.
"""

import re
from dataclasses import dataclass
from typing import Final

from pysrv.media.description import Description, Line, Section, is_unspecified

_GONE: Final = frozenset(
    {
        b"candidate", b"remote-candidates", b"end-of-candidates", b"ice-ufrag", b"ice-pwd", b"ice-options", b"ice-lite",
        b"ice-mismatch", b"ice-pacing", b"ice2", b"alt", b"bundle-only", b"source-filter", b"tool", b"rtcp",
        b"rtcp-mux", b"rtcp-mux-only", b"x-candidate", b"x-rtcp",
    }
)  # fmt: skip
_SESSION_KEPT: Final = frozenset({b"b", b"t", b"r", b"z", b"a"})
_MEDIA_KEPT: Final = frozenset({b"i", b"b", b"a"})
_ip4: Final = re.compile(rb"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.]*\d)").search
_groups: Final = re.compile(rb"[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7,}").findall
_fingerprint: Final = re.compile(rb"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){15,}").fullmatch  # RFC 8122: a hash in hex


@dataclass(frozen=True, slots=True)
class Face:
    """What the receiving side is to see of us.

    `ports[i]` is our RTP port for the i-th stream, 0 to refuse it; its RTCP port is the next one. `mux[i]`: RTCP on
    the RTP port may be said. `answer`: an answer that takes RTCP multiplexing up names no RTCP port (RFC 5761 5.1.1).
    """

    address: str
    ports: tuple[int, ...]
    mux: tuple[bool, ...]
    answer: bool = False


def origin(address: str, session_id: int, version: int) -> bytes:
    """The two lines that every description of ours begins with."""
    return b"v=0\r\no=- %d %d IN %s\r\n" % (session_id, version, _net_address(address))


def body(description: Description, face: Face) -> bytes:
    """All lines after v= and o=: equal bytes mean that nothing changed for the receiver."""
    hidden = _Hidden(description.addresses)
    held = is_unspecified(description.session.connection)
    above = description.session.lines
    lines = [_session_name(above, hidden), b"c=IN " + _where(face.address, held)]
    lines += [k + b"=" + v for k, v in _timed(above) if k in _SESSION_KEPT and _stays(k, v, hidden)]
    for index, section in enumerate(description.sections):
        lines += _section(section, face, index, held, hidden)
    return b"\r\n".join(lines) + b"\r\n"


class _Hidden:
    """Whether a line shows an address: of any host in text form, or one the sender named as its own."""

    def __init__(self, addresses: frozenset[bytes]) -> None:
        self._own = addresses

    def __call__(self, value: bytes) -> bool:
        dots, colons = value.count(b"."), value.count(b":")
        if not (dots or colons > 1):
            return False  # no address is without them, and most lines are
        if (dots >= 3 and _ip4(value)) or b"::" in value:
            return True
        if colons >= 7 and any(not _fingerprint(run) for run in _groups(value)):
            return True
        low = value.lower()
        return any(address in low and _stands_alone(address, low) for address in self._own)


def _stands_alone(address: bytes, text: bytes) -> bool:
    return re.search(rb"(?<![\w.-])" + re.escape(address) + rb"(?![\w-])", text) is not None


def _session_name(lines: tuple[Line, ...], hidden: _Hidden) -> bytes:
    name = next((value for kind, value in lines if kind == b"s"), b"")
    return b"s=" + (b"-" if not name.strip() or hidden(name) else name)


def _timed(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """With the t= line that RFC 8866 demands and some phones forget."""
    if any(kind == b"t" for kind, _ in lines):
        return lines
    first = next((i for i, (kind, _) in enumerate(lines) if kind == b"a"), len(lines))
    return (*lines[:first], (b"t", b"0 0"), *lines[first:])


def _section(section: Section, face: Face, index: int, session_held: bool, hidden: _Hidden) -> list[bytes]:
    lines, port = section.lines, face.ports[index]
    if not port:
        # A refused stream keeps its place and its name; nothing else of it matters (RFC 3264 section 6).
        return [
            _m_line(lines, 0, hidden),
            *(b"a=mid:" + mid for mid in section.attributes.get(b"mid", ()) if not hidden(mid)),
        ]
    found = [_m_line(lines, port, hidden)]
    held = session_held if section.connection is None else is_unspecified(section.connection)
    kept = [k + b"=" + v for k, v in lines[1:] if k in _MEDIA_KEPT and _stays(k, v, hidden)]
    titles = sum(line.startswith(b"i=") for line in kept)
    found += kept[:titles]
    if held != session_held:
        found.append(b"c=IN " + _where(face.address, held))
    return found + kept[titles:] + _rtcp_lines(section, face, index)


def _rtcp_lines(section: Section, face: Face, index: int) -> list[bytes]:
    mux = face.mux[index] and b"rtcp-mux" in section.attributes
    mux_only = face.mux[index] and b"rtcp-mux-only" in section.attributes
    found = [b"a=rtcp-mux"] if mux else []
    found += [b"a=rtcp-mux-only"] if mux_only else []
    if b"rtcp" in section.attributes and not mux_only and not (mux and face.answer):
        found.append(b"a=rtcp:%d" % (face.ports[index] + 1))
    return found


def _m_line(lines: tuple[Line, ...], port: int, hidden: _Hidden) -> bytes:
    kind, _, proto, *formats = lines[0][1].split()
    text = b" ".join(formats)
    words = [kind, b"%d" % port, proto, text]
    return b"m=" + b" ".join(b"0" if index != 1 and hidden(word) else word for index, word in enumerate(words))


def _stays(kind: bytes, value: bytes, hidden: _Hidden) -> bool:
    if hidden(value):
        return False
    if kind != b"a":
        return True
    name = value.partition(b":")[0].strip().lower()
    return name not in _GONE and not value.startswith(b"group:BUNDLE")


def _where(address: str, held: bool) -> bytes:
    text = _net_address(address)
    if not held:
        return text
    return b"IP6 ::" if text.startswith(b"IP6") else b"IP4 0.0.0.0"


def _net_address(address: str) -> bytes:
    return (b"IP6 " if ":" in address else b"IP4 ") + address.encode("ascii")
