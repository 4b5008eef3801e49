"""`appliance calls`, `cdrs` and `registrations`: what is going on, and what was."""

import contextlib
import datetime
import time
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.exits import Exit, Failure
from appliance.cli.ladder import drawn
from appliance.cli.pricing import level_lines
from appliance.cli.show import Answer, Column, facts, joined, line, moment, span, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config.fields import BadValue
from appliance.config.textual import Duration

DAYS = {"today": 0, "yesterday": 1}

CALLS = (
    Column("call_id", "call"),
    Column("state", "state"),
    Column("account", "account"),
    Column("caller", "caller"),
    Column("callee", "callee"),
    Column("trunk", "trunk"),
    Column("setup_at", "since", moment),
    Column("talk_s", "talk", span, right=True),
    Column("reserved", "reserved", right=True),
    Column("emergency", "emergency", yes_no),
)
CDRS = (
    Column("setup_at", "when", moment),
    Column("account", "account"),
    Column("caller", "caller"),
    Column("callee", "callee"),
    Column("trunk", "trunk"),
    Column("duration_s", "talk", span, right=True),
    Column("billable_seconds", "billed s", right=True),
    Column("charge", "charge", right=True),
    Column("currency", ""),
    Column("sip_status", "SIP", right=True),
    Column("cause", "cause", right=True),
    Column("ended_by", "ended by"),
    Column("refused_by", "refused by"),
    Column("reports", "would have been refused by", joined),
    Column("reason", "reason"),
)
REGISTRATIONS = (
    Column("aor", "account"),
    Column("contact", "contact"),
    Column("transport", "over"),
    Column("source", "from"),
    Column("expires_at", "until", moment),
    Column("user_agent", "device"),
)


def _calls(session: Session) -> Answer:
    result = session.link().office("calls.list")
    return Answer(result, (table(CALLS, result["calls"], "no calls"),))


def _hangup(session: Session, call_id: str | None, account: str | None, everything: bool) -> Answer:
    if [bool(call_id), bool(account), everything].count(True) != 1:
        raise Failure(Exit.USAGE, "name a call, --account NAME, or --all", "'appliance calls' lists them")
    args = {"call_id": call_id or "", "account": account or "", "all": everything}
    result = session.link().running_office("calls.hangup", args)
    return Answer(result, (line(f"hung up {len(result['calls'])} call{'' if len(result['calls']) == 1 else 's'}"),))


def _callback(session: Session, account: str, number: str, first: str | None) -> Answer:
    args = {"account": account, "number": number, "first": first or ""}
    result = session.link().running_office("calls.callback", args)
    whom = f"number {result['first']}" if result["first"] else f"telephone of {account}"
    return Answer(result, (line(f"calling the {whom}, then {result['number']}: call {result['call_id']}"),))


def _dial(session: Session, account: str, number: str) -> Answer:
    result = session.link().running_office("calls.dial", {"account": account, "number": number})
    return Answer(result, (line(f"the phone of {account} was asked to call {result['number']}"),))


def _send(session: Session, account: str, to: str, text: str) -> Answer:
    result = session.link().running_office("messages.send", {"account": account, "to": to, "text": text})
    devices = result["devices"]
    return Answer(result, (line(f"sent to {devices} device{'' if devices == 1 else 's'} of {to}"),))


def _trace(session: Session, call_id: str | None, messages: bool, **given: Any) -> Answer:
    if bool(call_id) == bool(given["account"] or given["source"]):
        raise Failure(Exit.USAGE, "name a call, or --account or --source", "'appliance cdrs --json' has their names")
    args = {name: value for name, value in given.items() if value is not None} | {"messages": messages}
    result = session.link().running_office("calls.trace", args | {"call_id": call_id or ""})
    human: list[RenderableType] = []
    for trace in result["traces"]:
        human += [*_heading(trace), drawn(trace["columns"], trace["rungs"])]
        if trace["left_out"]:
            human.append(line(f"{trace['left_out']} messages in the middle were not kept", "dim"))
        for rung in trace["rungs"] if messages else ():
            human += [line(f"--- {rung['after_s']:.3f} s, {rung['text']}", "bold"), line(_unix(rung["message"]))]
    return Answer(result, tuple(human) or (line("nothing is remembered of it", "dim"),))


def _unix(message: str) -> str:
    return message.replace("\r\n", "\n")


def _heading(trace: dict[str, Any]) -> list[RenderableType]:
    """Which call or attempt it is, and why it was refused."""
    what = f"call {trace['call_id']}" if trace["call_id"] else "no call"
    whose = f" of {trace['account']}" if trace["account"] else ""
    human: list[RenderableType] = [line(f"{moment(trace['began_at'])}  {what}{whose} from {trace['source']}", "bold")]
    if trace["refused_by"]:
        human.append(line(f"refused by {trace['refused_by']}: {trace['reason']}", "red"))
    return human


def when(text: str | None, name: str, now: float | None = None) -> float | None:
    """Unix seconds of a local date or time in ISO 8601, of a day by name, or of so long before now. Raises Failure."""
    if text is None:
        return None
    moment_now = datetime.datetime.fromtimestamp(time.time() if now is None else now)
    if (days := DAYS.get(text.lower())) is not None:
        midnight = moment_now.replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - datetime.timedelta(days=days)).timestamp()
    with contextlib.suppress(ValueError):
        return datetime.datetime.fromisoformat(text).timestamp()
    with contextlib.suppress(BadValue):
        return moment_now.timestamp() - Duration().parse(text)
    words = "a date or time such as 2026-01-31 or 2026-01-31T18:00, today, yesterday, or how long ago, such as 6h"
    raise Failure(Exit.USAGE, f"{name} must be {words}, not {text!r}") from None


