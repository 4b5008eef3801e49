"""What a session's rows ask the gate to hold its streams to, drawn from what the two sides described."""

import pytest

from appliance.wire import RelayStream
from pysrv.media.ports import PortPool
from pysrv.media.session import Checks, MediaSession, Side
from tests.media.sdp import audio

A, B = "192.0.2.10", "192.0.2.20"
FACES = {Side.A: "203.0.113.1", Side.B: "198.51.100.1"}
EVENTS = ("a=rtpmap:101 telephone-event/8000",)
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)


def agreed(*lines: str, formats: str = "0 101", checks: Checks | None = None, proto: str = "RTP/AVP") -> MediaSession:
    media = MediaSession(7, PortPool(20_000, 20_099), checks)
    media.forward_offer(
        Side.A, audio(A, 4000, formats, *lines, proto=proto), FACES[Side.B], 0.0, from_local_ip=FACES[Side.A]
    )
    media.forward_answer(
        Side.B, audio(B, 6000, formats, *lines, proto=proto), FACES[Side.A], 0.0, from_local_ip=FACES[Side.B]
    )
    return media


def rows(media: MediaSession) -> tuple[RelayStream, RelayStream, RelayStream]:
    """What faces A, what faces B, and the RTCP that faces A."""
    streams = media.streams()
    return streams[0], streams[1], streams[2]


def test_rows_carry_the_payload_types_and_the_pace_of_the_codecs() -> None:
    for row in rows(agreed(*EVENTS, formats="0 8 13 101"))[:2]:
        assert row.payload_types == (0, 8, 13, 101)
        assert (row.packets_per_s, row.packet_bytes) == (150, 620)


def test_rtcp_has_a_pace_of_its_own() -> None:
    control = rows(agreed(*EVENTS))[2]
    assert control.rtcp and (control.packets_per_s, control.packet_bytes, control.payload_types) == (50, 0, ())


def test_codecs_that_are_not_known_are_left_to_the_gate_s_own_limits() -> None:
    near, _, control = rows(agreed("a=rtpmap:96 strange/8000", formats="96"))
    assert (near.packets_per_s, near.packet_bytes, control.packets_per_s) == (0, 0, 0)


def test_the_longer_frames_of_either_side_count() -> None:
    assert rows(agreed("a=ptime:40", formats="0"))[0].packet_bytes == 640 + 140
    assert rows(agreed("a=maxptime:80", formats="0"))[0].packet_bytes == 640 + 140
    assert rows(agreed("a=ptime:x", formats="0"))[0].packet_bytes == 480 + 140


def test_while_a_re_offer_is_open_both_agreements_may_be_heard() -> None:
    media = agreed(formats="0")
    media.forward_offer(Side.A, audio(A, 4000, "0 9", "a=ptime:5"), FACES[Side.B], 0.0, from_local_ip=FACES[Side.A])
    row = rows(media)[0]
    assert (row.payload_types, row.packets_per_s) == ((0, 9), 200)
    media.withdraw_offer()
    assert (rows(media)[0].payload_types, rows(media)[0].packets_per_s) == ((0,), 100)


@pytest.mark.parametrize(
    ("checks", "learn", "final"),
    [(Checks(), True, False), (Checks(final=True), True, True), (Checks(learn=False), False, False)],
)
def test_how_sources_are_checked_is_in_every_row(checks: Checks, learn: bool, final: bool) -> None:
    media = agreed(checks=checks)
    media.near = {Side.A: "192.0.2.77", Side.B: B}
    assert [(row.learn, row.final) for row in media.streams()] == [(learn, final)] * 4
    assert [row.near for row in rows(media)[:2]] == (["192.0.2.77", B] if learn else ["", ""])


@pytest.mark.parametrize(
    ("checks", "muted"),
    [(Checks(), [False, False]), (Checks(mute_a=True), [True, False]), (Checks(mute_b=True), [False, True])],
    ids=["neither", "the caller", "the callee"],
)
def test_a_side_that_is_held_back_is_heard_from_the_answer_on(checks: Checks, muted: list[bool]) -> None:
    media = agreed(checks=checks)
    assert [row.muted for row in media.streams()] == muted * 2
    media.answered = True
    assert not any(row.muted for row in media.streams())


def test_dtls_passes_where_both_sides_show_a_fingerprint() -> None:
    assert all(row.dtls for row in agreed(FINGERPRINT, proto="UDP/TLS/RTP/SAVP").streams())
    assert not any(row.dtls for row in agreed().streams())


def test_video_may_have_several_senders_numbers_on_one_stream() -> None:
    media = MediaSession(7, PortPool(20_000, 20_099))
    both = audio(A, 4000, "0", "m=video 4002 RTP/AVP 97", "a=rtpmap:97 H264/90000")
    media.forward_offer(Side.A, both, FACES[Side.B], 0.0, from_local_ip=FACES[Side.A])
    assert [row.many for row in media.streams() if not row.rtcp] == [False, False, True, True]


def test_the_checks_and_the_pace_outlive_a_restart() -> None:
    checks = Checks(learn=False, mute_a=True)
    media = agreed(*EVENTS, FINGERPRINT, "a=ptime:30", checks=checks)
    again = MediaSession.from_dict(media.to_dict(), PortPool(20_000, 20_099), checks=checks)
    assert again.streams() == media.streams()
