"""What PayPal's objects say, as facts. Pure: decoded JSON comes in.

Sources: developer.paypal.com/docs/api/orders/v2, /payments/v2, /customer-disputes/v1, /transaction-search/v1 and
/api/rest/webhooks/event-names. The payment's identity is the capture.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from pysrv.billing.payment import Fact, FactKind
from pysrv.payments.gateway import REFERENCE, Taken, dig, rows, text
from pysrv.payments.units import of_paypal

_WON: Final = frozenset({"RESOLVED_SELLER_FAVOUR", "RESOLVED_WITH_PAYOUT", "CANCELED_BY_BUYER", "DENIED"})
_LOST: Final = frozenset({"RESOLVED_BUYER_FAVOUR", "ACCEPTED"})
_CAPTURE: Final = MappingProxyType(
    {
        "COMPLETED": FactKind.CAPTURED,
        "PARTIALLY_REFUNDED": FactKind.CAPTURED,
        "REFUNDED": FactKind.CAPTURED,
        "PENDING": FactKind.PENDING,
        "DECLINED": FactKind.FAILED,
        "FAILED": FactKind.FAILED,
    }
)
_PAYMENTS: Final = "T00"  # transaction event codes of payments; the rest is refunds, fees, holds and transfers


def moment(value: str) -> float:
    """Unix seconds of a time of RFC 3339; 0: it is none."""
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _amount(value: Any) -> tuple[int, str]:
    return of_paypal(dig(value, "value")), text(value, "currency_code")


def order_facts(order: Any) -> tuple[Fact, ...]:
    """Where an order stands: each of its captures. Another's order has no reference of ours, and says nothing."""
    payer = {
        "payer_email": text(order, "payer", "email_address"),
        "payer_country": text(order, "payer", "address", "country_code"),
    }
    order_id = text(order, "id")
    found: list[Fact] = []
    for unit in rows(order, "purchase_units"):
        for capture in rows(unit, "payments", "captures"):
            reference = text(capture, "custom_id") or text(unit, "custom_id")
            found += capture_facts({**capture, "custom_id": reference}, order_id, payer)
        for refund in rows(unit, "payments", "refunds"):
            found += refund_facts(refund)
    return tuple(found)


def capture_facts(capture: Any, order_id: str = "", payer: Mapping[str, str] | None = None) -> tuple[Fact, ...]:
    """Where a capture stands."""
    reference, ident = text(capture, "custom_id"), text(capture, "id")
    kind = _CAPTURE.get(text(capture, "status"))
    if kind is None or not reference.startswith(REFERENCE) or not ident:
        return ()
    order_id = order_id or text(capture, "supplementary_data", "related_ids", "order_id")
    at, (amount, currency) = moment(text(capture, "create_time")), _amount(dig(capture, "amount"))
    return (Fact(kind, ident, ident, amount, currency, at, reference, order_id, **(payer or {})),)


def refund_facts(refund: Any) -> tuple[Fact, ...]:
    """One refund, and the sum of all of the capture where it is said."""
    status, ident, payment = text(refund, "status"), text(refund, "id"), _capture_of(refund)
    at, (amount, currency) = moment(text(refund, "create_time")), _amount(dig(refund, "amount"))
    if not payment:
        return ()
    if status in ("FAILED", "CANCELLED"):
        return (Fact(FactKind.REFUND_FAILED, ident, payment, amount, currency, at),)
    found = [Fact(FactKind.REFUNDED, ident, payment, amount, currency, at)]
    total = dig(refund, "seller_payable_breakdown", "total_refunded_amount")
    if isinstance(total, dict):
        in_all, of = _amount(total)
        found.append(Fact(FactKind.REFUNDED_IN_ALL, f"{payment}:{in_all}", payment, in_all, of, at))
    return tuple(found)


def _reversed(resource: Any) -> tuple[Fact, ...]:
    """PayPal took a capture back. The resource is a refund that leads up to the capture, or the capture itself."""
    payment = _capture_of(resource) or text(resource, "id")
    at, (amount, currency) = moment(text(resource, "create_time")), _amount(dig(resource, "amount"))
    return (Fact(FactKind.REVERSED, text(resource, "id"), payment, amount, currency, at),)


def _capture_of(resource: Any) -> str:
    """The capture that a refund leads up to: the last part of the link's path."""
    for link in rows(resource, "links"):
        parts = text(link, "href").partition("?")[0].split("/") if text(link, "rel") == "up" else []
        if parts[-2:-1] == ["captures"]:
            return parts[-1]
    return ""


def dispute_facts(dispute: Any) -> tuple[Fact, ...]:
    """A dispute that was opened, or how it ended; one about several payments holds its amount of each."""
    outcome = text(dispute, "dispute_outcome", "outcome_code")
    kind = FactKind.DISPUTED
    if outcome in _WON:
        kind = FactKind.DISPUTE_WON
    elif outcome in _LOST:
        kind = FactKind.DISPUTE_LOST
    amount, currency = _amount(dig(dispute, "dispute_amount"))
    given = dig(dispute, "dispute_outcome", "amount_refunded")
    if kind is FactKind.DISPUTE_LOST and isinstance(given, dict):
        amount, currency = _amount(given)
    at, ident = moment(text(dispute, "create_time")), text(dispute, "dispute_id")
    about = rows(dispute, "disputed_transactions")
    names = [name for row in about if (name := text(row, "seller_transaction_id"))]
    return tuple(Fact(kind, f"{ident}/{name}", name, amount, currency, at) for name in names)


EVENTS: Final[Mapping[str, Callable[[Any], tuple[Fact, ...]]]] = MappingProxyType(
    {
        "CHECKOUT.ORDER.APPROVED": lambda _: (),
        "PAYMENT.CAPTURE.COMPLETED": capture_facts,
        "PAYMENT.CAPTURE.PENDING": capture_facts,
        "PAYMENT.CAPTURE.DENIED": capture_facts,
        "PAYMENT.CAPTURE.DECLINED": capture_facts,
        "PAYMENT.CAPTURE.REFUNDED": refund_facts,
        "PAYMENT.CAPTURE.REVERSED": _reversed,
        "CUSTOMER.DISPUTE.CREATED": dispute_facts,
        "CUSTOMER.DISPUTE.RESOLVED": dispute_facts,
    }
)
"""The events to subscribe to, and how the resource of each is read."""


def event_facts(event: Any) -> tuple[Fact, ...]:
    """What an event says; nothing: it is none of ours."""
    read, resource = EVENTS.get(text(event, "event_type")), dig(event, "resource")
    return read(resource) if read is not None and isinstance(resource, dict) else ()


def approved_order(event: Any) -> str:
    """The order that a customer has agreed to, if that is what the event says."""
    return text(event, "resource", "id") if text(event, "event_type") == "CHECKOUT.ORDER.APPROVED" else ""


def taken(row: Any) -> Taken | None:
    """A transaction of the list; None: it is no payment that succeeded."""
    about = dig(row, "transaction_info")
    code, status = text(about, "transaction_event_code"), text(about, "transaction_status")
    value = text(about, "transaction_amount", "value")
    if not code.startswith(_PAYMENTS) or status not in ("S", "V") or value.startswith("-"):
        return None
    amount, currency = _amount(dig(about, "transaction_amount"))
    at = moment(text(about, "transaction_initiation_date"))
    return Taken(text(about, "transaction_id"), text(about, "custom_field"), amount, currency, at)
