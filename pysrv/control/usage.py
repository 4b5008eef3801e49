"""Verbs about what accounts have used: each day of one, today's and this month's figures beside their limits."""

from dataclasses import dataclass
from typing import TypedDict
from zoneinfo import ZoneInfo

from pysrv.billing.calendar import Days, date_of, day_starts_at, first_day
from pysrv.billing.ledger import Ceiling, Unit
from pysrv.billing.usage import Usage
from pysrv.control.answer import Amount, Date, Moment
from pysrv.control.desk import Desk, amount, not_found, written
from pysrv.limits.own import own_ceilings
from pysrv.limits.spend import ceilings
from pysrv.store.account import Account


@dataclass(frozen=True, slots=True)
class DaysOf:
    """The newest days of one account."""

    name: str
    limit: int = 62


@dataclass(frozen=True, slots=True)
class AllowToday:
    """What an account may spend today beyond its daily limits."""

    name: str
    amount: str


class DayRow(TypedDict):
    """One day of an account. `blocked`: the limit that shut it for the rest of the day; `extra`: what was allowed
    beyond its limits."""

    day: Date
    spent: Amount
    seconds: int
    calls: int
    blocked: str
    extra: Amount


class DaysAnswer(TypedDict):
    """The days of an account, newest first."""

    name: str
    currency: str
    days: list[DayRow]


class LimitRow(TypedDict):
    """How much of a limit is used. `unit`: a currency, minutes or calls."""

    setting: str
    unit: str
    used: str
    limit: str
    percent: int


class UsageRow(TypedDict):
    """What an account has used today and this month, and how much of each limit that is. Spend has what running calls
    have reserved among it (`reserved`); `seconds_*` is talk time alone, and `reserved_s` what stays reserved beyond."""

    day: Date
    spent_today: Amount
    spent_month: Amount
    seconds_today: int
    seconds_month: int
    reserved: Amount
    reserved_s: int
    blocked: str
    blocked_until: Moment | None
    extra: Amount
    limits: list[LimitRow]


class UsageAnswer(TypedDict):
    """What an account has used."""

    name: str
    usage: UsageRow


def _found(desk: Desk, name: str) -> Account:
    account = desk.store.account(name)
    if account is None:
        raise not_found("account", name)
    return account


def _use_zone(desk: Desk) -> None:
    """Only the running service has told the store where days begin."""
    if desk.live is None:
        desk.store.use_limits(lambda _account, _usage, _source: (), Days(ZoneInfo(desk.settings.timezone or "UTC")))


def days(desk: Desk, args: DaysOf) -> DaysAnswer:
    """accounts.days"""
    account = _found(desk, args.name)
    rows: list[DayRow] = [
        {
            "day": date_of(row.day).isoformat(),
            "spent": written(row.spent),
            "seconds": row.seconds,
            "calls": row.calls,
            "blocked": row.blocked,
            "extra": written(row.extra),
        }
        for row in desk.store.days(args.name, max(1, min(args.limit, 10_000)))
    ]
    return {"name": account.name, "currency": account.currency, "days": rows}


def allow(desk: Desk, args: AllowToday) -> UsageAnswer:
    """accounts.allow"""
    _use_zone(desk)
    desk.store.allow_today(args.name, amount(args.amount), who=desk.who)
    desk.after_commit(lambda live: live.account_changed(args.name))
    account = _found(desk, args.name)
    return {"name": account.name, "usage": figures(desk, account)}


def figures(desk: Desk, account: Account) -> UsageRow:
    """What an account has used today and this month."""
    _use_zone(desk)
    usage = desk.store.usage(account.id)
    found = ceilings(account, desk.settings, usage, desk.store.report_only()) + own_ceilings(account.own, usage)
    limits = [_limit(account, each) for each in found]
    talking_s = int(desk.store.talking_s(account.id, desk.clock())) if account.lines else 0
    if account.maxlines:
        limits.append(
            {
                "setting": "maxlines",
                "unit": "calls",
                "used": str(account.lines),
                "limit": str(account.maxlines),
                "percent": _percent(account.lines, account.maxlines),
            }
        )
    return {
        "day": date_of(usage.day).isoformat(),
        "spent_today": written(usage.spent_today + account.reserved),
        "spent_month": written(usage.spent_month + account.reserved),
        "seconds_today": usage.seconds_today + talking_s,
        "seconds_month": usage.seconds_month + talking_s,
        "reserved": written(account.reserved),
        "reserved_s": max(0, account.reserved_s - talking_s),
        "blocked": usage.blocked,
        "blocked_until": _blocked_until(desk, usage) if usage.blocked else None,
        "extra": written(usage.extra),
        "limits": limits,
    }


def _blocked_until(desk: Desk, usage: Usage) -> float:
    """When the day ends that a limit has blocked, or the month, where the limit is one of months."""
    ends = first_day(usage.month + 1) if "month" in usage.blocked else usage.day + 1
    return day_starts_at(ends, ZoneInfo(desk.settings.timezone or "UTC"))


def _limit(account: Account, each: Ceiling) -> LimitRow:
    money_counts = each.unit is Unit.MONEY
    used = each.limit - each.left(account.reserved if money_counts else account.reserved_s)
    shown = (written(used), written(each.limit)) if money_counts else (f"{used / 60:.1f}", f"{each.limit / 60:.1f}")
    return {
        "setting": each.setting,
        "unit": account.currency if money_counts else "minutes",
        "used": shown[0],
        "limit": shown[1],
        "percent": _percent(used, each.limit),
    }


def _percent(used: int, limit: int) -> int:
    return 100 if limit <= 0 else max(0, 100 * used // limit)
