"""Calls, call records and registrations as verbs answer with them. `answered_at` null: nobody has answered yet."""

from dataclasses import asdict, dataclass
from typing import TypedDict

from pysrv.billing.cdr import Carried, Cdr
from pysrv.billing.tariff import price, talk_seconds
from pysrv.control.answer import Q850, Amount, Moment, Seconds, Setting
from pysrv.control.desk import written
from pysrv.store.rows import CallState, OpenCall, SavedBinding


class PriceRow(TypedDict):
    """The price of a prefix."""

    prefix: str
    per_minute: Amount


class CallRow(TypedDict):
    """A running call. `talk_s` null: nobody has answered yet; `price`: if it ended now; `lease_left_s` is what is left
    of the talk time that is reserved."""

    call_id: str
    state: CallState
    account: str
    caller: str
    callee: str
    source: str
    trunk: str
    emergency: bool
    setup_at: Moment
    answered_at: Moment | None
    talk_s: Seconds | None
    currency: str
    price: Amount
    rate: PriceRow | None
    reserved: Amount
    lease_left_s: Seconds | None
    lease_ends_at: Moment | None


class PastCall(TypedDict):
    """What is kept of every call that has ended. `answered_at` null: it never was; `refused_by` empty: nothing did."""

    call_id: str
    account: str
    caller: str
    callee: str
    source: str
    trunk: str
    setup_at: Moment
    answered_at: Moment | None
    ended_at: Moment
    cause: Q850
    sip_status: int
    reason: str
    refused_by: Setting
    ended_by: str
    duration_s: Seconds
    billable_seconds: int
    emergency: bool


class CdrRow(PastCall):
    """A call record. `ringing_at`, `answered_at` null: it never did; `rate` null: it was free or refused; `reports` are
    settings in report-only that would have refused or cut it."""

    id: int
    ringing_at: Moment | None
    charge: Amount
    cost: Amount
    currency: str
    rate: PriceRow | None
    from_caller: Carried
    from_callee: Carried
    reports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationRow(SavedBinding):
    """A registered device; `source` is its address with its port."""

    source: str = ""


def call_shape(call: OpenCall, now: float) -> CallRow:
    """A running call at `now` (Unix seconds)."""
    talk_s = None if call.answered_at is None else max(0.0, now - call.answered_at)
    priced = price(call.lease.rate, talk_seconds(talk_s)) if call.lease.rate is not None and talk_s is not None else 0
    rate = call.lease.rate
    return {
        "call_id": call.call_id,
        "state": call.state,
        "account": call.account,
        "caller": call.caller,
        "callee": call.callee,
        "source": call.source,
        "trunk": call.trunk,
        "emergency": call.emergency,
        "setup_at": call.setup_at,
        "answered_at": call.answered_at,
        "talk_s": talk_s,
        "currency": call.currency,
        "price": written(0 if call.emergency else priced),
        "rate": {"prefix": rate.prefix, "per_minute": written(rate.per_minute)} if rate else None,
        "reserved": written(call.lease.reserved),
        "lease_left_s": None if talk_s is None else max(0.0, call.lease.covered_s - talk_s),
        "lease_ends_at": call.lease_ends_at,
    }


def past_shape(cdr: Cdr) -> PastCall:
    """What is kept of every call."""
    return {
        "call_id": cdr.call_id,
        "account": cdr.account,
        "caller": cdr.caller,
        "callee": cdr.callee,
        "source": cdr.source,
        "trunk": cdr.trunk,
        "setup_at": cdr.setup_at,
        "answered_at": cdr.answered_at,
        "ended_at": cdr.ended_at,
        "cause": cdr.cause,
        "sip_status": cdr.sip_status,
        "reason": cdr.reason,
        "refused_by": cdr.refused_by,
        "ended_by": cdr.ended_by,
        "duration_s": cdr.duration_s,
        "billable_seconds": cdr.billable_seconds,
        "emergency": cdr.emergency,
    }


def cdr_shape(row_id: int, cdr: Cdr) -> CdrRow:
    """A call record; `row_id` orders records by their end."""
    return {
        "id": row_id,
        **past_shape(cdr),
        "ringing_at": cdr.ringing_at,
        "charge": written(cdr.charge),
        "cost": written(cdr.cost),
        "currency": cdr.currency,
        "rate": {"prefix": cdr.rate.prefix, "per_minute": written(cdr.rate.per_minute)} if cdr.rate else None,
        "from_caller": cdr.from_caller,
        "from_callee": cdr.from_callee,
        "reports": cdr.reports,
    }


def binding_shape(binding: SavedBinding) -> RegistrationRow:
    """A registered device."""
    host = f"[{binding.remote_host}]" if ":" in binding.remote_host else binding.remote_host
    return RegistrationRow(**asdict(binding), source=f"{host}:{binding.remote_port}")
