"""What an owner sees: his account, its calls and their prices, its devices, its money. No trunk, no cost, nobody else's
name or price."""

from dataclasses import dataclass
from typing import Any

from appliance.config.account import FIELDS
from pysrv.billing.cdr import Cdr
from pysrv.billing.tariff import Rate, charge
from pysrv.control import forwards
from pysrv.control.call_shapes import binding_shape
from pysrv.control.cards import card_shape
from pysrv.control.decks import rate_shape
from pysrv.control.desk import not_found, written
from pysrv.control.mine.holder import Answer, Holder, month
from pysrv.control.people import session_shape
from pysrv.control.quoting import charge_shape
from pysrv.control.usage import figures
from pysrv.limits.notices import Audience, kind_of, words
from pysrv.limits.own import NAMES
from pysrv.store.account import Account, AccountType
from pysrv.store.rows import CdrFilter, StoredPosting
from pysrv.store.web import PersonKind

MOST_CALLS = 5_000
NOTICES = 20
_CONTACT = ("display_name", "email", "phone")
_SHOWN = ("type", "currency", "postpaid", "maxlines", "locklevel")


@dataclass(frozen=True, slots=True)
class CallsOf:
    """The newest calls of a month (`2026-11`; empty: this one), those before `before_id`."""

    month: str = ""
    before_id: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class CallId:
    """One call of his own."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Movements:
    """The newest movements of his balance that are no calls."""

    limit: int = 100


def account_shape(account: Account) -> Answer:
    """What an owner, or the reseller above, sees of an account."""
    own = {name: FIELDS[name].kind.text(getattr(account.own, name)) for name in NAMES}
    told = {name: FIELDS[name].kind.text(getattr(account, name)) for name in NAMES}
    return {
        "name": account.name,
        "numbers": list(account.numbers),
        "balance": written(account.balance),
        "reserved": written(account.reserved),
        "spent_up": not account.postpaid and account.balance <= account.reserved,
        "lines": account.lines,
        "language": account.language,
        "enabled": account.enabled,
        "deck": account.deck,
        **{name: getattr(account, name) for name in (*_CONTACT, *_SHOWN)},
        "own": own,
        "forwards": forwards.shape(account),
        "told": told,
    }


def show(holder: Holder, _: Any) -> Answer:
    """mine.show"""
    account, now = holder.account, holder.desk.clock()
    ours = {account.id, *(each.id for each in _below(holder))}
    running = [call for call in holder.store.open_calls() if call.account_id in ours]
    return {
        "account": account_shape(account) | card_shape(holder.desk, account),
        "usage": figures(holder.desk, account),
        "calls": [
            {
                "account": call.account,
                "callee": call.callee,
                "since": call.answered_at or call.setup_at,
                "talk_s": None if call.answered_at is None else max(0.0, now - call.answered_at),
                "reserved": written(call.lease.reserved) if call.account_id == account.id else None,
            }
            for call in running
        ],
        "notices": _notices(holder),
        "web_own": holder.store.has_web_password(account.id),
    }


def _below(holder: Holder) -> list[Account]:
    resells = holder.account.type is AccountType.RESELLER
    return holder.store.accounts_below(holder.account.name) if resells else []


def _notices(holder: Holder) -> list[Answer]:
    """What the owner was told, by whatever way it went."""
    account = holder.account
    seen: dict[int, Answer] = {}
    for row in holder.store.notices(NOTICES * 4, account.name):
        notice = row.notice
        if kind_of(notice.kind).audience is Audience.ADMINISTRATORS or notice.at < account.created_at:
            continue
        said = words(notice.kind, notice.account, notice.figures, owner=True)
        seen.setdefault(notice.id, {"at": notice.at, "subject": said.subject, "text": said.text})
    return list(seen.values())[:NOTICES]


def calls(holder: Holder, args: CallsOf) -> Answer:
    """mine.calls"""
    name, since, until = month(holder, args.month)
    wanted = CdrFilter(account=holder.account.name, since=since, until=until, before_id=args.before_id)
    limit = max(1, min(args.limit, MOST_CALLS))
    page = holder.store.cdr_page(wanted, limit + 1)
    shown = [_cdr(holder, row_id, cdr) for row_id, cdr in page[:limit]]
    return {"month": name, "calls": shown, "next": page[limit - 1][0] if len(page) > limit else None}


def _cdr(holder: Holder, row_id: int, cdr: Cdr) -> Answer:
    """A call as its payer sees it: its own charge, at its own rate."""
    mine = cdr.account == holder.account.name
    paid, currency, seconds = cdr.charge, cdr.currency, cdr.billable_seconds
    rate = cdr.rate
    if not mine:
        share = next((row for row in holder.store.charges(cdr.call_id) if row.account_id == holder.account.id), None)
        paid, currency = (share.amount, share.currency) if share else (0, holder.account.currency)
        seconds, rate = (share.billable_seconds, share.rate) if share else (0, None)
    return {
        "id": row_id,
        "call_id": cdr.call_id,
        "account": cdr.account,
        "caller": cdr.caller,
        "callee": cdr.callee,
        "destination": rate.destination if rate else "",
        "at": cdr.setup_at,
        "answered": cdr.answered,
        "duration_s": cdr.duration_s if cdr.answered else 0.0,
        "billable_seconds": seconds,
        "charge": written(paid),
        "currency": currency,
        "status": cdr.sip_status,
        "refused_by": cdr.refused_by,
        "reason": _reason(holder, cdr),
    }


def _reason(holder: Holder, cdr: Cdr) -> str:
    """Why a call failed, unless the words are about an account above."""
    above = holder.store.chain(holder.account)[1:]
    return "" if any(each.name in cdr.reason for each in above) else cdr.reason


def call(holder: Holder, args: CallId) -> Answer:
    """mine.call: one call and its price, line by line."""
    cdr, account = holder.store.cdr(args.call_id), holder.account
    levels = holder.store.charges(args.call_id) if cdr is not None else []
    share = next((row for row in levels if row.account_id == account.id), None)
    since = account.created_at  # an earlier account of that name was somebody else's
    if cdr is None or not (share or (cdr.account == account.name and cdr.setup_at >= since)):
        raise not_found("call", args.call_id)
    rate = share.rate if share else cdr.rate
    due = _explained(rate, share.billable_seconds if share else cdr.billable_seconds)
    return {"call": _cdr(holder, 0, cdr), "rate": rate_shape(rate) if rate else None, "lines": due}


def _explained(rate: Rate | None, seconds: int) -> list[Answer]:
    return [dict(each) for each in charge_shape(charge(rate, seconds))["lines"]] if rate is not None and seconds else []


def devices(holder: Holder, _: Any) -> Answer:
    """mine.devices"""
    fields = ("contact", "transport", "source", "user_agent", "expires_at")
    rows = [binding_shape(row) for row in holder.store.bindings(holder.account.name)]
    return {"devices": [{name: getattr(row, name) for name in fields} for row in rows]}


def movements(holder: Holder, args: Movements) -> Answer:
    """mine.movements: payments, refunds and what was booked by hand."""
    now = holder.desk.clock()
    rows = holder.store.moved(holder.account.id, 0.0, now + 1.0)
    newest = rows[::-1][: max(1, min(args.limit, 1000))]
    return {"currency": holder.account.currency, "movements": [posting_shape(row) for row in newest]}


def posting_shape(row: StoredPosting) -> Answer:
    """A movement as its owner sees it: not who made it."""
    return {
        "at": row.at,
        "kind": str(row.kind),
        "amount": written(row.amount),
        "balance_after": written(row.balance_after),
        "note": row.note,
    }


def sessions(holder: Holder, _: Any) -> Answer:
    """mine.sessions"""
    found = holder.store.web_sessions(PersonKind.ACCOUNT, holder.account.name)
    return {"sessions": [session_shape(each) | {"this": each.digest == holder.session} for each in found]}
