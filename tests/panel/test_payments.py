"""Payments on the panel: what waits is decided there, and nobody decides without the right or the password."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pysrv.panel import ROUTES
from pysrv.people.permissions import Role
from tests.control.test_payments import pay
from tests.web.house import PASSWORD, Browser, House, living


@pytest.fixture()
async def home(tmp_path: Path) -> AsyncIterator[tuple[House, Browser]]:
    async with living(tmp_path, ROUTES) as made:
        pay(made[0].store)
        await made[1].get("/panel/login")
        yield made


def balance(house: House) -> int:
    account = house.store.account("alice")
    assert account is not None
    return account.balance


async def test_a_payment_that_waits_is_shown_with_its_reason_and_approved(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    assert "above paymentmaxauto" in (await browser.get("/panel/payments")).text
    assert "Approve" in (await browser.get("/panel/payments/1")).text
    assert (await browser.post("/panel/payments/1/approve", {"note": "rang"})).status == 303
    assert balance(house) == 20_000_000
    shown = (await browser.get("/panel/payments/1")).text
    assert "Give back" in shown and "Approve" not in shown
    again = await browser.post("/panel/payments/1/approve")
    assert again.status == 422 or again.status == 409
    assert "does not wait" in again.text and balance(house) == 20_000_000


async def test_a_part_is_given_back_and_no_more_than_there_is(home: tuple[House, Browser]) -> None:
    house, browser = home
    await browser.log_in("olga")
    await browser.post("/panel/payments/1/approve")
    await browser.get("/panel/payments/1")
    assert (await browser.post("/panel/payments/1/refund", {"amount": "5", "note": "x"})).status == 303
    assert balance(house) == 15_000_000
    assert (await browser.post("/panel/payments/1/refund", {"amount": "500"})).status in (409, 422)
    assert balance(house) == 15_000_000


async def test_money_wants_the_right_and_the_password(home: tuple[House, Browser]) -> None:
    house, browser = home
    house.store.add_administrator("sam", Role.SUPPORT, PASSWORD)
    house.store.commit()
    await browser.log_in("sam")
    assert (await browser.get("/panel/payments/1")).status == 200
    assert (await browser.post("/panel/payments/1/approve")).status == 403
    await browser.log_in("olga")
    house.offset = 700.0
    await browser.get("/panel/payments/1")
    assert "Your password again" in (await browser.post("/panel/payments/1/approve")).text
    assert balance(house) == 0


async def test_what_is_no_payment_is_named(home: tuple[House, Browser]) -> None:
    _, browser = home
    await browser.log_in("olga")
    for path in ("/panel/payments/99", "/panel/payments/x", "/panel/payments/" + "9" * 40):
        assert (await browser.get(path)).status == 404
    await browser.get("/panel/payments")
    assert (await browser.post("/panel/payments/1/burn")).status == 404
