"""Payments at work: customers are sent away, gateways are heard and asked, and the store is told what they say.

Everything slow is awaited, so that calls go on beside it; what came of it is written in one step without a pause, and
committed before anybody is told that it was taken. Knows no web framework: routes call `begin`, `returned`, `webhook`.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from appliance.config.settings import Settings
from pysrv.billing.exchange import between
from pysrv.billing.payment import Fact, FactKind, History, PaymentStatus, standing
from pysrv.payments import judge, offer, schedule
from pysrv.payments.gateway import REFERENCE, BadWebhook, Gateway, GatewayError, Heard, Order, Refund
from pysrv.payments.gateways import NAMES, Gateways
from pysrv.payments.offer import PaymentRefused
from pysrv.payments.reconciling import reconcile
from pysrv.store import Store, StoreError
from pysrv.store.payment_reading import Payment, PaymentRefund, TakenFact

MOST_BODY: Final = 256 * 1024  # bytes of a webhook
ASK_AGAIN_S: Final = 5.0  # a customer who reloads his page asks the gateway no more often
IDLE_S: Final = 60.0
DAY_S: Final = 86_400.0
_MOST_REMEMBERED: Final = 1_000
_log = logging.getLogger("pysrv.payments")
Tell = Callable[..., None]
"""As pysrv.service.notices.Notices.tell: kind, account, key, figures by name."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Where a customer is to be sent."""

    number: int
    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a webhook is answered with: a status of HTTP, and a word that gives nothing away."""

    status: int
    word: str


class Cashier:
    """All payments of one office. `commit` makes durable what was written, `changed` hears of accounts whose money or
    lock changed, `clock` gives Unix seconds."""

    def __init__(
        self,
        store: Store,
        settings: Callable[[], Settings],
        clock: Callable[[], float],
        commit: Callable[[], None],
        tell: Tell,
        changed: Callable[[str], None],
    ) -> None:
        self._store, self._settings, self._clock, self._commit = store, settings, clock, commit
        self._tell, self._changed = tell, changed
        self._gateways = Gateways(clock)
        self._wanted = {name: asyncio.Event() for name in NAMES}
        self._asked: dict[str, float] = {}
        self._pruned_at = 0.0

    def wake(self) -> None:
        """A refund or a comparison was asked for."""
        for event in self._wanted.values():
            event.set()

    # -- for routes -----------------------------------------------------------------------------------------------

    async def begin(self, account: str, amount: int, back: str) -> Begun:
        """Where the owner of an account pays `amount` micro-units; `back` is the page, https://..., to which he comes
        back with `?reference=`. Raises PaymentRefused."""
        gateway, settings = self._chosen(), self._settings()
        found = self._store.account(account)
        currency = settings.paymentcurrency or (found.currency if found else "")
        tries = self._store.payments(account=account, limit=offer.MOST_TRIES)
        offer.check(gateway.name, found, amount, currency, [each.created_at for each in tries], self._clock(), settings)
        assert found is not None
        rates = self._store.exchange_rates(self._clock())
        rate = between(currency, found.currency, settings.basecurrency, rates)
        if rate is None:
            raise PaymentRefused(f"there is no exchange rate from {currency} to {found.currency}")
        reference, now = REFERENCE + secrets.token_urlsafe(18), self._clock()
        look_at = schedule.look_at(now, 0)
        payment = self._store.add_payment(reference, gateway.name, found, amount, currency, rate, look_at)
        self._commit()  # whatever the gateway does from here on, its payment is known
        return await self._sent_away(gateway, payment, back)

    async def _sent_away(self, gateway: Gateway, payment: Payment, back: str) -> Begun:
        there = back + ("&" if "?" in back else "?") + urlencode({"reference": payment.reference})
        words = f"Credit of {payment.account}"
        order = Order(payment.reference, payment.amount, payment.currency, words, there, f"{there}&cancelled=1")
        try:
            checkout = await gateway.begin(order)
        except GatewayError as error:
            self._store.note_payment_failed(payment.id, error.reason)
            self._commit()
            _log.warning("payment %d was not begun at %s: %s", payment.id, gateway.name, error.reason)
            raise PaymentRefused(f"{gateway.name} does not take the payment now", "try again later") from None
        self._store.note_order(payment.id, checkout.order_id)
        self._commit()
        return Begun(payment.id, payment.reference, checkout.url)

    async def returned(self, reference: str) -> Payment | None:
        """Where a payment stands whose customer has come back; None: there is none. What the customer's browser says
        counts for nothing: the gateway is asked."""
        payment = self._store.payment_of_reference(reference)
        if payment is None or payment.status not in (PaymentStatus.OPEN, PaymentStatus.PENDING):
            return payment
        now = self._clock()
        if now - self._asked.get(reference, 0.0) >= ASK_AGAIN_S:
            if len(self._asked) >= _MOST_REMEMBERED:
                self._asked.clear()
            self._asked[reference] = now
            await self._look(payment)
        return self._store.payment_of_reference(reference)

    async def webhook(self, name: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """A message to a gateway's webhook. 200 is said only for what is on disk; 503 has the gateway repeat it."""
        gateway = self._gateways.named(name, self._settings())
        if gateway is None:
            return Outcome(404, "no such gateway")
        if len(body) > MOST_BODY:
            return Outcome(413, "too long")
        try:
            heard = await gateway.hear({key.lower(): value for key, value in headers.items()}, body)
            facts = heard.facts or await self._approved(gateway, heard)
            self._take(name, facts)
        except BadWebhook as error:
            _log.warning("a message to the webhook of %s is not believed: %s", name, error)
            return Outcome(400, "not believed")
        except (GatewayError, StoreError) as error:
            _log.warning("a message of %s is taken later: %s", name, error)
            return Outcome(503, "later")
        _log.info("webhook gateway=%s event=%s kind=%s facts=%d", name, heard.event, heard.kind, len(facts))
        return Outcome(200, "taken")

    def _chosen(self) -> Gateway:
        settings = self._settings()
        gateway = self._gateways.chosen(settings)
        if gateway is None:
            raise PaymentRefused(self._gateways.missing(settings), "an administrator sets it up")
        return gateway

    async def _approved(self, gateway: Gateway, heard: Heard) -> tuple[Fact, ...]:
        """The money of an order that its customer has agreed to, whether or not he comes back."""
        payment = self._store.payment_of_order(gateway.name, heard.approved) if heard.approved else None
        if payment is None:
            return ()
        try:
            return await gateway.confirm(payment.order_id, payment.reference)
        except GatewayError as error:
            if not error.final:
                raise
            _log.warning("payment %d cannot be captured: %s", payment.id, error.reason)
            return ()

    # -- what gateways say ----------------------------------------------------------------------------------------

    def _take(self, gateway: str, facts: Iterable[Fact]) -> None:
        """Everything that follows from facts, durable when this returns. Raises StoreError: nothing was taken."""
        with self._store.together():
            taken = self._write(gateway, facts)
        self._made_durable(taken)

    def _made_durable(self, taken: Iterable[TakenFact]) -> None:
        self._commit()
        for name in {each.payment.account for each in taken if each.payment and (each.moved or each.locked)}:
            self._changed(name)

    def _write(self, gateway: str, facts: Iterable[Fact]) -> list[TakenFact]:
        settings = self._settings()

        def reasons(payment: Payment, fact: Fact, history: History) -> tuple[str, ...]:
            return judge.reasons(fact, judge.Ordered(payment.amount, payment.currency), history, settings)

        lock = settings.paymentdisputelock
        taken = [self._store.take_fact(gateway, fact, reasons, lock=lock) for fact in facts if _has_identity(fact)]
        for each in taken:
            self._told(each)
        return taken

    def _told(self, taken: TakenFact) -> None:
        payment, fact = taken.payment, taken.fact
        if not taken.news or payment is None:
            return
        figures = {
            "payment": payment.id, "gateway": payment.gateway, "amount": fact.amount, "currency": fact.currency,
            "reasons": payment.reasons,
        }  # fmt: skip
        if taken.second:
            what = f"its order was paid twice, the second time as {fact.payment_id}: give that one back at the gateway"
            self._tell("payment_problem", payment.account, f"{payment.id}:{fact.ident}", what=what, **figures)
        elif fact.kind is FactKind.CAPTURED and payment.status is PaymentStatus.WAITING:
            self._tell("payment_waiting", payment.account, str(payment.id), **figures)
        elif fact.kind in (FactKind.DISPUTED, FactKind.REVERSED):
            did = "outgoing calls are locked" if taken.locked else "nothing more"
            key = f"{payment.id}:{fact.kind}:{fact.ident}"
            self._tell("payment_disputed", payment.account, key, back=-taken.moved, reaction=did, **figures)
        elif fact.kind is FactKind.REFUND_FAILED:
            what = "a refund failed after it was taken; its credit stays taken back"
            self._tell("payment_problem", payment.account, f"{payment.id}:{fact.ident}", what=what, **figures)

    async def _look(self, payment: Payment) -> bool:
        """Asks where an open order stands, and captures it if that is due; False: there was no answer."""
        gateway = self._gateways.named(payment.gateway, self._settings())
        if gateway is None or not payment.order_id:
            return False
        try:
            self._take(gateway.name, await gateway.confirm(payment.order_id, payment.reference))
        except GatewayError as error:
            _log.warning("%s does not say where payment %d stands: %s", gateway.name, payment.id, error.reason)
            return False
        return True

    # -- what is done without being asked -------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Each gateway goes its own way: what waits for a slow one holds up nothing of another. What
        goes wrong is logged, and looked at again later."""
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                group.create_task(self._keep_on(name))

    async def _keep_on(self, name: str) -> None:
        wanted = self._wanted[name]
        while True:
            wanted.clear()
            try:
                pause_s = await self._step_of(name)
            except Exception:
                _log.exception("payments wait: a fault of the cashier at %s", name)
                pause_s = IDLE_S
            try:
                async with asyncio.timeout(pause_s):
                    await wanted.wait()
            except TimeoutError:
                pass

    async def step(self) -> float:
        """Everything that is due: refunds, orders of which nothing was heard, comparisons; returns after how long to
        look again."""
        return min(await asyncio.gather(*(self._step_of(name) for name in NAMES)))

    async def _step_of(self, name: str) -> float:
        """As `step`, of one gateway."""
        now = self._clock()
        if now - self._pruned_at >= DAY_S:
            self._pruned_at = now
            self._store.drop_unclaimed_facts()
        refunds, looks = self._store.refunds_to_send(name, now), self._store.payments_to_look_at(name, now)
        for refund in refunds:
            self._store.begin_refund_try(refund.id, schedule.refund_at(now, refund.tries + 1))
        for payment in looks:
            self._plan_look(payment, now)
        self._commit()
        async with asyncio.TaskGroup() as group:
            for refund in refunds:
                group.create_task(self._refund(refund))
            for payment in looks:
                group.create_task(self._look(payment))
        for wanted in self._store.comparisons_asked_for(name):
            gateway = self._gateways.named(name, self._settings())
            await reconcile(self._store, gateway, wanted, self._clock(), self._commit)
        later = self._store.payments_wait_until(name)
        return IDLE_S if later is None else min(IDLE_S, max(0.0, later - self._clock()))

    def _plan_look(self, payment: Payment, now: float) -> None:
        at = schedule.next_look(payment.status, payment.created_at, payment.looks + 1, now)
        if at is None or not payment.order_id:
            self._store.note_payment_failed(payment.id, "given up: it was not paid in time")
        else:
            self._store.note_payment_look(payment.id, at)

    async def _refund(self, wanted: PaymentRefund) -> None:
        payment = self._store.payment(wanted.payment)
        assert payment is not None
        gateway = self._gateways.named(payment.gateway, self._settings())
        asked = Refund(wanted.key, payment.payment_id, wanted.amount, payment.captured_currency)
        try:
            if gateway is None:
                raise GatewayError(f"{payment.gateway} is not set up any more")
            facts = await gateway.refund(asked)
        except GatewayError as error:
            await self._not_refunded(gateway, payment, wanted, error)
            return
        with self._store.together():
            taken = self._write(payment.gateway, facts)
            self._store.note_refund_sent(wanted.id)
        self._made_durable(taken)

    async def _not_refunded(
        self, gateway: Gateway | None, payment: Payment, wanted: PaymentRefund, error: GatewayError
    ) -> None:
        """One that is refused may be one that was done before: what the gateway has of it counts first."""
        final = error.final or wanted.tries + 1 >= schedule.REFUND_TRIES
        facts: tuple[Fact, ...] = ()
        if final and gateway is not None:
            final, facts = await self._last_word(gateway, payment, wanted)
        _log.warning("refund %s was not taken: %s", wanted.key, error.reason)
        with self._store.together():
            taken = self._write(payment.gateway, facts)
            known = standing(payment.captured, payment.captured_currency, self._store.payment_facts(payment))
            if known.refunded >= wanted.in_all:
                self._store.note_refund_sent(wanted.id)
            else:
                self._store.note_refund_problem(wanted.id, error.reason, final=final)
                if final:
                    self._tell_failed(payment, wanted, error.reason)
        self._made_durable(taken)
        self._changed(payment.account)

    async def _last_word(
        self, gateway: Gateway, payment: Payment, wanted: PaymentRefund
    ) -> tuple[bool, tuple[Fact, ...]]:
        """What the gateway has of a payment whose refund it refuses; without an answer nothing is given up yet."""
        try:
            return True, await gateway.state(payment.order_id, payment.reference)
        except GatewayError:
            return wanted.tries + 1 >= schedule.REFUND_TRIES, ()

    def _tell_failed(self, payment: Payment, wanted: PaymentRefund, reason: str) -> None:
        figures = {"payment": payment.id, "amount": wanted.amount, "currency": payment.captured_currency}
        what = f"a refund of it failed: {reason}"
        self._tell("payment_problem", payment.account, wanted.key, what=what, gateway=payment.gateway, **figures)


def _has_identity(fact: Fact) -> bool:
    """Whether a fact can be told from others and belongs to a payment: what was never ours may not."""
    found = bool(fact.ident and (fact.payment_id or fact.reference))
    if not found:
        _log.info("a gateway said %s of a payment without a name: left alone", fact.kind)
    return found
