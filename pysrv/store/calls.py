"""Open calls and their money: the ledger's movements applied to rows, each in one step.

    open_call     reserves the first lease and makes the row, or says what falls short
    answer_call   talk time starts
    renew_lease   one more stretch, or what falls short
    settle        CDR, charge, posting, release of the lease and removal of the row: once per call id, ever

The figures of an account (`reserved`, `lines`, `running_per_minute`) move only here, and those of every account above
it with them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pysrv.billing import ledger
from pysrv.billing.cdr import NOTHING_CARRIED, Carried, Cdr, EndedBy
from pysrv.billing.lease import Lease
from pysrv.billing.ledger import Funds, Level, Levels, PostingKind, Shortfall
from pysrv.billing.tariff import Charge, Rate, price, talk_seconds
from pysrv.store import cdrs
from pysrv.store.account import Account
from pysrv.store.accounts import POSTING
from pysrv.store.cdrs import CdrReading
from pysrv.store.coding import rate_of, rate_text, shares_of, shares_text
from pysrv.store.database import Row
from pysrv.store.errors import StoreCode, StoreError
from pysrv.store.quality import QualityReading
from pysrv.store.rows import NewCall, OpenCall
from pysrv.store.usage import UsageWriting

_SET_FUNDS = (
    "UPDATE accounts SET balance = ?, reserved = ?, reserved_s = ?, running_per_minute = ?, lines = ? WHERE id = ?"
)
_CHARGE = (
    "INSERT INTO charges (call_id, level, account_id, amount, billable_seconds, currency, rate) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_OPEN = (
    "SELECT o.call_id, o.account_id, coalesce(a.name, ''), o.caller, o.callee, o.source, o.trunk, o.emergency, "
    "o.setup_at, o.answered_at, o.rate, o.covered_s, o.reserved, o.snapshot, "
    "coalesce(a.currency, ''), o.above "
    "FROM open_calls o LEFT JOIN accounts a ON a.id = o.account_id"
)
_OPEN_FITS = (
    "FROM open_calls o LEFT JOIN accounts a ON a.id = o.account_id WHERE ?1 = '' OR instr(lower(o.caller), ?1) "
    "OR instr(lower(o.callee), ?1) OR instr(lower(coalesce(a.name, '')), ?1) OR instr(o.source, ?1) "
    "OR instr(lower(o.trunk), ?1) OR o.call_id = ?1"
)
_RINGING = "SELECT account_id, reserved, above FROM open_calls WHERE answered_at IS NULL AND account_id IS NOT NULL"
_ONE_OPEN = f"{_OPEN} WHERE o.call_id = ?"
_INSERT = (
    "INSERT INTO open_calls (call_id, account_id, caller, callee, source, trunk, emergency, setup_at, rate, covered_s, "
    "reserved, above) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ANSWER = (
    "UPDATE open_calls SET answered_at = ?, trunk = coalesce(?, trunk), snapshot = coalesce(?, snapshot) "
    "WHERE call_id = ?"
)
_TEMPORARY_FAILURE = 41


class CallReading(CdrReading, QualityReading):
    """Questions about calls, running and finished."""

    def open_call_by_id(self, call_id: str) -> OpenCall | None:
        """A running call."""
        row = self._one(_ONE_OPEN, (call_id,))
        return _open_call(row) if row else None

    def open_calls(self) -> list[OpenCall]:
        """Every running call, oldest first: what a restart has to take up again or to settle."""
        return [_open_call(row) for row in self._all(f"{_OPEN} ORDER BY o.setup_at, o.call_id")]

    def talking_s(self, account_id: int, now: float) -> float:
        """How long the running calls of an account, and of those that it pays a share of, have talked up to `now`."""
        rows = self._all("SELECT account_id, answered_at, above FROM open_calls WHERE answered_at IS NOT NULL")
        began = [at for payer, at, above in rows if payer == account_id or _pays(above, account_id)]
        return float(sum(max(0.0, now - at) for at in began))

    def open_call_page(self, words: str, limit: int, offset: int = 0) -> tuple[list[OpenCall], int]:
        """Some running calls, the newest first, and how many fit: `words` stand in caller, callee, account, address or
        trunk. Only those of the page are read whole."""
        wanted = words.lower()
        keys = f"SELECT o.call_id {_OPEN_FITS} ORDER BY o.setup_at DESC, o.call_id LIMIT ?2 OFFSET ?3"
        sql = f"{_OPEN} WHERE o.call_id IN ({keys}) ORDER BY o.setup_at DESC, o.call_id"
        count = self._one(f"SELECT count(*) {_OPEN_FITS}", (wanted,))
        return [_open_call(row) for row in self._all(sql, (wanted, limit, offset))], int(count[0]) if count else 0


class CallWriting(CallReading, UsageWriting):
    """The movements."""

    def open_call(self, new: NewCall) -> Lease | Shortfall:
        """Reserves the first lease and writes the call down; after a Shortfall nothing is changed.

        Emergency calls and calls without an account or a rate cost nothing. CONFLICT: the call id was used before; it
        must be the appliance's own and never a peer's Call-ID, which a caller could choose so as not to be charged.
        """
        self._begin()
        if self._one("SELECT 1 FROM cdrs WHERE call_id = ?", (new.call_id,)):
            raise StoreError(StoreCode.CONFLICT, f"call {new.call_id!r} has already ended")
        levels = self.levels(new.account_id, (new.rate, *new.above), emergency=new.emergency, source=new.source)
        granted = ledger.reserve(levels)
        if isinstance(granted, Shortfall):
            return granted
        lease = granted.lease
        with self._atomic():
            row = (
                new.call_id, new.account_id, new.caller, new.callee, new.source, new.trunk, new.emergency,
                new.setup_at or self._clock(), rate_text(lease.rate), lease.covered_s, lease.reserved,
                shares_text(lease.above),
            )  # fmt: skip
            self._write(_INSERT, row)
            self._keep(granted.levels)
        return lease

    def levels(
        self, account_id: int | None, rates: Sequence[Rate | None] = (), *, emergency: bool = False, source: str = ""
    ) -> Levels:
        """Everybody who pays for a call of an account, the account itself first, with all that limits them now.

        `rates` has a rate for each level; what is missing is free. An emergency call is free and limited by nothing.
        """
        payer = self.account_by_id(account_id) if account_id is not None else None
        if payer is None:
            if account_id is not None:
                raise StoreError(StoreCode.NOT_FOUND, f"there is no account with id {account_id}")
            return ()
        return tuple(
            Level(
                account.id,
                self._funds(account, emergency, source),
                None if emergency or number >= len(rates) else rates[number],
                account.name,
            )
            for number, account in enumerate(self.chain(payer))
        )

    def _funds(self, account: Account, emergency: bool, source: str) -> Funds:
        if emergency:
            return replace(account.funds, limited=False)
        return replace(account.funds, ceilings=self.ceilings(account, source))

    def held_by_ringing(self, account_id: int) -> int:
        """What calls that nobody has answered hold of an account's money, micro-units."""
        held = 0
        for payer, reserved, above in self._all(_RINGING):
            held += reserved if payer == account_id else 0
            held += sum(share.reserved for share in shares_of(above) if share.account_id == account_id)
        return held

    def levels_of_call(self, call_id: str) -> Levels:
        """Everybody who pays for a running call; nobody, when it does not run."""
        opened = self.open_call_by_id(call_id)
        return () if opened is None else self._levels_of(opened)

    def _levels_of(self, opened: OpenCall) -> Levels:
        """The levels of a running call: those that its lease was reserved from, wherever its account is now."""
        rates = (opened.lease.rate, *(share.rate for share in opened.lease.above))
        return self.levels(opened.account_id, rates, emergency=opened.emergency, source=opened.source)

    def answer_call(
        self, call_id: str, answered_at: float, trunk: str | None = None, snapshot: Mapping[str, Any] | None = None
    ) -> None:
        """Notes the answer and, when given, the trunk that answered and what a restart needs."""
        row = answered_at, trunk, None if snapshot is None else _text(snapshot), call_id
        self._found(call_id, self._write(_ANSWER, row).rowcount)

    def save_snapshot(self, call_id: str, snapshot: Mapping[str, Any]) -> None:
        """Replaces what a restart needs (a new dialog state)."""
        sql = "UPDATE open_calls SET snapshot = ? WHERE call_id = ?"
        self._found(call_id, self._write(sql, (_text(snapshot), call_id)).rowcount)

    def rename_call(self, call_id: str, to: str) -> None:
        """A running call gets another id: the call that it was goes on under the old one, at somebody else's expense.

        NOT_FOUND: no such open call.
        """
        self._found(call_id, self._write("UPDATE open_calls SET call_id = ? WHERE call_id = ?", (to, call_id)).rowcount)

    def renew_lease(self, call_id: str) -> Lease | Shortfall:
        """One more stretch of lease; after a Shortfall the old lease stands. NOT_FOUND: no such open call."""
        self._begin()
        opened = self.open_call_by_id(call_id)
        if opened is None:
            raise _no_call(call_id)
        granted = ledger.renew(self._levels_of(opened), opened.lease)
        if isinstance(granted, Shortfall):
            return granted
        lease = granted.lease
        with self._atomic():
            sql = "UPDATE open_calls SET covered_s = ?, reserved = ?, above = ? WHERE call_id = ?"
            self._write(sql, (lease.covered_s, lease.reserved, shares_text(lease.above), call_id))
            self._keep(granted.levels)
        return lease

    def settle(self, cdr: Cdr, buy_rate: Rate | None = None) -> Cdr:
        """Ends a call for good and returns the CDR as stored, with its charge, and its cost by the trunk's quote that
        was kept with the call (or by `buy_rate`).

        A second settle of the same call id changes nothing and returns the first one's record. A call that was never
        opened (refused) is only written down.
        """
        self._begin()
        opened = self.open_call_by_id(cdr.call_id)
        if opened is None:
            return self.cdr(cdr.call_id) or self._record_refused(cdr)
        return self._settle_open(opened, cdr, buy_rate)

    def close_interrupted(
        self,
        opened: OpenCall,
        carried_until: float,
        from_caller: Carried = NOTHING_CARRIED,
        from_callee: Carried = NOTHING_CARRIED,
    ) -> Cdr:
        """Settles a call that a restart could not take up: what was carried, at most what its lease covers."""
        end = max(opened.answered_at or opened.setup_at, min(carried_until, opened.lease_ends_at or carried_until))
        return self.settle(
            Cdr(
                call_id=opened.call_id,
                answered_at=opened.answered_at,
                ended_at=end,
                cause=_TEMPORARY_FAILURE,
                sip_status=503,
                reason="interrupted by a restart of the service",
                ended_by=EndedBy.APPLIANCE,
                duration_s=0.0 if opened.answered_at is None else end - opened.answered_at,
                from_caller=from_caller,
                from_callee=from_callee,
            )
        )

    def _settle_open(self, opened: OpenCall, cdr: Cdr, buy_rate: Rate | None) -> Cdr:
        answered_at = opened.answered_at if cdr.answered_at is None else cdr.answered_at
        talk_s = 0 if answered_at is None else talk_seconds(cdr.duration_s)
        settled = ledger.settle(self._levels_of(opened), opened.lease, talk_s)
        buy_rate = buy_rate or self._buy_rate(cdr.call_id, cdr.trunk or opened.trunk)
        stored = replace(
            cdr,
            account=opened.account or cdr.account,
            caller=cdr.caller or opened.caller,
            callee=cdr.callee or opened.callee,
            source=cdr.source or opened.source,
            trunk=cdr.trunk or opened.trunk,
            setup_at=cdr.setup_at or opened.setup_at,
            answered_at=answered_at,
            emergency=opened.emergency,
            rate=opened.lease.rate,
            billable_seconds=settled.charge.billable_seconds,
            charge=settled.charge.total,
            cost=price(buy_rate, settled.talk_s) if buy_rate else cdr.cost,
            currency=opened.currency or cdr.currency,
        )
        with self._atomic():
            self._write("DELETE FROM open_calls WHERE call_id = ?", (cdr.call_id,))
            self._write(cdrs.INSERT, (opened.account_id, *cdrs.row_of(stored)))
            self._keep(settled.levels)
            for number, (level, due) in enumerate(zip(settled.levels, settled.charges, strict=True)):
                self._charge(cdr.call_id, number, level, due)
                if not opened.emergency:
                    self._use(level.account_id, due.total, settled.talk_s)
        return stored

    def _charge(self, call_id: str, number: int, level: Level, due: Charge) -> None:
        """One level's part of a call: a posting of its account, and the rate by which it is explained."""
        if not due.total:
            return
        after, at = level.funds.balance, self._clock()
        self._write(POSTING, (level.account_id, at, PostingKind.CHARGE, -due.total, after, call_id, "", ""))
        account = self.account_by_id(level.account_id)
        currency = account.currency if account is not None else ""
        row = call_id, number, level.account_id, due.total, due.billable_seconds, currency, rate_text(level.rate)
        self._write(_CHARGE, row)

    def _buy_rate(self, call_id: str, trunk: str) -> Rate | None:
        """What the trunk that carried a call costs, as it was said before the call went out."""
        quotes = self.call_quotes(call_id)
        found = quotes.of_trunk(trunk) if quotes is not None else None
        return found.rate if found is not None else None

    def _record_refused(self, cdr: Cdr) -> Cdr:
        owner = self.account(cdr.account) if cdr.account else None
        stored = replace(cdr, charge=0, billable_seconds=0, rate=None)
        self._write(cdrs.INSERT, (owner.id if owner else None, *cdrs.row_of(stored)))
        return stored

    def _keep(self, levels: Levels) -> None:
        """Writes the figures of every level's account."""
        for level in levels:
            funds = level.funds
            figures = funds.balance, funds.reserved, funds.reserved_s, funds.running_per_minute, funds.running_calls
            self._write(_SET_FUNDS, (*figures, level.account_id))
            self._moved(level.account_id, funds)

    def _found(self, call_id: str, changed: int) -> None:
        if not changed:
            raise _no_call(call_id)


def _pays(above: str, account_id: int) -> bool:
    return any(share.account_id == account_id for share in shares_of(above))


def _open_call(row: Row) -> OpenCall:
    lease = Lease(rate_of(row[10]), row[11], row[12], shares_of(row[15]))
    fields: list[Any] = [*row[:7], bool(row[7]), row[8], row[9], lease, json.loads(row[13]), row[14]]
    return OpenCall(*fields)


def _text(snapshot: Mapping[str, Any]) -> str:
    return json.dumps(snapshot, separators=(",", ":"))


def _no_call(call_id: str) -> StoreError:
    return StoreError(StoreCode.NOT_FOUND, f"no call {call_id!r} is open")
