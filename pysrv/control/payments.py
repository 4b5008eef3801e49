"""Verbs about payments: what was paid and waits, the decisions about it, refunds, and the comparison with the gateway.

What goes over the network is only written down here; the cashier does it, and its outcome is shown by later questions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from appliance.wire import WireError
from pysrv.billing.payment import Fact, FactKind, PaymentStatus
from pysrv.control.answer import Amount, Moment
from pysrv.control.desk import Desk, amount, not_found, written
from pysrv.payments.compare import Difference
from pysrv.payments.gateways import NAMES, OFF
from pysrv.store.payment_reading import Payment, PaymentRefund

MOST = 10_000
MOST_NOTE = 200
LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class PaymentsOf:
    """The newest payments, of one status or account if they are named."""

    status: PaymentStatus | None = None
    account: str | None = None
    limit: int = 50
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentNumber:
    """A payment by its number."""

    id: int


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about a payment that waits."""

    id: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class RefundOf:
    """A payment to give back; `amount` None: all that is left of it."""

    id: int
    amount: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """The time whose payments are compared, in Unix seconds; `until` None: now. `gateway` None: the one in use."""

    since: float
    until: float | None = None
    gateway: str | None = None


class PaymentRow(TypedDict):
    """A payment: what was asked for, what the gateway took (`captured`), and what the account got (`credited`, at
    `rate`, a fraction). `reasons`: why it waits; times 0: not yet."""

    id: int
    account: str
    gateway: str
    status: PaymentStatus
    amount: Amount
    currency: str
    captured: Amount
    captured_currency: str
    credited: Amount
    rate: str
    reasons: str
    created_at: Moment
    captured_at: Moment
    decided_at: Moment
    decided_by: str
    note: str
    reference: str
    order_id: str
    payment_id: str
    payer_email: str
    payer_country: str


class PaymentsAnswer(TypedDict):
    """Payments, newest first."""

    payments: list[PaymentRow]


class FactRow(TypedDict):
    """What the gateway said of a payment."""

    at: Moment
    kind: FactKind
    ident: str
    amount: Amount
    currency: str


class RefundRow(TypedDict):
    """What is given back of a payment. `next_at`: when the gateway is asked again."""

    id: int
    amount: Amount
    status: str
    reason: str
    who: str
    at: Moment
    tries: int
    next_at: Moment


class PaymentAnswer(TypedDict):
    """A payment with its history; `left`: what can still be given back."""

    payment: PaymentRow
    refunded: Amount
    disputed: Amount
    left: Amount
    facts: list[FactRow]
    refunds: list[RefundRow]


class ComparisonBegun(TypedDict):
    """The number under which a comparison's outcome is shown."""

    id: int
    gateway: str


class DifferenceRow(TypedDict):
    """Where the gateway's list and ours part; `number` 0: there is no payment here."""

    difference: Difference
    payment_id: str
    number: int
    account: str
    at: Moment
    currency: str
    theirs: Amount
    ours: Amount


class ComparisonAnswer(TypedDict):
    """What a comparison found. `done` false: the gateway has not answered yet; `more`: so many lines are left out;
    `same` payments agree, `foreign` ones were not begun by this appliance."""

    id: int
    gateway: str
    since: Moment
    until: Moment
    done: bool
    problem: str
    lines: list[DifferenceRow]
    more: int
    same: int
    foreign: int


def list_some(desk: Desk, args: PaymentsOf) -> PaymentsAnswer:
    """payments.list"""
    rows = desk.store.payments(args.status, args.account, max(1, min(args.limit, MOST)), args.before_id)
    return {"payments": [_shape(row) for row in rows]}


def show(desk: Desk, args: PaymentNumber) -> PaymentAnswer:
    """payments.show"""
    return _shown(desk, args.id)


def approve(desk: Desk, args: Decision) -> PaymentAnswer:
    """payments.approve"""
    payment = desk.store.approve_payment(args.id, desk.who, _note(args.note))
    desk.after_commit(lambda live: live.account_changed(payment.account))
    return _shown(desk, args.id)


def reject(desk: Desk, args: Decision) -> PaymentAnswer:
    """payments.reject: nothing is credited, and the gateway gives the money back."""
    desk.store.reject_payment(args.id, desk.who, _note(args.note))
    desk.after_commit(lambda live: live.payments_told())
    return _shown(desk, args.id)


