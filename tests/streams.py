"""What becomes of packets on one media stream, packet by packet: held against the kernel and the userspace relay.

Each tale opens a call anew, sends its packets and knows the verdict on each: "" means that it was passed on. Time
stands nearly still in a tale, so that waits are told by the limits: NEVER is not over, 0 is over at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.wire import RelaySession, RelayStream

Where = tuple[str, int]

NEVER = 10**15
FAR_FUTURE = 1 << 62
LOCAL, PEER = ("10.77.1.1", 20000), ("10.77.2.1", 20002)
PHONE, TRUNK = ("10.77.1.2", 4000), ("10.77.2.2", 40000)
ANOTHER_PORT = ("10.77.1.2", 4444)
SIGNALLING = "10.77.1.9"
NEAR = (SIGNALLING, 5004)
ELSEWHERE = ("203.0.113.66", 666)
STEADY = {"rtp_hold": NEVER, "rtp_patience": NEVER}
HASTY = {"rtp_hold": 0, "rtp_patience": 0}


def rtp(sequence: int = 1, ssrc: int = 1, payload_type: int = 0, size: int = 20) -> bytes:
    head = bytes([0x80, payload_type]) + (sequence & 0xFFFF).to_bytes(2, "big")
    return head + bytes(4) + ssrc.to_bytes(4, "big") + b"s" * size


def rtcp() -> bytes:
    return bytes([0x80, 200, 0, 6]) + bytes(24)


def dtls() -> bytes:
    """A record with an empty body: type handshake, version 1.2, epoch 0, sequence 0 (RFC 6347 4.1)."""
    return bytes([22, 254, 253]) + bytes(8) + bytes([0, 0])


def stun() -> bytes:
    return bytes([0, 1, 0, 0]) + b"\x21\x12\xa4\x42" + bytes(12)


@dataclass(frozen=True)
class Step:
    """`source` sends `packet`, to the RTCP port when `control`, and that is the verdict; "": passed on."""

    source: Where
    packet: bytes
    verdict: str = ""
    control: bool = False


@dataclass(frozen=True)
class Tale:
    """One call: its phone-facing streams differ from the ordinary by `stream`, the limits by `limits`."""

    about: str
    steps: tuple[Step, ...]
    stream: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=lambda: dict(STEADY))
    report_only: tuple[str, ...] = ()

    def session(self, number: int = 7, hosts: dict[str, str] | None = None) -> RelaySession:
        """Its streams, RTP and RTCP on each side; `hosts` puts other addresses in the place of some."""
        rows = []
        for local, peer, remote, options in ((LOCAL, PEER, PHONE, self.stream), (PEER, LOCAL, TRUNK, {})):
            row = replace(RelayStream(local, peer, remote, payload_types=(0, 101)), **options)
            rows += [row, _control(row, local, peer)]
        return RelaySession(number, FAR_FUTURE, tuple(rows))


def _control(row: RelayStream, local: Where, peer: Where) -> RelayStream:
    remote = row.remote and (row.remote[0], row.remote[1] + 1)
    return replace(
        row, local=(local[0], local[1] + 1), peer_local=(peer[0], peer[1] + 1), remote=remote, rtcp=True,
        payload_types=(),
    )  # fmt: skip


def said(source: Where, packets: Iterable[bytes], *verdicts: str) -> tuple[Step, ...]:
    """Packets of one source; the last verdict holds for all that follow."""
    found = list(packets)
    wanted = [*verdicts, *[verdicts[-1] if verdicts else ""] * (len(found) - len(verdicts))]
    return tuple(Step(source, packet, verdict) for packet, verdict in zip(found, wanted, strict=True))


def run(first: int, count: int, **fields: int) -> list[bytes]:
    """`count` packets in order."""
    return [rtp(first + n, **fields) for n in range(count)]


def control(source: Where, verdict: str = "") -> tuple[Step, ...]:
    return (Step(source, rtcp(), verdict, control=True),)


LEARNED = ("rtp_learning", "rtp_learning", "")
FOUR_CHANGES = tuple(
    step for ssrc in range(2, 6) for step in said(PHONE, run(1, 3, ssrc=ssrc), "rtp_ssrc", "rtp_ssrc", "")
)

TALES = (
    Tale(
        "the announced source is heard at once, and then nobody else",
        (
            *said(PHONE, run(1, 2)),
            *said(ELSEWHERE, run(3, 5), "rtp_source"),
            *said(ANOTHER_PORT, run(3, 5), "rtp_source"),
            *said(PHONE, run(3, 1)),
        ),
    ),
    Tale(
        "another port of the announced address is heard from its third packet in order on",
        (*said(ANOTHER_PORT, run(7, 5), *LEARNED), *said(ELSEWHERE, run(1, 4), "rtp_source")),
    ),
    Tale(
        "a gap begins the learning anew",
        said(
            ANOTHER_PORT,
            [rtp(1), rtp(2), *run(4, 3)],
            "rtp_learning",
            "rtp_learning",
            "rtp_learning",
            "rtp_learning",
            "",
        ),
    ),
    Tale(
        "another SSRC begins the learning anew",
        said(ANOTHER_PORT, [rtp(1), rtp(2), rtp(3, ssrc=9)], "rtp_learning"),
    ),
    Tale(
        "a source at the address of the signalling is learned when the announced one is elsewhere",
        (*said(NEAR, run(1, 4), *LEARNED), *said(ELSEWHERE, run(1, 4), "rtp_source")),
        {"near": SIGNALLING},
    ),
    Tale(
        "who is announced at the address of the signalling is learned nowhere else",
        said(ELSEWHERE, run(1, 9), "rtp_source"),
        {"near": PHONE[0]},
        HASTY,
    ),
    Tale(
        "a source elsewhere is not heard before its patience has been tried",
        said(ELSEWHERE, run(1, 20), "rtp_learning"),
        {"near": SIGNALLING},
    ),
    Tale(
        "a source elsewhere is heard when nobody else is announced or near",
        said(ELSEWHERE, run(1, 5), *LEARNED),
        {"remote": None},
        HASTY,
    ),
    Tale(
        "whoever is known better comes first, and who is known no better does not disturb",
        (
            *said(ELSEWHERE, run(1, 2), "rtp_learning"),
            *said(NEAR, run(50, 2), "rtp_learning"),
            *said(ELSEWHERE, run(3, 3), "rtp_learning"),
            *said(NEAR, run(52, 2), ""),
        ),
        {"near": SIGNALLING},
        {"rtp_hold": NEVER, "rtp_patience": 0},
    ),
    Tale(
        "the announced source takes the stream over from one that was learned, once",
        (
            *said(ANOTHER_PORT, run(1, 4), *LEARNED),
            *said(PHONE, run(900, 2)),
            *said(ANOTHER_PORT, run(5, 4), "rtp_source"),
            *said(PHONE, run(902, 1)),
        ),
    ),
    Tale(
        "with a final lock the first source stays",
        (
            *said(ANOTHER_PORT, run(1, 4), *LEARNED),
            *said(PHONE, run(900, 3), "rtp_source"),
            *said(ANOTHER_PORT, run(5, 1)),
        ),
        {"final": True},
    ),
    Tale(
        "without learning only the announced source is heard",
        (
            *said(ANOTHER_PORT, run(1, 9), "rtp_source"),
            *said(ELSEWHERE, run(1, 9), "rtp_source"),
            *said(PHONE, run(1, 1)),
        ),
        {"learn": False},
        HASTY,
    ),
    Tale(
        "invalid packets teach nothing",
        (
            *said(ANOTHER_PORT, [rtp(1, payload_type=97)] * 4, "rtp_payload_type"),
            *said(ANOTHER_PORT, [b"\x40" + rtp()[1:]] * 4, "rtp_malformed"),
            *said(ANOTHER_PORT, run(1, 3), *LEARNED),
        ),
    ),
    Tale(
        "another SSRC is refused while the stream's own is heard",
        (*said(PHONE, run(1, 2)), *said(PHONE, run(3, 20, ssrc=66), "rtp_ssrc"), *said(PHONE, run(3, 2))),
    ),
    Tale(
        "another SSRC is believed from its third packet in order on once the old one is silent",
        (*said(PHONE, run(1, 2)), *said(PHONE, run(7000, 4, ssrc=2), "rtp_ssrc", "rtp_ssrc", "")),
        limits=HASTY,
    ),
    Tale(
        "the SSRC that was displaced comes back at once, and the one that displaced it does not",
        (
            *said(PHONE, run(1, 2)),
            *said(PHONE, run(7000, 3, ssrc=66), "rtp_ssrc", "rtp_ssrc", ""),
            *said(PHONE, run(3, 2)),
            *said(PHONE, run(7003, 2, ssrc=66), "rtp_ssrc"),
            *said(PHONE, run(5, 2)),
        ),
        limits=HASTY,
    ),
    Tale(
        "a stream changes its SSRC only so often",
        (*said(PHONE, run(1, 1)), *FOUR_CHANGES, *said(PHONE, run(1, 9, ssrc=99), "rtp_ssrc")),
        limits={**HASTY, "rtp_ssrc_interval": NEVER},
    ),
    Tale(
        "a sequence may lie less than 3000 ahead and at most 100 behind",
        (
            *said(
                PHONE,
                [rtp(10_000), rtp(12_999), rtp(12_899), rtp(12_898), rtp(15_999), rtp(15_998)],
                "",
                "",
                "",
                "rtp_sequence",
                "rtp_sequence",
                "",
            ),
        ),
    ),
    Tale(
        "the sequence goes round after 65535",
        said(PHONE, [rtp(65_534), rtp(65_535), rtp(0), rtp(1), rtp(65_535)]),
    ),
    Tale(
        "a far sequence is believed from the third packet in order on once the old one is silent",
        (*said(PHONE, run(1, 2)), *said(PHONE, run(30_000, 4), "rtp_sequence", "rtp_sequence", "")),
        limits=HASTY,
    ),
    Tale(
        "a far sequence is never believed while the stream goes on",
        (*said(PHONE, run(1, 2)), *said(PHONE, run(30_000, 9), "rtp_sequence"), *said(PHONE, run(3, 1))),
    ),
    Tale(
        "where several SSRCs share the stream all pass, at any sequence",
        said(PHONE, [rtp(1), rtp(40_000, ssrc=2), rtp(2), rtp(9, ssrc=3), rtp(40_001, ssrc=2)]),
        {"many": True},
    ),
    Tale(
        "only what was negotiated passes, and no longer than it can be",
        said(
            PHONE,
            [rtp(1), rtp(2, payload_type=0x80 | 101), rtp(3, payload_type=8), rtp(3, size=188), rtp(4, size=189)],
            "",
            "",
            "rtp_payload_type",
            "",
            "rtp_oversize",
        ),
        {"packet_bytes": 200},
    ),
    Tale(
        "a stream of unknown codecs is held to the packets that any stream may have",
        said(PHONE, run(1, 9), *[""] * 5, "rtp_over_rate"),
        limits={**STEADY, "rtp_burst": 5, "rtp_interval": NEVER},
    ),
    Tale(
        "a forger does not use the stream's packets up",
        (
            *said(PHONE, run(1, 1)),
            *said(PHONE, run(1, 20, ssrc=66), "rtp_ssrc"),
            *said(ELSEWHERE, run(1, 20), "rtp_source"),
            *said(PHONE, run(2, 4)),
            *said(PHONE, run(6, 1), "rtp_over_rate"),
        ),
        limits={**STEADY, "rtp_burst": 5, "rtp_interval": NEVER},
    ),
    Tale(
        "early media are checked and learned from, and held back",
        (
            *said(PHONE, run(1, 3), "rtp_early"),
            *said(ELSEWHERE, run(1, 3), "rtp_source"),
            *said(PHONE, [rtcp()], "rtp_early"),
            *said(PHONE, [dtls()]),
        ),
        {"muted": True, "dtls": True},
    ),
    Tale("STUN is not offered", said(PHONE, [stun(), stun()], "rtp_stun")),
    Tale("DTLS is refused where no fingerprint was negotiated", said(PHONE, [dtls()], "rtp_dtls")),
    Tale(
        "a DTLS handshake passes and locks the announced source",
        (
            *said(PHONE, [dtls()]),
            *said(ANOTHER_PORT, [dtls()], "rtp_source"),
            *said(PHONE, run(5, 2)),
            *said(ANOTHER_PORT, run(5, 4), "rtp_source"),
        ),
        {"dtls": True},
    ),
    Tale(
        "a DTLS handshake from the address of the signalling is believed at once, from elsewhere not",
        (
            *said(ELSEWHERE, [dtls()] * 4, "rtp_learning"),
            *said(NEAR, [dtls()]),
            *said(ELSEWHERE, [dtls()], "rtp_source"),
            *said(NEAR, run(5, 2)),
        ),
        {"dtls": True, "near": SIGNALLING},
        HASTY,
    ),
    Tale(
        "handshakes have a bucket of their own",
        (*said(PHONE, [dtls()] * 4, "", "", "rtp_over_rate"), *said(PHONE, run(1, 3))),
        {"dtls": True},
        {**STEADY, "dtls_burst": 2, "dtls_interval": NEVER},
    ),
    Tale(
        "RTCP on the RTP port comes from the same source and locks nobody else",
        (
            *said(ANOTHER_PORT, [rtcp()] * 5, "rtp_learning"),
            *said(ANOTHER_PORT, run(1, 3), *LEARNED),
            *said(ANOTHER_PORT, [rtcp()]),
            *said(ELSEWHERE, [rtcp()], "rtp_source"),
        ),
    ),
    Tale(
        "RTCP on its own port comes from where it was announced",
        (*control((PHONE[0], PHONE[1] + 1)), *control(ANOTHER_PORT, "rtp_source"), *control(ELSEWHERE, "rtp_source")),
        {"learn": False},
        STEADY,
    ),
    Tale(
        "RTCP on its own port comes from the address that its RTP comes from",
        (
            *control(ANOTHER_PORT, "rtp_learning"),
            *said(NEAR, run(1, 3), *LEARNED),
            *control(ELSEWHERE, "rtp_source"),
            *control((SIGNALLING, 5005)),
            *control((SIGNALLING, 5007), "rtp_source"),
        ),
        {"near": SIGNALLING},
    ),
    Tale(
        "in report-only a stranger's packets pass and nothing is learned from them",
        (*said(PHONE, run(1, 2)), *said(ELSEWHERE, run(1, 3)), *said(PHONE, run(3, 1))),
        report_only=("rtp_source",),
    ),
    Tale(
        "in report-only another SSRC passes and the stream keeps its own",
        (*said(PHONE, run(1, 2)), *said(PHONE, run(9000, 6, ssrc=9)), *said(PHONE, run(3, 1))),
        report_only=("rtp_ssrc",),
    ),
)
