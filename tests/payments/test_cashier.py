"""Payments from the first click to the credit, and what waits for an administrator; both gateways on loopback."""

import asyncio
import logging

import pytest

from pysrv.billing.payment import PaymentStatus
from pysrv.payments.offer import PaymentRefused
from tests.payments.conftest import COMPLETED, EUR, Till, paid
from tests.payments.servers import (
    CLIENT,
    HOOK_SECRET,
    KEY,
    SECRET,
    WEBHOOK,
    PayPalServer,
    StripeServer,
    refuse,
)


async def test_a_payment_at_stripe_is_credited_when_stripe_says_so_and_not_before(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, payment = await at_stripe.begin(12_500_000)
    assert begun.url == f"{stripe.url}/pay/{payment.order_id}"
    asked = stripe.sessions[payment.order_id]
    assert (asked["amount_total"], asked["currency"], asked["client_reference_id"]) == (1250, "eur", begun.reference)
    assert (await at_stripe.cashier.returned(begun.reference)) == payment  # the browser came back: nothing was paid
    assert at_stripe.balance() == 0
    session = stripe.pay(payment.order_id)
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, session))).status == 200
    assert at_stripe.balance() == 12_500_000
    assert at_stripe.payment(begun).status is PaymentStatus.APPROVED
    assert at_stripe.changed == ["alice"]
    [posting] = at_stripe.store.postings("alice")
    assert (posting.kind, posting.amount, posting.who) == ("deposit", 12_500_000, "gateway stripe")
    assert posting.note == f"payment {begun.number}: stripe {session['payment_intent']}"


async def test_a_payment_at_paypal_is_captured_when_the_customer_comes_back(
    at_paypal: Till, paypal: PayPalServer
) -> None:
    begun, payment = await at_paypal.begin(7_000_000)
    assert begun.url == f"https://www.paypal.com/checkoutnow?token={payment.order_id}"
    unit = paypal.orders[payment.order_id]["purchase_units"][0]
    assert (unit["amount"], unit["custom_id"]) == ({"currency_code": "EUR", "value": "7.00"}, begun.reference)
    paypal.approve(payment.order_id)
    found = await at_paypal.cashier.returned(begun.reference)
    assert found is not None
    assert (found.status, found.payment_id) == (PaymentStatus.APPROVED, paypal.capture_of(payment.order_id)["id"])
    assert at_paypal.balance() == 7_000_000


async def test_a_payment_at_paypal_is_captured_when_the_customer_closes_his_browser(
    at_paypal: Till, paypal: PayPalServer
) -> None:
    _, payment = await at_paypal.begin()
    paypal.approve(payment.order_id)
    signed = paypal.event("CHECKOUT.ORDER.APPROVED", paypal.orders[payment.order_id])
    assert (await at_paypal.hear("paypal", signed)).status == 200
    assert at_paypal.balance() == 20 * EUR
    completed = paypal.event("PAYMENT.CAPTURE.COMPLETED", paypal.capture_of(payment.order_id))
    for _ in range(3):
        assert (await at_paypal.hear("paypal", completed)).status == 200
    assert at_paypal.balance() == 20 * EUR
    assert len(at_paypal.store.postings("alice")) == 1


async def test_a_webhook_that_comes_many_times_and_after_restarts_is_credited_once(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, payment = await at_stripe.begin()
    signed = stripe.event(COMPLETED, stripe.pay(payment.order_id))
    for _ in range(3):
        assert (await at_stripe.hear("stripe", signed)).status == 200
        await at_stripe.cashier.returned(begun.reference)
        at_stripe.restart()
    assert (at_stripe.balance(), len(at_stripe.store.postings("alice"))) == (20 * EUR, 1)


async def test_what_was_not_on_disk_when_the_process_ended_is_credited_when_it_comes_again(
    at_stripe: Till, stripe: StripeServer
) -> None:
    _, payment = await at_stripe.begin()
    signed = stripe.event(COMPLETED, stripe.pay(payment.order_id))

    class Ended(BaseException):
        pass

    def die() -> None:
        raise Ended

    at_stripe.cashier._commit = die
    with pytest.raises(Ended):
        await at_stripe.hear("stripe", signed)
    at_stripe.restart()
    assert at_stripe.balance() == 0
    assert (await at_stripe.hear("stripe", signed)).status == 200
    assert at_stripe.balance() == 20 * EUR


async def test_a_process_that_ends_while_the_gateway_begins_finds_the_payment_by_its_reference(
    at_stripe: Till, stripe: StripeServer
) -> None:
    class Ended(BaseException):
        pass

    async def die(*_: object) -> None:
        raise Ended

    at_stripe.cashier._sent_away = die  # type: ignore[method-assign,assignment]
    with pytest.raises(Ended):
        await at_stripe.begin()
    at_stripe.restart()
    begun, payment = await at_stripe.begin()  # the same customer again; his first order is taken for this test's
    [old] = [each for each in at_stripe.store.payments() if each.id != begun.number]
    session = stripe.pay(payment.order_id) | {"client_reference_id": old.reference}
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, session))).status == 200
    assert at_stripe.store.payment(old.id).status is PaymentStatus.APPROVED  # type: ignore[union-attr]
    assert at_stripe.balance() == 20 * EUR