def refund(desk: Desk, args: RefundOf) -> PaymentAnswer:
    """payments.refund: the credit goes at once, and the gateway gives the money back."""
    wanted = None if args.amount is None else amount(args.amount)
    payment = desk.store.refund_payment(args.id, wanted, desk.who, _note(args.note))
    desk.after_commit(lambda live: live.account_changed(payment.account))
    desk.after_commit(lambda live: live.payments_told())
    return _shown(desk, args.id)


def reconcile(desk: Desk, args: Span) -> ComparisonBegun:
    """payments.reconcile: asks for a comparison; what it finds is shown under its number."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so no gateway is asked", "start it first")
    gateway = args.gateway or desk.settings.paymentgateway
    if gateway not in NAMES:
        words = "no gateway is in use" if gateway == OFF else f"{gateway[:20]!r} is no gateway"
        raise WireError("invalid", words, f"name one of {', '.join(NAMES)}, or set paymentgateway")
    until = desk.clock() if args.until is None else min(args.until, desk.clock())
    if not until - LONGEST_S <= args.since < until:
        raise WireError("invalid", "a comparison begins before it ends, in the past, and covers at most a year")
    number = desk.store.ask_comparison(gateway, args.since, until)
    desk.after_commit(lambda live: live.payments_told())
    return {"id": number, "gateway": gateway}


def compared(desk: Desk, args: PaymentNumber) -> ComparisonAnswer:
    """payments.compared: what a comparison found; `done` False: the gateway has not answered yet."""
    found = desk.store.payment_comparison(args.id)
    if found is None:
        raise not_found("comparison", str(args.id))
    said: dict[str, Any] = json.loads(found.found) if found.found else {"lines": [], "more": 0, "same": 0, "foreign": 0}
    return {
        "id": found.id, "gateway": found.gateway, "since": found.since, "until": said.get("until", found.until),
        "done": found.done_at > 0, "problem": found.problem, "lines": [_difference(line) for line in said["lines"]],
        "more": said["more"], "same": said["same"], "foreign": said["foreign"],
    }  # fmt: skip


def _difference(line: Mapping[str, Any]) -> DifferenceRow:
    """A line as it was kept, whose money is micro-units."""
    return {
        "difference": Difference(line["difference"]), "payment_id": line["payment_id"], "number": line["number"],
        "account": line["account"], "at": line["at"], "currency": line["currency"],
        "theirs": written(line["theirs"]), "ours": written(line["ours"]),
    }  # fmt: skip


def _note(text: str) -> str:
    if len(text) > MOST_NOTE or not text.isprintable():
        raise WireError("invalid", f"a note has at most {MOST_NOTE} printable characters")
    return text


def _shown(desk: Desk, number: int) -> PaymentAnswer:
    payment = desk.store.payment(number)
    if payment is None:
        raise not_found("payment", str(number))
    stands = desk.store.payment_standing(payment)
    return {
        "payment": _shape(payment),
        "refunded": written(stands.refunded),
        "disputed": written(stands.disputed),
        "left": written(stands.left),
        "facts": [_fact(fact) for fact in desk.store.payment_facts(payment)],
        "refunds": [_refund(each) for each in desk.store.payment_refunds(number)],
    }


def _shape(payment: Payment) -> PaymentRow:
    return {
        "id": payment.id, "account": payment.account, "gateway": payment.gateway, "status": payment.status,
        "amount": written(payment.amount), "currency": payment.currency, "captured": written(payment.captured),
        "captured_currency": payment.captured_currency, "credited": written(payment.posted),
        "rate": str(payment.rate), "reasons": payment.reasons, "created_at": payment.created_at,
        "captured_at": payment.captured_at, "decided_at": payment.decided_at, "decided_by": payment.decided_by,
        "note": payment.note, "reference": payment.reference, "order_id": payment.order_id,
        "payment_id": payment.payment_id, "payer_email": payment.payer_email, "payer_country": payment.payer_country,
    }  # fmt: skip


def _fact(fact: Fact) -> FactRow:
    return {
        "at": fact.at, "kind": fact.kind, "ident": fact.ident, "amount": written(fact.amount),
        "currency": fact.currency,
    }  # fmt: skip


def _refund(refund: PaymentRefund) -> RefundRow:
    return {
        "id": refund.id, "amount": written(refund.amount), "status": refund.status, "reason": refund.reason,
        "who": refund.who, "at": refund.at, "tries": refund.tries, "next_at": refund.next_at,
    }  # fmt: skip
