"""The ledger's four movements as pure functions over the funds of all accounts that pay for a call, and its lease.

    reserve   a lease for a call that is about to go out, or a Shortfall
    renew     more of it, or a Shortfall
    settle    the exact charge for the talk time becomes a posting of each account, the rest is given back
    release   nothing was talked: everything is given back

Invariants (held by property tests): reserved of an account = sum of its leases; a prepaid account never reserves more
than its balance, and none more than a ceiling leaves; a charge never exceeds what was reserved for its call; balance =
sum of postings. Knows no store and no clock: whoever applies a result does so in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pysrv.billing import money
from pysrv.billing.lease import Lease, Means, Share, extend
from pysrv.billing.tariff import FREE, Charge, Rate, charge, price, seconds_affordable


class PostingKind(StrEnum):
    """Why a balance moved."""

    DEPOSIT = "deposit"
    ADJUSTMENT = "adjustment"
    CHARGE = "charge"


class Unit(StrEnum):
    """What a ceiling counts."""

    MONEY = "money"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """One limit of what an account may use: the setting, the most, and how much of it is settled.

    Micro-units or seconds of talk. What running calls have reserved adds to it, except where `whole` says that it is
    in `settled` already (limits that several accounts share).
    """

    setting: str
    limit: int
    settled: int
    unit: Unit = Unit.MONEY
    whole: bool = False

    def left(self, reserved: int) -> int:
        """What can still be reserved; never more than the limit, and below 0 when the limit was lowered."""
        return self.limit - self.settled - (0 if self.whole else reserved)


@dataclass(frozen=True, slots=True)
class Funds:
    """Money of one account in micro-units; `running_per_minute` sums the prices of its running calls.

    `limited` False: no balance limits the account (postpaid), or the call (emergency). `reserved_s` sums the seconds
    that its leases cover; `ceilings` are its further limits.
    """

    balance: int = 0
    reserved: int = 0
    running_per_minute: int = 0
    running_calls: int = 0
    limited: bool = True
    reserved_s: int = 0
    ceilings: tuple[Ceiling, ...] = ()

    @property
    def headroom(self) -> int | None:
        """What can still be reserved; None: no limit."""
        lefts = [each.left(self.reserved) for each in self.ceilings if each.unit is Unit.MONEY]
        if self.limited:
            lefts.append(self.balance - self.reserved)
        return min(lefts, default=None)

    @property
    def headroom_s(self) -> int | None:
        """Seconds of talk that can still be reserved; None: no limit."""
        return min((c.left(self.reserved_s) for c in self.ceilings if c.unit is Unit.SECONDS), default=None)

    @property
    def means(self) -> Means:
        """As the lease rule sees them."""
        return Means(self.headroom, self.running_per_minute, self.headroom_s, self.running_calls)


@dataclass(frozen=True, slots=True)
class Level:
    """One account that pays for a call: the caller's own, or one above it, with the rate that holds between them."""

    account_id: int
    funds: Funds
    rate: Rate | None = None
    account: str = ""


Levels = tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Granted:
    """The accounts' funds after the movement and the lease that the call now has."""

    levels: Levels
    lease: Lease


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why no (further) lease is given: the setting that limits, what one more increment needs, what there is."""

    setting: str
    needed: int
    available: int
    account: str = ""
    unit: Unit = Unit.MONEY

    @property
    def sentence(self) -> str:
        """For the log, the CDR and the operator."""
        whose = f"{self.setting} of {self.account}" if self.account else self.setting
        if self.unit is Unit.SECONDS:
            return f"{whose}: {self.needed} s of talk needed, {self.available} s available"
        return f"{whose}: {money.format(self.needed)} needed, {money.format(self.available)} available"


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a call's money: each level's charge is posted, the rest goes back to its headroom.

    `talk_s` is the talk time that counted: no more than the lease covered.
    """

    levels: Levels
    charges: tuple[Charge, ...]
    talk_s: int

    @property
    def charge(self) -> Charge:
        """What the caller's own account pays."""
        return self.charges[0] if self.charges else FREE


def reserve(levels: Sequence[Level]) -> Granted | Shortfall:
    """The first lease of a call, from the caller's account upward; a rate None is free. It runs from here on."""
    counted = tuple(_running(level, 1) for level in levels)
    above = tuple(Share(level.account_id, level.rate) for level in counted[1:])
    return renew(counted, Lease(counted[0].rate if counted else None, above=above))


