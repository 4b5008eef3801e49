"""Streams: how many there may be, and that they end when the office stops."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.wire import WireError
from pysrv.panel import ROUTES
from pysrv.web.identity import Identity
from pysrv.web.streams import MOST, MOST_OF_ONE, Streams
from tests.web.house import Browser, House, living


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as made:
        yield made


class Session:
    def __init__(self, digest: str) -> None:
        self.digest = digest


class Who:
    def __init__(self, digest: str) -> None:
        self.session = Session(digest)


def who(digest: str) -> Identity:
    return Who(digest)  # type: ignore[return-value]


def test_one_session_may_have_some_and_everybody_together_not_too_many() -> None:
    streams, held = Streams(), []
    for number in range(MOST):
        place = streams.place(who(f"session {number // MOST_OF_ONE}"))
        place.__enter__()
        held.append(place)
    for digest in ("session 0", "somebody else"):
        with pytest.raises(WireError, match="too many pages"), streams.place(who(digest)):
            pass
    held.pop().__exit__(None, None, None)
    with streams.place(who("somebody else")):
        assert streams.open == MOST


async def test_a_stream_waits_its_pause_and_ends_at_once_when_all_end() -> None:
    streams = Streams()
    assert await streams.wait(0.001)
    waiting = asyncio.ensure_future(streams.wait(3600.0))
    await streams.close()
    assert not await asyncio.wait_for(waiting, 20)


async def test_an_office_that_stops_waits_for_no_stream(tmp_path: Path) -> None:
    async with living(tmp_path, ROUTES) as (_, browser):
        await browser.log_in("olga")
        response = await browser.client.get(browser.origin + "/panel/live")
        reading = asyncio.ensure_future(response.content.read())
    await asyncio.wait_for(asyncio.wait([reading]), 20)  # the house has stopped, within the time of this test


async def test_nobody_without_a_session_is_told_anything(home: tuple[House, Browser]) -> None:
    _, browser = home
    for path in ("/panel/live", "/panel/live.json"):
        answer = await browser.get(path)
        assert answer.status == 303 and answer.headers["Location"].startswith("/panel/login")
