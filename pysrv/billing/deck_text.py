"""A rate deck as CSV: what `deck.py` reads back to the same rates. Knows no file and no store."""

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from pysrv.billing import money
from pysrv.billing.deck import COLUMNS
from pysrv.billing.tariff import Rate, Rounding


def header() -> str:
    """The first line."""
    return ",".join(column.names[0] for column in COLUMNS) + "\n"


def lines(rates: Iterable[Rate], zone: tzinfo = UTC) -> str:
    """One line for each rate, each with its end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(_cells(rate, zone) for rate in rates)
    return out.getvalue()


def rounding(rate: Rate) -> str:
    """The rule as a deck writes it; empty where it is the usual one."""
    if rate.places == money.PLACES:
        return "" if rate.rounding is Rounding.UP else str(rate.rounding)
    return f"{rate.rounding} {rate.places}"


def instant(at: float, zone: tzinfo, *, end: bool = False) -> str:
    """Unix seconds as a deck writes them: a date where it is a whole day's edge; empty for 0."""
    if not at:
        return ""
    when = datetime.fromtimestamp(at, zone)
    if (when.hour, when.minute, when.second, when.microsecond) != (0, 0, 0, 0):
        return when.isoformat()
    return (when.date() - timedelta(days=end)).isoformat()


def _cells(rate: Rate, zone: tzinfo) -> tuple[str | int, ...]:
    """In the order of COLUMNS."""
    return (
        rate.prefix,
        money.format(rate.per_minute, 0),
        money.format(rate.connect_fee, 0),
        rate.initial_increment_s,
        rate.next_increment_s,
        rate.minimum_s,
        rate.destination,
        rate.free_seconds,
        rounding(rate),
        rate.time_class,
        instant(rate.valid_from, zone),
        instant(rate.valid_until, zone, end=True),
    )
