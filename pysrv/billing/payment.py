"""What a payment is worth to its account, out of what its gateway has said of it. Pure.

A gateway says things late, twice and in any order. So they are kept as a set of facts, each with an identity, and the
credit due is a function of that set: whatever order they come in, and however often, it ends at the same figure. Who
applies it moves the balance by the difference to what was posted before.

Whatever is doubtful counts against the credit: a fact in another currency takes all of it back, an open dispute holds
what it is about, and a refund that was asked for is gone before the gateway has answered.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class FactKind(StrEnum):
    """What a gateway can say."""

    CAPTURED = "captured"
    PENDING = "pending"  # the money is on its way: a bank debit, a review of the gateway
    FAILED = "failed"
    REFUNDED = "refunded"  # one refund
    REFUNDED_IN_ALL = "refunded_in_all"  # the sum of all refunds so far
    REFUND_FAILED = "refund_failed"
    REVERSED = "reversed"  # the gateway took the money back by itself
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


TAKES_BACK = frozenset({FactKind.DISPUTED, FactKind.DISPUTE_LOST, FactKind.REVERSED})
"""Facts of a chargeback: against the will of who runs the appliance."""


class PaymentStatus(StrEnum):
    """How far a payment is."""

    OPEN = "open"  # the customer was sent to the gateway
    PENDING = "pending"
    FAILED = "failed"  # or given up: money that comes all the same still counts
    WAITING = "waiting"  # paid; a person decides
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a gateway said. `ident` is its own identity within the kind, `payment_id` the gateway's name of the
    payment (PayPal's capture, Stripe's payment intent); `amount` in micro-units; `at` in Unix seconds, by the gateway.
    """

    kind: FactKind
    ident: str
    payment_id: str
    amount: int = 0
    currency: str = ""
    at: float = 0.0
    reference: str = ""
    order_id: str = ""
    payer_email: str = ""
    payer_country: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What became of a payment's money, in micro-units of the currency that was captured."""

    captured: int = 0
    refunded: int = 0
    disputed: int = 0

    @property
    def left(self) -> int:
        """What the appliance still has."""
        return max(0, self.captured - self.refunded - self.disputed)


def standing(captured: int, currency: str, facts: Iterable[Fact], wanted: Iterable[int] = ()) -> Standing:
    """Where a payment of which so much was captured stands. `wanted` holds, for each refund of our own that was asked
    for and did not fail, how much will have been refunded in all when it is done."""
    ours = list(facts)
    amounts: Callable[[Fact], int] = lambda fact: fact.amount if fact.currency == currency else captured  # noqa: E731
    single = sum(amounts(fact) for fact in ours if fact.kind is FactKind.REFUNDED)
    in_all = max((amounts(fact) for fact in ours if fact.kind is FactKind.REFUNDED_IN_ALL), default=0)
    refunded = max(single, in_all, max(wanted, default=0))
    reversed_ = sum(amounts(fact) for fact in ours if fact.kind is FactKind.REVERSED)
    # A dispute that is lost is often followed by the reversal of the same money: the larger counts, not the sum.
    disputed = max(_disputed(ours, amounts), reversed_)
    return Standing(captured, min(captured, refunded), min(captured, disputed))


def _disputed(facts: Sequence[Fact], amounts: Callable[[Fact], int]) -> int:
    """What open and lost disputes are about; one that was both won and lost is lost."""
    of = {
        kind: {fact.ident: amounts(fact) for fact in facts if fact.kind is kind}
        for kind in (FactKind.DISPUTED, FactKind.DISPUTE_WON, FactKind.DISPUTE_LOST)
    }
    opened, won, lost = of[FactKind.DISPUTED], of[FactKind.DISPUTE_WON], of[FactKind.DISPUTE_LOST]
    return sum(lost.values()) + sum(opened[ident] for ident in opened.keys() - won.keys() - lost.keys())


def credit(left: int, rate: Fraction) -> int:
    """What is left as money of the account, rounded down: micro-units times what one unit costs in its currency."""
    return int(left * rate)


@dataclass(frozen=True, slots=True)
class History:
    """What is known of an account when a payment of it has come in; the payment itself is not counted.

    `usual` is the median of its approved payments in the same currency, 0: there are fewer than three. `recent` counts
    the payments that were captured within the last hour, `failed` the tries of the last day that came to nothing.
    """

    first: bool = True
    exists: bool = True
    enabled: bool = True
    locklevel: int = 0
    age_s: float = 0.0
    usual: int = 0
    recent: int = 0
    failed: int = 0
    disputed: bool = False
    email: str = ""
    emails: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
