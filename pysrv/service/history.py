"""The last quarter of an hour as samples, and whether an attack is under way. Pure: whoever samples brings the time.

A sample holds rates, made of two readings of counters that only grow; a counter that went back (the gate was loaded
anew) begins at nothing. An attack is a rate of drops far above its mean, for some samples in a row: mean and mean
deviation are weighted towards the present (RFC 6298 does the same with round-trip times), and learn next to nothing
from an attack, so that a long one does not become what is usual within the hour.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SPAN_S: Final = 900.0
EVERY_S: Final = 2.0
TOP: Final = 5  # verdicts that a sample names
MOST_ATTACKS: Final = 20
LEAST_PPS: Final = 50.0  # drops a second below which nothing is an attack
TIMES: Final = 4.0  # how many times its mean, and
DEVIATIONS: Final = 6.0  # how many mean deviations above it, the rate must be
SAMPLES: Final = 2  # in a row that begin one
QUIET: Final = 8  # in a row that end one
LEARNS: Final = 1 / 64  # weight of a sample in the mean
LEARNS_UNDER_ATTACK: Final = 1 / 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """Counters and states at `at` (Unix seconds). `packets` and `actions` by verdict; `spend` in micro-units a second
    by currency; `delay_ms` is the longest wait of a datagram since the last reading."""

    at: float
    packets: Mapping[str, int] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    answered: int = 0
    registrations: int = 0
    spend: Mapping[str, int] = field(default_factory=dict)
    delay_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What was going on: packets a second passed, answered or relayed, and dropped; the verdicts with most of them."""

    at: float
    passed: float
    forwarded: float
    dropped: float
    top: tuple[tuple[str, float], ...]
    calls: int
    answered: int
    registrations: int
    spend: tuple[tuple[str, int], ...]
    delay_ms: float


@dataclass(slots=True)
class Attack:
    """`usual` and `peak` are drops a second; `verdict` is what most packets of it end as. `ended_at` 0: it goes on."""

    began_at: float
    usual: float
    peak: float
    verdict: str
    ended_at: float = 0.0


class Watch:
    """Says when drops are far above what they were."""

    def __init__(self) -> None:
        self._mean, self._deviation, self._taught = 0.0, 0.0, False
        self._above = self._below = 0
        self._since = self._usual = 0.0
        self.attacks: deque[Attack] = deque(maxlen=MOST_ATTACKS)

    @property
    def under_way(self) -> Attack | None:
        """The attack that goes on."""
        return self.attacks[-1] if self.attacks and not self.attacks[-1].ended_at else None

    def look(self, sample: Sample) -> None:
        """One more sample. The first says what is usual: nobody knows what was before."""
        if not self._taught:
            self._mean, self._taught = sample.dropped, True
        high = sample.dropped > self._threshold()
        self._above, self._below = (self._above + 1, 0) if high else (0, self._below + 1)
        attack = self.under_way
        if high and self._above == 1:
            self._since, self._usual = sample.at, self._mean
        if attack is None and self._above >= SAMPLES:
            attack = Attack(self._since, self._usual, sample.dropped, "")
            self.attacks.append(attack)
        if attack is not None and high and sample.dropped >= attack.peak:
            attack.peak, attack.verdict = sample.dropped, sample.top[0][0] if sample.top else ""
        if attack is not None and self._below >= QUIET:
            attack.ended_at = sample.at
        self._learn(sample.dropped, LEARNS_UNDER_ATTACK if high or self.under_way else LEARNS)

    def _threshold(self) -> float:
        return max(LEAST_PPS, TIMES * self._mean, self._mean + DEVIATIONS * self._deviation)

    def _learn(self, rate: float, weight: float) -> None:
        self._deviation += weight * (abs(rate - self._mean) - self._deviation)
        self._mean += weight * (rate - self._mean)


class History:
    """A bounded ring of samples."""

    def __init__(self, span_s: float = SPAN_S, every_s: float = EVERY_S) -> None:
        self._samples: deque[Sample] = deque(maxlen=max(1, round(span_s / every_s)))
        self._every_s = every_s
        self._last: Reading | None = None
        self.watch = Watch()

    def is_due(self, now: float) -> bool:
        """Whether it is time for the next reading; a clock that was set back does not stop it."""
        return self._last is None or not 0 <= now - self._last.at < self._every_s * 0.9

    def add(self, reading: Reading) -> None:
        """One more reading; the first makes no sample, for rates need two."""
        last, self._last = self._last, reading
        if last is None or reading.at <= last.at:
            return
        sample = _sample(last, reading)
        self._samples.append(sample)
        self.watch.look(sample)

    def since(self, at: float = 0.0) -> list[Sample]:
        """The samples after `at`, oldest first."""
        return [sample for sample in self._samples if sample.at > at]

    @property
    def newest(self) -> Sample | None:
        """The last one."""
        return self._samples[-1] if self._samples else None


def _sample(before: Reading, now: Reading) -> Sample:
    passed_s = now.at - before.at
    rates: dict[str, float] = {}
    for verdict, packets in now.packets.items():
        was = before.packets.get(verdict, 0) if before.packets else packets  # the first word of the gate says its past
        rates[verdict] = (packets - was if packets >= was else packets) / passed_s
    by_action = {"PASS": 0.0, "FORWARD": 0.0, "DROP": 0.0}
    for verdict, rate in rates.items():
        action = now.actions.get(verdict, "")
        if action in by_action:
            by_action[action] += rate
    counted = ((verdict, rate) for verdict, rate in rates.items() if rate and now.actions.get(verdict) != "NOTE")
    top = sorted(counted, key=lambda each: (now.actions.get(each[0]) != "DROP", -each[1]))[:TOP]
    return Sample(
        now.at, by_action["PASS"], by_action["FORWARD"], by_action["DROP"], tuple(top), now.calls, now.answered,
        now.registrations, tuple(sorted(now.spend.items())), now.delay_ms,
    )  # fmt: skip
