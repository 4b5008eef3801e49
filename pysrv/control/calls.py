"""Verbs about calls, call records, registrations and the state of the office."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict
from zoneinfo import ZoneInfo

from appliance.release import version
from appliance.wire import OfficeFigures, WireError
from pysrv.billing.calendar import day_of, day_starts_at
from pysrv.billing.number import normalise
from pysrv.control.answer import Amount, Seconds
from pysrv.control.call_shapes import CallRow, CdrRow, RegistrationRow, binding_shape, call_shape, cdr_shape
from pysrv.control.desk import Desk, not_found, written
from pysrv.control.firewall import pending
from pysrv.control.paging import PageOf, bounds
from pysrv.limits.decision import Refuse
from pysrv.service.paging import MAX_BODY_BYTES
from pysrv.store.rows import CdrFilter, OpenCall

_CODES = {480: "conflict", 484: "invalid", 486: "conflict", 503: "too_many"}
_HINTS = {480: "register a telephone, or name a number to call first", 503: "wait, then ask again"}


@dataclass(frozen=True, slots=True)
class Dial:
    """Whose phone is asked to call, and whom."""

    account: str
    number: str


@dataclass(frozen=True, slots=True)
class CallBack:
    """Whose callback it is, whom he wants to talk to, and what is called first (empty: his telephones)."""

    account: str
    number: str
    first: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A text from an account to a user: the name or number of an account."""

    account: str
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """A call to end, those of an account, those whose caller, callee, account, address or trunk holds `words`, or all
    of them."""

    call_id: str = ""
    account: str = ""
    all: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class CallNamed:
    """A running call."""

    call_id: str


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


@dataclass(frozen=True, slots=True)
class RegistrationsOf(PageOf):
    """Those of one account, or all."""

    account: str | None = None


class CallsAnswer(TypedDict):
    """Running calls; `total`: how many there are that fit."""

    calls: list[CallRow]
    total: int


class PayerRow(TypedDict):
    """An account above the caller's, and what is reserved of its money."""

    account: str
    reserved: Amount
    per_minute: Amount


class CallDetail(CallRow):
    """A running call. `covered_s` is the talk time that is reserved; `above`: who pays as well."""

    covered_s: Seconds
    above: list[PayerRow]


class CallAnswer(TypedDict):
    """One running call."""

    call: CallDetail


class HangupAnswer(TypedDict):
    """The calls that were ended, by their names."""

    calls: list[str]


class DialAnswer(TypedDict):
    """Which phone was asked to call whom."""

    account: str
    number: str
    asked: bool


class CallbackAnswer(TypedDict):
    """A callback under way: the call to the destination, the one to the party that is called first, and the two."""

    account: str
    call_id: str
    first_call_id: str
    number: str
    first: str


class TextAnswer(TypedDict):
    """To how many devices a text went."""

    account: str
    to: str
    devices: int


class CdrsAnswer(TypedDict):
    """Call records, newest first."""

    cdrs: list[CdrRow]


class RegistrationsAnswer(TypedDict):
    """Registered devices; `total`: how many there are that fit."""

    registrations: list[RegistrationRow]
    total: int


class TodayRow(TypedDict):
    """Calls that were set up since midnight and have ended; `charged` by currency."""

    calls: int
    answered: int
    refused: int
    charged: dict[str, Amount]


class DiskRow(TypedDict):
    """Free and all bytes of the database's file system, as far as the office may use them."""

    free_bytes: int
    bytes: int


class StatusAnswer(TypedDict):
    """The office at a glance. What comes after `unconfirmed` is there while it runs; `unconfirmed`: the change that
    waits for its word; `relay`: who carries the audio; `slot`: which of the image's runs, empty elsewhere; `trial`:
    it is taken back unless it proves healthy."""

    running: bool
    version: str
    realm: str
    generation: int
    accounts: int
    trunks: int
    calls: int
    registrations: int
    bans: int
    today: TodayRow
    disk: DiskRow
    unconfirmed: NotRequired[str]
    transactions: NotRequired[int]
    malformed: NotRequired[int]
    faults: NotRequired[int]
    relay: NotRequired[str]
    slot: NotRequired[str]
    trial: NotRequired[bool]


def list_all(desk: Desk, args: PageOf) -> CallsAnswer:
    """calls.list: the newest first if some are asked for; all in the order of their beginning if none is chosen."""
    now = desk.clock()
    if args == PageOf():
        calls = desk.store.open_calls()
        return {"calls": [call_shape(call, now) for call in calls], "total": len(calls)}
    page, total = desk.store.open_call_page(args.words.strip(), *bounds(args))
    return {"calls": [call_shape(call, now) for call in page], "total": total}


def show(desk: Desk, args: CallNamed) -> CallAnswer:
    """calls.show"""
    call = desk.store.open_call_by_id(args.call_id)
    if call is None:
        raise not_found("running call", args.call_id)
    above: list[PayerRow] = [
        {"account": payer.name, "reserved": written(share.reserved), "per_minute": written(share.per_minute)}
        for share in call.lease.above
        if (payer := desk.store.account_by_id(share.account_id)) is not None
    ]
    return {"call": {**call_shape(call, desk.clock()), "covered_s": call.lease.covered_s, "above": above}}


