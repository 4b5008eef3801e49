"""The lease: the seconds of talk, counted from answer, for which money is already reserved.

The one rule of its length, declared here and nowhere else:

- it aims at LONGEST_S while the headroom of the account pays for ten minutes (COVER_S) of all its running calls
  together, and at the same share of LONGEST_S as the headroom covers of those ten minutes when it does not;
- it is filled up to whole billing increments, because increments are reserved whole;
- what cannot be paid is shortened to the increments that can; below one increment there is no lease.

Free calls and accounts without a hard limit always get LONGEST_S, so that every relay session has a deadline.
Knows no account and no clock: durations are seconds, money is micro-units.
"""

from dataclasses import dataclass

from pysrv.billing.tariff import Rate, billable_seconds, price, seconds_affordable

LONGEST_S = 60
SHORTEST_S = 1
COVER_S = 600
_MARGIN_SHARE = 4
_MARGIN_S = (0.3, 10.0)


@dataclass(frozen=True, slots=True)
class Lease:
    """What one call may use: `covered_s` seconds of talk from answer for `reserved` micro-units. No rate: free."""

    rate: Rate | None = None
    covered_s: int = 0
    reserved: int = 0

    @property
    def per_minute(self) -> int:
        """What the call costs while it runs."""
        return self.rate.per_minute if self.rate else 0


def target_s(headroom: int | None, running_per_minute: int) -> int:
    """Seconds that a lease aims at. `headroom` None: no hard limit. `running_per_minute`: sum of the prices per minute
    of all running calls of the account, this one among them."""
    if headroom is None or running_per_minute <= 0:
        return LONGEST_S
    covered_s = max(0, headroom) * 60 // running_per_minute
    return max(SHORTEST_S, min(LONGEST_S, LONGEST_S * covered_s // COVER_S))


def extend(lease: Lease, headroom: int | None, running_per_minute: int) -> Lease | None:
    """The lease after a grant (from an empty lease) or a renewal; None when not one more increment can be paid.

    `headroom` is what the account has left besides everything already reserved, this lease included.
    """
    wanted_s = lease.covered_s + target_s(headroom, running_per_minute)
    rate = lease.rate
    if rate is None:
        return Lease(None, wanted_s, 0)
    wanted_s = billable_seconds(rate, wanted_s)
    if headroom is not None:
        wanted_s = min(wanted_s, seconds_affordable(rate, max(0, headroom) + lease.reserved))
    if wanted_s <= lease.covered_s:
        return None
    return Lease(rate, wanted_s, price(rate, wanted_s))


def renewal_margin_s(length_s: float) -> float:
    """How long before its end a lease of this length is renewed: a quarter of it, between 0.3 s and 10 s."""
    return min(_MARGIN_S[1], max(_MARGIN_S[0], length_s / _MARGIN_SHARE))
