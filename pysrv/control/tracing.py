"""calls.trace: what was said on the wire, as ladders."""

from dataclasses import dataclass
from itertools import islice
from typing import NotRequired, TypedDict

from appliance.wire import WireError
from pysrv.calls.ladder import Column, Rung, ladder
from pysrv.calls.trace import Trace
from pysrv.control.answer import Moment, Seconds, Setting
from pysrv.control.desk import Desk

MOST = 100
OFF = "calltraces is 0, so nothing is remembered"


@dataclass(frozen=True, slots=True)
class TraceOf:
    """One call, by the product's name for it or by the Call-ID of one of its dialogs; or the latest of an account or an
    address, refused attempts and registrations among them. With `messages` each rung has its whole message."""

    call_id: str = ""
    account: str = ""
    source: str = ""
    limit: int = 10
    messages: bool = False


class RungRow(TypedDict):
    """One arrow: seconds since the first, from column to column, and what it says; `method` is the transaction's,
    `sdp`: it carries an offer or answer. `message` is there when it was asked for."""

    at: Moment
    after_s: Seconds
    source: int
    target: int
    text: str
    method: str
    transport: str
    sdp: bool
    message: NotRequired[str]


class TraceRow(TypedDict):
    """What was said on the wire, as a ladder. `dialogs` are Call-IDs; `call_id` empty: it is no call; `left_out` rungs
    are missing from the middle."""

    call_id: str
    account: str
    source: str
    began_at: Moment
    dialogs: list[str]
    refused_by: Setting
    reason: str
    columns: tuple[Column, ...]
    rungs: list[RungRow]
    left_out: int


class TracesAnswer(TypedDict):
    """Traces, the latest first."""

    traces: list[TraceRow]


def trace(desk: Desk, args: TraceOf) -> TracesAnswer:
    """calls.trace"""
    if desk.live is None:
        raise WireError("not_running", "the appliance is not running, and traces are kept in memory alone")
    if [bool(args.call_id), bool(args.account or args.source)].count(True) != 1:
        raise WireError("invalid", "name a call, or an account or source address")
    if not 1 <= args.limit <= MOST:
        raise WireError("invalid", f"limit must be 1 to {MOST}, not {args.limit}")
    held = desk.live.traces()
    if not args.call_id:
        found = list(islice(held.find(args.account, args.source), args.limit))
        return {"traces": [trace_shape(desk, each, messages=args.messages) for each in found]}
    one = held.of_call(args.call_id) or held.of_dialog(args.call_id.encode())
    if one is None:
        hint = OFF if not desk.settings.calltraces else f"the last {desk.settings.calltraces} calls are remembered"
        raise WireError("not_found", f"there is no trace of a call {args.call_id[:80]!r}", hint)
    return {"traces": [trace_shape(desk, one, messages=args.messages)]}


def trace_shape(desk: Desk, found: Trace, *, messages: bool = True) -> TraceRow:
    """A trace with its ladder, and why it was refused if the call record says so."""
    drawn = ladder(found)
    record = desk.store.cdr(found.call_id) if found.call_id else None
    return {
        "call_id": found.call_id,
        "account": found.account,
        "source": found.source,
        "began_at": found.began_at,
        "dialogs": [leg.decode("utf-8", "replace") for leg in found.legs],
        "refused_by": record.refused_by if record is not None else "",
        "reason": record.reason if record is not None else "",
        "columns": drawn.columns,
        "rungs": [_rung(each, messages=messages) for each in drawn.rungs],
        "left_out": drawn.left_out,
    }


def _rung(rung: Rung, *, messages: bool) -> RungRow:
    row: RungRow = {
        "at": rung.at,
        "after_s": rung.after_s,
        "source": rung.source,
        "target": rung.target,
        "text": rung.text,
        "method": rung.method,
        "transport": rung.transport,
        "sdp": rung.sdp,
    }
    return {**row, "message": rung.message} if messages else row
