"""Stripe over the wire: what is signed is believed, what is not is not, and answers are bounded."""

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.payment import FactKind
from pysrv.payments import http
from pysrv.payments.gateway import BadWebhook, GatewayError, Order, Refund
from pysrv.payments.stripe import Stripe, signed
from pysrv.payments.stripe_events import EVENTS, event_facts
from pysrv.payments.units import BadAmount
from tests.payments.conftest import EUR
from tests.payments.servers import HOOK_SECRET, KEY, NOW, StripeServer, refuse, stripe_signature

BODY = b'{"id":"evt_1","type":"charge.refunded"}'
ORDER = Order("apl-1", 20 * EUR, "EUR", "Credit of alice", "https://pbx.example.org/back", "https://pbx.example.org/no")


def gateway(server: StripeServer, key: str = KEY) -> Stripe:
    return Stripe(key, HOOK_SECRET, lambda: NOW, server.url)


def test_a_signature_is_the_one_of_stripes_documentation() -> None:
    """openssl dgst -sha256 -hmac "whsec_x" over `1492774577.{"a":1}`"""
    mac = "7a28fbfc36c628ce9f7d6170dd03bb463257a7395cb164a8cd6ab7ef053f7598"
    assert signed(f"t=1492774577,v1={mac},v0=00", b'{"a":1}', "whsec_x", 1492774577)


def test_only_the_body_the_secret_and_the_time_that_were_signed_are_believed() -> None:
    header = stripe_signature(BODY, NOW)
    assert signed(header, BODY, HOOK_SECRET, NOW)
    assert not signed(header, BODY + b" ", HOOK_SECRET, NOW)
    assert not signed(header, BODY, HOOK_SECRET + "x", NOW)
    assert not signed(header, BODY, "", NOW)
    assert not signed(header.replace(str(int(NOW)), str(int(NOW) + 1)), BODY, HOOK_SECRET, NOW)
    assert not signed(stripe_signature(BODY, NOW, ""), BODY, "", NOW)


