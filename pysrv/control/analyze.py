"""analyze.traffic: which accounts, destinations, countries and addresses differ today from what they usually are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from fractions import Fraction
from typing import Any, Final, TypedDict

from appliance.wire import WireError
from pysrv.billing.calendar import day_of, day_starts_at
from pysrv.billing.exchange import between
from pysrv.control.answer import Moment, Seconds
from pysrv.control.desk import Desk
from pysrv.limits.abnormal import Figures, Finding, judge
from pysrv.service import numbering
from pysrv.service.quotes import zone_of
from pysrv.store.traffic import DAY_S, KEYS, DayOf

MOST_DAYS: Final = 28
MOST_ROWS: Final = 500
MOST_RECORDS: Final = 100_000  # that a question may look at while calls wait for it
MOST_RECORDS_ASIDE: Final = 2_000_000  # in a thread and on a connection of its own


@dataclass(frozen=True, slots=True)
class TrafficOf:
    """`by`: account, destination, country or address; today against so many days before, up to the same hour."""

    by: str = "account"
    days: int = 7
    limit: int = 50


class TrafficRow(TypedDict):
    """One account, destination, country or address: today against what is usual up to the same hour. `score` 0: nothing
    is above it, from 3 on it is worth a look; `measure`: what is most above it."""

    key: str
    score: float
    measure: str
    country: str
    today: Figures
    usual: Figures


class TrafficAnswer(TypedDict):
    """The most abnormal first; `days` were looked at, `total` rows there are. `left_out`: currencies without a rate,
    in which spend is not counted."""

    by: str
    days: int
    since: Moment
    elapsed_s: Seconds
    currency: str
    left_out: list[str]
    rows: list[TrafficRow]
    total: int


def traffic(desk: Desk, args: TrafficOf) -> TrafficAnswer:
    """analyze.traffic: the most abnormal first. `days` says how many were looked at: fewer when there were too many
    calls. `left_out` names currencies without a rate: what was spent in them is not counted."""
    if args.by not in KEYS:
        raise WireError("invalid", f"{args.by[:20]!r} is nothing to look at traffic by: {', '.join(KEYS)}")
    now, zone = desk.clock(), zone_of(desk.settings)
    today = day_starts_at(day_of(now, zone), zone)
    days = _affordable(desk, today, now, max(1, min(args.days, MOST_DAYS)))
    rows = desk.store.traffic(args.by, today - days * DAY_S, now - today, now, desk.settings.shortcallseconds)
    base, known = desk.settings.basecurrency, desk.store.exchange_rates(now)
    worth = {code: between(code, base, base, known) for code in {row.currency for row in rows}}
    home = desk.settings.homecountry if args.by == "country" else ""
    found = _judged(rows, days, worth, (lambda key: _country(key, home)) if args.by == "country" else str)
    found.sort(key=lambda each: (-each.score, -each.today.calls, each.key))
    return {
        "by": args.by, "days": days, "since": today, "elapsed_s": now - today, "currency": base,
        "left_out": sorted(code for code, rate in worth.items() if rate is None and _was_spent(rows, code)),
        "rows": [_shape(each, args.by) for each in found[: max(1, min(args.limit, MOST_ROWS))]], "total": len(found),
    }  # fmt: skip


def _affordable(desk: Desk, today: float, now: float, days: int) -> int:
    """So many days that not too many records are looked at."""
    most = MOST_RECORDS_ASIDE if desk.is_aside else MOST_RECORDS
    while days > 1 and desk.store.count_records(today - days * DAY_S, now) > most:
        days = max(1, days // 2)
    return days


def _judged(rows: Iterable[DayOf], days: int, worth: Mapping[str, Fraction | None], name: Any) -> list[Finding]:
    by_key: dict[str, list[Figures]] = defaultdict(lambda: [Figures()] * (days + 1))
    for row in rows:
        series = by_key[name(row.key)]
        rate = worth[row.currency] or Fraction(0)
        spend = float(row.charge * rate) / 1e6
        told = Figures(row.calls, row.seconds / 60, spend, row.short, row.failed)
        series[min(row.day, days)] = series[min(row.day, days)].plus(told)
    return [judge(key, series[days], series[:days]) for key, series in by_key.items() if series[days].calls]


def _was_spent(rows: Iterable[DayOf], currency: str) -> bool:
    return any(row.charge for row in rows if row.currency == currency)


def _country(digits: str, home: str) -> str:
    """The country that a number lies in by its first digits; nothing is known of a short one."""
    facts = numbering.facts(digits.ljust(11, "0") if len(digits) > 6 else digits, home)
    return facts.satellite or (facts.countries[0] if facts.countries else "?")


def _shape(found: Finding, by: str) -> TrafficRow:
    return {
        "key": found.key,
        "score": found.score,
        "measure": found.measure,
        "country": _country(found.key, "") if by == "destination" else "",
        "today": _rounded(found.today),
        "usual": _rounded(found.usual),
    }


def _rounded(figures: Figures) -> Figures:
    return Figures(*(round(value, 2) for value in astuple(figures)))