@pytest.mark.setting("paymentgateway")
async def test_nobody_is_sent_anywhere_while_payments_are_off_but_what_was_begun_is_still_heard(
    at_stripe: Till, stripe: StripeServer
) -> None:
    _, payment = await at_stripe.begin()
    at_stripe.use(paymentgateway="off")
    with pytest.raises(PaymentRefused, match="paymentgateway"):
        await at_stripe.begin()
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, stripe.pay(payment.order_id)))).status == 200
    assert at_stripe.balance() == 20 * EUR


@pytest.mark.setting("stripekey")
@pytest.mark.setting("paypalclientid")
@pytest.mark.setting("paypalsecret")
async def test_a_gateway_without_credentials_takes_nothing(till: Till, paypal: PayPalServer) -> None:
    for gateway, words in (("stripe", "stripekey"), ("paypal", "paypalclientid and paypalsecret")):
        till.use(paymentgateway=gateway, paymentapiurl=paypal.url, paypalclientid="", paypalsecret="")
        with pytest.raises(PaymentRefused, match=words):
            await till.begin()
        assert (await till.hear(gateway, ({}, b"{}"))).status == 404
    till.use(paypalclientid="somebody", paypalsecret="else")
    with pytest.raises(PaymentRefused, match="does not take the payment now"):
        await till.begin()
    assert paypal.paths() == ["/v1/oauth2/token"]


@pytest.mark.setting("paymentapiurl")
@pytest.mark.setting("paypalsandbox")
def test_the_api_that_is_asked_follows_the_settings(till: Till) -> None:
    till.use(paypalclientid="id", paypalsecret="s", stripekey="k")

    def url(gateway: str) -> str:
        return str(getattr(till.cashier._gateways.named(gateway, till.settings()), "_url"))  # noqa: B009

    assert (url("paypal"), url("stripe")) == ("https://api-m.paypal.com", "https://api.stripe.com")
    till.use(paypalsandbox="true")
    assert url("paypal") == "https://api-m.sandbox.paypal.com"
    till.use(paymentapiurl="https://relay.example.org/")
    assert (url("paypal"), url("stripe")) == ("https://relay.example.org", "https://relay.example.org")


@pytest.mark.setting("stripewebhooksecret")
@pytest.mark.setting("paypalwebhookid")
async def test_without_what_proves_a_webhook_none_is_believed(
    at_stripe: Till, stripe: StripeServer, paypal: PayPalServer
) -> None:
    _, payment = await at_stripe.begin()
    signed = stripe.event(COMPLETED, stripe.pay(payment.order_id))
    at_stripe.use(stripewebhooksecret="", paypalclientid="id", paypalsecret="s", paypalwebhookid="")
    assert (await at_stripe.hear("stripe", signed)).status == 400
    assert (await at_stripe.hear("paypal", paypal.event("PAYMENT.CAPTURE.COMPLETED", {}))).status == 400
    assert at_stripe.balance() == 0


