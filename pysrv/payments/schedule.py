"""When a gateway is asked again, if nothing is heard from it. Pure."""

from typing import Final

from pysrv.billing.payment import PaymentStatus

LOOKS_S: Final = (300.0, 1_800.0, 7_200.0, 43_200.0, 90_000.0, 260_000.0)
"""Ages of a payment at which its order is looked at, as webhooks may be lost; after the last it is given up."""
PENDING_S: Final = 86_400.0  # a bank may take days: looked at each day
PENDING_LOOKS: Final = 30
REFUND_PAUSES_S: Final = (60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)
REFUND_TRIES: Final = 20


def look_at(created_at: float, looks: int) -> float:
    """When to look for the next time at a payment that was looked at so often."""
    return created_at + LOOKS_S[min(looks, len(LOOKS_S) - 1)]


def next_look(status: PaymentStatus, created_at: float, looks: int, now: float) -> float | None:
    """The time after `looks` looks, this one among them; None: it is given up."""
    if status is PaymentStatus.PENDING:
        return now + PENDING_S if looks < PENDING_LOOKS else None
    return max(now + LOOKS_S[0], look_at(created_at, looks)) if looks < len(LOOKS_S) else None


def refund_at(now: float, tries: int) -> float:
    """When a refund that nothing was heard of is sent again, under its old key; `tries` counts this one."""
    return now + REFUND_PAUSES_S[min(tries, len(REFUND_PAUSES_S)) - 1]
