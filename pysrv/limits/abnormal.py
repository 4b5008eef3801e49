"""How abnormal today's traffic is: the figures of today against those of the days before, up to the same hour. Pure.

For each measure: how many times as far today lies above the mean as days usually differ. What days differ by is their
mean deviation, at least a quarter of the mean, and never less than a floor, so that the second call of a quiet account
is no alarm. The worst measure is the finding's score.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

AT_LEAST_OF_MEAN: Final = 0.25


@dataclass(frozen=True, slots=True)
class Figures:
    """One day of one account, destination or address. `spend` in whole units of the base currency; `short`: answered
    and over at once; `failed`: never answered, refused ones among them."""

    calls: float = 0.0
    minutes: float = 0.0
    spend: float = 0.0
    short: float = 0.0
    failed: float = 0.0

    def plus(self, other: "Figures") -> "Figures":
        """Both together."""
        return Figures(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


FLOORS: Final = Figures(calls=5.0, minutes=10.0, spend=2.0, short=5.0, failed=8.0)
MEASURES: Final = tuple(each.name for each in fields(Figures))


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one key. `score` 0: nothing is above what is usual; from 3 on it is worth a look."""

    key: str
    today: Figures
    usual: Figures
    score: float
    measure: str


def judge(key: str, today: Figures, days: Sequence[Figures]) -> Finding:
    """Today against the days before, one row for each, days without any traffic among them."""
    usual = Figures(*(mean(days, name) for name in MEASURES))
    scores = {name: _score(name, today, usual, days) for name in MEASURES}
    worst = max(MEASURES, key=lambda name: scores[name])
    return Finding(key, today, usual, round(scores[worst], 1), worst if scores[worst] > 0 else "")


def mean(days: Sequence[Figures], name: str) -> float:
    """Of a measure; 0 of no days."""
    return sum(float(getattr(day, name)) for day in days) / len(days) if days else 0.0


def _score(name: str, today: Figures, usual: Figures, days: Sequence[Figures]) -> float:
    middle = float(getattr(usual, name))
    deviation = sum(abs(float(getattr(day, name)) - middle) for day in days) / len(days) if days else 0.0
    above = float(getattr(today, name)) - middle
    return max(0.0, above / (float(getattr(FLOORS, name)) + max(deviation, AT_LEAST_OF_MEAN * middle)))
