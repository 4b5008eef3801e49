"""What a call costs: a rate, the charge for a talk time, and the inverse, the talk time that funds pay for.

Exact, in whole micro-units. The rule, in order:

1. Talk time counts in whole seconds, rounded up; a call that was answered lasts at least one. Zero seconds is a call
   that was never answered, and costs nothing.
2. Billable seconds: the talk time, but at least `minimum_s`, filled up to `initial_increment_s` and from there in whole
   steps of `next_increment_s`.
3. Price: connect fee + price per minute x billable seconds / 60, rounded up to a micro-unit ONCE per call (rounding
   every increment would add up to 2 % on cheap per-second rates).

Knows no account, no clock and no number; the ledger applies it.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pysrv.billing import money

MAX_TALK_S = 31 * 86_400
"""Longest talk time that `seconds_affordable` speaks of: 31 days. No call lasts so long (calltimeout)."""


class TariffError(ValueError):
    """A rate that cannot be: the message names the field."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Price of a destination. Money in micro-units, increments in seconds (at least 1), `prefix` in digits."""

    prefix: str
    per_minute: int
    connect_fee: int = 0
    initial_increment_s: int = 1
    next_increment_s: int = 1
    minimum_s: int = 0
    destination: str = ""

    def __post_init__(self) -> None:
        if self.per_minute < 0 or self.connect_fee < 0 or self.minimum_s < 0:
            raise TariffError("per_minute, connect_fee and minimum must not be negative")
        if self.initial_increment_s < 1 or self.next_increment_s < 1:
            raise TariffError("initial_increment and next_increment are at least 1 second")

    @property
    def free(self) -> bool:
        """Nothing is ever charged."""
        return not (self.per_minute or self.connect_fee)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for storing next to a call so that its price can be explained after the deck has changed."""
        return asdict(self)


class LineKind(StrEnum):
    """What a line of an explained charge is for."""

    CONNECT = "connect fee"
    INITIAL = "initial increment"
    NEXT = "next increments"


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One line of an explained charge: `seconds` billed and their price in micro-units."""

    kind: LineKind
    seconds: int
    amount: int
    text: str


@dataclass(frozen=True, slots=True)
class Charge:
    """Price of a talk time: the lines sum to `total`."""

    total: int
    billable_seconds: int
    lines: tuple[ChargeLine, ...] = ()


FREE = Charge(0, 0)


def talk_seconds(duration_s: float) -> int:
    """Whole seconds of talk of an ANSWERED call: rounded up from milliseconds, at least 1."""
    return max(1, -(-round(duration_s * 1000) // 1000))


def billable_seconds(rate: Rate, seconds: int) -> int:
    """Seconds paid for a talk time of `seconds` whole seconds; 0 for 0."""
    if seconds <= 0:
        return 0
    beyond = max(seconds, rate.minimum_s) - rate.initial_increment_s
    if beyond <= 0:
        return rate.initial_increment_s
    return rate.initial_increment_s + -(-beyond // rate.next_increment_s) * rate.next_increment_s


def price(rate: Rate, seconds: int) -> int:
    """Micro-units for a talk time of whole seconds: `charge` without the explanation."""
    billable = billable_seconds(rate, seconds)
    return rate.connect_fee + _time_price(rate, billable) if billable else 0


def charge(rate: Rate, seconds: int) -> Charge:
    """The explained price of a talk time of whole seconds (0: not answered, nothing to pay)."""
    billable = billable_seconds(rate, seconds)
    if not billable:
        return FREE
    first = _time_price(rate, rate.initial_increment_s)
    time = _time_price(rate, billable)
    lines = [
        ChargeLine(LineKind.INITIAL, rate.initial_increment_s, first, _first_text(rate)),
    ]
    if rate.connect_fee:
        lines.insert(0, ChargeLine(LineKind.CONNECT, 0, rate.connect_fee, "connect fee"))
    if beyond := billable - rate.initial_increment_s:
        lines.append(ChargeLine(LineKind.NEXT, beyond, time - first, _next_text(rate, beyond)))
    return Charge(rate.connect_fee + time, billable, tuple(lines))


def seconds_affordable(rate: Rate, funds: int) -> int:
    """The longest talk time in whole seconds, at most MAX_TALK_S, whose price does not exceed `funds`; 0: none."""
    for_time = funds - rate.connect_fee
    if for_time < 0 or price(rate, 1) > funds:
        return 0
    if not rate.per_minute:
        return MAX_TALK_S
    # ceil(p * s / 60) <= f  <=>  s <= floor(60 f / p)
    payable = for_time * 60 // rate.per_minute
    steps = (payable - rate.initial_increment_s) // rate.next_increment_s
    return min(MAX_TALK_S, rate.initial_increment_s + steps * rate.next_increment_s)


def _time_price(rate: Rate, billable: int) -> int:
    return -(-rate.per_minute * billable // 60)


def _first_text(rate: Rate) -> str:
    return f"first {rate.initial_increment_s} s at {money.format(rate.per_minute)}/min"


def _next_text(rate: Rate, beyond: int) -> str:
    steps = beyond // rate.next_increment_s
    return f"{steps} x {rate.next_increment_s} s at {money.format(rate.per_minute)}/min"
