"""The office's voice: what is said leaves every 20 ms as one stream, keys are found in what is heard."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from pysrv.media.g711 import Law, spoken
from pysrv.media.rtp import FRAME_BYTES, Heard, heard
from pysrv.media.spoken import Tongue
from pysrv.media.tones import clip
from pysrv.net.clips import Clips
from pysrv.net.player import Player

MU, A = Tongue(0, Law.MU, 101), Tongue(8, Law.A, 96)


class Line:
    """One session: what was said on it, and what keys were told."""

    def __init__(self, clips: Clips | None = None) -> None:
        self.packets: list[Heard] = []
        self.keys: list[str] = []
        self.more = asyncio.Event()
        self.player = Player(
            asyncio.get_running_loop(), clips or Clips(), self._say, lambda _, digit: self.keys.append(digit),
            lambda below: below - 1,
        )  # fmt: skip

    def _say(self, session: int, packet: bytes) -> bool:
        assert session == 1
        got = heard(packet)
        assert got is not None
        self.packets.append(got)
        self.more.set()
        return True

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not enough():
                self.more.clear()
                await self.more.wait()


async def test_a_clip_leaves_in_frames_of_one_stream_that_wraps_around() -> None:
    line = Line()
    line.player.begin(1, MU)
    seconds = line.player.play(1, ("pin",))
    whole = clip("pin")
    count = -(-len(whole) // FRAME_BYTES)
    assert seconds == len(whole) / 8000
    await line.until(lambda: len(line.packets) == count)
    assert b"".join(each.payload for each in line.packets)[: len(whole)] == whole
    first = line.packets[0]
    for n, packet in enumerate(line.packets):
        assert (packet.sequence, packet.ssrc) == ((first.sequence + n) & 0xFFFF, 2**32 - 1)
        assert packet.timestamp == (first.timestamp + n * FRAME_BYTES) & 0xFFFFFFFF
    line.player.end(1)
    assert len(line.player) == 0


async def test_it_takes_as_long_as_it_sounds() -> None:
    line = Line()
    line.player.begin(1, MU)
    began = asyncio.get_running_loop().time()
    line.player.play(1, ("number",))
    await line.until(lambda: len(line.packets) == 10)
    assert asyncio.get_running_loop().time() - began >= 9 * 0.02 - 0.001


async def test_it_speaks_the_law_that_was_negotiated() -> None:
    line = Line()
    line.player.begin(1, A)
    line.player.play(1, ("pin",))
    await line.until(lambda: len(line.packets) == 2)
    assert {each.payload_type for each in line.packets} == {8}
    assert line.packets[0].payload == spoken(clip("pin")[:FRAME_BYTES], Law.A)


async def test_what_is_said_next_takes_the_place_and_the_last_clip_may_go_on_for_ever(tmp_path: Path) -> None:
    (tmp_path / "busy.ul").write_bytes(b"b" * FRAME_BYTES)
    (tmp_path / "1.ul").write_bytes(b"1" * FRAME_BYTES)
    line = Line(Clips(tmp_path))
    line.player.begin(1, MU)
    line.player.play(1, ("welcome",))
    line.packets.clear()
    line.player.play(1, ("1", "busy"), again=True)
    await line.until(lambda: len(line.packets) == 5)
    assert [each.payload[:1] for each in line.packets] == [b"1", b"b", b"b", b"b", b"b"]
    line.player.hush(1)
    line.packets.clear()
    await asyncio.sleep(0)
    assert not line.packets


async def test_keys_are_heard_once_and_only_as_events_of_the_type_that_was_negotiated() -> None:
    line = Line()
    line.player.begin(1, MU)
    event = bytes([5, 10, 0, 160])
    for kind, at in ((101, 0), (101, 0), (0, 160), (96, 320), (101, 480)):
        line.player.heard(1, bytes([0x80, kind, 0, 1]) + at.to_bytes(4, "big") + bytes(4) + event)
    line.player.heard(2, bytes([0x80, 101, 0, 1]) + bytes(8) + event)
    assert line.keys == ["5", "5"]
    line.player.begin(1, Tongue(0, Law.MU, None))
    line.player.heard(1, bytes([0x80, 101, 0, 9]) + bytes([0, 0, 9, 9]) + bytes(4) + event)
    assert line.keys == ["5", "5"]


async def test_what_begins_later_is_not_said_when_it_is_hushed_before() -> None:
    line = Line()
    line.player.begin(1, MU)
    line.player.play(1, ("pin",), after_s=0.05)
    assert not line.packets
    line.player.hush(1)
    line.player.play(1, ("number",), after_s=0.01)
    await line.until(lambda: len(line.packets) > 0)
    assert line.packets[0].payload == clip("number")[:FRAME_BYTES]
    line.player.end(1)


async def test_nothing_is_said_on_a_session_that_is_over() -> None:
    line = Line()
    assert line.player.play(1, ("pin",)) == 0.0
    line.player.begin(1, MU)
    line.player.play(1, ("pin",))
    line.player.close()
    line.packets.clear()
    await asyncio.sleep(0)
    assert not line.packets


def test_a_clip_that_nobody_recorded_or_that_cannot_be_read_is_tones(tmp_path: Path) -> None:
    (tmp_path / "pin.ul").mkdir()
    assert Clips(tmp_path).sound("pin") == clip("pin")
    assert Clips(tmp_path / "nowhere").sound("pin") == clip("pin")
    with pytest.raises(KeyError):
        Clips(tmp_path).sound("../secret")
