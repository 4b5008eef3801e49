"""What no webhook told: orders that are looked at, given up, paid late or twice, and the comparison of both books."""

from pysrv.billing.payment import PaymentStatus
from tests.payments.conftest import COMPLETED, EUR, Till, paid
from tests.payments.servers import (
    NOW,
    PayPalServer,
    StripeServer,
    refuse,
)


async def test_a_payment_that_is_on_its_way_is_credited_when_it_arrives(at_paypal: Till, paypal: PayPalServer) -> None:
    begun, payment = await at_paypal.begin()
    paypal.capture_status = "PENDING"
    paypal.approve(payment.order_id)
    found = await at_paypal.cashier.returned(begun.reference)
    assert found is not None
    assert (found.status, at_paypal.balance()) == (PaymentStatus.PENDING, 0)
    capture = paypal.capture_of(payment.order_id) | {"status": "COMPLETED"}
    await at_paypal.hear("paypal", paypal.event("PAYMENT.CAPTURE.COMPLETED", capture))
    assert at_paypal.balance() == 20 * EUR


async def test_an_order_of_which_no_webhook_came_is_looked_at(at_stripe: Till, stripe: StripeServer) -> None:
    begun, payment = await at_stripe.begin()
    stripe.pay(payment.order_id)
    await at_stripe.cashier.step()
    assert at_stripe.balance() == 0
    at_stripe.clock.now += 301
    await at_stripe.cashier.step()
    assert (at_stripe.balance(), at_stripe.payment(begun).status) == (20 * EUR, PaymentStatus.APPROVED)


async def test_an_order_that_nobody_pays_is_given_up_and_credited_all_the_same_if_it_is_paid(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, payment = await at_stripe.begin()
    for _ in range(8):
        at_stripe.clock.now += 300_000
        await at_stripe.cashier.step()
    assert at_stripe.payment(begun).status is PaymentStatus.FAILED
    assert len(stripe.paths("GET")) <= 6
    session = stripe.pay(payment.order_id)
    await at_stripe.hear("stripe", stripe.event(COMPLETED, session, at_stripe.clock.now))
    assert at_stripe.balance() == 20 * EUR


async def test_an_order_that_is_paid_twice_is_credited_once_and_told(at_stripe: Till, stripe: StripeServer) -> None:
    _, session = await paid(at_stripe, stripe)
    again = stripe.sessions[session] | {"payment_intent": "pi_other"}
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, again))).status == 200
    assert at_stripe.balance() == 20 * EUR
    [(kind, _, _, figures)] = at_stripe.told
    assert kind == "payment_problem"
    assert "paid twice" in figures["what"]


async def test_a_comparison_finds_what_is_missing_here_and_there_and_what_differs(
    at_stripe: Till, stripe: StripeServer
) -> None:
    at_stripe.clock.now = NOW + 100
    sessions = []
    for _ in range(5):
        at_stripe.clock.now += 7200
        _, payment = await at_stripe.begin()
        session = stripe.pay(payment.order_id, at=at_stripe.clock.now)
        await at_stripe.hear("stripe", stripe.event(COMPLETED, session, at_stripe.clock.now))
        sessions.append(payment.order_id)
    _, lost = await at_stripe.begin()
    stripe.pay(lost.order_id, at=at_stripe.clock.now)  # no webhook came
    gone = stripe.charge_of(sessions[0])
    stripe.charges.remove(gone)
    stripe.charge_of(sessions[1])["amount_captured"] = 1999
    stripe.charge_of(sessions[2])["amount_refunded"] = 100
    stripe.charges.append(stripe.charge_of(sessions[3]) | {"id": "ch_x", "payment_intent": "pi_x", "metadata": {}})
    at_stripe.clock.now += 120
    number = at_stripe.store.ask_comparison("stripe", NOW, at_stripe.clock.now)
    await at_stripe.cashier.step()
    found = at_stripe.store.payment_comparison(number)
    assert found is not None
    import json

    said = json.loads(found.found)
    lines = [(line["difference"], line["number"], line["theirs"], line["ours"]) for line in said["lines"]]
    assert sorted(lines) == [
        ("amount_differs", 2, 19_990_000, 20 * EUR),
        ("missing_here", 0, 20 * EUR, 0),
        ("missing_there", 1, 0, 20 * EUR),
        ("refunds_differ", 3, EUR, 0),
    ]
    assert (said["same"], said["foreign"], found.problem) == (2, 1, "")
    assert at_stripe.store.comparisons_asked_for("stripe") == []


async def test_a_comparison_that_the_gateway_refuses_says_why(at_paypal: Till, paypal: PayPalServer) -> None:
    paypal.fault = lambda request: refuse(403, {"name": "NOT_AUTHORIZED"}) if "reporting" in request.path else None
    number = at_paypal.store.ask_comparison("paypal", NOW - 90 * 86_400, NOW)
    await at_paypal.cashier.step()
    found = at_paypal.store.payment_comparison(number)
    assert found is not None
    assert "NOT_AUTHORIZED" in found.problem
