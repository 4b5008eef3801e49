"""How fast people may ask, and what is asked beside the loop: nobody keeps all others waiting."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.wire import WireError
from pysrv.control.session import Control
from pysrv.panel import ROUTES as PANEL
from pysrv.portal import ROUTES as PORTAL
from pysrv.store.account import AccountType
from pysrv.store.rows import NewAccount
from pysrv.web import server
from pysrv.web.aside import MOST_OF_ONE, MOST_WAITING
from tests.web.house import PASSWORD, Browser, House, living

Home = tuple[House, Browser]
NEVER = 1e-6  # a second: a bucket that is empty stays so as long as a test runs


@pytest.fixture()
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    monkeypatch.setattr(server, "PEOPLE_PACE", (NEVER, 12))
    monkeypatch.setattr(server, "VISITORS_PACE", (NEVER, 12))
    async with living(tmp_path, (*PANEL, *PORTAL), paced=True) as (house, browser):
        house.store.add_account(NewAccount("rex", PASSWORD, "appliance", type=AccountType.RESELLER), "test")
        house.store.add_account(NewAccount("cora", PASSWORD, "appliance", parent="rex"), "test")
        house.store.commit()
        yield house, browser


async def statuses(browser: Browser, path: str, times: int) -> list[int]:
    return [(await browser.get(path)).status for _ in range(times)]


@pytest.mark.parametrize(("name", "room", "path"), [("olga", "panel", "/panel/"), ("rex", "portal", "/portal/")])
async def test_a_person_has_one_pace_however_many_sessions(home: Home, name: str, room: str, path: str) -> None:
    house, browser = home
    await browser.log_in(name, room=room)
    assert await statuses(browser, path, 11) == [200] * 11
    slowed = await browser.get(path)
    assert slowed.status == 429 and int(slowed.headers["Retry-After"]) > 0 and "<h1>" in slowed.text
    browser._jar.clear()
    await browser.log_in(name, room=room)
    assert await statuses(browser, path, 1) == [429]
    browser._jar.clear()
    other = "rex" if name == "olga" else "olga"
    assert (await browser.log_in(other, room="portal" if other == "rex" else "panel")).status == 303
    assert house.web.refusals()["too_many"] >= 2


async def test_who_has_not_logged_in_has_a_pace_by_address(home: Home) -> None:
    _, browser = home
    assert await statuses(browser, "/portal/login", 13) == [200] * 12 + [429]


class Slow:
    """Control whose questions aside wait until they are let go."""

    def __init__(self, control: Control) -> None:
        self._control, self.let_go, self.asked = control, threading.Event(), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._control, name)

    def mine_aside(self, account: str, who: str, name: str, args: Mapping[str, Any]) -> dict[str, Any]:
        self.asked += 1
        assert self.let_go.wait(20)
        return self._control.mine_aside(account, who, name, args)


@pytest.mark.parametrize("path", ["/portal/calls.csv", "/portal/statement", "/portal/statement.csv"])
async def test_a_slow_answer_leaves_the_loop_to_calls_and_one_person_does_not_fill_the_queue(
    home: Home, path: str
) -> None:
    house, browser = home
    slow = Slow(house.control)
    house.control = slow  # type: ignore[assignment]
    await browser.log_in("rex", room="portal")
    asked = [asyncio.ensure_future(browser.get(path)) for _ in range(MOST_OF_ONE + 1)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result().status for task in done] == [429] and MOST_OF_ONE < MOST_WAITING
    assert (await browser.get("/healthz")).status == 200  # while they wait
    slow.let_go.set()
    assert sorted(answer.status for answer in await asyncio.gather(*asked)) == [200, 200, 429]
    assert slow.asked == MOST_OF_ONE


def test_nothing_that_writes_is_asked_aside(home: Home) -> None:
    house, _ = home
    for verb in ("mine.password", "mine.nothing"):
        with pytest.raises(WireError, match="cannot be asked aside"):
            house.control.mine_aside("rex", "portal:rex", verb, {})
    with pytest.raises(WireError, match="only a reseller"):
        house.control.mine_aside("cora", "portal:cora", "mine.customers", {})
