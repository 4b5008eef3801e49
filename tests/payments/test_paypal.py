"""PayPal over the wire: webhooks are proven byte for byte, tokens renewed, captures done once."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pysrv.billing.payment import FactKind
from pysrv.payments.gateway import BadWebhook, GatewayError, Order
from pysrv.payments.paypal import MOST_PROOFS, PayPal
from pysrv.payments.paypal_events import EVENTS, dispute_facts, event_facts, moment, order_facts
from pysrv.payments.units import BadAmount
from tests.payments.conftest import EUR, Clock
from tests.payments.servers import CLIENT, NOW, SECRET, WEBHOOK, PayPalServer, Signed, refuse
from tests.payments.test_stripe import spoilt

ORDER = Order("apl-1", 20 * EUR, "EUR", "Credit of alice", "https://pbx.example.org/back", "https://pbx.example.org/no")


def gateway(server: PayPalServer, clock: Clock | None = None, webhook: str = WEBHOOK) -> PayPal:
    return PayPal(CLIENT, SECRET, webhook, clock or Clock(), server.url)


def heard(signed: Signed) -> tuple[dict[str, str], bytes]:
    return {name.lower(): value for name, value in signed[0].items()}, signed[1]


async def test_an_event_is_believed_when_paypal_says_that_it_is_its_own(paypal: PayPalServer) -> None:
    capture = {
        "id": "3C1", "status": "COMPLETED", "custom_id": "apl-1", "create_time": "2027-01-15T08:00:00Z",
        "amount": {"currency_code": "EUR", "value": "20.00"},
        "supplementary_data": {"related_ids": {"order_id": "5O1"}},
    }  # fmt: skip
    found = await gateway(paypal).hear(*heard(paypal.event("PAYMENT.CAPTURE.COMPLETED", capture)))
    [fact] = found.facts
    assert (fact.kind, fact.payment_id, fact.amount, fact.order_id) == (FactKind.CAPTURED, "3C1", 20 * EUR, "5O1")
    assert fact.at == NOW


async def test_a_changed_body_another_webhook_and_a_missing_proof_are_not_believed(paypal: PayPalServer) -> None:
    signed = paypal.event("PAYMENT.CAPTURE.COMPLETED", {"id": "3C1"})
    headers, body = heard(signed)
    forged = [
        (headers, body.replace(b"3C1", b"3C2")),
        heard(paypal.sign(body, "another-webhook")),
        (headers | {"paypal-transmission-sig": "AAAA"}, body),
        (headers | {"paypal-transmission-id": "other"}, body),
    ]
    for each in forged:
        with pytest.raises(BadWebhook, match="does not fit"):
            await gateway(paypal).hear(*each)


async def test_what_cannot_be_paypals_is_not_even_asked_about(paypal: PayPalServer) -> None:
    headers, body = heard(paypal.event("PAYMENT.CAPTURE.COMPLETED", {"id": "3C1"}))
    for url in (
        "https://evil.example/cert",
        "http://api.paypal.com/c",
        "https://paypal.com.evil.example/",
        "https://[",
    ):
        with pytest.raises(BadWebhook, match="certificate"):
            await gateway(paypal).hear(headers | {"paypal-cert-url": url}, body)
    for name in list(headers):
        with pytest.raises(BadWebhook, match="missing"):
            await gateway(paypal).hear({key: value for key, value in headers.items() if key != name}, body)
    for bad in (b"", b"[]", b'{"a":1', b"\xff{}", b'{} , "webhook_id": "x"'):
        with pytest.raises(BadWebhook, match="JSON object"):
            await gateway(paypal).hear(headers, bad)
    with pytest.raises(BadWebhook, match="missing"):
        await gateway(paypal, webhook="").hear(headers, body)
    assert paypal.asked == []


async def test_a_flood_of_messages_asks_paypal_no_more_than_a_few_at_a_time(
    paypal: PayPalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, asked = asyncio.Event(), []

    async def prove(*_: object) -> None:
        asked.append(1)
        await held.wait()

    one = gateway(paypal)
    monkeypatch.setattr(one, "_prove", prove)
    signed = heard(paypal.event("PAYMENT.CAPTURE.COMPLETED", {}))
    waiting = [asyncio.ensure_future(one.hear(*signed)) for _ in range(20)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 20 - MOST_PROOFS:
        done, pending = await asyncio.wait(waiting, timeout=1.0, return_when=asyncio.FIRST_EXCEPTION)
    assert (len(asked), len(pending)) == (MOST_PROOFS, MOST_PROOFS)
    assert all(isinstance(each.exception(), GatewayError) for each in done)
    held.set()
    await asyncio.gather(*pending)


async def test_a_token_serves_until_it_ends_and_one_that_is_refused_is_renewed(paypal: PayPalServer) -> None:
    clock = Clock()
    one = gateway(paypal, clock)
    checkout = await one.begin(ORDER)
    await one.state(checkout.order_id, "apl-1")
    assert len(paypal.tokens) == 1
    clock.now += 32_400 - 59
    await one.state(checkout.order_id, "apl-1")
    assert len(paypal.tokens) == 2
    paypal.tokens.append("another one, so that ours is stale")
    assert (await one.begin(ORDER)) == checkout
    assert len(paypal.tokens) == 4


async def test_an_order_is_captured_once_by_two_who_confirm_it(paypal: PayPalServer) -> None:
    one = gateway(paypal)
    checkout = await one.begin(ORDER)
    assert await one.confirm(checkout.order_id, "apl-1") == ()
    paypal.approve(checkout.order_id, "payer@example.org", "DE")
    first, second = await asyncio.gather(
        one.confirm(checkout.order_id, "apl-1"), one.confirm(checkout.order_id, "apl-1")
    )
    assert first == second == await one.confirm(checkout.order_id, "apl-1")
    assert [(fact.kind, fact.amount, fact.payer_email, fact.payer_country) for fact in first] == [
        (FactKind.CAPTURED, 20 * EUR, "payer@example.org", "DE")
    ]
    assert len(paypal.transactions) == 1


async def test_a_capture_that_is_refused_leaves_the_order_to_say_where_it_stands(paypal: PayPalServer) -> None:
    one = gateway(paypal)
    checkout = await one.begin(ORDER)
    paypal.approve(checkout.order_id)
    declined = {"details": [{"issue": "INSTRUMENT_DECLINED"}]}
    paypal.fault = lambda request: refuse(422, declined) if request.path.endswith("/capture") else None
    assert await one.confirm(checkout.order_id, "apl-1") == ()
    paypal.fault = lambda request: refuse(500, {}) if request.path.endswith("/capture") else None
    with pytest.raises(GatewayError):
        await one.confirm(checkout.order_id, "apl-1")


async def test_a_list_is_read_page_by_page_and_month_by_month(paypal: PayPalServer) -> None:
    one = gateway(paypal)
    for number in range(5):
        checkout = await one.begin(
            Order(f"apl-{number}", 10 * EUR, "EUR", "x", "https://a.example", "https://b.example")
        )
        paypal.take(paypal.orders[checkout.order_id], NOW + number * 20 * 86_400)
    refund = {"transaction_event_code": "T1107", "transaction_status": "S", "transaction_id": "r",
              "transaction_initiation_date": "2027-01-16T00:00:00Z",
              "transaction_amount": {"currency_code": "EUR", "value": "-10.00"}}  # fmt: skip
    denied = refund | {"transaction_event_code": "T0006", "transaction_status": "D"}
    paypal.transactions += [{"transaction_info": refund}, {"transaction_info": denied}]
    rows = await one.taken(NOW, NOW + 90 * 86_400)
    assert [row.reference for row in rows] == [f"apl-{number}" for number in range(5)]
    assert [path for path in paypal.paths("GET") if "reporting" in path] == ["/v1/reporting/transactions"] * 4


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        ("", FactKind.DISPUTED),
        ("NONE", FactKind.DISPUTED),
        ("RESOLVED_SELLER_FAVOUR", FactKind.DISPUTE_WON),
        ("CANCELED_BY_BUYER", FactKind.DISPUTE_WON),
        ("RESOLVED_BUYER_FAVOUR", FactKind.DISPUTE_LOST),
        ("ACCEPTED", FactKind.DISPUTE_LOST),
    ],
)
def test_how_a_dispute_ends_is_read_and_an_end_that_nobody_knows_leaves_it_open(outcome: str, kind: FactKind) -> None:
    [fact] = dispute_facts(PayPalServer.dispute(None, "3C1", "12.00", outcome))  # type: ignore[arg-type]
    assert (fact.kind, fact.payment_id, fact.amount) == (kind, "3C1", 12 * EUR)


WHOLE = {
    "id": "3C1", "status": "COMPLETED", "custom_id": "apl-1", "create_time": "2027-01-15T08:00:00Z",
    "amount": {"currency_code": "EUR", "value": "20.00"},
    "supplementary_data": {"related_ids": {"order_id": "5O1"}},
    "links": [{"rel": "up", "href": "https://api.paypal.com/v2/payments/captures/3C1"}],
    "seller_payable_breakdown": {"total_refunded_amount": {"currency_code": "EUR", "value": "20.00"}},
    "dispute_id": "PP-1", "dispute_amount": {"currency_code": "EUR", "value": "20.00"},
    "disputed_transactions": [{"seller_transaction_id": "3C1"}],
    "dispute_outcome": {"outcome_code": "ACCEPTED", "amount_refunded": {"currency_code": "EUR", "value": "1.00"}},
}  # fmt: skip


@given(kind=st.sampled_from(sorted(EVENTS)), data=st.data())
def test_a_proven_event_of_any_shape_breaks_nothing(kind: str, data: st.DataObject) -> None:
    whole = {"event_type": kind, "resource": WHOLE}
    assert event_facts(whole) or kind == "CHECKOUT.ORDER.APPROVED"
    with contextlib.suppress(BadAmount):
        for fact in event_facts(spoilt(data, whole)):
            assert fact.amount >= 0


ORDER_WHOLE = {
    "id": "5O1", "payer": {"email_address": "a@example.org", "address": {"country_code": "DE"}},
    "purchase_units": [{"custom_id": "apl-1", "payments": {"captures": [WHOLE], "refunds": [WHOLE]}}],
}  # fmt: skip


@given(data=st.data())
def test_an_order_of_any_shape_breaks_nothing(data: st.DataObject) -> None:
    assert len(order_facts(ORDER_WHOLE)) == 3
    with contextlib.suppress(BadAmount):
        order_facts(spoilt(data, ORDER_WHOLE))


@pytest.mark.parametrize("text", ["", "yesterday", "2027-99-99T00:00:00Z", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_0(text: str) -> None:
    assert moment(text) <= 0.0
