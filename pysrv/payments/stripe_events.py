"""What Stripe's objects say, as facts. Pure: decoded JSON comes in.

Sources: docs.stripe.com/api/checkout/sessions/object, /api/charges/object, /api/disputes/object, /api/refunds/object.
The payment's identity is the payment intent: session, charge, refund and dispute all name it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pysrv.billing.payment import Fact, FactKind
from pysrv.payments.gateway import REFERENCE, Taken, dig, text, whole
from pysrv.payments.units import of_stripe

_WON: Final = frozenset({"won", "warning_closed", "prevented"})


def name_of(value: Any) -> str:
    """The id of something that is given as an id, or expanded as a whole object."""
    return text(value, "id") if isinstance(value, dict) else (text([value], 0) if isinstance(value, str) else "")


def session_facts(session: Any, at: float) -> tuple[Fact, ...]:
    """Where a Checkout Session stands. One of somebody else has no reference of ours, and says nothing."""
    reference, order = text(session, "client_reference_id"), text(session, "id")
    if not reference.startswith(REFERENCE) or text(session, "mode") != "payment":
        return ()
    payment, status = name_of(dig(session, "payment_intent")), text(session, "status")
    if text(session, "payment_status") == "paid" and payment:
        return (_captured(session, payment, at), *_of_charge(session, payment, at))
    if status == "expired":
        return (Fact(FactKind.FAILED, f"{order}:expired", payment, at=at, reference=reference, order_id=order),)
    if status == "complete":
        return (Fact(FactKind.PENDING, order, payment, at=at, reference=reference, order_id=order),)
    return ()


def _captured(session: Any, payment: str, at: float) -> Fact:
    currency = text(session, "currency").upper()
    return Fact(
        FactKind.CAPTURED,
        payment,
        payment,
        of_stripe(dig(session, "amount_total"), currency),
        currency,
        at,
        text(session, "client_reference_id"),
        text(session, "id"),
        payer_email=text(session, "customer_details", "email"),
        payer_country=text(session, "customer_details", "address", "country"),
    )


def _of_charge(session: Any, payment: str, at: float) -> tuple[Fact, ...]:
    charge = dig(session, "payment_intent", "latest_charge")
    return charge_facts(charge, at, payment) if isinstance(charge, dict) else ()


def charge_facts(charge: Any, at: float, payment: str = "") -> tuple[Fact, ...]:
    """What was given back of a charge so far."""
    payment = payment or name_of(dig(charge, "payment_intent"))
    currency = text(charge, "currency").upper()
    amount = of_stripe(dig(charge, "amount_refunded"), currency)
    if not payment or not amount:
        return ()
    return (Fact(FactKind.REFUNDED_IN_ALL, f"{text(charge, 'id')}:{amount}", payment, amount, currency, at),)


def refund_facts(refund: Any, at: float) -> tuple[Fact, ...]:
    """One refund, and the charge it belongs to where that is expanded."""
    payment, currency = name_of(dig(refund, "payment_intent")), text(refund, "currency").upper()
    amount = of_stripe(dig(refund, "amount"), currency)
    kind = FactKind.REFUND_FAILED if text(refund, "status") in ("failed", "canceled") else FactKind.REFUNDED
    one = Fact(kind, text(refund, "id"), payment, amount, currency, at)
    charge = dig(refund, "charge")
    return (one, *(charge_facts(charge, at, payment) if isinstance(charge, dict) else ()))


def dispute_facts(dispute: Any, at: float) -> tuple[Fact, ...]:
    """A dispute that was opened, or how it ended. An inquiry takes no money yet, but holds it here."""
    payment, status = name_of(dig(dispute, "payment_intent")), text(dispute, "status")
    currency = text(dispute, "currency").upper()
    kind = FactKind.DISPUTED
    if status in _WON:
        kind = FactKind.DISPUTE_WON
    elif status == "lost":
        kind = FactKind.DISPUTE_LOST
    return (Fact(kind, text(dispute, "id"), payment, of_stripe(dig(dispute, "amount"), currency), currency, at),)


def _failed(session: Any, at: float) -> tuple[Fact, ...]:
    """A bank did not pay in the end."""
    return session_facts({**session, "status": "expired", "payment_status": "unpaid"}, at)


def _refund_failed(refund: Any, at: float) -> tuple[Fact, ...]:
    return refund_facts({**refund, "status": "failed"}, at)


EVENTS: Final[Mapping[str, Callable[[Any, float], tuple[Fact, ...]]]] = MappingProxyType(
    {
        "checkout.session.completed": session_facts,
        "checkout.session.async_payment_succeeded": session_facts,
        "checkout.session.async_payment_failed": _failed,
        "checkout.session.expired": session_facts,
        "charge.refunded": charge_facts,
        "charge.dispute.created": dispute_facts,
        "charge.dispute.closed": dispute_facts,
        "refund.failed": _refund_failed,
    }
)
"""The events to subscribe to, and how the object of each is read."""


def event_facts(event: Any) -> tuple[Fact, ...]:
    """What an event says; nothing: it is none of ours."""
    read, at = EVENTS.get(text(event, "type")), float(whole(event, "created"))
    found = dig(event, "data", "object")
    return read(found, at) if read is not None and isinstance(found, dict) else ()


def taken(charge: Any) -> Taken | None:
    """A charge of the list; None: it was not paid."""
    if dig(charge, "paid") is not True or dig(charge, "captured") is not True:
        return None
    currency, at = text(charge, "currency").upper(), float(whole(charge, "created"))
    refunded = of_stripe(dig(charge, "amount_refunded"), currency)
    payment, reference = name_of(dig(charge, "payment_intent")), text(charge, "metadata", "reference")
    amount = of_stripe(dig(charge, "amount_captured"), currency)
    return Taken(payment or text(charge, "id"), reference, amount, currency, at, refunded)
