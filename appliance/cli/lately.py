"""`appliance history`, `log`, `refusals` and `analyze`: what has just been, why something was refused, and who differs
from what he usually does."""

from collections.abc import Mapping
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Session, option

KINDS = ("account", "destination", "country", "address")
LEVELS = ("info", "warning", "error")
WORTH_A_LOOK = 3  # a score of pysrv.limits.abnormal from which on traffic is unusual

SAMPLES = (
    Column("at", "when", moment),
    Column("calls", "calls", right=True),
    Column("registrations", "devices", right=True),
    Column("passed", "passed/s", right=True),
    Column("dropped", "dropped/s", right=True),
    Column("delay_ms", "delay ms", right=True),
)
LINES = (Column("at", "when", moment), Column("level", "level"), Column("text", "line"))
TRAFFIC = (
    Column("key", "who or where"),
    Column("score", "score", right=True),
    Column("measure", "by"),
    Column("today.calls", "calls", right=True),
    Column("usual.calls", "usually", right=True),
    Column("today.spend", "spent", right=True),
    Column("usual.spend", "usually", right=True),
)


def _history(session: Session, last: int) -> Answer:
    result = session.link().running_office("history.list")
    samples = result["samples"][-last:]
    human: list[RenderableType] = [table(SAMPLES, samples, "nothing was sampled yet")]
    if result["attack"]:
        human.append(line(f"an attack is under way since {moment(result['attack']['began_at'])}", "red"))
    return Answer(result | {"samples": samples}, tuple(human))


def _log(session: Session, level: str, words: str, limit: int) -> Answer:
    result = session.link().running_office("log.list", {"level": level, "words": words, "limit": limit})
    return Answer(result, (table(LINES, result["lines"], "no line fits"),))


REFUSED = {"call": "refused call", "failed": "failed call"}


def _refusals(session: Session, call_id: str, **given: Any) -> Answer:
    result = session.link().office("refusals.list", {"call_id": call_id, **given})
    human: list[RenderableType] = []
    for each in result["refusals"]:
        human += [*_refusal(each), line("")]
    if result["gate"] is not None:
        human += _gate(result["gate"])
    return Answer(result, tuple(human) or (line("nothing failed or was refused", "dim"),))


def _gate(asked: Mapping[str, Any]) -> list[RenderableType]:
    """What the gate's rules say of the address now."""
    stops = asked["verdict"] not in ("", "source_allowed")
    words = f"dropped as {asked['verdict']}" if stops else "no rule about the source stops it"
    steps = [line(f"  {step['words']}") for step in asked["steps"]]
    return [line(f"the gate, of {asked['address']} now: {words}", "bold"), *steps]


def _refusal(each: Mapping[str, Any]) -> list[RenderableType]:
    """One refusal: a heading, then what it was for and the setting that one would change."""
    whose = each["account"] or each["caller"] or "a stranger"
    setting = each["setting"]
    shown = [
        ("why", each["sentence"]),
        ("stage", each["stage"]),
        ("setting", f"{setting['name']} = {setting['value'] or '(empty)'}" if setting else ""),
        ("from", each["source"]),
        ("call", each["call_id"]),
    ]
    to = f" to {each['callee']}" if each["callee"] else ""
    status = f", answered {each['status']}" if each["status"] else ""
    kind = REFUSED.get(each["kind"], each["kind"].replace("_", " "))
    return [line(f"{moment(each['at'])}  {kind} of {whose}{to}{status}", "bold"), facts(shown)]


def _analyze(session: Session, by: str, days: int, limit: int) -> Answer:
    result = session.link().office("analyze.traffic", {"by": by, "days": days, "limit": limit})
    above = sum(row["score"] >= WORTH_A_LOOK for row in result["rows"])
    words = f"{above} of {result['total']} worth a look; against {result['days']} days, amounts in {result['currency']}"
    human: list[RenderableType] = [table(TRAFFIC, result["rows"], "no calls today"), line(words, "dim")]
    if result["left_out"]:
        human.append(line(f"not counted, for want of a rate: {', '.join(result['left_out'])}", "yellow"))
    return Answer(result, tuple(human))


COMMANDS = (
    Command(
        "history",
        "Show the samples of the last quarter of an hour.",
        _history,
        (option("--last", type=click.IntRange(1, 1000), default=20, help="The newest so many."),),
        "Example: 'appliance history --last 5' shows calls, devices, packets a second and how long they waited.",
    ),
    Command(
        "log",
        "Show the newest lines of the office's log, newest first.",
        _log,
        (
            option("--level", type=click.Choice(LEVELS), default="info", help="This level and above."),
            option("--words", default="", show_default=False, help="Only lines with these words."),
            option("--limit", type=click.IntRange(1, 1000), default=50, help="At most so many."),
        ),
        "Example: 'appliance log --level warning --words trunk'. The office remembers them in memory alone; older ones "
        "are in the journal.",
    ),
    Command(
        "refusals",
        "Say why calls and logins were refused, newest first.",
        _refusals,
        (
            option("--account", default="", show_default=False, help="Of this account."),
            option("--number", default="", show_default=False, help="Calls to this number."),
            option(
                "--address",
                default="",
                show_default=False,
                help="From this address; the gate is asked too.",
            ),
            option("--call", "call_id", default="", show_default=False, help="This call alone."),
            option("--limit", type=click.IntRange(1, 500), default=20, help="At most so many."),
        ),
        "Example: 'appliance refusals --account alice' names the setting of each refusal and its value now; "
        "'appliance refusals --address 203.0.113.7' says what the gate thinks of an address too.",
    ),
    Command(
        "analyze",
        "Show whose traffic differs today from what it usually is.",
        _analyze,
        (
            option("--by", type=click.Choice(KINDS), default="account", help="What is compared."),
            option("--days", type=click.IntRange(1, 28), default=7, help="With so many days before."),
            option("--limit", type=click.IntRange(1, 500), default=20, help="At most so many."),
        ),
        "Example: 'appliance analyze --by country --days 14'. Each day counts up to the same hour as today; a score of "
        f"{WORTH_A_LOOK} and above is worth a look.",
    ),
)
