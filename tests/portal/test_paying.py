"""Paying in the portal, against a server that speaks Stripe's API: only that server's word counts."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from pysrv.portal import ROUTES
from pysrv.store import NewAccount
from tests.payments.conftest import context, stripe  # noqa: F401 - fixtures
from tests.payments.servers import HOOK_SECRET, KEY, StripeServer
from tests.web.house import PASSWORD, Browser, House, living

Home = tuple[House, Browser]


@pytest.fixture
async def home(tmp_path: Path, stripe: StripeServer) -> AsyncIterator[Home]:  # noqa: F811
    async with living(tmp_path, ROUTES) as (house, browser):
        house.offset = -40 * 86_400.0  # accounts that are new are looked at by a person
        for name in ("alice", "bob"):
            house.store.add_account(NewAccount(name, PASSWORD, "appliance"))
        house.offset = 0.0
        for setting, text in (
            ("paymentgateway", "stripe"), ("paymentapiurl", stripe.url), ("paymentfirstmanual", "false"),
        ):  # fmt: skip
            house.store.set_setting(setting, text)
        house.store.set_setting("stripekey", KEY, secret=True)
        house.store.set_setting("stripewebhooksecret", HOOK_SECRET, secret=True)
        house.store.commit()
        await browser.get("/portal/login")
        assert (await browser.log_in("alice", room="portal")).status == 303
        yield house, browser


def balance(house: House, name: str = "alice") -> int:
    account = house.store.account(name)
    assert account is not None
    return account.balance


async def begun(house: House, browser: Browser, stripe: StripeServer) -> tuple[str, str]:  # noqa: F811
    """An order over 20: the session at the gateway, and the way back."""
    await browser.get("/portal/pay")
    answer = await browser.post("/portal/pay", {"amount": "20"})
    assert answer.status == 200 and re.search(r'href="https://[^"]+"', answer.text), answer.text
    session = list(stripe.sessions)[-1]
    (payment,) = house.store.payments(account="alice")
    assert f"{browser.origin}/portal/paid?" in unquote(repr(stripe.asked))
    return session, f"/portal/paid?reference={payment.reference}"


async def test_what_is_paid_there_is_credited_once_however_often_both_say_so(
    home: Home,
    stripe: StripeServer,  # noqa: F811
) -> None:
    house, browser = home
    session, back = await begun(house, browser, stripe)
    assert "not confirmed" in (await browser.get(back)).text
    assert balance(house) == 0
    paid = stripe.pay(session, at=house.watch.now())
    headers, body = stripe.event("checkout.session.completed", paid, at=house.watch.now())
    url = f"{browser.origin}/webhooks/stripe"
    for _ in range(3):
        async with browser.client.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200
    assert balance(house) == 20_000_000
    assert "Thank you" in (await browser.get(back)).text
    assert balance(house) == 20_000_000


async def test_a_webhook_that_nobody_signed_is_not_believed(home: Home, stripe: StripeServer) -> None:  # noqa: F811
    house, browser = home
    session, _ = await begun(house, browser, stripe)
    _, body = stripe.event("checkout.session.completed", stripe.pay(session), at=house.watch.now())
    for headers in ({}, {"Stripe-Signature": "t=1,v1=00"}):
        async with browser.client.post(f"{browser.origin}/webhooks/stripe", data=body, headers=headers) as answer:
            assert answer.status == 400
    async with browser.client.post(f"{browser.origin}/webhooks/nobody", data=body) as answer:
        assert answer.status == 404
    assert balance(house) == 0


async def test_a_payment_is_shown_to_its_owner_alone(home: Home, stripe: StripeServer) -> None:  # noqa: F811
    house, browser = home
    _, back = await begun(house, browser, stripe)
    await browser.get("/portal/")
    await browser.post("/portal/logout")
    await browser.get("/portal/login")
    await browser.log_in("bob", room="portal")
    assert (await browser.get(back)).status == 404


@pytest.mark.parametrize("amount", ["", "x", "-5", "0", "1e9", "99999999999999999999"])
async def test_what_is_no_amount_is_said(home: Home, stripe: StripeServer, amount: str) -> None:  # noqa: F811
    _, browser = home
    await browser.get("/portal/pay")
    answer = await browser.post("/portal/pay", {"amount": amount})
    assert answer.status == 422 and 'role="alert"' in answer.text
    assert stripe.sessions == {}


@pytest.mark.setting("paymentgateway")
async def test_without_a_gateway_nothing_can_be_paid(home: Home) -> None:
    house, browser = home
    house.store.set_setting("paymentgateway", "off")
    house.store.commit()
    assert "Nothing can be paid here" in (await browser.get("/portal/pay")).text
