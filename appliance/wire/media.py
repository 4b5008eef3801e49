"""Relay sessions: what the office asks for, and what the kernel counted. `*_ns` is CLOCK_MONOTONIC."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RelayStream:
    """One side of one relayed flow: packets that arrive at `local` leave from `peer_local` to that side's remote.

    `local` and `peer_local` are (address, port) of the appliance; `remote` is what this side's SDP announced, or None
    when it is not known yet. With `learn`, the first source that sends a few consistent packets replaces `remote` and
    is locked (symmetric RTP, RFC 4961); `near` is the address that this side's signalling comes from, where it is
    learned soonest, and nowhere else if `remote` is there too. `payload_types` empty: any. `rtcp` streams are checked
    as RTCP (RFC 3550).
    """

    local: tuple[str, int]
    peer_local: tuple[str, int]
    remote: tuple[str, int] | None = None
    learn: bool = True
    rtcp: bool = False
    payload_types: tuple[int, ...] = ()
    muted: bool = False  # checked, learned from and counted, but not forwarded: early media that a setting blocks
    packets_per_s: int = 0  # most that the negotiated codecs send; 0: the gate's default
    packet_bytes: int = 0  # largest payload of the negotiated codecs, RTP header included; 0: the gate's default
    near: str = ""
    final: bool = False  # whoever was learned first keeps the lock, even against `remote`
    dtls: bool = False  # a fingerprint was negotiated: DTLS handshakes pass (RFC 5764)
    office: bool = False  # the other side is the office itself: what may pass goes to its socket at `local`
    many: bool = False  # several SSRCs share the stream, as video with retransmission does (RFC 4588): all may pass


@dataclass(frozen=True, slots=True)
class RelaySession:
    """All streams of one call and the instant at which the kernel stops forwarding them (0: not before answer)."""

    session: int
    deadline_ns: int
    streams: tuple[RelayStream, ...]


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lease's new end."""

    session: int
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A relay session by its key."""

    session: int


@dataclass(frozen=True, slots=True)
class StreamCounters:
    """What arrived at `local` and was forwarded; `dropped` was refused. `last_ns` 0: nothing yet."""

    local: tuple[str, int]
    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    last_ns: int = 0
    source: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class SessionCounters:
    """The counters of all streams of one session; `found` is False when the kernel has no such session."""

    session: int
    found: bool
    streams: tuple[StreamCounters, ...] = ()
