"""Session descriptions: read, changed in one place, written back (RFC 8866, 3605, 5761)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.sip.errors import BadMessage, UnsafeHeader
from pysrv.sip.sdp import Codec, Connection, Direction, Origin, SessionDescription

OFFER = b"""v=0\r
o=alice 2890844526 2890844527 IN IP4 host.example.com\r
s=\r
c=IN IP4 192.0.2.1\r
t=0 0\r
a=ice-lite\r
m=audio 49170 RTP/AVP 0 8 97\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:97 Opus/48000/2\r
a=fmtp:97 useinbandfec=1\r
a=sendonly\r
a=rtcp:49180 IN IP4 192.0.2.9\r
a=X-unknown:what ever\r
m=video 51372/2 RTP/SAVP 31\r
c=IN IP6 2001:db8::1\r
a=rtcp-mux\r
y=odd but kept\r
m=message 5060 TCP/MSRP *\r
"""


def read(text: bytes = OFFER) -> SessionDescription:
    return SessionDescription.parse(text)


def test_every_part_is_read() -> None:
    description = read()
    audio, video, message = description.media
    assert description.origin == Origin(
        b"alice", 2890844526, 2890844527, Connection(b"IN", b"IP4", b"host.example.com")
    )
    assert (audio.kind, audio.port, audio.proto, audio.formats) == (b"audio", 49170, b"RTP/AVP", (b"0", b"8", b"97"))
    assert (video.port, video.port_count, video.rtcp_mux, audio.rtcp_mux) == (51372, 2, True, False)
    assert audio.codecs == {b"0": Codec(b"pcmu", 8000), b"97": Codec(b"opus", 48000, b"2")}
    assert audio.rtcp == (49180, Connection(b"IN", b"IP4", b"192.0.2.9"))
    assert video.rtcp is None
    assert (audio.is_rtp, video.is_rtp, message.is_rtp) == (True, True, False)
    assert audio.attribute(b"X-unknown") == b"what ever"
    assert description.session.attribute(b"ice-lite") == b""
    assert description.session.attribute(b"nothing") is None


def test_a_stream_without_its_own_line_has_that_of_the_session() -> None:
    description = read()
    audio, video, _ = description.media
    assert description.connection_of(audio) == Connection(b"IN", b"IP4", b"192.0.2.1")
    assert description.connection_of(video) == Connection(b"IN", b"IP6", b"2001:db8::1")
    assert description.direction_of(audio) is Direction.SENDONLY
    assert description.direction_of(video) is Direction.SENDRECV
    held = read(OFFER.replace(b"a=ice-lite", b"a=inactive"))
    assert held.direction_of(held.media[1]) is Direction.INACTIVE


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace(b"\r\n", b"\n"),
        lambda text: text[:-2],
        lambda text: text + b"\r\n",
        lambda text: text.replace(b"s=\r\n", b"s= \xc3\xbc \xff\r\n"),
        lambda text: text[: text.index(b"m=")],
        lambda text: text.replace(b"m=audio 49170 ", b"m=audio  49170  "),
    ],
)
def test_what_is_not_changed_comes_back_byte_for_byte(change: Callable[[bytes], bytes]) -> None:
    text = change(OFFER)
    assert read(text).to_bytes() == text


def test_one_change_leaves_all_other_lines_alone() -> None:
    description = read()
    audio = description.media[0].with_port(20000)
    text = description.with_media(0, audio).to_bytes()
    assert text == OFFER.replace(b"m=audio 49170", b"m=audio 20000")
    assert read(text).media[0].port == 20000


def test_a_port_count_survives_a_change_of_port() -> None:
    assert read().media[1].with_port(0).lines[0].value == b"video 0/2 RTP/SAVP 31"


def test_connections_are_replaced_or_put_where_they_belong() -> None:
    ours = Connection(b"IN", b"IP4", b"198.51.100.1")
    description = read()
    assert description.session.with_connection(ours).values(b"c") == [b"IN IP4 198.51.100.1"]
    audio = description.media[0].with_connection(ours)
    assert [line.kind for line in audio.lines[:3]] == [b"m", b"c", b"a"]
    bare = read(b"v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nt=0 0\r\nm=audio 1 RTP/AVP 0")
    assert [line.kind for line in bare.session.with_connection(ours).lines] == [b"v", b"o", b"s", b"c", b"t"]
    media = bare.media[0].with_connection(ours)
    assert media.connection == ours


def test_attributes_are_set_in_place_or_at_the_end_and_taken_away() -> None:
    audio = read().media[0]
    assert audio.with_attribute(b"rtcp", b"5").rtcp == (5, None)
    assert audio.with_attribute(b"rtcp-mux").lines[-1].to_bytes() == b"a=rtcp-mux\r\n"
    assert audio.without_attributes(b"rtpmap", b"fmtp").codecs == {}
    held = audio.with_direction(Direction.INACTIVE)
    assert (held.direction, held.attribute(b"sendonly")) == (Direction.INACTIVE, None)


def test_formats_are_narrowed_with_their_attributes() -> None:
    audio = read().media[0].with_formats((b"0",))
    assert audio.formats == (b"0",)
    assert audio.to_bytes().count(b"97") == 0
    assert audio.codecs == {b"0": Codec(b"pcmu", 8000)}


def test_the_origin_is_replaced() -> None:
    ours = Origin(b"-", 1, 2, Connection(b"IN", b"IP6", b"2001:db8::2"))
    description = read().with_origin(ours)
    assert description.origin == ours
    assert description.to_bytes().count(b"o=") == 1


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\r\n",
        b"o=- 1 1 IN IP4 x\r\n",
        b"v=1\r\n",
        b"v=0\r\nnonsense\r\n",
        b"v=0\r\n=x\r\n",
        b"v=0\r\n a=x\r\n",
        b"v=0\r\na=x\0y\r\n",
        b"v=0\r\nm=audio\r\n",
        b"v=0\r\nm=audio x RTP/AVP 0\r\n",
        b"v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
        b"v=0\r\nm=audio -1 RTP/AVP 0\r\n",
        b"v=0\r\n" + b"a=x\r\n" * 1001,
    ],
)
def test_what_is_no_description_is_a_bad_message(text: bytes) -> None:
    with pytest.raises(BadMessage):
        read(text)


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        (b"v=0\r\nc=IN IP4\r\n", lambda description: description.session.connection),
        (b"v=0\r\n", lambda description: description.origin),
        (b"v=0\r\no=- x 1 IN IP4 y\r\n", lambda description: description.origin),
        (b"v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtcp:x\r\n", lambda description: description.media[0].rtcp),
        (b"v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtcp:99999\r\n", lambda description: description.media[0].rtcp),
    ],
)
def test_a_malformed_line_is_refused_when_it_is_asked_for(
    text: bytes, ask: Callable[[SessionDescription], object]
) -> None:
    description = read(text)
    with pytest.raises(BadMessage):
        ask(description)


def test_no_line_can_be_smuggled_in() -> None:
    audio = read().media[0]
    for give in (
        lambda: audio.with_attribute(b"x", b"y\r\nm=evil 1 RTP/AVP 0"),
        lambda: audio.with_connection(Connection(b"IN", b"IP4", b"x\r\na=y")),
        lambda: audio.with_formats((b"0\r\na=y",)),
    ):
        with pytest.raises(UnsafeHeader):
            give()
    with pytest.raises(ValueError, match="65536"):
        audio.with_port(65536)


@given(
    st.lists(st.sampled_from([*OFFER.split(b"\r\n"), b"", b"m=x 0 y z", b"c=", b"a=", b"\xff=1", b"z=\0"]), max_size=30)
)
def test_any_order_of_lines_is_read_or_refused_and_comes_back(lines: list[bytes]) -> None:
    text = b"v=0\r\n" + b"\r\n".join(lines)
    try:
        description = read(text)
    except BadMessage:
        return
    assert description.to_bytes() == text


@given(st.binary(max_size=200))
def test_noise_raises_bad_message_alone(noise: bytes) -> None:
    for text in (noise, b"v=0\r\n" + noise, OFFER + noise):
        try:
            description = read(text)
            assert description.to_bytes() == text
            _ = [(media.connection, media.direction, media.codecs, media.rtcp) for media in description.media]
        except BadMessage:
            continue
