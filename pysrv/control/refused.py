"""Why calls failed and logins were refused: the newest ones that fit an account, a number, an address or a call.

A call that was refused, or failed otherwise, left a record, a refused login an attempt; what the gate stopped before it
left neither, and is answered for an address by the gate's own rules.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final, TypedDict

from appliance.config.account import FIELDS
from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.billing import number as numbers
from pysrv.billing.cdr import Cdr
from pysrv.calls.causes import Cause
from pysrv.control import probe
from pysrv.control.answer import Moment
from pysrv.control.desk import Desk, not_found
from pysrv.limits.stages.table import STAGES
from pysrv.store.rows import Attempt

MOST: Final = 500
REGISTRAR: Final = "authentication"
ROUTE, MENU = "route", "voice menu"  # where calls fail that no stage of the policy has refused
_STAGE: Final = {setting: stage.name for stage in reversed(STAGES) for setting in stage.settings}


@dataclass(frozen=True, slots=True)
class RefusalsOf:
    """What is known of the refused: whatever is empty does not matter; a call stands alone."""

    account: str = ""
    number: str = ""
    address: str = ""
    call_id: str = ""
    limit: int = 50


class DecidingRow(TypedDict):
    """The setting that refused it, with its value now, the account's own where it has one. `of_account`: it is a field
    of accounts; `known`: it is a setting, too."""

    name: str
    value: str
    of_account: bool
    known: bool


class RefusalRow(TypedDict):
    """A call that failed or was refused (`kind` failed or call), or something else that was tried in vain. `status` 0:
    it was no call; `stage`: what of the appliance said no."""

    kind: str
    at: Moment
    account: str
    caller: str
    callee: str
    source: str
    call_id: str
    status: int
    sentence: str
    stage: str
    setting: DecidingRow | None


class RefusalsAnswer(TypedDict):
    """Refusals, newest first. `gate` is what the gate's rules say to the address now; null: none was named."""

    refusals: list[RefusalRow]
    gate: probe.ProbeAnswer | None


def list_all(desk: Desk, args: RefusalsOf) -> RefusalsAnswer:
    """refusals.list: newest first. `gate` is what the gate's rules say to the address now."""
    limit = max(1, min(args.limit, MOST))
    if args.call_id:
        record = desk.store.cdr(args.call_id)
        if record is None:
            raise not_found("call record", args.call_id)
        return {"refusals": [_of_call(desk, record)], "gate": None}
    if args.account and desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    address, number = _address(args.address), _number(args.number)
    calls = desk.store.refused_page(args.account, number, address, limit)
    tried = [] if number else desk.store.attempts(limit, address or None, args.account or None)
    found = [*(_of_call(desk, call) for call in calls), *(_of_attempt(desk, each) for each in tried)]
    found.sort(key=lambda each: each["at"], reverse=True)
    return {"refusals": found[:limit], "gate": probe.test(desk, probe.Probe(address)) if address else None}


def stage_of(setting: str) -> str:
    """The stage of the policy that enforces a setting, an owner's own limit too; empty: none does."""
    return _STAGE.get(setting.removeprefix("own_"), "")


def _of_call(desk: Desk, record: Cdr) -> RefusalRow:
    return {
        "kind": "call" if record.refused_by else "failed", "at": record.setup_at, "account": record.account,
        "caller": record.caller, "callee": record.callee, "source": record.source, "call_id": record.call_id,
        "status": record.sip_status, "sentence": record.reason or Cause.of_status(record.sip_status).text,
        "stage": _failed_at(record.refused_by), "setting": _setting(desk, record.account, record.refused_by),
    }  # fmt: skip


def _failed_at(setting: str) -> str:
    return stage_of(setting) or (MENU if setting.startswith(("ivr", "callingcard", "maxwrongpins")) else ROUTE)


def _of_attempt(desk: Desk, tried: Attempt) -> RefusalRow:
    return {
        "kind": tried.kind, "at": tried.at, "account": tried.user, "caller": tried.user, "callee": "",
        "source": tried.source, "call_id": "", "status": 0,
        "sentence": tried.detail or f"{tried.kind.replace('_', ' ')} from {tried.source}",
        "stage": stage_of(tried.setting) or REGISTRAR, "setting": _setting(desk, tried.user, tried.setting),
    }  # fmt: skip


def _setting(desk: Desk, account: str, name: str) -> DecidingRow | None:
    """The setting with its value now; None: none has refused it."""
    if not name:
        return None
    found = desk.store.account(account) if name in FIELDS and account else None
    if found is not None:
        value = FIELDS[name].kind.shown(getattr(found, name))
        return {"name": name, "value": value, "of_account": True, "known": name in ROWS}
    value = desk.settings.shown(name) if name in ROWS else ""
    return {"name": name, "value": value, "of_account": name in FIELDS, "known": name in ROWS}


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text)) if text else ""
    except ValueError as error:
        raise WireError("invalid", f"{error}: name an address such as 192.0.2.7") from None


def _number(text: str) -> str:
    if not text:
        return ""
    found = numbers.normalise(text)
    if found is None:
        raise WireError("invalid", f"{text[:40]!r} is no number")
    return found
