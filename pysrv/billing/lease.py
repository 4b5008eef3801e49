"""The lease: the seconds of talk, counted from answer, for which money is already reserved.

The one rule of its length, declared here and nowhere else:

- it aims at LONGEST_S while the headroom of the account pays for ten minutes (COVER_S) of all its running calls
  together, and at the same share of LONGEST_S as the headroom covers of those ten minutes when it does not;
- it is filled up to whole billing increments, because increments are reserved whole;
- what cannot be paid is shortened to the increments that can; below one increment there is no lease.

Free calls and accounts without a hard limit always get LONGEST_S, so that every relay session has a deadline.
Knows no account and no clock: durations are seconds, money is micro-units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pysrv.billing.tariff import MAX_TALK_S, Rate, billable_seconds, price, seconds_affordable

LONGEST_S = 60
SHORTEST_S = 1
COVER_S = 600
_MARGIN_SHARE = 4
_MARGIN_S = (0.3, 10.0)


@dataclass(frozen=True, slots=True)
class Share:
    """What one account above the paying one has reserved for a call, by its own rate. No rate: nothing."""

    account_id: int
    rate: Rate | None = None
    reserved: int = 0

    @property
    def per_minute(self) -> int:
        """What the call costs that account while it runs."""
        return self.rate.paid_per_minute if self.rate else 0


@dataclass(frozen=True, slots=True)
class Lease:
    """What one call may use: `covered_s` seconds of talk from answer for `reserved` micro-units. No rate: free.

    `above` has the shares of the accounts above the paying one, the nearest first.
    """

    rate: Rate | None = None
    covered_s: int = 0
    reserved: int = 0
    above: tuple[Share, ...] = ()

    @property
    def per_minute(self) -> int:
        """What the call costs the paying account while it runs."""
        return self.rate.paid_per_minute if self.rate else 0


@dataclass(frozen=True, slots=True)
class Means:
    """What one account can still reserve: money and talk time, None without a limit, besides everything reserved.

    `running_per_minute` sums the prices of its running calls and `running_calls` counts them, this one among them.
    """

    headroom: int | None = None
    running_per_minute: int = 0
    headroom_s: int | None = None
    running_calls: int = 1


def target_s(headroom: int | None, running_per_minute: int) -> int:
    """Seconds that a lease aims at. `headroom` None: no hard limit. `running_per_minute`: sum of the prices per minute
    of all running calls of the account, this one among them."""
    if headroom is None or running_per_minute <= 0:
        return LONGEST_S
    covered_s = max(0, headroom) * 60 // running_per_minute
    return max(SHORTEST_S, min(LONGEST_S, LONGEST_S * covered_s // COVER_S))


def extend(lease: Lease, means: Sequence[Means]) -> Lease | None:
    """The lease after a grant (from an empty lease) or a renewal; None when not one more increment can be paid.

    `means` has one row for each account that pays, the lease's own first and then those of `lease.above`. The poorest
    decides for all.
    """
    wanted_s = lease.covered_s + min((_target_s(each) for each in means), default=LONGEST_S)
    if lease.rate is not None:
        wanted_s = billable_seconds(lease.rate, wanted_s)
    shares = ((lease.rate, lease.reserved), *((share.rate, share.reserved) for share in lease.above))
    for (rate, reserved), each in zip(shares, means, strict=False):
        wanted_s = min(wanted_s, _affordable_s(rate, reserved, lease.covered_s, each))
    if wanted_s <= lease.covered_s:
        return None
    above = tuple(replace(share, reserved=_price(share.rate, wanted_s)) for share in lease.above)
    return Lease(lease.rate, wanted_s, _price(lease.rate, wanted_s), above)


def _affordable_s(rate: Rate | None, reserved: int, covered_s: int, means: Means) -> int:
    """The longest that the lease may cover as far as one account is concerned."""
    by_time = MAX_TALK_S if means.headroom_s is None else covered_s + max(0, means.headroom_s)
    if rate is None or means.headroom is None:
        return by_time
    return min(by_time, seconds_affordable(rate, max(0, means.headroom) + reserved))


def _target_s(means: Means) -> int:
    """The declared rule for money and for talk time; the scarcer decides."""
    by_money = target_s(means.headroom, means.running_per_minute)
    if means.headroom_s is None:
        return by_money
    covered_s = max(0, means.headroom_s) // max(1, means.running_calls)
    return min(by_money, max(SHORTEST_S, min(LONGEST_S, LONGEST_S * covered_s // COVER_S)))


def _price(rate: Rate | None, seconds: int) -> int:
    return price(rate, seconds) if rate is not None else 0


def renewal_margin_s(length_s: float) -> float:
    """How long before its end a lease of this length is renewed: a quarter of it, between 0.3 s and 10 s."""
    return min(_MARGIN_S[1], max(_MARGIN_S[0], length_s / _MARGIN_SHARE))
