"""What a negotiated stream can send at most: packets in a second, and bytes in one packet.

The gate holds each stream to these figures, so they are ceilings and no averages: the shortest frames, the highest
bit rate, both sides' wishes. Whatever is not known here gets 0, which means the gate's own generous limits.
RFC 3551 (static payload types, frames), RFC 4733 (telephone-event), RFC 3389 (comfort noise), RFC 7587 (Opus).
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

MAX_BYTES: Final = 1452  # largest datagram that the gate relays: beyond it no limit of a stream's own makes sense
CONTROL_PPS: Final = 50  # RTCP of one audio stream (RFC 3550 6.2: seconds apart; feedback and bursts are far below)
_SHORTEST_MS: Final = 10  # frames of ordinary codecs; a side that wants shorter ones says so in a=ptime
_LONGEST_MS: Final = 60  # a sender may use longer frames than it was asked for: this much at least
_EVENTS_PPS: Final = 50  # telephone-event packets that a phone sends beside its audio
_OVERHEAD: Final = 12 + 60 + 48 + 20  # RTP header, contributing sources, header extensions, SRTP's tag and MKI

_STATIC: Final[Mapping[int, str]] = {
    0: "pcmu/8000", 3: "gsm/8000", 4: "g723/8000", 5: "dvi4/8000", 6: "dvi4/16000", 7: "lpc/8000", 8: "pcma/8000",
    9: "g722/8000", 10: "l16/44100", 11: "l16/44100", 12: "qcelp/8000", 13: "cn/8000", 15: "g728/8000",
    16: "dvi4/11025", 17: "dvi4/22050", 18: "g729/8000", 19: "cn/8000",
}  # fmt: skip
_BITS_PER_S: Final[Mapping[str, int]] = {
    "pcmu": 64_000, "pcma": 64_000, "g722": 64_000, "gsm": 13_200, "gsm-efr": 12_400, "lpc": 5_600, "g723": 6_400,
    "g728": 16_000, "g729": 11_800, "g729d": 6_400, "g729e": 11_800, "g7221": 48_000, "g726-16": 16_000,
    "g726-24": 24_000, "g726-32": 32_000, "g726-40": 40_000, "ilbc": 15_200, "qcelp": 13_300, "amr": 13_200,
    "amr-wb": 24_800, "speex": 44_800, "opus": 510_000,
}  # fmt: skip
_BESIDE: Final = frozenset({"telephone-event", "cn", "tone"})  # small packets beside or instead of audio
_FREE_FRAMES: Final = {"opus": 400}  # packets a second where no ptime holds the sender to longer frames


class Pace(NamedTuple):
    """Packets in a second and bytes of one packet's UDP payload; 0: not known."""

    packets_per_s: int = 0
    packet_bytes: int = 0


def name_of(number: int, maps: Mapping[int, str]) -> str:
    """The `name/clock` of a payload type, by rtpmap or else by RFC 3551; "" when neither knows it."""
    return maps.get(number) or _STATIC.get(number, "")


def pace(kind: str, codecs: Iterable[str], ptimes_ms: Iterable[int], longest_ms: int = 0) -> Pace:
    """The ceiling of one stream of media `kind` that may carry any of `codecs` (`name/clock`).

    `ptimes_ms`: every a=ptime of both sides; `longest_ms`: the larger a=maxptime, 0 for none.
    """
    names = [codec.partition("/") for codec in codecs]
    spoken = [(name, _bits(name, clock)) for name, _, clock in names if name not in _BESIDE]
    if kind != "audio" or not spoken or not all(bits for _, bits in spoken):
        return Pace()
    wishes = [ms for ms in ptimes_ms if ms > 0]
    shortest = min([_SHORTEST_MS, *wishes])
    rate = max([-(-1000 // shortest), *([] if wishes else [_FREE_FRAMES.get(name, 0) for name, _ in spoken])])
    if len(spoken) < len(names):
        rate += _EVENTS_PPS
    frame_ms = max([_LONGEST_MS, longest_ms, *(2 * ms for ms in wishes)])
    size = _OVERHEAD + max(bits for _, bits in spoken) * frame_ms // 8000
    return Pace(rate, size if size < MAX_BYTES else 0)


def _bits(name: str, clock: str) -> int:
    rate = int(clock) if clock.isdigit() else 8000
    if name == "l16":
        return 16 * 2 * rate
    return 5 * rate if name == "dvi4" else _BITS_PER_S.get(name, 0)