@pytest.mark.parametrize(("age_s", "believed"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_signature_is_good_for_five_minutes(age_s: int, believed: bool) -> None:
    assert signed(stripe_signature(BODY, NOW), BODY, HOOK_SECRET, NOW + age_s) is believed


def test_one_good_signature_among_several_is_enough() -> None:
    header = stripe_signature(BODY, NOW).replace(",v1=", f",v1={'0' * 64},v1=")
    assert signed(header, BODY, HOOK_SECRET, NOW)
    assert not signed(stripe_signature(BODY, NOW).replace("v1=", "v0="), BODY, HOOK_SECRET, NOW)


@given(st.text(max_size=200))
def test_no_header_breaks_the_check(header: str) -> None:
    assert not signed(header, BODY, HOOK_SECRET, NOW)


async def test_an_event_that_is_signed_and_no_json_is_not_believed(stripe: StripeServer) -> None:
    for body in (b"", b"\xff", b"[1", b"[" * 100_000):
        with pytest.raises(BadWebhook):
            await gateway(stripe).hear({"stripe-signature": stripe_signature(body, NOW)}, body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def spoilt(data: st.DataObject, value: Any) -> Any:
    """The same with something else in one place."""
    if not isinstance(value, dict | list) or not value or data.draw(st.integers(0, 3)) == 0:
        return data.draw(JSON)
    if isinstance(value, list):
        place = data.draw(st.integers(0, len(value) - 1))
        return [spoilt(data, each) if index == place else each for index, each in enumerate(value)]
    name = data.draw(st.sampled_from(sorted(value)))
    return value | {name: spoilt(data, value[name])}


WHOLE = {
    "id": "cs_1", "mode": "payment", "status": "complete", "payment_status": "paid", "currency": "eur",
    "client_reference_id": "apl-1", "amount_total": 100, "amount": 100, "amount_refunded": 100,
    "payment_intent": {"id": "pi_1", "latest_charge": {"id": "ch_1", "amount_refunded": 100, "currency": "eur"}},
    "charge": {"id": "ch_1", "amount_refunded": 100, "currency": "eur"},
    "customer_details": {"email": "a@example.org", "address": {"country": "DE"}},
}  # fmt: skip


@given(kind=st.sampled_from(sorted(EVENTS)), data=st.data())
def test_a_signed_event_of_any_shape_breaks_nothing(kind: str, data: st.DataObject) -> None:
    whole = {"type": kind, "created": 1, "data": {"object": WHOLE}}
    assert event_facts(whole)
    with contextlib.suppress(BadAmount):
        for fact in event_facts(spoilt(data, whole)):
            assert fact.amount >= 0


async def test_a_checkout_that_is_begun_twice_is_one(stripe: StripeServer) -> None:
    first = await gateway(stripe).begin(ORDER)
    assert await gateway(stripe).begin(ORDER) == first
    assert len(stripe.sessions) == 1
    assert "card" not in str(stripe.asked)


async def test_a_refund_says_itself_and_the_sum(stripe: StripeServer) -> None:
    checkout = await gateway(stripe).begin(ORDER)
    stripe.pay(checkout.order_id)
    intent = stripe.sessions[checkout.order_id]["payment_intent"]
    facts = await gateway(stripe).refund(Refund("k-1", intent, 5 * EUR, "EUR"))
    assert [(fact.kind, fact.amount) for fact in facts] == [
        (FactKind.REFUNDED, 5 * EUR),
        (FactKind.REFUNDED_IN_ALL, 5 * EUR),
    ]
    assert await gateway(stripe).refund(Refund("k-1", intent, 5 * EUR, "EUR")) == facts


async def test_a_wrong_key_is_an_error_that_does_not_say_the_key(stripe: StripeServer) -> None:
    with pytest.raises(GatewayError) as error:
        await gateway(stripe, "sk_live_wrong").begin(ORDER)
    assert "sk_live_wrong" not in error.value.reason
    assert "401" in error.value.reason
    assert not error.value.final


@pytest.mark.parametrize(("status", "final"), [(400, True), (404, True), (401, False), (409, False), (429, False)])
async def test_what_may_go_well_later_is_not_final(stripe: StripeServer, status: int, final: bool) -> None:
    stripe.fault = lambda _request: refuse(status, {"error": {"code": "a_code"}})
    with pytest.raises(GatewayError, match="a_code") as error:
        await gateway(stripe).begin(ORDER)
    assert error.value.final is final


async def test_a_redirect_is_not_followed(stripe: StripeServer) -> None:
    stripe.fault = lambda request: web.Response(status=307, headers={"Location": f"{stripe.url}/v1/elsewhere"})
    with pytest.raises(GatewayError, match="redirects are not followed"):
        await gateway(stripe).begin(ORDER)
    assert stripe.paths() == ["/v1/checkout/sessions"]


async def test_an_answer_without_an_end_is_given_up(stripe: StripeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_ANSWER", 1000)
    stripe.fault = lambda _request: web.Response(body=b'"' + b"x" * 200_000 + b'"')
    with pytest.raises(GatewayError, match="no end"):
        await gateway(stripe).begin(ORDER)


async def test_a_gateway_that_never_answers_is_not_waited_for(
    stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await held.wait()
        return web.Response()

    monkeypatch.setattr(stripe, "once", lambda request, _header, _do: hang(request))
    with pytest.raises(GatewayError, match="no answer"):
        await http.ask(
            "POST", f"{stripe.url}/v1/checkout/sessions", {"Authorization": f"Bearer {KEY}"}, FORM, timeout_s=0.2
        )
    held.set()


FORM = (
    b"mode=payment&client_reference_id=x&line_items[0][price_data][unit_amount]=1&"
    b"line_items[0][price_data][currency]=eur&payment_intent_data[metadata][reference]=x"
)


async def test_an_answer_that_is_no_json_is_an_error(stripe: StripeServer) -> None:
    stripe.fault = lambda _request: web.Response(body=b"<html>")
    with pytest.raises(GatewayError, match="not JSON"):
        await gateway(stripe).begin(ORDER)


async def test_a_list_is_read_to_its_last_page(stripe: StripeServer) -> None:
    for number in range(5):
        checkout = await gateway(stripe).begin(
            Order(f"apl-{number}", 10 * EUR, "EUR", "x", "https://a.example", "https://a.example")
        )
        stripe.pay(checkout.order_id, at=NOW + number)
    rows = await gateway(stripe).taken(NOW, NOW + 4)
    assert [row.reference for row in rows] == ["apl-3", "apl-2", "apl-1", "apl-0"]
    assert all((row.amount, row.currency, row.refunded) == (10 * EUR, "EUR", 0) for row in rows)


async def test_a_certificate_that_nobody_trusts_ends_it(stripe: StripeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(GatewayError, match="Certificate"):
        await gateway(stripe).begin(ORDER)
    assert stripe.asked == []
