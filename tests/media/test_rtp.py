"""What we send as RTP is what we would hear, and what is no RTP is not heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.media.rtp import FRAME_BYTES, SILENCE, Packetiser, frames, heard


def test_packets_follow_each_other_and_wrap_around() -> None:
    stream = Packetiser(8, 7, 0xFFFF, 0xFFFFFFFF)
    first, second = (heard(stream.packet(bytes([n]) * FRAME_BYTES, first=n == 0)) for n in range(2))
    assert first is not None and second is not None
    assert (first.payload_type, first.sequence, first.timestamp, first.ssrc) == (8, 0xFFFF, 0xFFFFFFFF, 7)
    assert (second.sequence, second.timestamp) == (0, FRAME_BYTES - 1)
    stream.skip(50)
    third = heard(stream.packet(b"", first=True))
    assert third is not None
    assert (third.sequence, third.timestamp) == (1, 52 * FRAME_BYTES - 1)


def test_only_the_first_packet_after_silence_has_the_marker() -> None:
    stream = Packetiser(0, 1, 1, 1)
    assert stream.packet(b"x", first=True)[1] == 0x80
    assert stream.packet(b"x", first=False)[1] == 0


def test_the_last_frame_is_filled_up() -> None:
    found = list(frames(b"a" * (FRAME_BYTES + 1)))
    assert found == [b"a" * FRAME_BYTES, b"a" + SILENCE * (FRAME_BYTES - 1)]
    assert not list(frames(b""))


@pytest.mark.parametrize(
    ("packet", "payload"),
    [
        (b"\x80\x00" + bytes(10) + b"abc", b"abc"),
        (b"\x82\x00" + bytes(10) + bytes(8) + b"abc", b"abc"),
        (b"\x90\x00" + bytes(10) + b"\0\0\0\x01" + bytes(4) + b"abc", b"abc"),
        (b"\xa0\x00" + bytes(10) + b"abc\0\x02", b"abc"),
    ],
    ids=["plain", "contributing sources", "extension", "padding"],
)
def test_the_payload_is_found(packet: bytes, payload: bytes) -> None:
    got = heard(packet)
    assert got is not None and got.payload == payload


@pytest.mark.parametrize(
    "packet",
    [b"", b"\x80", bytes(12), b"\x8f\0" + bytes(10), b"\x90\0" + bytes(10), b"\xa0\0" + bytes(10) + b"\xff",
     b"\x90\0" + bytes(10) + b"\0\0\xff\xff"],
)  # fmt: skip
def test_what_is_no_rtp_is_not_heard(packet: bytes) -> None:
    assert heard(packet) is None


@given(st.binary(max_size=64))
def test_no_packet_is_a_surprise(packet: bytes) -> None:
    got = heard(packet)
    assert got is None or len(got.payload) <= len(packet)
