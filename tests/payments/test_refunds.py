"""Money that goes back: refunds, rejected payments and disputes, against both gateways on loopback."""

import pytest
from aiohttp import web

from pysrv.billing.payment import PaymentStatus
from tests.payments.conftest import EUR, Till, paid
from tests.payments.servers import (
    PayPalServer,
    StripeServer,
    refuse,
)


async def test_a_refund_takes_the_credit_at_once_and_is_asked_for_once(at_stripe: Till, stripe: StripeServer) -> None:
    number, session = await paid(at_stripe, stripe)
    at_stripe.store.refund_payment(number, 5 * EUR, "root")
    assert at_stripe.balance() == 15 * EUR
    await at_stripe.cashier.step()
    await at_stripe.cashier.step()
    assert stripe.charge_of(session)["amount_refunded"] == 500
    [refund] = at_stripe.store.payment_refunds(number)
    assert (refund.status, refund.tries) == ("sent", 1)
    assert (await at_stripe.hear("stripe", stripe.event("charge.refunded", stripe.charge_of(session)))).status == 200
    assert at_stripe.balance() == 15 * EUR
    at_stripe.store.refund_payment(number, None, "root")
    await at_stripe.cashier.step()
    assert (stripe.charge_of(session)["amount_refunded"], at_stripe.balance()) == (2000, 0)


async def test_a_refund_whose_answer_was_lost_is_sent_again_under_its_key_and_done_once(
    at_stripe: Till, stripe: StripeServer
) -> None:
    number, session = await paid(at_stripe, stripe)
    at_stripe.store.refund_payment(number, 5 * EUR, "root")

    def lose(request: web.Request) -> None:
        if request.path == "/v1/refunds" and request.transport is not None:
            request.transport.abort()

    stripe.after = lose
    await at_stripe.cashier.step()
    assert at_stripe.store.payment_refunds(number)[0].status == "wanted"
    at_stripe.restart()
    stripe.after = lambda _request: None
    assert (await at_stripe.cashier.step()) > 0  # not yet: it waits a minute
    assert stripe.paths().count("/v1/refunds") == 1
    at_stripe.clock.now += 61
    await at_stripe.cashier.step()
    assert at_stripe.store.payment_refunds(number)[0].status == "sent"
    assert (stripe.charge_of(session)["amount_refunded"], at_stripe.balance()) == (500, 15 * EUR)


async def test_a_refund_that_the_gateway_refuses_gives_the_credit_back_and_is_told(
    at_stripe: Till, stripe: StripeServer
) -> None:
    number, _ = await paid(at_stripe, stripe)
    at_stripe.store.refund_payment(number, 5 * EUR, "root")
    error = {"error": {"code": "charge_not_refundable"}}
    stripe.fault = lambda request: refuse(400, error) if request.path == "/v1/refunds" else None
    await at_stripe.cashier.step()
    [refund] = at_stripe.store.payment_refunds(number)
    assert refund.status == "failed"
    assert "charge_not_refundable" in refund.reason
    assert at_stripe.balance() == 20 * EUR
    assert [kind for kind, *_ in at_stripe.told] == ["payment_problem"]


async def test_a_refund_that_was_done_before_is_found_when_it_is_refused(at_stripe: Till, stripe: StripeServer) -> None:
    number, session = await paid(at_stripe, stripe)
    at_stripe.store.refund_payment(number, None, "root")
    stripe.charge_of(session)["amount_refunded"] = 2000  # somebody gave it back at Stripe, and no event came
    await at_stripe.cashier.step()
    assert at_stripe.store.payment_refunds(number)[0].status == "sent"
    assert at_stripe.balance() == 0
    assert at_stripe.told == []


async def test_a_rejected_payment_goes_back_whole(at_paypal: Till, paypal: PayPalServer) -> None:
    at_paypal.use(paymentmaxauto="0")
    begun, payment = await at_paypal.begin()
    paypal.approve(payment.order_id)
    await at_paypal.cashier.returned(begun.reference)
    at_paypal.store.reject_payment(begun.number, "root")
    await at_paypal.cashier.step()
    [refund] = paypal.orders[payment.order_id]["purchase_units"][0]["payments"]["refunds"]
    assert refund["amount"] == {"value": "20.00", "currency_code": "EUR"}
    assert (at_paypal.payment(begun).status, at_paypal.balance()) == (PaymentStatus.REJECTED, 0)
    event = paypal.event("PAYMENT.CAPTURE.REFUNDED", refund)
    assert (await at_paypal.hear("paypal", event)).status == 200
    assert at_paypal.store.postings("alice") == []


@pytest.mark.setting("paymentdisputelock")
@pytest.mark.parametrize("lock", ["true", "false"])
async def test_a_dispute_takes_the_credit_back_and_can_lock_and_what_is_won_comes_back(
    at_stripe: Till, stripe: StripeServer, lock: str
) -> None:
    at_stripe.use(paymentdisputelock=lock)
    _, session = await paid(at_stripe, stripe)
    at_stripe.store.adjust("alice", -15 * EUR)  # most of it was talked away
    event = stripe.event("charge.dispute.created", stripe.dispute(session))
    for _ in range(2):
        assert (await at_stripe.hear("stripe", event)).status == 200
    assert at_stripe.balance() == -15 * EUR
    account = at_stripe.store.account("alice")
    assert account is not None
    assert account.locklevel == (2 if lock == "true" else 0)
    [(kind, _, _, figures)] = at_stripe.told
    assert (kind, figures["back"]) == ("payment_disputed", 20 * EUR)
    won = stripe.event("charge.dispute.closed", stripe.dispute(session, "won"))
    assert (await at_stripe.hear("stripe", won)).status == 200
    assert at_stripe.balance() == 5 * EUR


async def test_a_dispute_at_paypal_that_is_lost_and_its_reversal_count_once(
    at_paypal: Till, paypal: PayPalServer
) -> None:
    begun, payment = await at_paypal.begin()
    paypal.approve(payment.order_id)
    await at_paypal.cashier.returned(begun.reference)
    capture = paypal.capture_of(payment.order_id)["id"]
    await at_paypal.hear("paypal", paypal.event("CUSTOMER.DISPUTE.CREATED", paypal.dispute(capture, "12.00")))
    assert at_paypal.balance() == 8 * EUR
    lost = paypal.dispute(capture, "12.00", "RESOLVED_BUYER_FAVOUR", "10.00")
    await at_paypal.hear("paypal", paypal.event("CUSTOMER.DISPUTE.RESOLVED", lost))
    assert at_paypal.balance() == 10 * EUR
    reversal = paypal.give_back(capture, "10.00")
    await at_paypal.hear("paypal", paypal.event("PAYMENT.CAPTURE.REVERSED", reversal))
    assert at_paypal.balance() == 10 * EUR
