"""What may pass on one media stream: the rules of bpf/relay.h, sender.h and media.c, for the relay on sockets.

Verdicts have the names of bpf/verdicts.def; "" means that the packet may pass. One table of cases is held against both
(tests/streams.py). Pure: bytes, addresses and nanoseconds come in. RFC 3550 5.1, 6.1 and A.1 (RTP, RTCP, sequence),
RFC 4961 (symmetric RTP), RFC 5761 (both on one port), RFC 5764 5.1.2 and RFC 7983 (DTLS and STUN beside them).
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from appliance.wire import RelayStream

Endpoint = tuple[str, int]

MAX_BYTES: Final = 1452
AHEAD, BEHIND, RUN = 3000, 100, 3
SSRC_BURST: Final = 4
_RTP_HEADER, _RTCP_HEADER, _DTLS_HEADER = 12, 8, 13
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"
_DTLS_MAJOR: Final = 254  # RFC 6347 4.1: version 1.0 is {254, 255}


class Kind(IntEnum):
    """What a packet is."""

    RTP = 0
    RTCP = 1
    DTLS = 2


class Rank(IntEnum):
    """How well a source is known that nobody has locked in yet."""

    NONE = 0
    FAR = 1
    NEAR = 2
    ANNOUNCED = 3


@dataclass(slots=True)
class GuardLimits:
    """The slots of bpf/limits.def that streams are held to, and the verdicts that are counted and not acted on."""

    rtp_burst: int = 1000
    rtp_interval: int = 500_000
    rtp_patience: int = 1_000_000_000
    rtp_hold: int = 100_000_000
    rtp_ssrc_interval: int = 500_000_000
    dtls_burst: int = 64
    dtls_interval: int = 50_000_000
    report_only: frozenset[str] = field(default_factory=frozenset)

    def take(self, values: dict[str, int]) -> None:
        """The slots of `values` that are known here; what is missing stays."""
        for name, value in values.items():
            if name in self.__slots__ and name != "report_only":
                setattr(self, name, value)

    def ruled(self, verdict: str) -> str:
        """What a rule's verdict comes to: itself, or in report-only nothing."""
        return "" if verdict in self.report_only else verdict


def is_rtp(packet: bytes) -> bool:
    """Whether `packet` is RTP (RFC 3550 section 5.1): version 2, room for the sources and extension it announces."""
    header = _RTP_HEADER + 4 * (packet[0] & 0x0F)
    if len(packet) < header or packet[0] >> 6 != 2:
        return False
    if not packet[0] & 0x10:
        return True
    return len(packet) >= header + 4 + 4 * int.from_bytes(packet[header + 2 : header + 4], "big")


def is_rtcp(packet: bytes) -> bool:
    """Whether `packet` begins with a whole RTCP packet (RFC 3550 section 6.1), types 192-223 (RFC 5761 section 4)."""
    if len(packet) < _RTCP_HEADER or packet[0] >> 6 != 2 or not 192 <= packet[1] <= 223:
        return False
    return 4 * (int.from_bytes(packet[2:4], "big") + 1) <= len(packet)


class Bucket:
    """The arithmetic of bpf/bucket.h: the instant at which it is full again."""

    __slots__ = ("full_ns",)

    def __init__(self) -> None:
        self.full_ns = 0

    def take(self, now_ns: int, burst: int, interval_ns: int) -> bool:
        """One token; an interval of 0 takes the limit away."""
        if not interval_ns:
            return True
        full_ns = max(self.full_ns, now_ns) + interval_ns
        if full_ns - now_ns > burst * interval_ns:
            return False
        self.full_ns = full_ns
        return True


