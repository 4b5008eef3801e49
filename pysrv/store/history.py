"""What replay asks of the past: records in the order of their setup, money that moved, what each account began with.

Records are read page by page, so that no snapshot of the database is held open beside a busy office.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pysrv.billing.calendar import first_day, month_of
from pysrv.billing.tariff import Rate
from pysrv.store.coding import rate_of
from pysrv.store.database import Reading, Row

_PAGE = 5_000
_SEPARATOR = "\x1e"  # between the rates of a call's upper levels
_RECORDS = """
SELECT c.id, c.call_id, c.account_id, c.caller, c.callee, c.source, c.trunk, c.setup_at, c.answered_at, c.ended_at,
       c.duration_s, c.charge, c.cost, c.emergency, c.refused_by, c.rate,
       CASE WHEN a.parent_id IS NOT NULL AND c.charge > 0 THEN (
           SELECT group_concat(coalesce(l.rate, ''), char(30)) FROM
           (SELECT rate FROM charges WHERE call_id = c.call_id AND level > 0 ORDER BY level) l) END
FROM cdrs c LEFT JOIN accounts a ON a.id = c.account_id
WHERE (c.setup_at, c.id) > (?, ?) AND c.setup_at < ? ORDER BY c.setup_at, c.id LIMIT ?
"""
_MOVES = "SELECT at, account_id, amount FROM postings WHERE at >= ? AND at < ? AND kind <> 'charge' ORDER BY at, id"
_BALANCES = (
    "SELECT p.account_id, p.balance_after FROM postings p JOIN "
    "(SELECT account_id, max(id) AS last FROM postings WHERE at < ? GROUP BY account_id) l ON p.id = l.last"
)
_PEAKS = "SELECT account_id, max(spent) FROM account_days WHERE day < ? AND blocked = '' GROUP BY account_id"
_MONTHS = "SELECT account_id, sum(spent), sum(seconds) FROM account_days WHERE day >= ? AND day < ? GROUP BY account_id"


@dataclass(frozen=True, slots=True)
class Record:
    """A call record as far as replay needs it. `above` has the rates of the levels above that were charged."""

    call_id: str
    account_id: int | None
    caller: str
    callee: str
    source: str
    trunk: str
    setup_at: float
    answered_at: float | None
    ended_at: float
    duration_s: float
    charge: int
    cost: int
    emergency: bool
    refused_by: str
    rate: Rate | None
    above: tuple[Rate | None, ...]


class HistoryReading(Reading):
    """Questions about what was."""

    def records(self, since: float, until: float) -> Iterator[Record]:
        """Every record of calls that were set up in that time, oldest first."""
        at, last = since, -1
        while page := self._all(_RECORDS, (at, last, until, _PAGE)):
            at, last = page[-1][7], page[-1][0]
            yield from map(_record, page)

    def moves(self, since: float, until: float) -> list[tuple[float, int, int]]:
        """Deposits and adjustments: when, whose, how much; oldest first."""
        return [(row[0], row[1], row[2]) for row in self._all(_MOVES, (since, until))]

    def balances_at(self, at: float) -> dict[int, int]:
        """The balance that each account with a posting had then."""
        return {row[0]: row[1] for row in self._all(_BALANCES, (at,))}

    def peaks_before(self, day: int) -> dict[int, int]:
        """The largest spend of one day that was not blocked, of each account."""
        return {row[0]: row[1] for row in self._all(_PEAKS, (day,))}

    def used_in_month_before(self, day: int) -> dict[int, tuple[int, int]]:
        """Spend and talk time of each account since its month began, up to that day."""
        first = first_day(month_of(day))
        return {row[0]: (row[1], row[2]) for row in self._all(_MONTHS, (first, day))}

    def extras(self, day: int) -> dict[int, dict[int, int]]:
        """What operators allowed accounts beyond their daily limits, by account and day, from that day on."""
        found: dict[int, dict[int, int]] = {}
        sql = "SELECT account_id, day, extra FROM account_days WHERE day >= ? AND extra > 0"
        for account_id, when, extra in self._all(sql, (day,)):
            found.setdefault(account_id, {})[when] = extra
        return found

    def ever_paid(self) -> set[int]:
        """The accounts to which somebody has ever paid something in."""
        return {row[0] for row in self._all("SELECT DISTINCT account_id FROM postings WHERE kind = 'deposit'")}

    def blocked_since(self, day: int) -> set[int]:
        """The accounts that a daily limit has blocked on that day or later."""
        sql = "SELECT DISTINCT account_id FROM account_days WHERE day >= ? AND blocked <> ''"
        return {row[0] for row in self._all(sql, (day,))}


def _record(row: Row) -> Record:
    above = tuple(rate_of(text or None) for text in row[16].split(_SEPARATOR)) if row[16] else ()
    fields: list[Any] = [*row[1:13], bool(row[13]), row[14], rate_of(row[15]), above]
    return Record(*fields)