def _cdrs(session: Session, limit: int, since: str | None, until: str | None, **given: Any) -> Answer:
    args: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    args |= {"limit": limit, "since": when(since, "--since"), "until": when(until, "--until")}
    result = session.link().office("cdrs.list", args)
    return Answer(result, (table(CDRS, result["cdrs"], "no calls were recorded"),))


def _running(session: Session, call_id: str) -> Answer:
    """A call that runs, with its price so far and who reserves what for it."""
    result = session.link().office("calls.show", {"call_id": call_id})
    call = result["call"]
    shown = [(name, str(call[name])) for name in ("call_id", "state", "account", "caller", "callee", "trunk")]
    shown += [("setup", moment(call["setup_at"])), ("price so far", call["price"]), ("reserved", call["reserved"])]
    shown += [(f"reserved of {each['account']}", each["reserved"]) for each in call["above"]]
    return Answer(result, (facts(shown),))


def _explain(session: Session, call_id: str) -> Answer:
    """A call is one that runs until it has a record."""
    try:
        result = session.link().office("cdrs.show", {"call_id": call_id})
    except Failure as failure:
        if failure.exit_code is not Exit.NOT_FOUND:
            raise
        return _running(session, call_id)
    shown = [(name, str(result[name])) for name in ("call_id", "account", "caller", "callee", "source", "trunk")]
    shown += [("setup", moment(result["setup_at"])), ("talk", f"{result['talk_s']} s")]
    shown += [("billed", f"{result['billable_seconds']} s"), ("ended by", result["ended_by"])]
    outcome = f"SIP status {result['sip_status']}, Q.850 cause {result['cause']} ({result['cause_words']})"
    packets = f"{result['packets']['caller']} from the caller, {result['packets']['callee']} from the callee"
    shown += [("outcome", outcome), ("why", result["reason"]), ("packets", packets)]
    human: list[RenderableType] = [facts(shown)]
    for level in result["levels"]:
        human += [line(""), line(level["quote"] or level["payer"], "bold"), *level_lines(level)]
    human += [line(f"not billed: {sentence}", "red") for sentence in result["not_billed"]]
    if result["cost"] is not None:
        human += [line(""), line(f"cost of trunk {result['cost']['quote']}", "bold"), *level_lines(result["cost"])]
    if not result["levels"] and not result["not_billed"]:
        human.append(line("nobody paid for this call", "dim"))
    return Answer(result, tuple(human))


def _registrations(session: Session) -> Answer:
    result = session.link().office("registrations.list")
    return Answer(result, (table(REGISTRATIONS, result["registrations"], "nobody is registered"),))


GROUPS = (Group("calls", "The calls that run now."), Group("messages", "Texts between users.", ""))

COMMANDS = (
    Command("calls list", "List the running calls.", _calls),
    Command(
        "calls callback",
        "Call an account's telephone, then a number, and connect the two; the account pays for both calls.",
        _callback,
        (
            argument("account"),
            argument("number"),
            option("--first", metavar="NUMBER", help="Call this number first instead of the account's telephone."),
        ),
    ),
    Command(
        "calls hangup",
        "End a call, those of an account, or all of them.",
        _hangup,
        (
            argument("call_id", required=False),
            option("--account", help="End every call that this account pays for."),
            option("--all", "everything", is_flag=True, default=False, help="End every call."),
        ),
    ),
    Command(
        "calls dial",
        "Ask a registered phone of an account to call a number.",
        _dial,
        (argument("account"), argument("number")),
        "Example: 'appliance calls dial alice 4930123456'. The phone makes the call as always, and it is paid for as "
        "always; a phone may also ask whoever holds it first.",
    ),
    Command(
        "messages send",
        "Send a text from an account to the devices of a user.",
        _send,
        (argument("account"), argument("to"), argument("text")),
        "Example: 'appliance messages send alice bob \"The line is back\"'. Texts reach registered devices alone.",
    ),
    Command(
        "calls trace",
        "Draw what was said on the wire: of a call, or of the latest calls and attempts of somebody.",
        _trace,
        (
            argument("call_id", required=False),
            option("--account", help="The latest of this account, or of who says to be it; refused ones among them."),
            option("--source", metavar="ADDRESS", help="The latest from this address."),
            option("--limit", type=click.IntRange(1, 100), default=10, help="At most so many."),
            option("--messages", is_flag=True, default=False, help="Also each message as it was."),
        ),
        "Passwords, answers to challenges, keys of media and bodies that are not SDP are taken out. Traces are kept in "
        "memory alone; the setting calltraces says of how many calls.",
    ),
    Command(
        "cdrs",
        "List call records, newest first.",
        _cdrs,
        (
            option("--account", help="Only this account's; a reseller's are also those of the accounts below it."),
            option("--trunk", help="Only over this trunk."),
            option("--callee", metavar="PREFIX", help="Only to numbers that begin so."),
            option("--since", help="From this date or time on; also today, yesterday, or 6h for the last six hours."),
            option("--until", help="Before this date or time; written the same way."),
            option("--answered/--unanswered", "answered", default=None, help="Only these."),
            option("--refused-by", metavar="SETTING", help="Only those that this setting refused."),
            option("--before", "before_id", type=int, help="Go on behind the record with this id."),
            option("--limit", type=click.IntRange(1, 100_000), default=50, help="At most so many."),
        ),
    ),
    Command(
        "calls show",
        "Explain what a past call cost everybody, line by line, or what one that runs costs so far.",
        _explain,
        (argument("call_id"),),
        "From what was kept with the call: decks that changed since change nothing here.",
    ),
    Command("registrations", "List the devices that are registered.", _registrations),
)
