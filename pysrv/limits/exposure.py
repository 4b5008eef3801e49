"""The exposure brake: how soon an account's running calls reach its tightest ceiling, and what is done before. Pure.

    T = headroom / cost a minute of all its running calls

STAGES is the table. A stage is reached when T is shorter than its setting *and* the calls cost more than this account
is used to: the most that they ever cost a minute at once on an earlier day, times `exposurejump`, and never less than
`exposurefloor`. So a small balance that runs out by an ordinary call alarms nobody, and a large one that is burnt at
fifty times the usual rate does long before it is gone. A day on which a stage was reached does not teach what is usual.
With nothing to compare with, a new account is only told about: its first day is bounded by its balance. An account
without any ceiling has no T; only the jump is told, and only if there is something to compare with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final, Protocol

from pysrv.billing import money
from pysrv.limits.decision import Refuse

NAME: Final = "exposure"


class Level(IntEnum):
    """How far the brake is pulled."""

    CALM = 0
    WARN = 1
    HOLD = 2
    CUT = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: below how much time to exhaustion (a setting; 0 off), and what happens."""

    level: Level
    setting: str
    does: str


STAGES: Final = (
    Stage(Level.WARN, "exposurewarn", "the administrators and the owner are told, once a day"),
    Stage(Level.HOLD, "exposurenew", "no new call that costs more a minute than the account's calls ever did"),
    Stage(Level.CUT, "exposurecut", "the dearest calls end, one by one, until it is calm"),
)


class ExposureSettings(Protocol):
    """The settings that the brake reads, by their names. Durations in seconds, money in micro-units."""

    @property
    def exposurewarn(self) -> float: ...
    @property
    def exposurenew(self) -> float: ...
    @property
    def exposurecut(self) -> float: ...
    @property
    def exposurejump(self) -> Decimal: ...
    @property
    def exposurefloor(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Usual:
    """What an account is used to, from earlier days: all its calls at once and its dearest call, each per minute."""

    per_minute: int = 0
    dearest: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What runs now. `headroom` None: no ceiling. `running_per_minute` sums the prices of all running calls."""

    running_per_minute: int
    headroom: int | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How an account stands. `lasts_s` None: no ceiling, or nothing runs. `allowed`: what may run without a word."""

    level: Level
    load: Load
    allowed: int
    lasts_s: int | None
    usual: Usual

    @property
    def setting(self) -> str:
        """The setting of its stage; empty while it is calm."""
        return next((stage.setting for stage in STAGES if stage.level is self.level), "")

    @property
    def figures(self) -> Mapping[str, int | str]:
        """For notices, refusals and the log."""
        return {
            "running_per_minute": self.load.running_per_minute,
            "headroom": "" if self.load.headroom is None else self.load.headroom,
            "lasts_s": "" if self.lasts_s is None else self.lasts_s,
            "usual_per_minute": self.usual.per_minute,
        }

    @property
    def sentence(self) -> str:
        """For the log and the operator."""
        lasts = "it has no ceiling" if self.lasts_s is None else f"what is left lasts {self.lasts_s} s"
        return (
            f"its calls cost {money.format(self.load.running_per_minute)} a minute, usual are at most "
            f"{money.format(self.usual.per_minute)}; {lasts}"
        )


def allowed_per_minute(usual: Usual, settings: ExposureSettings) -> int:
    """What all calls together may cost a minute before anybody wonders."""
    numerator, denominator = settings.exposurejump.as_integer_ratio()
    return max(settings.exposurefloor, usual.per_minute * numerator // denominator)


def lasts_s(load: Load) -> int | None:
    """Seconds until the headroom is gone; None: never."""
    if load.headroom is None or load.running_per_minute <= 0:
        return None
    return max(0, load.headroom) * 60 // load.running_per_minute


def judge(load: Load, usual: Usual, settings: ExposureSettings) -> Exposure:
    """How far the brake is pulled."""
    allowed, left_s = allowed_per_minute(usual, settings), lasts_s(load)
    level = Level.CALM
    if load.running_per_minute > allowed:
        if left_s is not None:
            level = _by_time(left_s, settings) if usual.per_minute else min(_by_time(left_s, settings), Level.WARN)
        elif load.headroom is None and usual.per_minute and settings.exposurewarn:
            level = Level.WARN
    return Exposure(level, load, allowed, left_s, usual)


def _by_time(left_s: int, settings: ExposureSettings) -> Level:
    reached = [stage.level for stage in STAGES if left_s < getattr(settings, stage.setting)]
    return max(reached, default=Level.CALM)


def refusal(account: str, now: Exposure, price_per_minute: int) -> Refuse | None:
    """Why a new call may not begin. Cheap ones may: they are not what burns the money."""
    if now.level < Level.HOLD or price_per_minute <= now.usual.dearest:
        return None
    sentence = (
        f"{account}: {now.sentence}; a new call at {money.format(price_per_minute)} a minute is dearer than the usual "
        f"{money.format(now.usual.dearest)}"
    )
    return Refuse(NAME, "exposurenew", 403, "Forbidden", sentence, {**now.figures, "price": price_per_minute})


def with_call(load: Load, price_per_minute: int) -> Load:
    """What would run with one more call."""
    return Load(load.running_per_minute + price_per_minute, load.headroom)


def to_cut(prices: Mapping[str, int], load: Load, usual: Usual, settings: ExposureSettings) -> list[str]:
    """The calls (by id, with their prices a minute) to end: the dearest first, until the last stage is left."""
    found: list[str] = []
    left = dict(prices)
    while left and judge(load, usual, settings).level is Level.CUT:
        dearest = max(left, key=lambda call_id: (left[call_id], call_id))
        if left[dearest] <= 0:
            break
        load = with_call(load, -left.pop(dearest))
        found.append(dearest)
    return found
