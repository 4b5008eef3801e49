"""`appliance selftest`: the appliance attacks itself, and what came of it can be shown to others.

The attack runs in namespaces of its own against a gate of its own: it can be run beside a service, for the price of
one CPU. What it needs of bcc is taken in when it runs, not when the command line is read.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, Column, console, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

MOST_REPORT_BYTES = 4 * 1024 * 1024
WRITES_ONE = "'appliance selftest attack --report FILE' writes one"

GROUP = Group("selftest", "Attack this appliance's own gate, and check a report of it.", default="attack")


def _share(of: str) -> Any:
    def write(row: Mapping[str, Any]) -> str:
        sent = row[f"{of}_sent"]
        return f"{100 * row[f'{of}_kept'] / sent:.1f} %" if sent else "-"

    return write


def _ended(verdicts: Mapping[str, int]) -> str:
    """The commonest ends of the attack's packets."""
    ends = sorted(verdicts.items(), key=lambda item: -item[1])
    return ", ".join(name for name, _ in ends if not name.startswith(("rtp_relayed", "rtcp_relayed")))[:60]


COLUMNS = (
    Column("attack", "attack"),
    Column("packets", "packets", lambda n: f"{n:,}", right=True),
    Column("mpps", "Mpps", lambda n: f"{n:.2f}", right=True),
    Column("ns", "ns", right=True),
    Column("ended", "ended as"),
    Column("through", "through", right=True),
    Column("through_allowed", "may", right=True),
    Column("calls", "audio kept", right=True),
    Column("requests", "requests kept", right=True),
    Column("held", "held"),
)


def _attack(session: Session, seconds: float, report: Path | None, mode: str) -> Answer:
    from appliance.selftest import report as reports
    from appliance.selftest.run import attack

    if os.geteuid() != 0:
        raise Failure(Exit.NOT_PERMITTED, "only root can make network namespaces", "run it as root")
    if report is not None and not os.access(report if report.exists() else report.parent, os.W_OK):
        raise Failure(Exit.REFUSED, f"{report} cannot be written", "name a file in a directory that is there")
    done = reports.signed(attack(seconds, mode=mode, progress=_progress(session)), session.state)
    if report is not None:
        _write(report, done)
    return _answer(done, wrote=report)


def _progress(session: Session) -> Any:
    shown = console(error=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("attacks"))
    bar = Progress(*columns, console=shown, transient=True, disable=session.json or not shown.is_terminal)
    task = bar.add_task("", total=None)

    def step(number: int, total: int, name: str) -> None:
        bar.update(task, completed=number, total=total, description=name)
        bar.start() if number < total else bar.stop()

    return step


def _write(path: Path, document: Any) -> None:
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{path} cannot be written: {error.strerror}") from None


def _answer(document: Mapping[str, Any], wrote: Path | None = None) -> Answer:
    from appliance.selftest.report import fingerprint_of

    body = document["report"]
    rows = [_row(result) for result in (body["quiet"], *body["results"])]
    failures = [f"{row['attack']}: {what}" for row in rows for what in row["failures"]]
    human = [
        facts(
            (
                ("made", moment(body["made_at"])),
                ("gate", f"{body['gate']}, {body['mode']}, kernel {body['kernel']}, {body['processor']}"),
                ("signed by", fingerprint_of(document["public_key"])),
                ("written to", str(wrote or "")),
            )
        ),
        table(COLUMNS, rows, "no attack"),
        *(line(failure, "red") for failure in failures),
        line("every attack was held" if body["passed"] else "not every attack was held", "bold"),
    ]
    return Answer(document, tuple(human), Exit.OK if body["passed"] else Exit.REFUSED)


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    from appliance.selftest.report import Result

    failures = Result(**result).failures
    return {
        **result,
        "ended": _ended(result["verdicts"]),
        "calls": _share("media")(result),
        "requests": _share("requests")(result),
        "failures": failures,
        "held": "no" if failures else "yes",
    }


def _verify(_session: Session, report: Path, key: str) -> Answer:
    from appliance.selftest.report import verified

    try:
        with report.open("rb") as file:
            document = json.loads(file.read(MOST_REPORT_BYTES))
    except OSError as error:
        raise Failure(Exit.NOT_FOUND, f"{report} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise Failure(Exit.REFUSED, f"{report} is no report: it is not JSON", WRITES_ONE) from None
    verified(document, key)
    try:
        return _answer(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Failure(Exit.REFUSED, f"{report} is signed, but is no report that this version can read") from None


COMMANDS = (
    Command(
        "selftest attack",
        "Attack the gate with floods, scans, forged packets and injected audio; sign what came of it.",
        _attack,
        (
            option("--seconds", type=click.FloatRange(0.2, 60), default=2.0, help="How long each attack lasts."),
            option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the report."),
            option("--mode", type=click.Choice(["auto", "native", "generic"]), default="auto", help="How to attach."),
        ),
        "Runs in network namespaces of its own against a gate of its own with the default limits: no interface of the "
        "machine is touched, a running service goes on. Ends with 1 when an attack was not held.",
    ),
    Command(
        "selftest verify",
        "Check the signature of a report and show it.",
        _verify,
        (
            argument("report", type=click.Path(path_type=Path, dir_okay=False)),
            option("--key", default="", metavar="FINGERPRINT", help="The key that must have signed it."),
        ),
    ),
)
