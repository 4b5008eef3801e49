"""Days and months of the configured time zone, as whole numbers: what daily and monthly limits count in.

Knows no clock: every instant is Unix seconds, every zone a `tzinfo` that is handed in. A day of 23 or 25 hours, where
clocks are changed, is one day.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

EPOCH = date(1970, 1, 1)
MONTHS_A_YEAR = 12
_CACHE_STEP_S = 900  # every zone of today lies whole quarters of an hour from UTC, so a day begins with one


def day_of(at: float, zone: tzinfo = UTC) -> int:
    """Days from 1970-01-01 to the calendar day of an instant."""
    return (datetime.fromtimestamp(at, zone).date() - EPOCH).days


def date_of(day: int) -> date:
    """The calendar date of a day's number."""
    return EPOCH + timedelta(days=day)


def month_of(day: int) -> int:
    """The month of a day: twelve times the year, plus 0 to 11."""
    when = date_of(day)
    return when.year * MONTHS_A_YEAR + when.month - 1


def first_day(month: int) -> int:
    """The number of a month's first day."""
    year, index = divmod(month, MONTHS_A_YEAR)
    return (date(year, index + 1, 1) - EPOCH).days


def day_starts_at(day: int, zone: tzinfo = UTC) -> float:
    """Unix seconds at which a day begins."""
    return datetime.combine(date_of(day), time(), zone).timestamp()


class Days:
    """`day_of` for one zone, remembered for the quarter of an hour that it was last asked about."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self.zone = zone
        self._quarter, self._day = -1, 0

    def __call__(self, at: float) -> int:
        """Days from 1970-01-01 to the calendar day of an instant."""
        quarter = int(at // _CACHE_STEP_S)
        if quarter != self._quarter:
            self._quarter, self._day = quarter, day_of(quarter * _CACHE_STEP_S, self.zone)
        return self._day
