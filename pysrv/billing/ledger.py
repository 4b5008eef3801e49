"""The ledger's four movements as pure functions over an account's funds and one call's lease.

    reserve   a lease for a call that is about to go out, or a Shortfall
    renew     more of it, or a Shortfall
    settle    the exact charge for the talk time becomes a posting, the rest is given back
    release   nothing was talked: everything is given back

Invariants (held by property tests): reserved of the account = sum of its leases; a prepaid account never reserves
more than its balance; a charge never exceeds what was reserved for its call; balance = sum of postings.
Knows no store and no clock: whoever applies a result does so in one transaction.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from pysrv.billing import money
from pysrv.billing.lease import Lease, extend
from pysrv.billing.tariff import FREE, Charge, Rate, charge, price


class PostingKind(StrEnum):
    """Why a balance moved."""

    DEPOSIT = "deposit"
    ADJUSTMENT = "adjustment"
    CHARGE = "charge"


@dataclass(frozen=True, slots=True)
class Funds:
    """Money of one account in micro-units; `running_per_minute` sums the prices of its running calls.

    `limited` False: no balance limits the account (postpaid), or the call (emergency).
    """

    balance: int = 0
    reserved: int = 0
    running_per_minute: int = 0
    running_calls: int = 0
    limited: bool = True

    @property
    def headroom(self) -> int | None:
        """What can still be reserved; None: no limit."""
        return self.balance - self.reserved if self.limited else None


@dataclass(frozen=True, slots=True)
class Granted:
    """The funds after the movement and the lease that the call now has."""

    funds: Funds
    lease: Lease


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why no (further) lease is given: the setting that limits, what one more increment needs, what there is."""

    setting: str
    needed: int
    available: int

    @property
    def sentence(self) -> str:
        """For the log, the CDR and the operator."""
        return f"{self.setting}: {money.format(self.needed)} needed, {money.format(self.available)} available"


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a call's money: `charge.total` is posted, `released` goes back to the headroom."""

    funds: Funds
    charge: Charge
    released: int


def reserve(funds: Funds, rate: Rate | None) -> Granted | Shortfall:
    """The first lease of a call; `rate` None: free. The call counts as running from here on."""
    lease = Lease(rate)
    counted = replace(
        funds,
        running_calls=funds.running_calls + 1,
        running_per_minute=funds.running_per_minute + lease.per_minute,
    )
    return renew(counted, lease)


def renew(funds: Funds, lease: Lease) -> Granted | Shortfall:
    """One more stretch of lease for a running call."""
    longer = extend(lease, funds.headroom, funds.running_per_minute)
    if longer is None:
        return _shortfall(funds, lease)
    return Granted(replace(funds, reserved=funds.reserved + longer.reserved - lease.reserved), longer)


def settle(funds: Funds, lease: Lease, talk_s: int) -> Settled:
    """Charges `talk_s` whole seconds, never more than the lease covers: beyond it no audio was carried."""
    due = charge(lease.rate, min(talk_s, lease.covered_s)) if lease.rate else FREE
    after = replace(
        funds,
        balance=funds.balance - due.total,
        reserved=funds.reserved - lease.reserved,
        running_calls=funds.running_calls - 1,
        running_per_minute=funds.running_per_minute - lease.per_minute,
    )
    return Settled(after, due, lease.reserved - due.total)


def release(funds: Funds, lease: Lease) -> Settled:
    """Ends a call that was never answered."""
    return settle(funds, lease, 0)


def _shortfall(funds: Funds, lease: Lease) -> Shortfall:
    needed = price(lease.rate, lease.covered_s + 1) - lease.reserved if lease.rate else 0
    return Shortfall("credit", needed, funds.headroom or 0)