class _Newcomer:
    """Who has sent some packets in order and may be believed after some more."""

    __slots__ = ("following", "last_ns", "rank", "run", "since_ns", "source", "ssrc")

    def __init__(self) -> None:
        self.source: Endpoint | None = None
        self.rank = Rank.NONE
        self.ssrc = b""
        self.following = self.run = self.since_ns = self.last_ns = 0

    def packets(self, source: Endpoint, rank: Rank, packet: bytes, now_ns: int, hold_ns: int) -> int:
        """How many packets in order this one makes; 0: somebody else is listened to, who is known no worse."""
        same = self.run > 0 and self.source == source
        if not same and self.run and rank <= self.rank and now_ns - self.last_ns < hold_ns:
            return 0
        ssrc, sequence = packet[8:12], int.from_bytes(packet[2:4], "big")
        if same and self.ssrc == ssrc and self.following == sequence:
            self.run += 1
        else:
            self.source, self.rank, self.ssrc, self.since_ns, self.run = source, rank, ssrc, now_ns, 1
        self.following, self.last_ns = sequence + 1 & 0xFFFF, now_ns
        return self.run


class StreamGuard:
    """One stream's rules and what was learned on it."""

    __slots__ = (
        "_announced", "_before", "_changes", "_handshakes", "_heard_ns", "_highest", "_limits", "_newcomer", "_pace",
        "_ssrc", "_types", "row", "source",
    )  # fmt: skip

    def __init__(self, row: RelayStream, limits: GuardLimits) -> None:
        self.row, self._limits = row, limits
        self._types = frozenset(row.payload_types)
        self.source: Endpoint | None = None  # who is listened to; None: not known yet
        self._announced = False  # whether `source` is the announced one
        self._pace, self._changes, self._handshakes = Bucket(), Bucket(), Bucket()
        self._newcomer = _Newcomer()
        self._heard_ns = self._highest = 0
        self._ssrc = self._before = b""

    def serve(self, row: RelayStream) -> None:
        """Take a newer row; a new announced remote voids what was learned under the old one."""
        if row.remote != self.row.remote:
            self.source = None
        self.row, self._types = row, frozenset(row.payload_types)

    def judge(self, packet: bytes, source: Endpoint, now_ns: int, rtp: "StreamGuard | None" = None) -> str:
        """The verdict on `packet`; `rtp` is the guard of the RTP stream that an RTCP stream belongs to."""
        limits = self._limits
        verdict, kind = self._form(packet)
        if verdict:
            return verdict
        if kind is Kind.RTP and (verdict := self._codec(packet)) and (verdict := limits.ruled(verdict)):
            return verdict
        if (verdict := self._sender(packet, kind, source, now_ns, rtp)) and (verdict := limits.ruled(verdict)):
            return verdict
        if not self._within_pace(kind, now_ns) and (verdict := limits.ruled("rtp_over_rate")):
            return verdict
        return limits.ruled("rtp_early") if self.row.muted and kind is not Kind.DTLS else ""

    def _form(self, packet: bytes) -> tuple[str, Kind]:
        malformed = "rtcp_malformed" if self.row.rtcp else "rtp_malformed"
        if len(packet) > MAX_BYTES:
            return "rtp_too_long", Kind.RTP
        if len(packet) < _RTCP_HEADER:
            return malformed, Kind.RTP
        if packet[0] >> 6 != 2:
            return self._other(packet, malformed), Kind.DTLS
        if self.row.rtcp or 192 <= packet[1] <= 223:
            return "" if is_rtcp(packet) else "rtcp_malformed", Kind.RTCP
        return "" if is_rtp(packet) else "rtp_malformed", Kind.RTP

    def _other(self, packet: bytes, malformed: str) -> str:
        if packet[0] < 4 and packet[4:8] == _STUN_COOKIE:
            return "rtp_stun"
        if not 20 <= packet[0] <= 63 or packet[1] != _DTLS_MAJOR or len(packet) < _DTLS_HEADER:
            return malformed
        return "" if self.row.dtls else "rtp_dtls"

    def _codec(self, packet: bytes) -> str:
        if self._types and packet[1] & 0x7F not in self._types:
            return "rtp_payload_type"
        return "rtp_oversize" if 0 < self.row.packet_bytes < len(packet) else ""

    def _sender(self, packet: bytes, kind: Kind, source: Endpoint, now_ns: int, rtp: "StreamGuard | None") -> str:
        if kind is Kind.RTCP and self.row.rtcp:
            return self._control(source, rtp)
        if source != self.source and (verdict := self._learn(packet, kind, source, now_ns)):
            return verdict
        return "" if kind is not Kind.RTP or self.row.many else self._identity(packet, now_ns)

    def _rank(self, source: Endpoint) -> Rank:
        row = self.row
        if source == row.remote:
            return Rank.ANNOUNCED
        if not row.learn:
            return Rank.NONE
        if (row.remote is not None and source[0] == row.remote[0]) or (row.near and source[0] == row.near):
            return Rank.NEAR
        return Rank.NONE if row.near and row.remote is not None and row.remote[0] == row.near else Rank.FAR

    def _learn(self, packet: bytes, kind: Kind, source: Endpoint, now_ns: int) -> str:
        rank, newcomer = self._rank(source), self._newcomer
        if self.source is not None and (self._announced or self.row.final or rank is not Rank.ANNOUNCED):
            return "rtp_source"
        if rank is Rank.NONE:
            return "rtp_source"
        if rank is not Rank.ANNOUNCED:
            if kind is Kind.RTCP or (kind is Kind.DTLS and rank is Rank.FAR):
                return "rtp_learning"
            if kind is Kind.RTP and newcomer.packets(source, rank, packet, now_ns, self._limits.rtp_hold) < RUN:
                return "rtp_learning"
            if rank is Rank.FAR and now_ns - newcomer.since_ns < self._limits.rtp_patience:
                return "rtp_learning"
        self._lock(source, announced=rank is Rank.ANNOUNCED)
        return ""

    def _lock(self, source: Endpoint, *, announced: bool) -> None:
        self.source, self._announced = source, announced
        self._heard_ns, self._before, self._newcomer.run = 0, b"", 0

    def _control(self, source: Endpoint, rtp: "StreamGuard | None") -> str:
        announced = source == self.row.remote
        known = rtp.source if rtp is not None else None
        if source == self.source:
            return ""
        if self.source is not None:
            if self._announced or (self.row.final and announced):
                return "rtp_source"
            if not announced and known is not None and self.source[0] == known[0]:
                return "rtp_source"
        if not announced and not (self.row.learn and known is not None and source[0] == known[0]):
            return "rtp_learning" if known is None else "rtp_source"
        self._lock(source, announced=announced)
        return ""

    def _identity(self, packet: bytes, now_ns: int) -> str:
        ssrc, sequence = packet[8:12], int.from_bytes(packet[2:4], "big")
        ahead = sequence - self._highest & 0xFFFF
        other = ssrc != self._ssrc
        if self._heard_ns and not other and (ahead < AHEAD or ahead >= 65536 - BEHIND):
            if ahead < AHEAD:
                self._highest = sequence
            self._heard_ns = now_ns
            return ""
        if not self._heard_ns or (other and self._before == ssrc):
            self._before = b""
        else:
            limits = self._limits
            run = self._newcomer.packets(self.source or ("", 0), Rank.ANNOUNCED, packet, now_ns, 0)
            if run < RUN or now_ns - self._heard_ns < limits.rtp_hold:
                return "rtp_ssrc" if other else "rtp_sequence"
            if other and not self._changes.take(now_ns, SSRC_BURST, limits.rtp_ssrc_interval):
                return "rtp_ssrc"
            self._before = self._ssrc if other else self._before
        self._ssrc, self._highest, self._heard_ns, self._newcomer.run = ssrc, sequence, now_ns, 0
        return ""

    def _within_pace(self, kind: Kind, now_ns: int) -> bool:
        limits, pps = self._limits, self.row.packets_per_s
        if kind is Kind.DTLS:
            return self._handshakes.take(now_ns, limits.dtls_burst, limits.dtls_interval)
        if pps:
            return self._pace.take(now_ns, max(pps, 50), 1_000_000_000 // pps)
        return self._pace.take(now_ns, limits.rtp_burst, limits.rtp_interval)
