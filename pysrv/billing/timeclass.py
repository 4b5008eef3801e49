"""Peak, off-peak, weekend and holiday: which class an instant belongs to, by a plan and a time zone.

    Mon-Fri 08:00-20:00, Sat 09:00-12:00        peakhours
    12-25, 12-26, 2026-04-03                    holidays: every year, or once
    Sat,Sun                                     weekend

The order is HOLIDAY, PEAK, WEEKEND, OFFPEAK: a holiday is one whatever its hour, and hours that are named as peak are
peak even on a day of the weekend. The class at a call's setup holds for the whole call. Knows no clock, no setting and
no rate; a day of 23 or 25 hours is what its zone says.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
_SPAN = re.compile(
    r"(?P<first>[A-Za-z]{3})(?:\s*-\s*(?P<last>[A-Za-z]{3}))?\s+"
    r"(?P<from>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<until>[0-9]{1,2}:[0-9]{2})",
    re.ASCII,
)
_DATE = re.compile(r"(?:(?P<year>[0-9]{4})-)?(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_LEAP_YEAR: Final = 2000


class PlanError(ValueError):
    """A text that is no plan: the message says what is wrong, fit for an operator."""


class TimeClass(StrEnum):
    """When a rate holds."""

    PEAK = "peak"
    OFFPEAK = "offpeak"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"


ALWAYS: Final = ""
FALLBACK: Final[dict[TimeClass, tuple[str, ...]]] = {
    TimeClass.PEAK: (TimeClass.PEAK, ALWAYS),
    TimeClass.OFFPEAK: (TimeClass.OFFPEAK, ALWAYS),
    TimeClass.WEEKEND: (TimeClass.WEEKEND, TimeClass.OFFPEAK, ALWAYS),
    TimeClass.HOLIDAY: (TimeClass.HOLIDAY, TimeClass.WEEKEND, TimeClass.OFFPEAK, ALWAYS),
}
"""Which rows of a prefix serve at a class, the first that is there: a deck of two classes has Sunday prices too."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of a weekday (0: Monday): minutes from `start` to before `end`."""

    weekday: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TimePlan:
    """Peak hours, days of the weekend, and holidays: `yearly` as (month, day), `once` as dates."""

    peak: tuple[Span, ...] = ()
    weekend: frozenset[int] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    once: frozenset[date] = frozenset()


def time_class(at: float, zone: tzinfo, plan: TimePlan) -> TimeClass:
    """The class of an instant (Unix seconds)."""
    when = datetime.fromtimestamp(at, zone)
    if (when.month, when.day) in plan.yearly or when.date() in plan.once:
        return TimeClass.HOLIDAY
    minute = when.hour * 60 + when.minute
    if any(span.weekday == when.weekday() and span.start <= minute < span.end for span in plan.peak):
        return TimeClass.PEAK
    return TimeClass.WEEKEND if when.weekday() in plan.weekend else TimeClass.OFFPEAK


def plan_of(peakhours: str, weekend: Collection[str], holidays: Iterable[str]) -> TimePlan:
    """The plan that three settings write. Raises PlanError."""
    yearly: set[tuple[int, int]] = set()
    once: set[date] = set()
    for text in holidays:
        found = _holiday(text)
        (once.add(found) if isinstance(found, date) else yearly.add(found))
    days = frozenset(_weekday(word) for word in weekend)
    return TimePlan(peak_of(peakhours), days, frozenset(yearly), frozenset(once))


def peak_of(text: str) -> tuple[Span, ...]:
    """Peak hours such as `Mon-Fri 08:00-20:00, Sat 09:00-12:00`. Raises PlanError."""
    spans: list[Span] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        match = _SPAN.fullmatch(part)
        if match is None:
            raise PlanError(f"{part!r} names no hours: write 'Mon-Fri 08:00-20:00'")
        start, end = _minute(match["from"]), _minute(match["until"])
        if start >= end:
            raise PlanError(f"{part!r} ends before it begins: split what passes midnight into two")
        spans += [Span(day, start, end) for day in _days(match["first"], match["last"])]
    return tuple(spans)


def _days(first: str, last: str | None) -> list[int]:
    """Weekdays of a range; `Fri-Mon` goes round the week's end."""
    start = _weekday(first)
    end = start if last is None else _weekday(last)
    return [(start + step) % len(DAYS) for step in range((end - start) % len(DAYS) + 1)]


def _weekday(word: str) -> int:
    try:
        return DAYS.index(word.strip().lower())
    except ValueError:
        raise PlanError(f"{word!r} is no weekday: {', '.join(day.title() for day in DAYS)}") from None


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > DAY_MINUTES:
        raise PlanError(f"{text!r} is no time of day: 00:00 to 24:00")
    return minutes


def _holiday(text: str) -> date | tuple[int, int]:
    match = _DATE.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        day = date(int(match["year"] or _LEAP_YEAR), int(match["month"]), int(match["day"]))
    except ValueError:
        raise PlanError(f"{text!r} is no date: write 12-25 for every year or 2026-12-25 for one") from None
    return day if match["year"] else (day.month, day.day)
