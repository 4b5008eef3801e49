"""Events over a websocket: what a token may hear, and who is let go."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from pysrv.api import events
from pysrv.service.feed import MOST_LISTENERS, Feed, Happening, Kind
from tests.api.program import Program, programmed, set_to, token
from tests.web.house import House


@asynccontextmanager
async def hearing(program: Program) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": f"Bearer {program.token}"}
    async with program.browser.client.ws_connect(program.browser.origin + "/api/v1/events", headers=headers) as socket:
        yield socket


def told(house: House, *kinds: Kind) -> None:
    for kind in kinds:
        house.feed.tell(kind, account="anna")
    house.feed.flush()


def test_every_kind_has_an_area() -> None:
    assert set(events.AREAS) == set(Kind)


async def test_a_program_hears_what_happens_after_its_commit(tmp_path: Path) -> None:
    async with programmed(tmp_path) as (house, program), hearing(program) as socket:
        house.feed.tell(Kind.CALL_BEGUN, call_id="c1", caller="101")
        house.feed.tell(Kind.SETTINGS, generation=7)
        house.feed.flush()
        first, second = [json.loads((await socket.receive()).data) for _ in range(2)]
        assert (first["event"], first["call_id"], first["at"] > 0) == ("call.begun", "c1", True)
        assert (second["event"], second["generation"]) == ("settings.changed", 7)


async def test_scopes_say_of_what_a_token_hears(tmp_path: Path) -> None:
    async with programmed(tmp_path, "security:read") as (house, program), hearing(program) as socket:
        told(house, Kind.CALL_BEGUN, Kind.NOTICE, Kind.BANNED)
        assert json.loads((await socket.receive()).data)["event"] == "ban.added"


async def test_without_a_fitting_token_or_a_websocket_nothing_is_heard(tmp_path: Path) -> None:
    async with programmed(tmp_path, "accounts:read") as (house, program):
        for bearer, status in (("x", 401), (program.token, 403)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with hearing(Program(program.browser, bearer)):
                    pass
            assert refused.value.status == status
        answer = await Program(program.browser, token(house)).ask("GET", "/events")
        assert answer.status == 400 and "websocket" in answer.text


async def test_a_revoked_token_hears_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    async with programmed(tmp_path) as (house, program), hearing(program) as socket:
        house.store.remove_api_token(house.store.api_tokens()[0].id)
        house.store.commit()
        closed = await socket.receive()
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, events.REVOKED)


async def test_an_address_that_is_served_no_more_hears_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_S", 0.01)
    async with programmed(tmp_path) as (house, program), hearing(program) as socket:
        set_to(house, apiv2ipauth="192.0.2.0/24")
        assert (await socket.receive()).data == events.REVOKED


async def test_who_does_not_keep_up_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_WAITING", 3)
    async with programmed(tmp_path) as (house, program), hearing(program) as socket:
        told(house, *[Kind.NOTICE] * 5)
        seen = [await socket.receive() for _ in range(1)]
        while seen[-1].type is aiohttp.WSMsgType.TEXT:
            seen.append(await socket.receive())
        assert seen[-1].data == events.SLOW and len(seen) <= 4


async def test_who_speaks_is_let_go_and_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_OF_A_TOKEN", 1)
    async with programmed(tmp_path) as (_, program):
        async with hearing(program) as socket:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with hearing(program):
                    pass
            assert refused.value.status == 429
            await socket.send_str("hello")
            assert (await socket.receive()).data == aiohttp.WSCloseCode.POLICY_VIOLATION
        async with asyncio.timeout(30):
            while program.token and events._inside:
                await asyncio.sleep(0)
        async with hearing(program):
            pass


async def test_a_listener_does_not_keep_the_office_from_stopping(tmp_path: Path) -> None:
    async with programmed(tmp_path) as (house, program), hearing(program) as socket:
        assert house.web is not None
        stopping = asyncio.ensure_future(house.web.stop())
        assert (await socket.receive()).data == aiohttp.WSCloseCode.GOING_AWAY
        await stopping


def test_the_feed_keeps_nothing_for_nobody_and_drops_a_listener_that_fails() -> None:
    feed, heard = Feed(lambda: 5.0), list[Happening]()
    feed.tell(Kind.NOTICE)
    leave = feed.listen(heard.append)
    feed.flush()
    assert heard == [] and leave is not None

    def fails(_: Happening) -> None:
        raise RuntimeError

    feed.listen(fails)
    feed.tell(Kind.BANNED, prefix="192.0.2.1")
    assert heard == []  # not before the commit
    feed.flush()
    feed.tell(Kind.LIFTED)
    feed.flush()
    assert [each.kind for each in heard] == [Kind.BANNED, Kind.LIFTED]
    leave()
    rooms = [feed.listen(lambda _: None) for _ in range(MOST_LISTENERS + 1)]
    assert rooms[-1] is None and all(rooms[:-1])