@pytest.mark.setting("paymentcurrency")
@pytest.mark.parametrize(("currency", "credited"), [("", 20_000_000), ("USD", 18_400_000)])
async def test_another_currency_is_credited_and_taken_back_at_the_rate_of_its_beginning(
    at_stripe: Till, stripe: StripeServer, currency: str, credited: int
) -> None:
    at_stripe.use(paymentcurrency=currency)
    at_stripe.store.set_currency("USD", "0.92")
    _, payment = await at_stripe.begin()
    assert stripe.sessions[payment.order_id]["currency"] == (currency or "EUR").lower()
    at_stripe.store.set_currency("USD", "0.5")
    session = stripe.pay(payment.order_id)
    await at_stripe.hear("stripe", stripe.event(COMPLETED, session))
    assert at_stripe.balance() == credited
    charge = stripe.charge_of(payment.order_id) | {"amount_refunded": 2000}
    await at_stripe.hear("stripe", stripe.event("charge.refunded", charge))
    assert at_stripe.balance() == 0


async def test_a_currency_without_a_rate_is_not_taken_as_one_to_one(at_stripe: Till, stripe: StripeServer) -> None:
    at_stripe.use(paymentcurrency="USD")
    with pytest.raises(PaymentRefused, match="no exchange rate from USD to EUR"):
        await at_stripe.begin()
    assert stripe.asked == []


@pytest.mark.setting("paymentfirstmanual")
@pytest.mark.parametrize("manual", ["true", "false"])
async def test_the_first_payment_of_an_account_waits_for_an_administrator(
    at_stripe: Till, stripe: StripeServer, manual: str
) -> None:
    at_stripe.use(paymentfirstmanual=manual)
    number, _ = await paid(at_stripe, stripe)
    waits = manual == "true"
    assert at_stripe.balance() == (0 if waits else 20 * EUR)
    assert [kind for kind, *_ in at_stripe.told] == (["payment_waiting"] if waits else [])
    if waits:
        at_stripe.store.approve_payment(number, "root")
        assert at_stripe.balance() == 20 * EUR
    at_stripe.clock.now += 7200
    await paid(at_stripe, stripe)
    assert at_stripe.balance() == 40 * EUR


@pytest.mark.setting("paymentmaxauto")
@pytest.mark.parametrize(("most", "credited"), [("0", 0), ("19.99", 0), ("20", 20 * EUR)])
async def test_a_payment_above_paymentmaxauto_waits(
    at_stripe: Till, stripe: StripeServer, most: str, credited: int
) -> None:
    at_stripe.use(paymentmaxauto=most)
    number, _ = await paid(at_stripe, stripe)
    assert at_stripe.balance() == credited
    payment = at_stripe.store.payment(number)
    assert payment is not None
    assert ("paymentmaxauto" in payment.reasons) is (credited == 0)


async def test_what_the_gateway_took_counts_and_another_amount_than_was_ordered_waits(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, payment = await at_stripe.begin(20 * EUR)
    session = stripe.pay(payment.order_id, amount=100)
    await at_stripe.hear("stripe", stripe.event(COMPLETED, session))
    assert at_stripe.balance() == 0
    assert at_stripe.payment(begun).reasons == "the gateway took 1.00 EUR, the order was for 20.00 EUR"
    at_stripe.store.approve_payment(begun.number, "root")
    assert at_stripe.balance() == 1 * EUR


async def test_a_payment_in_another_currency_than_was_ordered_cannot_be_credited(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, payment = await at_stripe.begin(20 * EUR)
    session = stripe.pay(payment.order_id, currency="jpy")
    await at_stripe.hear("stripe", stripe.event(COMPLETED, session))
    with pytest.raises(Exception, match="was made in JPY, ordered in EUR"):
        at_stripe.store.approve_payment(begun.number, "root")
    assert at_stripe.balance() == 0


async def test_payments_of_others_at_the_same_gateway_are_taken_and_change_nothing(
    at_stripe: Till, stripe: StripeServer
) -> None:
    _, payment = await at_stripe.begin()
    foreign = stripe.pay(payment.order_id) | {"client_reference_id": "shop-17"}
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, foreign))).status == 200
    unknown = foreign | {"client_reference_id": "apl-of-another-database", "id": "cs_other"}
    assert (await at_stripe.hear("stripe", stripe.event(COMPLETED, unknown))).status == 200
    assert (await at_stripe.hear("stripe", stripe.event("invoice.paid", {"id": "in_1"}))).status == 200
    assert (at_stripe.balance(), at_stripe.told) == (0, [])


