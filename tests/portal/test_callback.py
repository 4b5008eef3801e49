"""Call me, then connect me: the button of the portal's first page, and the one of an account's page in the panel."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.control.session import Control
from pysrv.panel import ROUTES as PANEL_ROUTES
from pysrv.people.permissions import PROOF_S, Role
from pysrv.portal import ROUTES
from pysrv.store.rows import NewAccount
from tests.control.office import Service
from tests.web.house import PASSWORD, Browser, House, living

NUMBER = "+4930123456"
Home = tuple[House, Browser, Service]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    async with living(tmp_path, (*PANEL_ROUTES, *ROUTES)) as (house, browser):
        house.store.add_account(NewAccount("alice", PASSWORD, "appliance"), "test")
        house.store.commit()
        service = Service()
        house.control = Control(house.store, service, clock=house.watch.now)
        yield house, browser, service


def asked(service: Service) -> list[tuple[object, ...]]:
    return [told for told in service.told if told[0] == "callback"]


async def test_the_owner_is_called_and_nobody_else_whatever_the_form_says(home: Home) -> None:
    _, browser, service = home
    await browser.log_in("alice", room="portal")
    page = await browser.get("/portal/")
    assert "Call me, then connect me to" in page.text
    answer = await browser.post("/portal/callback", {"number": NUMBER, "first": "", "account": "bob"})
    assert answer.status == 409 and "no phone of alice" in answer.text and f'value="{NUMBER}"' in answer.text
    service.phones = {"alice"}
    answer = await browser.post("/portal/callback", {"number": NUMBER, "first": ""})
    assert (answer.status, answer.headers["Location"]) == (303, "/portal/")
    assert asked(service) == [("callback", "alice", NUMBER, "")] * 2


async def test_it_spends_money_so_the_password_is_asked_for_again(home: Home) -> None:
    house, browser, service = home
    await browser.log_in("alice", room="portal")
    house.watch.offset = PROOF_S + 1
    answer = await browser.post("/portal/callback", {"number": NUMBER, "first": ""})
    assert answer.status == 403 and "proof_password" in answer.text
    assert asked(service) == []


async def test_an_operator_calls_an_account_and_sees_the_calls_that_run(home: Home) -> None:
    _, browser, service = home
    service.phones = {"alice"}
    await browser.log_in("olga")
    assert "Call its telephone" in (await browser.get("/panel/accounts/alice")).text
    answer = await browser.post("/panel/accounts/alice/callback", {"number": NUMBER, "first": "49170111"})
    assert (answer.status, answer.headers["Location"]) == (303, "/panel/calls")
    assert asked(service) == [("callback", "alice", NUMBER, "49170111")]


async def test_who_only_reads_calls_has_no_button(home: Home) -> None:
    _, browser, service = home
    await browser.log_in(_reader(home))
    assert "Call its telephone" not in (await browser.get("/panel/accounts/alice")).text
    answer = await browser.post("/panel/accounts/alice/callback", {"number": NUMBER})
    assert answer.status == 403 and asked(service) == []


def _reader(home: Home) -> str:
    house, _, _ = home
    house.store.add_administrator("reader", Role.READ_ONLY, PASSWORD)
    house.store.commit()
    return "reader"
