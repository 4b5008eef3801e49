"""Payments as they change: facts of gateways, decisions of people, refunds, and the postings that follow.

A fact is stored once, by the gateway's own identity of it, and in the same step the balance moves by the difference
between what is due now and what was posted before. So nothing is credited twice, whatever comes again, in whatever
order, and whenever the process ends.
"""

from collections.abc import Callable
from fractions import Fraction

from pysrv.billing import money
from pysrv.billing.ledger import PostingKind
from pysrv.billing.payment import TAKES_BACK, Fact, FactKind, History, PaymentStatus, credit
from pysrv.store.account import Account
from pysrv.store.accounts import AccountWriting
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.payment_reading import DAY_S, Payment, PaymentReading, TakenFact

UNCLAIMED_S = 400 * DAY_S  # a fact whose payment never came is kept so long: a dispute has half a year and more
KEPT_COMPARISONS = 100
LOCK_LEVEL = 2  # outgoing calls
Judge = Callable[[Payment, Fact, History], tuple[str, ...]]
"""A payment, what was captured, what is known of its account -> why it waits; nothing: it is credited at once."""


class PaymentWriting(PaymentReading, AccountWriting):
    """What is paid, decided and given back. Every movement of money leaves a posting and an audit row."""

    def add_payment(self, reference: str, gateway: str, account: Account, amount: int, currency: str, rate: Fraction,
                    look_at: float) -> Payment:  # fmt: skip
        """A customer is about to be sent away. Written before the gateway is asked, so that whatever it says later
        finds a payment."""
        sql = (
            "INSERT INTO payments (reference, gateway, account_id, amount, currency, rate, status, created_at, "
            "look_at) VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)"
        )
        values = (reference, gateway, account.id, amount, currency, str(rate), self._clock(), look_at)
        number = self._write(sql, values).lastrowid
        return self._demand_payment(number or 0)

    def note_order(self, number: int, order_id: str) -> None:
        """The gateway's name of the order."""
        self._write("UPDATE payments SET order_id = ? WHERE id = ?", (order_id, number))

    def note_payment_failed(self, number: int, note: str) -> None:
        """Nothing came of it so far."""
        sql = "UPDATE payments SET status = 'failed', note = ? WHERE id = ? AND status IN ('open', 'pending')"
        self._write(sql, (note, number))

    def note_payment_look(self, number: int, look_at: float) -> None:
        """The gateway is asked where a payment stands; the next time is then."""
        self._write("UPDATE payments SET looks = looks + 1, look_at = ? WHERE id = ?", (look_at, number))

    def take_fact(self, gateway: str, fact: Fact, judge: Judge, *, lock: bool) -> TakenFact:
        """Something that a gateway says, and all that follows from it, in one step. `lock`: a chargeback locks the
        account."""
        with self._atomic():
            payment = self._of_fact(gateway, fact)
            if payment is None and fact.kind in (FactKind.CAPTURED, FactKind.PENDING, FactKind.FAILED):
                return TakenFact(fact, news=False)  # not begun here, so nothing of ours
            if fact.kind in (FactKind.PENDING, FactKind.FAILED):
                return TakenFact(fact, news=self._note_status(payment, fact), payment=payment)
            if not self._remember(gateway, fact):
                return TakenFact(fact, news=False, payment=payment)
            if payment is None:
                return TakenFact(fact, news=True)
            if fact.kind is FactKind.CAPTURED and payment.captured:
                return TakenFact(fact, news=True, payment=payment, second=payment.payment_id != fact.payment_id)
            if fact.kind is FactKind.CAPTURED:
                payment = self._capture(payment, fact, judge)
            moved = self._rebalance(payment, f"gateway {gateway}")
            charged_back = fact.kind in TAKES_BACK or (
                fact.kind is FactKind.CAPTURED and self.payment_standing(payment).disputed > 0
            )
            locked = lock and charged_back and self._close_calls(payment)
            return TakenFact(fact, True, self._demand_payment(payment.id), moved, locked)

    def _of_fact(self, gateway: str, fact: Fact) -> Payment | None:
        found = self.payment_of_reference(fact.reference) if fact.reference else None
        if found is None and fact.order_id:
            found = self.payment_of_order(gateway, fact.order_id)
        if found is None and fact.payment_id:
            found = self.payment_of(gateway, fact.payment_id)
        return found if found is not None and found.gateway == gateway else None

    def _remember(self, gateway: str, fact: Fact) -> bool:
        """Stores a fact; False: it was known."""
        now = self._clock()
        sql = "INSERT INTO payment_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        row = (gateway, fact.kind, fact.ident, fact.payment_id, fact.amount, fact.currency, fact.at, now)
        return self._write(sql, row).rowcount > 0

    def drop_unclaimed_facts(self) -> int:
        """Forgets what gateways said of payments that never were ours; returns how many facts."""
        sql = (
            "DELETE FROM payment_facts WHERE heard_at < ? AND NOT EXISTS (SELECT 1 FROM payments p "
            "WHERE p.gateway = payment_facts.gateway AND p.payment_id = payment_facts.payment_id)"
        )
        return self._write(sql, (self._clock() - UNCLAIMED_S,)).rowcount

    def _note_status(self, payment: Payment | None, fact: Fact) -> bool:
        """A payment that is on its way, or came to nothing; what was captured stays so."""
        status = "pending" if fact.kind is FactKind.PENDING else "failed"
        before = "('open')" if fact.kind is FactKind.PENDING else "('open', 'pending')"
        sql = f"UPDATE payments SET status = ? WHERE id = ? AND status IN {before}"  # noqa: S608
        return self._write(sql, (status, payment.id if payment else 0)).rowcount > 0

    def _capture(self, payment: Payment, fact: Fact, judge: Judge) -> Payment:
        """Money has come in: it is approved at once, or waits."""
        why = judge(payment, fact, self.payment_history(payment))
        status = PaymentStatus.WAITING if why else PaymentStatus.APPROVED
        self._write(
            "UPDATE payments SET payment_id = ?, captured = ?, captured_currency = ?, captured_at = ?, heard_at = ?, "
            "status = ?, reasons = ?, payer_email = ?, payer_country = ?, decided_at = ? WHERE id = ?",
            (fact.payment_id, fact.amount, fact.currency, fact.at, self._clock(), status, "; ".join(why),
             fact.payer_email, fact.payer_country, 0.0 if why else self._clock(), payment.id),
        )  # fmt: skip
        self._audit(
            f"gateway {payment.gateway}", f"payment.{status}", payment.account, "", _words(payment, fact.amount)
        )
        return self._demand_payment(payment.id)

    def _rebalance(self, payment: Payment, who: str) -> int:
        """Posts the difference between what is due for a payment and what was posted; part of an atomic step."""
        due = 0
        if payment.status is PaymentStatus.APPROVED:
            due = credit(self.payment_standing(payment).left, payment.rate)
        moved = due - payment.posted
        if moved:
            first = not payment.posted and moved > 0
            self._write("UPDATE payments SET posted = ? WHERE id = ?", (due, payment.id))
            note = f"payment {payment.id}: {payment.gateway} {payment.payment_id}"
            kind = PostingKind.DEPOSIT if first else PostingKind.ADJUSTMENT
            self._post(payment.account_id, kind, moved, note, who)
            self._audit(who, "payment.credit", payment.account, money.format(payment.posted), money.format(due))
        return moved

    def _close_calls(self, payment: Payment) -> bool:
        """Closes outgoing calls of a payment's account; False: it is gone, or closed already."""
        account = self.account(payment.account)
        if account is None or account.id != payment.account_id or account.locklevel >= LOCK_LEVEL:
            return False
        self.set_account(account.name, who=f"gateway {payment.gateway}", locklevel=LOCK_LEVEL)
        return True

    def approve_payment(self, number: int, who: str, note: str = "") -> Payment:
        """Credits a payment that waits. CONFLICT: it does not wait, or its money cannot be credited."""
        with self._atomic():
            payment = self._waiting(number)
            if payment.captured_currency != payment.currency:
                words = f"payment {number} was made in {payment.captured_currency}, ordered in {payment.currency}"
                raise StoreError(StoreCode.CONFLICT, words, "reject it: the gateway then gives the money back")
            if not self.payment_history(payment).exists:
                hint = "reject it: the gateway then gives the money back"
                raise StoreError(StoreCode.CONFLICT, f"the account of payment {number} was removed", hint)
            payment = self._decide(payment, PaymentStatus.APPROVED, who, note)
            self._rebalance(payment, who)
        return self._demand_payment(number)

    def reject_payment(self, number: int, who: str, note: str = "") -> Payment:
        """Gives a payment that waits back, whole. CONFLICT: it does not wait."""
        with self._atomic():
            payment = self._decide(self._waiting(number), PaymentStatus.REJECTED, who, note)
            self._want_refund(payment, self.payment_standing(payment).left, who)
        return self._demand_payment(number)

    def refund_payment(self, number: int, amount: int | None, who: str, note: str = "") -> Payment:
        """Gives a credited payment back, or `amount` micro-units of it; the credit goes at once. CONFLICT: there is
        not so much of it left."""
        with self._atomic():
            payment = self._demand_payment(number)
            left = self.payment_standing(payment).left
            if payment.status not in (PaymentStatus.APPROVED, PaymentStatus.REJECTED):
                hint = "what waits is given back with 'reject'"
                raise StoreError(StoreCode.CONFLICT, f"payment {number} is {payment.status}", hint)
            wanted = left if amount is None else amount
            if not 0 < wanted <= left:
                words = f"of payment {number} {money.format(left)} {payment.captured_currency} can be given back"
                raise StoreError(StoreCode.CONFLICT, words, "what is disputed goes back through the dispute")
            self._want_refund(payment, wanted, who)
            if note:
                self._write("UPDATE payments SET note = ? WHERE id = ?", (note, number))
            self._rebalance(payment, who)
        return self._demand_payment(number)

    def _want_refund(self, payment: Payment, amount: int, who: str) -> None:
        if amount <= 0:
            return
        in_all = self.payment_standing(payment).refunded + amount
        count = len(self.payment_refunds(payment.id)) + 1
        sql = (
            "INSERT INTO payment_refunds (payment, key, amount, in_all, status, who, at) "
            "VALUES (?, ?, ?, ?, 'wanted', ?, ?)"
        )
        key = f"{payment.reference}-refund-{count}"
        self._write(sql, (payment.id, key, amount, in_all, who, self._clock()))
        self._audit(who, "payment.refund", payment.account, "", _words(payment, amount))

    def begin_refund_try(self, number: int, next_at: float) -> None:
        """A refund is about to be sent; if nothing is heard of it, it is sent again then."""
        self._write("UPDATE payment_refunds SET tries = tries + 1, next_at = ? WHERE id = ?", (next_at, number))

    def note_refund_sent(self, number: int) -> None:
        """The gateway has taken a refund."""
        self._write("UPDATE payment_refunds SET status = 'sent', reason = '' WHERE id = ?", (number,))

    def note_refund_problem(self, number: int, reason: str, *, final: bool) -> None:
        """The gateway has not taken a refund; one that failed for good no longer counts against the credit."""
        status = "failed" if final else "wanted"
        sql = "UPDATE payment_refunds SET status = ?, reason = ? WHERE id = ? RETURNING payment"
        with self._atomic():
            row = self._write(sql, (status, reason, number)).fetchone()
            if row is not None:
                payment = self._demand_payment(row[0])
                self._rebalance(payment, f"gateway {payment.gateway}")

    def _waiting(self, number: int) -> Payment:
        payment = self._demand_payment(number)
        if payment.status is not PaymentStatus.WAITING:
            hint = "'payments list --status waiting' shows those that wait"
            raise StoreError(StoreCode.CONFLICT, f"payment {number} is {payment.status}, it does not wait", hint)
        return payment

    def _decide(self, payment: Payment, status: PaymentStatus, who: str, note: str) -> Payment:
        sql = "UPDATE payments SET status = ?, decided_at = ?, decided_by = ?, note = ? WHERE id = ?"
        self._write(sql, (status, self._clock(), who, note, payment.id))
        self._audit(who, f"payment.{status}", payment.account, payment.status, _words(payment, payment.captured))
        return self._demand_payment(payment.id)

    def _demand_payment(self, number: int) -> Payment:
        found = self.payment(number)
        if found is None:
            raise StoreError(StoreCode.NOT_FOUND, f"there is no payment {number}", "'payments list' shows all")
        return found

    def ask_comparison(self, gateway: str, since: float, until: float) -> int:
        """Somebody wants the gateway's list compared; its number."""
        sql = "INSERT INTO payment_comparisons (gateway, since, until, asked_at) VALUES (?, ?, ?, ?)"
        number = self._write(sql, (gateway, since, until, self._clock())).lastrowid or 0
        self._write("DELETE FROM payment_comparisons WHERE id <= ?", (number - KEPT_COMPARISONS,))
        return number

    def note_comparison(self, number: int, found: str, problem: str = "") -> None:
        """What a comparison found, as JSON, or why there is none."""
        sql = "UPDATE payment_comparisons SET done_at = ?, found = ?, problem = ? WHERE id = ?"
        self._write(sql, (self._clock(), found, problem, number))


def _words(payment: Payment, amount: int) -> str:
    """For the audit trail."""
    currency = payment.captured_currency or payment.currency
    return f"payment {payment.id}: {money.format(amount)} {currency}"
