"""Verbs about calls, call records, registrations and the state of the office."""

from dataclasses import asdict, dataclass
from typing import Any

from appliance.wire import WireError, to_dict
from pysrv.billing.cdr import Cdr
from pysrv.control.desk import Desk, not_found, written
from pysrv.control.firewall import pending
from pysrv.store.rows import CdrFilter, OpenCall, SavedBinding


@dataclass(frozen=True, slots=True)
class Hangup:
    """A call to end, those of an account, or all of them."""

    call_id: str = ""
    account: str = ""
    all: bool = False


@dataclass(frozen=True, slots=True)
class CdrsOf:
    """Which call records; None does not matter."""

    account: str | None = None
    trunk: str | None = None
    callee: str | None = None
    since: float | None = None
    until: float | None = None
    answered: bool | None = None
    refused_by: str | None = None
    before_id: int | None = None
    limit: int = 50


def call_shape(call: OpenCall, now: float) -> dict[str, Any]:
    """A running call as JSON."""
    return {
        "call_id": call.call_id,
        "state": str(call.state),
        "account": call.account,
        "caller": call.caller,
        "callee": call.callee,
        "source": call.source,
        "trunk": call.trunk,
        "emergency": call.emergency,
        "setup_at": call.setup_at,
        "answered_at": call.answered_at,
        "talk_s": None if call.answered_at is None else max(0.0, now - call.answered_at),
        "reserved": written(call.lease.reserved),
        "lease_ends_at": call.lease_ends_at,
    }


def cdr_shape(row_id: int, cdr: Cdr) -> dict[str, Any]:
    """A call record as JSON; amounts as text."""
    fields = asdict(cdr) | {"id": row_id, "charge": written(cdr.charge), "cost": written(cdr.cost)}
    rate = {"prefix": cdr.prefix, "per_minute": written(cdr.rate.per_minute)} if cdr.rate else None
    return fields | {"ended_by": str(cdr.ended_by), "rate": rate}


def binding_shape(binding: SavedBinding) -> dict[str, Any]:
    """A registration as JSON."""
    host = f"[{binding.remote_host}]" if ":" in binding.remote_host else binding.remote_host
    return asdict(binding) | {"source": f"{host}:{binding.remote_port}"}


def list_all(desk: Desk, _: Any) -> dict[str, Any]:
    """calls.list"""
    now = desk.clock()
    return {"calls": [call_shape(call, now) for call in desk.store.open_calls()]}


def hangup(desk: Desk, args: Hangup) -> dict[str, Any]:
    """calls.hangup"""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so no call does")
    if args.account and desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    many = [call.call_id for call in desk.store.open_calls() if args.all or call.account == args.account]
    wanted = [args.call_id] if args.call_id else many
    ended = [call_id for call_id in wanted if desk.live.hangup(call_id)]
    if args.call_id and not ended:
        raise not_found("running call", args.call_id)
    return {"calls": ended}


def cdrs(desk: Desk, args: CdrsOf) -> dict[str, Any]:
    """cdrs.list"""
    wanted = CdrFilter(**{name: getattr(args, name) for name in CdrFilter.__slots__})
    page = desk.store.cdr_page(wanted, max(1, min(args.limit, 100_000)))
    return {"cdrs": [cdr_shape(row_id, cdr) for row_id, cdr in page]}


def registrations(desk: Desk, _: Any) -> dict[str, Any]:
    """registrations.list"""
    return {"registrations": [binding_shape(binding) for binding in desk.store.bindings()]}


def figures(desk: Desk, _: Any) -> dict[str, Any]:
    """figures"""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so it counts nothing")
    return to_dict(desk.live.figures())


def status(desk: Desk, _: Any) -> dict[str, Any]:
    """status"""
    store, settings = desk.store, desk.settings
    counted = {
        "running": desk.live is not None,
        "realm": settings.realm,
        "generation": settings.generation,
        "accounts": store.account_count(),
        "trunks": len(store.trunks()),
        "calls": len(store.open_calls()),
        "registrations": len(store.bindings()),
        "bans": store.ban_count(),
    }
    waiting = pending(desk)
    if waiting is not None:
        counted["unconfirmed"] = f"{waiting['what']} (taken back in {waiting['left_s']:.0f} s)"
    return counted | (dict(desk.live.status()) if desk.live else {})