def renew(levels: Sequence[Level], lease: Lease) -> Granted | Shortfall:
    """One more stretch of lease for a running call."""
    longer = extend(lease, [level.funds.means for level in levels])
    if longer is None:
        return _shortfall(levels, lease)
    before, after = _shares(lease), _shares(longer)
    seconds = longer.covered_s - lease.covered_s
    moved = [
        _held(level, new.reserved - old.reserved, seconds)
        for level, old, new in zip(levels, before, after, strict=False)
    ]
    return Granted(tuple(moved), longer)


def longest_s(levels: Sequence[Level]) -> int | None:
    """Seconds that a call could last as things stand, if nothing else were paid meanwhile; None: nothing limits it."""
    found = [level.funds.headroom_s for level in levels]
    found += [
        seconds_affordable(level.rate, max(0, level.funds.headroom))
        for level in levels
        if level.rate is not None and level.funds.headroom is not None
    ]
    return min((max(0, seconds) for seconds in found if seconds is not None), default=None)


def settle(levels: Sequence[Level], lease: Lease, talk_s: int) -> Settled:
    """Charges `talk_s` whole seconds, never more than the lease covers: beyond it no audio was carried."""
    counted_s = min(talk_s, lease.covered_s)
    done = [
        _settled(replace(level, rate=share.rate), share, lease.covered_s, counted_s)
        for level, share in zip(levels, _shares(lease), strict=False)
    ]
    return Settled(tuple(level for level, _ in done), tuple(due for _, due in done), counted_s)


def release(levels: Sequence[Level], lease: Lease) -> Settled:
    """Ends a call that was never answered."""
    return settle(levels, lease, 0)


def _shares(lease: Lease) -> tuple[Share, ...]:
    return (Share(0, lease.rate, lease.reserved), *lease.above)


def _running(level: Level, calls: int) -> Level:
    per_minute = level.rate.paid_per_minute if level.rate else 0
    funds = replace(
        level.funds,
        running_calls=level.funds.running_calls + calls,
        running_per_minute=level.funds.running_per_minute + calls * per_minute,
    )
    return replace(level, funds=funds)


def _held(level: Level, money_more: int, seconds_more: int) -> Level:
    funds = level.funds
    held = replace(funds, reserved=funds.reserved + money_more, reserved_s=funds.reserved_s + seconds_more)
    return replace(level, funds=held)


def _settled(level: Level, share: Share, covered_s: int, talk_s: int) -> tuple[Level, Charge]:
    due = charge(share.rate, talk_s) if share.rate else FREE
    freed = _held(_running(level, -1), -share.reserved, -covered_s)
    used = {Unit.MONEY: due.total, Unit.SECONDS: talk_s}
    ceilings = tuple(
        replace(each, settled=each.settled + used[each.unit]) if not each.whole else each
        for each in freed.funds.ceilings
    )
    funds = replace(freed.funds, balance=freed.funds.balance - due.total, ceilings=ceilings)
    return replace(freed, funds=funds), due


def _shortfall(levels: Sequence[Level], lease: Lease) -> Shortfall:
    """The first level, from the caller upward, that cannot pay for one more second, and its tightest limit."""
    shorts = [
        short
        for level, share in zip(levels, _shares(lease), strict=False)
        if (short := _short_of(level, share, lease.covered_s)) is not None
    ]
    return shorts[0] if shorts else Shortfall("credit", 0, 0)


def _short_of(level: Level, share: Share, covered_s: int) -> Shortfall | None:
    funds, lefts = level.funds, []
    needed = price(share.rate, covered_s + 1) - share.reserved if share.rate else 0
    if funds.limited:
        lefts.append((funds.balance - funds.reserved, needed, "credit", Unit.MONEY))
    for each in funds.ceilings:
        by_time = each.unit is Unit.SECONDS
        left = each.left(funds.reserved_s if by_time else funds.reserved)
        lefts.append((left, 1 if by_time else needed, each.setting, each.unit))
    short = [(left - wanted, left, wanted, setting, unit) for left, wanted, setting, unit in lefts if left < wanted]
    if not short:
        return None
    _, left, wanted, setting, unit = min(short)
    return Shortfall(setting, wanted, left, level.account, unit)
