"""Which trunk carries a call: the candidates in the order to try, by priority, cost, quality, or both.

The order, declared here and nowhere else:

- PRIORITY: the longest prefix of a route, then its priority.
- COST: what the call costs over the expected talk time; a cost that is not known comes last.
- QUALITY: expected seconds of talk for each attempt, ASR x ACD; a trunk with too few samples comes first, so that it
  is tried and becomes known.
- BALANCED: cost x best quality / own quality; one with too few samples is taken to be as good as the best.

But for PRIORITY, a trunk whose ASR is below the least comes last. Ties go by prefix and priority. What is counted
weighs less with every hour until it leaves the window: a trunk that has recovered, or nobody asks any more, comes back
by itself. Knows no store and no clock; ASR is in thousandths, money in micro-units of one currency.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pysrv.billing.quote import Quote
from pysrv.billing.tariff import net_price

HOUR_S: Final = 3600
PREFIX_DIGITS: Final = 5
"""Digits of a number by which quality is counted: country and area or network in most plans."""
PERMILLE: Final = 1000
_WEIGHT: Final = 1000


class Mode(StrEnum):
    """What decides."""

    PRIORITY = "priority"
    COST = "cost"
    QUALITY = "quality"
    BALANCED = "balanced"


@dataclass(frozen=True, slots=True)
class Hour:
    """What a trunk did in one hour (hours since 1970) with numbers of one prefix."""

    hour: int
    attempts: int
    answered: int
    talk_s: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Weighed counts over a window, in thousandths of a call."""

    attempts: int = 0
    answered: int = 0
    talk_s: int = 0

    @property
    def calls(self) -> int:
        """Attempts, the older ones weighing less."""
        return self.attempts // _WEIGHT

    @property
    def asr(self) -> int | None:
        """Answer-seizure ratio in thousandths; None without attempts."""
        return self.answered * PERMILLE // self.attempts if self.attempts else None

    @property
    def acd_s(self) -> int | None:
        """Average call duration of answered calls; None without any."""
        return self.talk_s // self.answered if self.answered else None

    @property
    def yield_(self) -> int:
        """Thousandths of a second of talk for each attempt."""
        return self.talk_s * PERMILLE // self.attempts if self.attempts else 0


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings: what decides, the expected talk time, and from when on quality is judged."""

    mode: Mode = Mode.PRIORITY
    expected_s: int = 180
    samples: int = 20
    least_asr: int = 50


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trunk that could carry the call: its route, what it costs, what it has been worth."""

    trunk: str
    prefix: str
    priority: int
    cost: Quote | None = None
    quality: Quality = field(default_factory=Quality)

    def expected_cost(self, seconds: int) -> int | None:
        """Without tax, in the quote's currency; None: not known."""
        return net_price(self.cost.rate, seconds) if self.cost is not None and self.cost.rate is not None else None

    def judged(self, rules: Rules) -> bool:
        """Whether there are enough calls to speak of quality."""
        return self.quality.calls >= rules.samples

    def failing(self, rules: Rules) -> bool:
        """Whether too few of its calls are answered."""
        return self.judged(rules) and (self.quality.asr or 0) < rules.least_asr


def weighed(hours: Iterable[Hour], now: float, window_s: float) -> Quality:
    """The counts within the window that ends now. An hour's weight falls in a line from 1 to 0 over the window."""
    attempts = answered = talk_s = 0
    for each in hours:
        age_s = max(0.0, now - (each.hour + 1) * HOUR_S)
        weight = max(0, _WEIGHT - int(age_s * _WEIGHT / window_s))
        attempts += each.attempts * weight
        answered += each.answered * weight
        talk_s += each.talk_s * weight
    return Quality(attempts, answered, talk_s)


def order(candidates: Sequence[Candidate], rules: Rules) -> tuple[int, ...]:
    """Places of the candidates, that of the first to try first."""
    plain = sorted(range(len(candidates)), key=lambda at: (-len(candidates[at].prefix), candidates[at].priority))
    if rules.mode is Mode.PRIORITY:
        return tuple(plain)
    best = max((each.quality.yield_ for each in candidates if each.judged(rules)), default=0)
    rank = {Mode.COST: _cost_rank, Mode.QUALITY: _quality_rank, Mode.BALANCED: _balanced_rank}[rules.mode]
    return tuple(sorted(plain, key=lambda at: (candidates[at].failing(rules), *rank(candidates[at], rules, best))))


def _cost_rank(each: Candidate, rules: Rules, _best: int) -> tuple[int, ...]:
    cost = each.expected_cost(rules.expected_s)
    return (1, 0) if cost is None else (0, cost)


def _quality_rank(each: Candidate, rules: Rules, _best: int) -> tuple[int, ...]:
    return (1, -each.quality.yield_) if each.judged(rules) else (0, 0)


def _balanced_rank(each: Candidate, rules: Rules, best: int) -> tuple[int, ...]:
    cost = each.expected_cost(rules.expected_s)
    if cost is None:
        return (1, 0)
    if not each.judged(rules) or not best:
        return (0, cost)
    own = each.quality.yield_
    return (0, cost * best // own) if own else (1, 0)
