"""Ceilings of negotiated streams: no codec sends more than its row allows, and none is allowed the world."""

import pytest

from pysrv.media.codecs import Pace, name_of, pace

OVERHEAD = 140
MS_60 = {"g711": 480 + OVERHEAD, "g729": 88 + OVERHEAD}


@pytest.mark.parametrize(
    ("codecs", "ptimes", "longest", "expected"),
    [
        (("pcmu/8000",), (), 0, Pace(100, MS_60["g711"])),
        (("pcmu/8000", "pcma/8000", "telephone-event/8000"), (20, 20), 0, Pace(150, MS_60["g711"])),
        (("g729/8000", "cn/8000"), (20, 0), 0, Pace(150, MS_60["g729"])),
        (("pcmu/8000",), (5, 20), 0, Pace(200, MS_60["g711"])),
        (("pcmu/8000",), (40, 40), 0, Pace(100, 640 + OVERHEAD)),
        (("pcmu/8000",), (20, 20), 120, Pace(100, 960 + OVERHEAD)),
        (("pcmu/8000",), (20, 20), 200, Pace(100, 0)),
        (("opus/48000",), (), 0, Pace(400, 0)),
        (("opus/48000",), (20, 20), 0, Pace(100, 0)),
        (("l16/44100",), (), 0, Pace(100, 0)),
        (("pcmu/8000", "something/8000"), (), 0, Pace()),
        (("telephone-event/8000",), (), 0, Pace()),
        ((), (), 0, Pace()),
    ],
    ids=str,
)
def test_a_stream_s_ceiling(codecs: tuple[str, ...], ptimes: tuple[int, ...], longest: int, expected: Pace) -> None:
    assert pace("audio", codecs, ptimes, longest) == expected


def test_video_has_no_ceiling_of_its_own() -> None:
    assert pace("video", ("h264/90000",), ()) == Pace()


def test_a_payload_type_is_named_by_its_rtpmap_or_else_by_the_standard() -> None:
    assert (name_of(96, {96: "opus/48000"}), name_of(0, {}), name_of(8, {8: "pcma/8000"}), name_of(97, {})) == (
        "opus/48000", "pcmu/8000", "pcma/8000", "",
    )  # fmt: skip
