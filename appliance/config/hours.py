"""Texts about time in settings: hours of weekdays, weekdays, dates of holidays. Only whether they can be read.

What they mean is pysrv/billing/timeclass.py's; a test holds that both accept the same.
"""

import re
from datetime import date

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"(?P<first>[A-Za-z]{3})(?:\s*-\s*(?P<last>[A-Za-z]{3}))?\s+"
    r"(?P<start>(?:[01]?[0-9]|2[0-3]):[0-5][0-9])\s*-\s*(?P<end>(?:[01]?[0-9]|2[0-3]):[0-5][0-9]|24:00)",
    re.ASCII,
)
_DATE = re.compile(r"(?:(?P<year>[0-9]{4})-)?(?P<month>[0-9]{2})-(?P<day>[0-9]{2})", re.ASCII)
_LEAP_YEAR = 2000


def is_weekday(text: str) -> bool:
    """Whether `text` is a weekday in three letters."""
    return text.lower() in DAYS


def is_hours(text: str) -> bool:
    """Whether `text` names hours of weekdays, such as `Mon-Fri 08:00-20:00, Sat 09:00-12:00`."""
    return all(_is_span(part.strip()) for part in text.split(",") if part.strip())


def is_holiday(text: str) -> bool:
    """Whether `text` is a date of every year (`12-25`) or of one (`2026-04-03`)."""
    match = _DATE.fullmatch(text)
    if match is None:
        return False
    try:
        date(int(match["year"] or _LEAP_YEAR), int(match["month"]), int(match["day"]))
    except ValueError:
        return False
    return True


def _is_span(part: str) -> bool:
    match = _HOURS.fullmatch(part)
    if match is None or not is_weekday(match["first"]) or not is_weekday(match["last"] or match["first"]):
        return False
    return _minute(match["start"]) < _minute(match["end"])


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
