"""What each account used on each day: fed by settlements, asked by spend limits, turned at the end of a month.

Days are those of the zone that `use_limits` was told; its `ceilings` makes an account's limits out of its usage.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any

from pysrv.billing.calendar import Days, first_day, month_of
from pysrv.billing.ledger import Ceiling
from pysrv.billing.usage import DayRow, Usage
from pysrv.store.account import Account
from pysrv.store.account_reading import AccountReading
from pysrv.store.accounts import AccountWriting
from pysrv.store.errors import StoreCode, StoreError

Ceilings = Callable[[Account, Usage, str], tuple[Ceiling, ...]]
"""Account, what it used, the source address of the call -> what limits it besides its credit."""
_TODAY = "SELECT spent, seconds, blocked, extra FROM account_days WHERE account_id = ? AND day = ?"
_MONTH = "SELECT total(spent), total(seconds) FROM account_days WHERE account_id = ? AND day BETWEEN ? AND ?"
_PEAK = "SELECT max(spent) FROM account_days WHERE account_id = ? AND day < ? AND blocked = ''"
_ADD = (
    "INSERT INTO account_days (account_id, day, spent, seconds, calls) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET spent = spent + excluded.spent, seconds = seconds + excluded.seconds, "
    "calls = calls + excluded.calls"
)
_BLOCK = "INSERT INTO account_days (account_id, day, blocked) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET blocked = ?3"
_EXTRA = (
    "INSERT INTO account_days (account_id, day, extra) VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET extra = extra + ?3, blocked = ''"
)
_GROW = """
UPDATE accounts SET maxmonthlycredit = min(maxmonthlycredit + maxmonthlycreditinc, maxmonthlycreditend)
WHERE removed_at IS NULL AND maxmonthlycredit > 0 AND maxmonthlycreditinc > 0
AND maxmonthlycredit < maxmonthlycreditend
AND EXISTS (SELECT 1 FROM account_days d WHERE d.account_id = accounts.id AND d.calls > 0 AND d.day BETWEEN ? AND ?)
RETURNING id, name, maxmonthlycredit
"""
_REMEMBERED = 50_000


class UsageReading(AccountReading):
    """Questions about days."""

    def days(self, name: str, limit: int = 62) -> list[DayRow]:
        """The newest days of an account on which it called or was blocked, newest first."""
        sql = (
            "SELECT day, spent, seconds, calls, blocked, extra FROM account_days "
            "WHERE account_id = (SELECT id FROM accounts WHERE name = ? AND removed_at IS NULL) "
            "ORDER BY day DESC LIMIT ?"
        )
        return [DayRow(*row) for row in self._all(sql, (name, limit))]

    def _read_usage(self, account_id: int, day: int) -> Usage:
        month = month_of(day)
        spent, seconds, blocked, extra = self._one(_TODAY, (account_id, day)) or (0, 0, "", 0)
        of_month = self._one(_MONTH, (account_id, first_day(month), first_day(month + 1) - 1)) or (0, 0)
        peak = (self._one(_PEAK, (account_id, day)) or (0,))[0] or 0
        return Usage(day, month, spent, seconds, int(of_month[0]), int(of_month[1]), peak, blocked, extra)


class UsageWriting(UsageReading, AccountWriting):
    """Settlements, blocks and the turn of a month, with the memory that makes a lease cheap."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._usage_memory: dict[int, Usage] = {}
        self._days = Days(UTC)
        self._ceilings: Ceilings = _no_ceilings

    def use_limits(self, ceilings: Ceilings, days: Days) -> None:
        """From now on these limits hold, and days are those of this zone."""
        self._ceilings, self._days = ceilings, days
        self._usage_memory.clear()

    def _forget(self) -> None:
        self._usage_memory.clear()
        super()._forget()

    def today(self) -> int:
        """The number of the current day."""
        return self._days(self._clock())

    def usage(self, account_id: int) -> Usage:
        """What an account has used up now."""
        held, day = self._usage_memory.get(account_id), self.today()
        if held is None or held.day != day:
            if len(self._usage_memory) >= _REMEMBERED:
                self._usage_memory.clear()
            held = self._usage_memory[account_id] = self._read_usage(account_id, day)
        return held

    def ceilings(self, account: Account, source: str = "") -> tuple[Ceiling, ...]:
        """What limits an account now besides its credit."""
        return self._ceilings(account, self.usage(account.id), source)

    def block_today(self, account_id: int, setting: str) -> bool:
        """Notes that a limit blocks an account until its day ends; True: that is news."""
        held = self.usage(account_id)
        if held.blocked:
            return False
        self._write(_BLOCK, (account_id, held.day, setting))
        self._usage_memory[account_id] = replace(held, blocked=setting)
        return True

    def allow_today(self, name: str, extra: int, *, who: str = "") -> Usage:
        """Lets an account spend so much more today than its daily limits say, and lifts a block."""
        if extra < 0:
            raise StoreError(StoreCode.INVALID, "what is allowed beyond a limit is at least 0")
        account = self._named(name)
        with self._atomic():
            self._write(_EXTRA, (account.id, self.today(), extra))
            self._audit(who, "account.allow_today", name, "", str(extra))
        self._usage_memory.pop(account.id, None)
        return self.usage(account.id)

    def turn_month(self) -> int:
        """Once for each month that has ended: limits of accounts that called in it grow. Returns how many grew.

        What was before the first month that this database has seen is over.
        """
        month = month_of(self.today())
        seen = (self._one("SELECT max(month) FROM month_turns") or (None,))[0]
        grown = 0
        for ended in range(month - 1 if seen is None else seen + 1, month):
            grown += self._turn(ended, grow=seen is not None)
        return grown

    def _turn(self, month: int, *, grow: bool) -> int:
        with self._atomic():
            rows = self._write(_GROW, (first_day(month), first_day(month + 1) - 1)).fetchall() if grow else []
            for account_id, name, limit in rows:
                self._audit("", "account.maxmonthlycredit", name, "", f"{limit} (grown at the turn of the month)")
                self._changed(account_id)
            self._write("INSERT INTO month_turns VALUES (?, ?, ?)", (month, self._clock(), len(rows)))
        return len(rows)

    def _use(self, account_id: int, spent: int, seconds: int) -> None:
        """Adds a settled call to the day; part of an atomic step."""
        held = self.usage(account_id)
        self._write(_ADD, (account_id, held.day, spent, seconds, 1))
        self._usage_memory[account_id] = replace(
            held,
            spent_today=held.spent_today + spent,
            seconds_today=held.seconds_today + seconds,
            spent_month=held.spent_month + spent,
            seconds_month=held.seconds_month + seconds,
        )


def _no_ceilings(_account: Account, _usage: Usage, _source: str) -> tuple[Ceiling, ...]:
    return ()
