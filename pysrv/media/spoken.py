"""The office as a party: what it answers to an offer of audio. RFC 3264; RFC 3551 (G.711), RFC 4733 (telephone-event).

It takes the first stream that offers G.711 without encryption, and of that every G.711 codec and the events; all other
streams are refused, each in its place.
"""

from dataclasses import dataclass

from pysrv.media.codecs import name_of
from pysrv.media.description import Media, read
from pysrv.media.errors import NotRelayable
from pysrv.media.g711 import Law
from pysrv.media.rtp import FRAME_MS

_PLAIN = frozenset((b"RTP/AVP", b"RTP/AVPF"))
_EVENTS = "telephone-event/8000"


@dataclass(frozen=True, slots=True)
class Tongue:
    """How the office speaks on a stream, and the payload type of its events; None: the party offered none."""

    payload_type: int
    law: Law
    events: int | None


def answer_to(offer: bytes, address: str) -> tuple[bytes, Tongue]:
    """The office's own answer, and how it will speak. Raises NotRelayable, or BadDescription for what is no SDP.

    `address` is one of ours: it is replaced on the way like every party's, and nothing is sent there.
    """
    description = read(offer)
    lines = [section.lines[0][1] for section in description.sections]
    streams = list(zip(description.media, lines, strict=True))
    chosen = next((n for n, stream in enumerate(streams) if _usable(*stream)), None)
    if chosen is None:
        raise NotRelayable("no plain G.711 audio in the offer: an access number speaks nothing else")
    family = "IP6" if ":" in address else "IP4"
    head = f"v=0\r\no=- 0 0 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n".encode()
    lines = [_taken(*stream) if n == chosen else _refused(stream[1]) for n, stream in enumerate(streams)]
    return head + b"".join(lines), tongue(description.media[chosen])


def tongue(media: Media) -> Tongue:
    """The first G.711 codec of a stream, and its events. Raises NotRelayable."""
    for number in media.formats:
        if _law(media, number) is not None:
            events = next((each for each in media.formats if _name(media, each) == _EVENTS), None)
            return Tongue(number, Law(_name(media, number)), events)
    raise NotRelayable("no G.711 in the stream")


def _usable(media: Media, line: bytes) -> bool:
    plain = line.split(b" ")[2].upper() in _PLAIN
    return plain and media.kind == "audio" and bool(media.port) and any(_law(media, n) for n in media.formats)


def _name(media: Media, number: int) -> str:
    return name_of(number, dict(media.codecs))


def _law(media: Media, number: int) -> Law | None:
    name = _name(media, number)
    return Law(name) if name in tuple(Law) else None


def _taken(media: Media, line: bytes) -> bytes:
    protocol = line.split(b" ")[2].decode("ascii")
    kept = [n for n in media.formats if _law(media, n) or _name(media, n) == _EVENTS]
    lines = [f"m=audio 9 {protocol} {' '.join(map(str, kept))}"]
    for number in kept:
        name = _name(media, number)
        shown = name if name == _EVENTS else name.upper()
        lines.append(f"a=rtpmap:{number} {shown}")
        if name == _EVENTS:
            lines.append(f"a=fmtp:{number} 0-15")
    lines += [f"a=ptime:{FRAME_MS}", "a=sendrecv"]
    return "".join(each + "\r\n" for each in lines).encode()


def _refused(line: bytes) -> bytes:
    kind, _, rest = line.split(b" ", 2)
    return b"m=%b 0 %b\r\n" % (kind, rest)
