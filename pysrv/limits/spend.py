"""What an account may still spend, besides its credit: the ceilings of its day and its month. Pure.

RULES is the table: each row makes one ceiling of an account's profile, the settings and what it has used up, or none.
They are asked at every grant and every renewal of a lease, so a limit that is lowered ends running calls too.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from pysrv.billing.ledger import Ceiling, Unit
from pysrv.billing.usage import Usage

DYNAMIC: Final = "checkmaxdyndailycredit"
END_USER, TRAFFIC_SENDER = "end_user", "traffic_sender"
_MINUTE_S: Final = 60


class SpendProfile(Protocol):
    """What the rules look at in an account."""

    @property
    def type(self) -> str: ...
    @property
    def postpaid(self) -> bool: ...
    @property
    def maxdailycredit(self) -> int: ...
    @property
    def maxmonthlycredit(self) -> int: ...
    @property
    def maxdailyminutes(self) -> int: ...
    @property
    def maxmonthlyminutes(self) -> int: ...


class SpendSettings(Protocol):
    """The settings that the rules read, by their names. Money in micro-units."""

    @property
    def creditcheckforpostp(self) -> bool: ...
    @property
    def maxdailycreditperuser(self) -> bool | None: ...
    @property
    def maxdailycreditforenduser(self) -> int: ...
    @property
    def maxdailycreditforts(self) -> int: ...
    @property
    def checkmaxdyndailycredit(self) -> int: ...
    @property
    def maxdyndailycreditforenduser_min(self) -> int: ...
    @property
    def maxdynmaxdailycreditforts_min(self) -> int: ...
    @property
    def maxdyndailycredit_multiplier(self) -> object: ...


Rule = Callable[[SpendProfile, SpendSettings, Usage], Ceiling | None]


@dataclass(frozen=True, slots=True)
class SpendRule:
    """One row. `setting` is what a refusal names. With `day`, passing it blocks the account until its day ends."""

    setting: str
    make: Rule
    day: bool
    sentence: str


def _money(setting: str, limit: int, settled: int) -> Ceiling | None:
    return Ceiling(setting, limit, settled) if limit else None


def _daily(limit: int, usage: Usage, setting: str) -> Ceiling | None:
    return _money(setting, limit + usage.extra if limit else 0, usage.spent_today)


def _own_day(who: SpendProfile, settings: SpendSettings, usage: Usage) -> Ceiling | None:
    consulted = settings.maxdailycreditperuser is not False  # auto: on once any account has the limit
    return _daily(who.maxdailycredit if consulted else 0, usage, "maxdailycredit")


def _end_users_day(who: SpendProfile, settings: SpendSettings, usage: Usage) -> Ceiling | None:
    limit = settings.maxdailycreditforenduser if who.type == END_USER else 0
    return _daily(limit, usage, "maxdailycreditforenduser")


def _senders_day(who: SpendProfile, settings: SpendSettings, usage: Usage) -> Ceiling | None:
    limit = settings.maxdailycreditforts if who.type == TRAFFIC_SENDER else 0
    return _daily(limit, usage, "maxdailycreditforts")


def dynamic_limit(who: SpendProfile, settings: SpendSettings, peak: int) -> int | None:
    """Most that one day may cost after a largest earlier day of `peak`; None: the account has no dynamic limit."""
    if who.type == END_USER and settings.checkmaxdyndailycredit >= 1:
        least = settings.maxdyndailycreditforenduser_min
    elif who.type == TRAFFIC_SENDER and settings.checkmaxdyndailycredit >= 2:
        least = settings.maxdynmaxdailycreditforts_min
    else:
        return None
    numerator, denominator = settings.maxdyndailycredit_multiplier.as_integer_ratio()  # type: ignore[attr-defined]
    return max(least, int(peak * numerator // denominator))


def _dynamic_day(who: SpendProfile, settings: SpendSettings, usage: Usage) -> Ceiling | None:
    limit = dynamic_limit(who, settings, usage.peak)
    return None if limit is None else Ceiling(DYNAMIC, limit + usage.extra, usage.spent_today)


def _month(who: SpendProfile, settings: SpendSettings, usage: Usage) -> Ceiling | None:
    checked = settings.creditcheckforpostp or not who.postpaid
    return _money("maxmonthlycredit", who.maxmonthlycredit if checked else 0, usage.spent_month)


def _seconds(setting: str, minutes: int, settled: int) -> Ceiling | None:
    return Ceiling(setting, minutes * _MINUTE_S, settled, Unit.SECONDS) if minutes else None


def _day_minutes(who: SpendProfile, _: SpendSettings, usage: Usage) -> Ceiling | None:
    return _seconds("maxdailyminutes", who.maxdailyminutes, usage.seconds_today)


def _month_minutes(who: SpendProfile, _: SpendSettings, usage: Usage) -> Ceiling | None:
    return _seconds("maxmonthlyminutes", who.maxmonthlyminutes, usage.seconds_month)


RULES: Final = (
    SpendRule("maxdailycredit", _own_day, True, "today's spend, against the account's own limit"),
    SpendRule("maxdailycreditforenduser", _end_users_day, True, "today's spend of an end user"),
    SpendRule("maxdailycreditforts", _senders_day, True, "today's spend of a traffic sender"),
    SpendRule(DYNAMIC, _dynamic_day, True, "today's spend, against a multiple of the largest earlier day"),
    SpendRule("maxmonthlycredit", _month, False, "this month's spend"),
    SpendRule("maxdailyminutes", _day_minutes, False, "today's talk time"),
    SpendRule("maxmonthlyminutes", _month_minutes, False, "this month's talk time"),
)
BLOCKING: Final = frozenset(rule.setting for rule in RULES if rule.day)
"""Settings whose limit, once passed, blocks the account for the rest of its day."""


def ceilings(
    who: SpendProfile, settings: SpendSettings, usage: Usage, report_only: Collection[str] = ()
) -> tuple[Ceiling, ...]:
    """Every ceiling that holds for an account now, but for its credit. A blocked account has nothing left."""
    made = [
        ceiling
        for rule in RULES
        if rule.setting not in report_only and (ceiling := rule.make(who, settings, usage)) is not None
    ]
    if usage.blocked and usage.blocked not in report_only:
        made.append(Ceiling(usage.blocked, usage.spent_today, usage.spent_today))
    return tuple(made)


def reached_percent(ceiling: Ceiling, reserved: int) -> int:
    """How much of a ceiling is used, what is reserved among it, in whole percent."""
    used = ceiling.limit - ceiling.left(reserved)
    return 100 if ceiling.limit <= 0 else max(0, 100 * used // ceiling.limit)