async def test_the_gateway_is_told_to_come_again_when_nothing_can_be_written(
    at_stripe: Till, stripe: StripeServer
) -> None:
    from pysrv.store import StoreCode, StoreError

    _, payment = await at_stripe.begin()
    signed = stripe.event(COMPLETED, stripe.pay(payment.order_id))
    commit = at_stripe.cashier._commit

    def full() -> None:
        raise StoreError(StoreCode.FULL, "the disk is full")

    at_stripe.cashier._commit = full
    assert (await at_stripe.hear("stripe", signed)).status == 503
    at_stripe.cashier._commit = commit
    assert (await at_stripe.hear("stripe", signed)).status == 200
    assert at_stripe.balance() == 20 * EUR


async def test_a_gateway_that_does_not_answer_leaves_the_customer_here_and_nothing_waits_for_it(
    at_stripe: Till, stripe: StripeServer
) -> None:
    stripe.fault = lambda _request: refuse(500, {})
    with pytest.raises(PaymentRefused, match="stripe does not take the payment now"):
        await at_stripe.begin()
    [payment] = at_stripe.store.payments()
    assert (payment.status, at_stripe.store.payments_wait_until("stripe")) == (PaymentStatus.FAILED, None)


async def test_a_customer_who_reloads_his_page_does_not_have_the_gateway_asked_each_time(
    at_stripe: Till, stripe: StripeServer
) -> None:
    begun, _ = await at_stripe.begin()
    for _ in range(5):
        await at_stripe.cashier.returned(begun.reference)
    assert len(stripe.paths("GET")) == 1
    at_stripe.clock.now += 6
    await at_stripe.cashier.returned(begun.reference)
    assert len(stripe.paths("GET")) == 2
    assert await at_stripe.cashier.returned("apl-unknown") is None


async def test_no_secret_reaches_a_log_or_an_error(
    at_paypal: Till, paypal: PayPalServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    _, payment = await at_paypal.begin()
    paypal.fault = lambda _request: refuse(500, {"message": "boom"})
    at_paypal.clock.now += 301
    await at_paypal.cashier.step()
    with pytest.raises(PaymentRefused) as refused:
        await at_paypal.begin()
    said = caplog.text + str(refused.value) + "".join(each.note for each in at_paypal.store.payments())
    assert "payment" in said
    secrets = [at_paypal.texts["paypalsecret"], *paypal.tokens]
    assert paypal.tokens
    assert [secret for secret in secrets if secret in said] == []
    assert payment.order_id


async def test_a_body_that_is_too_long_is_not_read(at_stripe: Till) -> None:
    assert (await at_stripe.hear("stripe", ({}, b"x" * 300_000))).status == 413


@pytest.mark.parametrize("slow", ["paypal", "stripe"])
async def test_a_gateway_that_hangs_holds_up_nothing_of_the_other(
    till: Till, stripe: StripeServer, paypal: PayPalServer, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has taken its customer's order and says no more; the other's refund goes out meanwhile."""
    monkeypatch.setattr("pysrv.payments.stripe.API", stripe.url)
    monkeypatch.setattr("pysrv.payments.paypal.API", paypal.url)
    till.use(
        stripekey=KEY, stripewebhooksecret=HOOK_SECRET, paypalclientid=CLIENT, paypalsecret=SECRET,
        paypalwebhookid=WEBHOOK, paypalsandbox="false", paymentfirstmanual="false",
    )  # fmt: skip
    till.use(paymentgateway=slow)
    begun, _ = await till.begin()
    till.use(paymentgateway="stripe" if slow == "paypal" else "paypal")
    other, payment = await till.begin()
    if slow == "paypal":
        signed = stripe.event(COMPLETED, stripe.pay(payment.order_id))
        assert (await till.hear("stripe", signed)).status == 200
    else:
        paypal.approve(payment.order_id)
        await till.cashier.returned(other.reference)
    assert till.payment(other).status is PaymentStatus.APPROVED
    server = paypal if slow == "paypal" else stripe
    server.silent = asyncio.Event()
    asked, till.clock.now = len(server.asked), till.clock.now + 3600.0
    work = asyncio.create_task(till.cashier.run())
    try:
        async with asyncio.timeout(30):
            while len(server.asked) == asked:  # the slow one was asked, and does not answer
                await asyncio.sleep(0.01)
            till.store.refund_payment(other.number, None, "root")
            till.cashier.wake()
            while till.store.payment_refunds(other.number)[0].status != "sent":
                await asyncio.sleep(0.01)
        assert till.payment(begun).status is PaymentStatus.OPEN
        assert till.balance() == 0
    finally:
        server.silent.set()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