def hangup(desk: Desk, args: Hangup) -> HangupAnswer:
    """calls.hangup"""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so no call does")
    if args.account and desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    wanted = [args.call_id] if args.call_id else [call.call_id for call in _meant(desk, args)]
    ended = [call_id for call_id in wanted if desk.live.hangup(call_id)]
    if args.call_id and not ended:
        raise not_found("running call", args.call_id)
    for call_id in ended:
        desk.store.note(desk.who, "call.hangup", call_id)
    return {"calls": ended}


def _meant(desk: Desk, args: Hangup) -> list[OpenCall]:
    """The calls that more than one name stands for."""
    if words := args.words.strip():
        return desk.store.open_call_page(words, desk.store.open_call_page(words, 1)[1])[0]
    return [call for call in desk.store.open_calls() if args.all or (args.account and call.account == args.account)]


def dial(desk: Desk, args: Dial) -> DialAnswer:
    """calls.dial: the account's phone is asked to call; it calls as always, or does not."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so nobody calls")
    number = normalise(args.number)
    if number is None:
        raise WireError("invalid", f"{args.number[:40]!r} is no number")
    if desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    if not desk.live.dial(args.account, number):
        raise WireError("conflict", f"no phone of {args.account} is registered", "a phone makes the call: register one")
    return {"account": args.account, "number": number, "asked": True}


def call_back(desk: Desk, args: CallBack) -> CallbackAnswer:
    """calls.callback: the appliance calls a party, then another one for it; both are calls of the account."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so it calls nobody")
    if desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    said = desk.live.call_back(args.account, args.number.strip(), args.first.strip())
    if isinstance(said, Refuse):
        setting = f" ({said.setting})" if said.setting else ""
        raise WireError(_CODES.get(said.status, "forbidden"), f"{said.sentence}{setting}", _HINTS.get(said.status, ""))
    desk.store.note(desk.who, "call.back", f"{args.account} {said.number}")
    return {
        "account": args.account,
        "call_id": said.call_id,
        "first_call_id": said.first_call_id,
        "number": said.number,
        "first": said.first,
    }


def send_text(desk: Desk, args: Text) -> TextAnswer:
    """messages.send: a SIP MESSAGE to the devices of a user."""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so nothing is sent")
    if desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    if not args.text or len(args.text.encode()) > MAX_BODY_BYTES:
        raise WireError("invalid", f"a text has 1 to {MAX_BODY_BYTES} bytes (RFC 3428)")
    devices = desk.live.page(args.account, args.to, args.text)
    if not devices:
        raise WireError("conflict", f"no device of {args.to[:40]!r} is registered", "texts reach registered users")
    return {"account": args.account, "to": args.to, "devices": devices}


def cdrs(desk: Desk, args: CdrsOf) -> CdrsAnswer:
    """cdrs.list"""
    wanted = CdrFilter(**{name: getattr(args, name) for name in CdrFilter.__slots__})
    page = desk.store.cdr_page(wanted, max(1, min(args.limit, 100_000)))
    return {"cdrs": [cdr_shape(row_id, cdr) for row_id, cdr in page]}


def registrations(desk: Desk, args: RegistrationsOf) -> RegistrationsAnswer:
    """registrations.list"""
    page, total = desk.store.binding_page(args.words.strip(), *bounds(args), aor=args.account)
    return {"registrations": [binding_shape(binding) for binding in page], "total": total}


def figures(desk: Desk, _: Any) -> OfficeFigures:
    """figures"""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, so it counts nothing")
    return desk.live.figures()


def today(desk: Desk) -> TodayRow:
    """Calls that were set up since midnight and have ended, and what was charged for them, by currency."""
    zone = ZoneInfo(desk.settings.timezone or "UTC")
    began = day_starts_at(day_of(desk.clock(), zone), zone)
    counted = desk.store.counted_since(began)
    revenue = {code: written(amount) for code, amount in counted.charged.items()}
    return {"calls": counted.calls, "answered": counted.answered, "refused": counted.refused, "charged": revenue}


def status(desk: Desk, _: Any) -> StatusAnswer:
    """status"""
    store, settings = desk.store, desk.settings
    free_bytes, room_bytes = store.room()
    counted: StatusAnswer = {
        "running": desk.live is not None,
        "version": version(),
        "realm": settings.realm,
        "generation": settings.generation,
        "accounts": store.account_count(),
        "trunks": len(store.trunks()),
        "calls": len(store.open_calls()),
        "registrations": len(store.bindings()),
        "bans": store.ban_count(),
        "today": today(desk),
        "disk": {"free_bytes": free_bytes, "bytes": room_bytes},
    }
    waiting = pending(desk)
    if waiting is not None:
        counted["unconfirmed"] = f"{waiting['what']} (taken back in {waiting['left_s']:.0f} s)"
    if desk.live is None:
        return counted
    running = desk.live.status()
    return {
        **counted,
        "calls": running.calls,
        "registrations": running.registrations,
        "transactions": running.transactions,
        "malformed": running.malformed,
        "faults": running.faults,
        "relay": running.relay,
        "slot": running.slot,
        "trial": running.trial,
    }
