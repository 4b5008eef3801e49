"""CDRs: written once per call id by `calls.py`, read by everybody."""

from collections.abc import Iterator
from typing import Any

from pysrv.billing.cdr import Carried, Cdr
from pysrv.store.coding import rate_of, rate_text
from pysrv.store.database import Reading, Row
from pysrv.store.rows import CdrFilter

COLUMNS = (
    "call_id, account, caller, callee, source, trunk, setup_at, ringing_at, answered_at, ended_at, cause, sip_status, "
    "reason, ended_by, duration_s, billable_seconds, charge, cost, currency, emergency, refused_by, rate, "
    "caller_packets, caller_bytes, caller_last_at, callee_packets, callee_bytes, callee_last_at, reports"
)
INSERT = f"INSERT INTO cdrs (account_id, {COLUMNS}) VALUES ({', '.join('?' * 30)})"  # noqa: S608
_BY_CALL = f"SELECT {COLUMNS} FROM cdrs WHERE call_id = ?"  # noqa: S608
REFUSALS_SEARCHED = 200_000
_FAILED = "(refused_by <> '' OR (sip_status >= 400 AND answered_at IS NULL))"
_PAYER = "(SELECT id FROM accounts WHERE name = ? AND removed_at IS NULL)"
_OF_ACCOUNT = f"account_id = {_PAYER}"
_OF_RESELLER = (
    f"({_OF_ACCOUNT.replace('?', '?1')} OR EXISTS "  # noqa: S608
    f"(SELECT 1 FROM charges c WHERE c.call_id = cdrs.call_id AND c.account_id = {_PAYER.replace('?', '?1')}))"
)
_IS_RESELLER = "SELECT 1 FROM accounts WHERE name = ? AND removed_at IS NULL AND type = 'reseller'"


class CdrReading(Reading):
    """Questions about finished calls."""

    def cdr(self, call_id: str) -> Cdr | None:
        """The record of one call."""
        row = self._one(_BY_CALL, (call_id,))
        return of_row(row) if row else None

    def cdrs(self, wanted: CdrFilter | None = None, limit: int = 100) -> list[Cdr]:
        """The newest matching records, newest first."""
        return [cdr for _, cdr in self.cdr_page(wanted or CdrFilter(), limit)]

    def cdr_page(self, wanted: CdrFilter, limit: int = 100) -> list[tuple[int, Cdr]]:
        """Like `cdrs`, each with its row id; the last id is the next page's `before_id`.

        Calls of a reseller are those of the accounts below it too, of which it has paid its own share.
        """
        resells = wanted.account is not None and self._one(_IS_RESELLER, (wanted.account,)) is not None
        conditions, parameters = _conditions(wanted, _OF_RESELLER if resells else _OF_ACCOUNT)
        where = " AND ".join(conditions) or "1"
        sql = f"SELECT id, {COLUMNS} FROM cdrs WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [(row[0], of_row(row[1:])) for row in self._all(sql, (*parameters, limit))]

    def refused_page(self, account: str = "", callee: str = "", source: str = "", limit: int = 50) -> list[Cdr]:
        """The newest calls of an account, to a number (its last digits), from an address, that were refused, cut or
        failed otherwise (a final status of 400 and more, unanswered); empty does not matter. Looks at the last
        REFUSALS_SEARCHED records, or at those of the account."""
        owner = f"AND {_OF_ACCOUNT.replace('?', '?1')}" if account else ""
        sql = (
            f"SELECT {COLUMNS} FROM cdrs WHERE {_FAILED} {owner} "  # noqa: S608
            "AND (?2 = '' OR substr(callee, -length(?2)) = ?2) AND (?3 = '' OR source = ?3) "
            "AND id > (SELECT coalesce(max(id), 0) FROM cdrs) - ?4 ORDER BY id DESC LIMIT ?5"
        )
        return [of_row(row) for row in self._all(sql, (account, callee, source, REFUSALS_SEARCHED, limit))]

    def calls_by_source(self, since: float, account_id: int = -1) -> Iterator[tuple[str, float, int, int]]:
        """Source, setup time, billed seconds and charge of calls that were not refused, oldest first. -1: of all."""
        sql = (
            "SELECT source, setup_at, billable_seconds, charge FROM cdrs WHERE setup_at >= ? AND refused_by = '' "
            "AND NOT emergency AND source <> '' AND (?2 < 0 OR account_id = ?2) ORDER BY setup_at"
        )
        yield from self._run(sql, (since, account_id))

    def calls_since(self, since: float, limit: int) -> list[tuple[str, str, float, float, float | None]]:
        """Account, callee, setup and end time, and talk time (None: not answered) of accounts' newest calls, refused
        ones among them; oldest first."""
        sql = (
            "SELECT account, callee, setup_at, ended_at, CASE WHEN answered_at IS NULL THEN NULL ELSE duration_s END "
            "FROM cdrs WHERE setup_at >= ? AND account <> '' AND NOT emergency ORDER BY setup_at DESC LIMIT ?"
        )
        return [(row[0], row[1], row[2], row[3], row[4]) for row in reversed(self._all(sql, (since, limit)))]


def row_of(cdr: Cdr) -> Row:
    """The values of COLUMNS."""
    a, b = cdr.from_caller, cdr.from_callee
    return (
        cdr.call_id, cdr.account, cdr.caller, cdr.callee, cdr.source, cdr.trunk, cdr.setup_at, cdr.ringing_at,
        cdr.answered_at, cdr.ended_at, cdr.cause, cdr.sip_status, cdr.reason, cdr.ended_by, cdr.duration_s,
        cdr.billable_seconds, cdr.charge, cdr.cost, cdr.currency, cdr.emergency, cdr.refused_by, rate_text(cdr.rate),
        a.packets, a.bytes, a.last_at, b.packets, b.bytes, b.last_at,
        " ".join(cdr.reports),
    )  # fmt: skip


def of_row(row: Row) -> Cdr:
    """The record that COLUMNS hold."""
    carried = Carried(*row[22:25]), Carried(*row[25:28])
    fields: list[Any] = [*row[:19], bool(row[19]), row[20], rate_of(row[21]), *carried, tuple(row[28].split())]
    return Cdr(*fields)


def _conditions(wanted: CdrFilter, of_account: str) -> tuple[list[str], list[Any]]:
    tests: tuple[tuple[str, Any], ...] = (
        (of_account, wanted.account),
        ("trunk = ?", wanted.trunk),
        ("setup_at >= ?", wanted.since),
        ("setup_at < ?", wanted.until),
        ("refused_by = ?", wanted.refused_by),
        ("id < ?", wanted.before_id),
    )
    used = [(sql, value) for sql, value in tests if value is not None]
    if wanted.callee:
        used += [("callee >= ?", wanted.callee), ("callee < ?", wanted.callee + ":")]
    conditions = [sql for sql, _ in used]
    if wanted.answered is not None:
        conditions.append("answered_at IS NOT NULL" if wanted.answered else "answered_at IS NULL")
    return conditions, [value for _, value in used]
