"""Payments as they stand: what customers were sent to pay, what became of it, and what is known of their accounts."""

from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from pysrv.billing.payment import Fact, FactKind, History, PaymentStatus, Standing, standing
from pysrv.store.account_reading import AccountReading
from pysrv.store.database import Row

HOUR_S, DAY_S = 3600.0, 86_400.0
_FEW = 3  # payments before there is a usual amount
_COLUMNS = (
    "p.id, p.reference, p.gateway, p.order_id, p.payment_id, p.account_id, a.name, p.amount, p.currency, p.rate, "
    "p.status, p.captured, p.captured_currency, p.posted, p.reasons, p.payer_email, p.payer_country, p.created_at, "
    "p.captured_at, p.heard_at, p.decided_at, p.decided_by, p.note, p.looks, p.look_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM payments p JOIN accounts a ON a.id = p.account_id"  # noqa: S608
_REFUND = "SELECT id, payment, key, amount, in_all, status, reason, who, at, tries, next_at FROM payment_refunds"


@dataclass(frozen=True, slots=True)
class Payment:
    """A stored payment; amounts in micro-units of `currency`, but `posted`, which is money of the account. `captured`
    and `captured_currency` are what the gateway took, `reasons` why it waits or waited."""

    id: int
    reference: str
    gateway: str
    order_id: str
    payment_id: str
    account_id: int
    account: str
    amount: int
    currency: str
    rate: Fraction
    status: PaymentStatus
    captured: int
    captured_currency: str
    posted: int
    reasons: str
    payer_email: str
    payer_country: str
    created_at: float
    captured_at: float
    heard_at: float
    decided_at: float
    decided_by: str
    note: str
    looks: int
    look_at: float


@dataclass(frozen=True, slots=True)
class PaymentRefund:
    """A refund that somebody asked for. `key` is its identity for the gateway."""

    id: int
    payment: int
    key: str
    amount: int
    in_all: int
    status: str
    reason: str
    who: str
    at: float
    tries: int
    next_at: float


@dataclass(frozen=True, slots=True)
class PaymentComparison:
    """A comparison of the gateway's list with ours, asked for or done; `found` is JSON."""

    id: int
    gateway: str
    since: float
    until: float
    asked_at: float
    done_at: float
    problem: str
    found: str


@dataclass(frozen=True, slots=True)
class TakenFact:
    """What a fact did. `news`: it was not known; `payment` None: it belongs to none (yet); `moved`: by how much the
    balance of the account; `locked`: the account was locked for it."""

    fact: Fact
    news: bool
    payment: Payment | None = None
    moved: int = 0
    locked: bool = False
    second: bool = False  # the order was paid before, by another payment


class PaymentReading(AccountReading):
    """Questions about payments."""

    def payment(self, number: int) -> Payment | None:
        """One payment."""
        return _payment(self._one(f"{_SELECT} WHERE p.id = ?", (number,)))

    def payment_of_reference(self, reference: str) -> Payment | None:
        """The payment that a customer was sent away with."""
        return _payment(self._one(f"{_SELECT} WHERE p.reference = ?", (reference,)))

    def payment_of(self, gateway: str, payment_id: str) -> Payment | None:
        """The payment that the gateway calls so."""
        return _payment(self._one(f"{_SELECT} WHERE p.gateway = ? AND p.payment_id = ?", (gateway, payment_id)))

    def payment_of_order(self, gateway: str, order_id: str) -> Payment | None:
        """The payment whose order the gateway calls so."""
        return _payment(self._one(f"{_SELECT} WHERE p.gateway = ? AND p.order_id = ?", (gateway, order_id)))

    def payments(
        self, status: str | None = None, account: str | None = None, limit: int = 50, before_id: int | None = None
    ) -> list[Payment]:
        """The newest payments, newest first."""
        where = (
            "WHERE (?1 IS NULL OR p.status = ?1) AND (?2 IS NULL OR a.name = ?2 AND a.removed_at IS NULL) "
            "AND (?4 IS NULL OR p.id < ?4) ORDER BY p.id DESC LIMIT ?3"
        )
        rows = self._all(f"{_SELECT} {where}", (status, account, limit, before_id))
        return [found for row in rows if (found := _payment(row))]

    def payments_captured(self, gateway: str, since: float, until: float) -> list[Payment]:
        """Every payment of a gateway that was captured in that time, oldest first."""
        where = "WHERE p.gateway = ? AND p.captured > 0 AND p.captured_at >= ? AND p.captured_at < ?"
        rows = self._all(f"{_SELECT} {where} ORDER BY p.captured_at, p.id", (gateway, since, until))
        return [found for row in rows if (found := _payment(row))]

    def payment_facts(self, payment: Payment) -> list[Fact]:
        """What the gateway has said of a payment, in the order of its own times."""
        if not payment.payment_id:
            return []
        sql = (
            "SELECT kind, ident, payment_id, amount, currency, at FROM payment_facts "
            "WHERE gateway = ? AND payment_id = ? ORDER BY at, kind, ident"
        )
        rows = self._all(sql, (payment.gateway, payment.payment_id))
        return [Fact(FactKind(row[0]), *row[1:]) for row in rows]

    def payment_refunds(self, number: int) -> list[PaymentRefund]:
        """The refunds of a payment that were asked for here, oldest first."""
        return [PaymentRefund(*row) for row in self._all(f"{_REFUND} WHERE payment = ? ORDER BY id", (number,))]

    def payment_standing(self, payment: Payment) -> Standing:
        """What became of a payment's money."""
        wanted = [each.in_all for each in self.payment_refunds(payment.id) if each.status != "failed"]
        return standing(payment.captured, payment.captured_currency, self.payment_facts(payment), wanted)

    def payment_comparison(self, number: int) -> PaymentComparison | None:
        """One comparison."""
        sql = (
            "SELECT id, gateway, since, until, asked_at, done_at, problem, found FROM payment_comparisons WHERE id = ?"
        )
        row = self._one(sql, (number,))
        return PaymentComparison(*row) if row else None

    def comparisons_asked_for(self, gateway: str) -> list[PaymentComparison]:
        """Those with a gateway that wait, oldest first."""
        rows = self._all("SELECT id FROM payment_comparisons WHERE done_at = 0 AND gateway = ? ORDER BY id", (gateway,))
        return [found for row in rows if (found := self.payment_comparison(row[0]))]

    def payments_to_look_at(self, gateway: str, now: float, limit: int = 20) -> list[Payment]:
        """Payments of a gateway of which nothing was heard for a while, the longest due first."""
        where = "WHERE p.status IN ('open', 'pending') AND p.look_at <= ? AND p.gateway = ? ORDER BY p.look_at LIMIT ?"
        rows = self._all(f"{_SELECT} {where}", (now, gateway, limit))
        return [found for row in rows if (found := _payment(row))]

    def refunds_to_send(self, gateway: str, now: float, limit: int = 20) -> list[PaymentRefund]:
        """Refunds at a gateway that are due, oldest first."""
        where = (
            "WHERE status = 'wanted' AND next_at <= ? "
            "AND (SELECT gateway FROM payments p WHERE p.id = payment) = ? ORDER BY id LIMIT ?"
        )
        return [PaymentRefund(*row) for row in self._all(f"{_REFUND} {where}", (now, gateway, limit))]

    def payments_wait_until(self, gateway: str) -> float | None:
        """When the next refund or payment at a gateway is to be looked at; None: nothing waits."""
        row = self._one(
            "SELECT min(at) FROM (SELECT min(look_at) AS at FROM payments "
            "WHERE status IN ('open', 'pending') AND gateway = ?1 "
            "UNION ALL SELECT min(r.next_at) FROM payment_refunds r JOIN payments p ON p.id = r.payment "
            "WHERE r.status = 'wanted' AND p.gateway = ?1)",
            (gateway,),
        )
        return row[0] if row else None

    def payment_history(self, payment: Payment) -> History:
        """What is known of a payment's account beside the payment itself."""
        account = self.account_by_id(payment.account_id)
        removed = self._one("SELECT removed_at FROM accounts WHERE id = ?", (payment.account_id,))
        approved = [each for each in self._others(payment) if each.status is PaymentStatus.APPROVED]
        amounts = [each.captured for each in approved if each.captured_currency == payment.currency]
        now = self._clock()
        return History(
            first=not approved,
            exists=account is not None and removed is not None and removed[0] is None,
            enabled=account is not None and account.enabled,
            locklevel=account.locklevel if account else 0,
            age_s=now - account.created_at if account else 0.0,
            usual=int(median(amounts)) if len(amounts) >= _FEW else 0,
            recent=sum(each.captured > 0 and each.heard_at > now - HOUR_S for each in self._others(payment)),
            failed=sum(_came_to_nothing(each, now) for each in self._others(payment)),
            disputed=any(self.payment_standing(each).disputed for each in self._others(payment) if each.captured),
            email=account.email if account else "",
            emails=frozenset(each.payer_email.lower() for each in approved if each.payer_email),
            countries=frozenset(each.payer_country.upper() for each in approved if each.payer_country),
        )

    def _others(self, payment: Payment) -> list[Payment]:
        """The newest other payments of the same account."""
        where = "WHERE p.account_id = ? AND p.id <> ? ORDER BY p.id DESC LIMIT 200"
        rows = self._all(f"{_SELECT} {where}", (payment.account_id, payment.id))
        return [found for row in rows if (found := _payment(row))]


def _came_to_nothing(payment: Payment, now: float) -> bool:
    """Whether a try of the last day failed, or was begun an hour ago and not finished."""
    left = payment.status is PaymentStatus.OPEN and payment.created_at < now - HOUR_S
    return payment.created_at > now - DAY_S and (payment.status is PaymentStatus.FAILED or left)


def _payment(row: Row | None) -> Payment | None:
    if row is None:
        return None
    values = list(row)
    values[9], values[10] = Fraction(values[9]), PaymentStatus(values[10])
    return Payment(*values)
