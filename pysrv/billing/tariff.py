"""What a call costs: a rate, the charge for a talk time, and the inverse, the talk time that funds pay for.

Exact, in whole micro-units. The rule, in order:

1. Talk time counts in whole seconds, rounded up; a call that was answered lasts at least one. Zero seconds is a call
   that was never answered, and costs nothing.
2. Billable seconds: a first block of `free_seconds`, which costs nothing; what is talked beyond it, but at least
   `minimum_s`, filled up to `initial_increment_s` and from there in whole steps of `next_increment_s`.
3. Price in the deck's currency: connect fee + price per minute x (billable - free) seconds / 60.
4. Times the exchange rate to the payer's currency, times one plus the tax: exact fractions both.
5. Rounded ONCE per call, as the rate's `rounding` says, to `places` decimals (rounding every increment would add up to
   2 % on cheap per-second rates). A longer call never costs less, so a lease pays for every shorter talk.

Knows no account, no clock and no number; the ledger applies it.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pysrv.billing import money

MAX_TALK_S = 31 * 86_400
"""Longest talk time that `seconds_affordable` speaks of: 31 days. No call lasts so long (calltimeout)."""
PPM = 1_000_000
MAX_TAX_PPM = PPM


class TariffError(ValueError):
    """A rate that cannot be: the message names the field."""


class Rounding(StrEnum):
    """How the price of a call becomes a whole number of its smallest amount."""

    UP = "up"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class Rate:
    """Price of a destination. Money in micro-units of `currency`, times in seconds, `prefix` in digits.

    `valid_from` and `valid_until` are Unix seconds (0: open), `time_class` is when it holds (empty: always).
    `exchange_num` / `exchange_den` is what one unit of the deck's currency costs in the payer's. `tax_ppm` is in
    millionths.
    """

    prefix: str
    per_minute: int
    connect_fee: int = 0
    initial_increment_s: int = 1
    next_increment_s: int = 1
    minimum_s: int = 0
    destination: str = ""
    free_seconds: int = 0
    rounding: Rounding = Rounding.UP
    places: int = money.PLACES
    time_class: str = ""
    valid_from: float = 0.0
    valid_until: float = 0.0
    currency: str = ""
    exchange_num: int = 1
    exchange_den: int = 1
    tax_ppm: int = 0
    tax: str = ""

    def __post_init__(self) -> None:
        if self.per_minute < 0 or self.connect_fee < 0 or self.minimum_s < 0 or self.free_seconds < 0:
            raise TariffError("per_minute, connect_fee, minimum and free_seconds must not be negative")
        if self.initial_increment_s < 1 or self.next_increment_s < 1:
            raise TariffError("initial_increment and next_increment are at least 1 second")
        if not 0 <= self.places <= money.PLACES:
            raise TariffError(f"rounding is to 0 to {money.PLACES} places")
        if self.exchange_num < 1 or self.exchange_den < 1:
            raise TariffError("an exchange rate is above 0")
        if not 0 <= self.tax_ppm <= MAX_TAX_PPM:
            raise TariffError("a tax is 0 to 100 %")
        if self.valid_until and self.valid_until <= self.valid_from:
            raise TariffError("valid_until lies not after valid_from")

    @property
    def free(self) -> bool:
        """Nothing is ever charged."""
        return not (self.per_minute or self.connect_fee)

    @property
    def foreign(self) -> bool:
        """The deck's currency is not the payer's."""
        return self.exchange_num != self.exchange_den

    @property
    def paid_per_minute(self) -> int:
        """What a minute costs the payer, tax included, in whole micro-units, rounded up: for sums, not for charges."""
        over = self.exchange_den * PPM
        return -(-self.per_minute * self.exchange_num * (PPM + self.tax_ppm) // over)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for storing next to a call so that its price can be explained after the deck has changed."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if name in _ALWAYS or value != _DEFAULTS[name]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Rate":
        """The rate that `to_dict` wrote."""
        return cls(**values | {"rounding": Rounding(values.get("rounding", Rounding.UP))})


_DEFAULTS = {each.name: each.default for each in fields(Rate)}
_ALWAYS = ("prefix", "per_minute", "connect_fee", "initial_increment_s", "next_increment_s", "minimum_s", "destination")


class LineKind(StrEnum):
    """What a line of an explained charge is for."""

    FREE = "free seconds"
    CONNECT = "connect fee"
    INITIAL = "initial increment"
    NEXT = "next increments"
    TAX = "tax"


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
    """Seconds that the price of a talk time of `seconds` whole seconds covers, free ones among them; 0 for 0."""
    if seconds <= 0:
        return 0
    if seconds <= rate.free_seconds:
        return rate.free_seconds
    return rate.free_seconds + _filled(rate, seconds - rate.free_seconds)


def price(rate: Rate, seconds: int) -> int:
    """Micro-units for a talk time of whole seconds: `charge` without the explanation."""
    billable = billable_seconds(rate, seconds)
    return _rounded(rate, billable - rate.free_seconds, PPM + rate.tax_ppm) if billable else 0


def net_price(rate: Rate, seconds: int) -> int:
    """The price without the tax: what is earned, or what it costs."""
    billable = billable_seconds(rate, seconds)
    return _rounded(rate, billable - rate.free_seconds, PPM) if billable else 0


def charge(rate: Rate, seconds: int) -> Charge:
    """The explained price of a talk time of whole seconds (0: not answered, nothing to pay).

    Each line is the rounded price up to its end less that up to its beginning, so that the lines sum to the total.
    """
    billable = billable_seconds(rate, seconds)
    if not billable:
        return FREE
    lines, paid, before = [], billable - rate.free_seconds, 0
    first = min(paid, rate.initial_increment_s)
    steps = [(LineKind.INITIAL, first, first, _first_text(rate)), (LineKind.NEXT, paid - first, paid, "")]
    if rate.connect_fee:
        steps.insert(0, (LineKind.CONNECT, 0, 0, f"connect fee{_money_note(rate, rate.connect_fee)}"))
    if rate.free_seconds:
        lines.append(ChargeLine(LineKind.FREE, rate.free_seconds, 0, f"first {rate.free_seconds} s free"))
    for kind, length, until, text in steps:
        if length or kind is LineKind.CONNECT:
            upto = _rounded(rate, until, PPM)
            lines.append(ChargeLine(kind, length, upto - before, text or _next_text(rate, length)))
            before = upto
    total = _rounded(rate, paid, PPM + rate.tax_ppm)
    if rate.tax_ppm:
        lines.append(ChargeLine(LineKind.TAX, 0, total - before, f"{rate.tax or 'tax'} {percent(rate.tax_ppm)}"))
    return Charge(total, billable, tuple(lines))


def seconds_affordable(rate: Rate, funds: int) -> int:
    """The longest talk time in whole seconds, at most MAX_TALK_S, whose price does not exceed `funds`; 0: none."""
    if funds < 0 or price(rate, 1) > funds:
        return 0
    if not rate.per_minute:
        return MAX_TALK_S
    steps = (_payable(rate, funds) - rate.initial_increment_s) // rate.next_increment_s
    payable = rate.initial_increment_s + steps * rate.next_increment_s
    if payable < _filled(rate, 1):
        return rate.free_seconds  # what comes first behind the free block cannot be paid
    return min(MAX_TALK_S, rate.free_seconds + payable)


def percent(ppm: int) -> str:
    """Millionths as people write them: 190000 -> `19%`."""
    return f"{money.format(ppm * 100, 0)}%"


def _filled(rate: Rate, seconds: int) -> int:
    """Paid seconds of `seconds` (at least 1) behind the free block."""
    beyond = max(seconds, rate.minimum_s) - rate.initial_increment_s
    if beyond <= 0:
        return rate.initial_increment_s
    return rate.initial_increment_s + -(-beyond // rate.next_increment_s) * rate.next_increment_s


def _step(rate: Rate) -> int:
    """Micro-units of the smallest amount that a price has."""
    return int(10 ** (money.PLACES - rate.places))


def _rounded(rate: Rate, paid_s: int, share_ppm: int) -> int:
    """Connect fee and so many paid seconds in the payer's currency, times share_ppm millionths, rounded."""
    over = 60 * rate.exchange_den * PPM * _step(rate)
    exact = (60 * rate.connect_fee + rate.per_minute * paid_s) * rate.exchange_num * share_ppm
    if rate.rounding is Rounding.NEAREST:
        return (2 * exact + over) // (2 * over) * _step(rate)
    return -(-exact // over) * _step(rate)


def _payable(rate: Rate, funds: int) -> int:
    """The most paid seconds, increments aside, whose rounded price does not exceed `funds`: `_rounded` turned round.

    With x = (60 fee + p s) n / d: ceil(x) <= f is x <= f, and the nearest of x is <= f where 2x < 2f + 1.
    """
    most = funds // _step(rate)
    over = 60 * rate.exchange_den * PPM * _step(rate)
    weight = rate.exchange_num * (PPM + rate.tax_ppm)
    fee = 60 * rate.connect_fee * weight
    if rate.rounding is Rounding.NEAREST:
        return ((2 * most + 1) * over - 1 - 2 * fee) // (2 * weight * rate.per_minute)
    return (most * over - fee) // (weight * rate.per_minute)


def _money_note(rate: Rate, micro: int) -> str:
    """In lines of a foreign deck: the deck's own amount."""
    return f" {money.format(micro)} {rate.currency}".rstrip() if rate.foreign else ""


def _at(rate: Rate) -> str:
    if not rate.foreign:
        return f"at {money.format(rate.per_minute)}/min"
    shown = f"{rate.exchange_num}/{rate.exchange_den}"
    return f"at {money.format(rate.per_minute)} {rate.currency}/min, exchanged at {shown}"


def _first_text(rate: Rate) -> str:
    return f"first {rate.initial_increment_s} s {_at(rate)}"


def _next_text(rate: Rate, beyond: int) -> str:
    return f"{beyond // rate.next_increment_s} x {rate.next_increment_s} s {_at(rate)}"
