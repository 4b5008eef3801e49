"""What the office answers to an offer."""

import pytest

from pysrv.media.description import read
from pysrv.media.errors import NotRelayable
from pysrv.media.g711 import Law
from pysrv.media.spoken import Tongue, answer_to
from tests.media.sdp import audio, media_lines

EVENTS = "a=rtpmap:101 telephone-event/8000"


@pytest.mark.parametrize(
    ("offer", "tongue", "line"),
    [
        (audio("192.168.1.5", 4000, "0 8 101", EVENTS), Tongue(0, Law.MU, 101), b"m=audio 9 RTP/AVP 0 8 101"),
        (audio("192.168.1.5", 4000, "8 0"), Tongue(8, Law.A, None), b"m=audio 9 RTP/AVP 8 0"),
        (audio("192.168.1.5", 4000, "18 3 8"), Tongue(8, Law.A, None), b"m=audio 9 RTP/AVP 8"),
        (audio("192.168.1.5", 4000, "97", "a=rtpmap:97 PCMU/8000"), Tongue(97, Law.MU, None), b"m=audio 9 RTP/AVP 97"),
        (audio("fd00::5", 4000, "0"), Tongue(0, Law.MU, None), b"m=audio 9 RTP/AVP 0"),
        (audio("192.168.1.5", 4000, "0", proto="RTP/AVPF"), Tongue(0, Law.MU, None), b"m=audio 9 RTP/AVPF 0"),
    ],
)
def test_it_takes_g711_and_the_events_and_speaks_what_is_liked_best(offer: bytes, tongue: Tongue, line: bytes) -> None:
    answer, found = answer_to(offer, "192.0.2.1")
    assert found == tongue
    assert media_lines(answer) == [line]
    assert read(answer).media[0].formats == tuple(int(each) for each in line.split()[3:])


def test_streams_that_it_does_not_speak_in_are_refused_in_their_place() -> None:
    secret = audio("192.168.1.5", 4000, "0", proto="RTP/SAVP")
    offer = secret + b"m=video 5000 RTP/AVP 96\r\nm=audio 6000 RTP/AVP 8\r\nm=audio 0 RTP/AVP 0\r\n"
    assert media_lines(answer_to(offer, "192.0.2.1")[0]) == [
        b"m=audio 0 RTP/SAVP 0", b"m=video 0 RTP/AVP 96", b"m=audio 9 RTP/AVP 8", b"m=audio 0 RTP/AVP 0"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "offer",
    [
        audio("192.168.1.5", 4000, "18 9"),
        audio("192.168.1.5", 0, "0"),
        audio("192.168.1.5", 4000, "0", proto="RTP/SAVP"),
        audio("192.168.1.5", 4000, "0", proto="UDP/TLS/RTP/SAVPF"),
        audio("192.168.1.5", 4000, "0").replace(b"m=audio", b"m=video"),
        audio("192.168.1.5", 4000, "97", "a=rtpmap:97 PCMU/16000"),
    ],
)
def test_an_offer_without_plain_g711_is_refused(offer: bytes) -> None:
    with pytest.raises(NotRelayable):
        answer_to(offer, "192.0.2.1")
