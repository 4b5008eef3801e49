"""What is read out of descriptions, and which are refused with a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.media.description import read
from pysrv.media.errors import BadDescription
from tests.media.sdp import audio


def test_address_port_formats_and_codecs_are_read() -> None:
    (media,) = read(audio("192.0.2.5", 4000, "0 101", "a=rtpmap:101 telephone-event/8000", "a=sendrecv")).media
    assert (media.kind, media.port, media.remote, media.rtcp) == (
        "audio",
        4000,
        ("192.0.2.5", 4000),
        ("192.0.2.5", 4001),
    )
    assert (media.formats, media.codecs) == ((0, 101), ((101, "telephone-event/8000"),))
    assert media.relayed and not media.held and not media.mux


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("a=rtcp:53020", ("192.0.2.5", 53020)),
        ("a=rtcp:53020 IN IP4 198.51.100.7", ("198.51.100.7", 53020)),
        ("a=rtcp:53020 IN IP6 2001:db8::0:1", ("2001:db8::1", 53020)),
        ("a=rtcp-mux-only", ("192.0.2.5", 4000)),
        ("a=sendrecv", ("192.0.2.5", 4001)),
    ],
)
def test_rtcp_goes_where_its_attribute_says(line: str, rtcp: tuple[str, int]) -> None:
    assert read(audio("192.0.2.5", 4000, "0", line)).media[0].rtcp == rtcp


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "224.2.1.1/127", "phone.example", "255.255.255.255", "fe80::1%2"]
)
def test_nothing_is_sent_to_an_address_that_no_phone_has(address: str) -> None:
    assert read(audio(address)).media[0].remote is None


def test_an_unspecified_address_is_a_hold() -> None:
    assert read(audio("0.0.0.0")).media[0].held and read(audio("::")).media[0].held
    assert not read(audio("phone.example")).media[0].held


def test_a_stream_s_own_connection_goes_before_the_session_s() -> None:
    sdp = audio("192.0.2.5", 4000, "0", "c=IN IP4 192.0.2.6", "m=video 6000 RTP/AVP 96")
    assert [media.remote for media in read(sdp).media] == [("192.0.2.6", 4000), ("192.0.2.5", 6000)]


@pytest.mark.parametrize("proto", ["udptl", "TCP/MSRP", "UDP/BFCP", "udp"])
def test_what_is_not_rtp_is_not_relayed(proto: str) -> None:
    assert not read(audio(formats="*", proto=proto)).media[0].relayed


@pytest.mark.parametrize(
    ("sdp", "says"),
    [
        (b"", "SDP line not understood"),
        (b"hello", "SDP line not understood"),
        (b"o=- 1 1 IN IP4 192.0.2.1\r\n", "begin with v=0"),
        (b"v=0\r\nm=audio x RTP/AVP 0\r\n", "m= line not understood"),
        (b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n", "without a c= line"),
        (audio(port=70_000), "above 65535"),
        (audio(formats="0 200"), "0 to 127"),
        (audio(formats="pcmu"), "0 to 127"),
        (audio("192.0.2.5", 4000, "0", "c=IN IP4"), "c= line not understood"),
        (audio("192.0.2.5", 4000, "0", "a=rtcp:nowhere"), "a=rtcp not understood"),
        (audio("192.0.2.5", 4000, "0", *["m=audio 4000 RTP/AVP 0"] * 16), "more than 16"),
        (audio().replace(b"s=-", b"s=a\rb"), "SDP line not understood"),
        (audio().replace(b"s=-", b"s=a\x00b"), "SDP line not understood"),
    ],
)
def test_a_bad_description_is_refused_and_says_why(sdp: bytes, says: str) -> None:
    with pytest.raises(BadDescription, match=says) as caught:
        read(sdp)
    assert caught.value.status == 400


@given(st.one_of(st.binary(max_size=200), st.text(alphabet="vosctma=0 IN4P6./:\r\n127", max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused(sdp: bytes) -> None:
    try:
        read(sdp)
        read(b"v=0\r\n" + sdp)
    except BadDescription:
        pass


def test_of_many_origins_only_the_first_counts() -> None:
    origins = b"".join(b"o=x 1 1 IN IP4 a.%d\r\n" % number for number in range(500))
    shown = read(audio().replace(b"s=-\r\n", origins + b"s=-\r\n")).addresses
    assert len(shown) <= 2  # each address is looked for in every line: many would hold the service up
