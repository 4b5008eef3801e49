"""`appliance audit`: the security audit of this machine, what each check means, and fixes that ask first."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from appliance import errands
from appliance.audit import table as audits
from appliance.audit.machine import Machine
from appliance.audit.row import ABOUT, Area, Check, Finding, Grade, Step, Unreadable
from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, console, line, moment, visible
from appliance.cli.table import Command, Session, option

STYLES = {Grade.PASS: "green", Grade.WARN: "yellow", Grade.FAIL: "bold red", Grade.ABSENT: "dim"}
WIDTH = 34  # of a check's name


def _asked(ask: Callable[[str], dict[str, Any]]) -> Callable[[str], Mapping[str, Any] | None]:
    """What a process says, or None: it does not run, or does not answer."""

    def asked(verb: str) -> Mapping[str, Any] | None:
        try:
            return ask(verb)
        except Failure:
            return None

    return asked


def machine(session: Session, root: Path) -> Machine:
    """What is to be judged. A tree that does not run has no keeper and no office."""
    if root != Path("/"):
        if not root.is_dir():
            raise Failure(Exit.NOT_FOUND, f"there is no directory {root}", "see --root")
        if not (root / "etc").is_dir():
            raise Failure(Exit.USAGE, f"{root} is no tree of a machine: it has no etc", "name its root, such as /mnt")
        return Machine(root.absolute())
    link = session.link()
    return Machine(
        state=session.state.absolute(),
        runtime=session.runtime.absolute(),
        ask_keeper=_asked(link.keeper),
        ask_office=_asked(link.running_office),
        ask_records=_asked(lambda _: link.records()),
    )


def _audit(
    session: Session,
    areas: Sequence[str],
    everything: bool,
    explain: str,
    fix: bool,
    yes: bool,
    record: bool,
    root: Path,
) -> Answer:
    if explain:
        return _explained(explain)
    if os.geteuid() != 0:
        raise Failure(Exit.NOT_PERMITTED, "only root can read what the audit reads", "run it as root")
    if record and (areas or root != Path("/")):
        raise Failure(
            Exit.USAGE, "--record keeps the audit of the whole running machine", "leave --area and --root out"
        )
    if record:
        errands.take_audit(session.runtime)
    chosen = _chosen(areas)
    report = audits.run(machine(session, root), chosen)
    if fix:
        report = _fixed(session, root, report, chosen, yes)
    if record:
        _record(session, report)
    failed = any(each.grade is Grade.FAIL for each in report.findings)
    return Answer(report.to_dict(), tuple(_human(report, everything)), Exit.REFUSED if failed else Exit.OK)


def _record(session: Session, report: audits.Report) -> None:
    """Tell the office, which shows it and says what got worse."""
    told = report.to_dict()
    session.link().office("audit.report", {name: told[name] for name in ("made_at", "host", "score", "findings")})


def _chosen(areas: Sequence[str]) -> list[Check]:
    return [check for check in audits.CHECKS if not areas or check.area in areas]


def _human(report: audits.Report, everything: bool) -> list[RenderableType]:
    said: list[RenderableType] = []
    for area in Area:
        inside = [each for each in report.findings if each.area is area]
        shown = [each for each in inside if everything or each.grade in (Grade.FAIL, Grade.WARN)]
        passed = sum(each.grade is Grade.PASS for each in inside)
        if inside:
            head = Text.assemble((str(area).ljust(10), "bold"), (f"{passed} of {len(inside)} pass", "dim"))
            said += [head, *map(_line, shown)]
    counted = report.counted()
    words = ", ".join(f"{number} {grade}" for grade, number in counted.items() if number)
    said.append(
        Text.assemble(("\nscore ", "bold"), (f"{report.score} of 100", "bold"), f"  {words}  {moment(report.made_at)}")
    )
    if any(each.grade in (Grade.FAIL, Grade.WARN) for each in report.findings):
        said.append(line("'appliance audit --explain NAME' says why, and what to do; --fix does what is safe", "dim"))
    return said


def _line(found: Finding) -> Text:
    return Text.assemble(
        "  ", (f"{found.grade:<8}", STYLES[found.grade]), f"  {found.name:<{WIDTH}}  ", visible(found.what), ": ",
        (visible(found.value), STYLES[found.grade]),
    )  # fmt: skip


def _explained(name: str) -> Answer:
    check = audits.BY_NAME.get(name)
    if check is None:
        near = [each for each in audits.BY_NAME if name.lower() in each][:3]
        hint = f"perhaps {', '.join(near)}" if near else "'appliance audit --all' lists all"
        raise Failure(Exit.NOT_FOUND, f"there is no check {name!r:.60}", hint)
    shown = {
        "name": check.name,
        "area": f"{check.area}: {ABOUT[check.area]}",
        "what": check.what,
        "why": check.why,
        "reads": check.reads,
        "weight": check.weight,
        "fix": check.fix,
        "mendable": check.mend is not None,
    }
    rows = [(name, "yes" if value is True else "no" if value is False else str(value)) for name, value in shown.items()]
    said = Text("\n").join(Text.assemble((name.ljust(10), "bold"), visible(value)) for name, value in rows)
    return Answer(shown, (said,))


def _fixed(session: Session, root: Path, report: audits.Report, chosen: list[Check], yes: bool) -> audits.Report:
    """Shows what each safe fix changes, asks, does it, and judges anew."""
    judged = machine(session, root)
    found = {each.name: each for each in report.findings if each.grade in (Grade.FAIL, Grade.WARN)}
    wanted = [check for check in chosen if check.name in found and check.mend is not None]
    out = console(error=True)
    done = 0
    for check in wanted:
        try:
            assert check.mend is not None
            steps = check.mend(judged)
        except Unreadable as error:
            out.print(line(f"{check.name}: {error}", "yellow"))
            continue
        if steps and _agreed(check, found[check.name], steps, yes):
            done += _carried_out(check, steps)
    if not wanted:
        out.print(line("nothing that can be mended by itself", "dim"))
    return audits.run(machine(session, root), chosen) if done else report


def _agreed(check: Check, found: Finding, steps: list[Step], yes: bool) -> bool:
    out = console(error=True)
    out.print(
        Text.assemble((f"\n{check.name}", "bold"), f"  {visible(check.what)}: ", (visible(found.value), "yellow"))
    )
    for step in steps:
        out.print(line(f"  {step.what}"))
    if yes:
        return True
    if not sys.stdin.isatty():
        raise Failure(Exit.USAGE, "nobody can be asked here", "--yes applies every safe fix")
    return click.confirm("  do it?", default=False, err=True)


def _carried_out(check: Check, steps: list[Step]) -> int:
    for step in steps:
        try:
            step.do()
        except (OSError, Unreadable) as error:
            words = getattr(error, "strerror", None) or str(error)
            console(error=True).print(line(f"  {check.name}: could not: {step.what}: {words}", "red"))
    return 1


COMMANDS = (
    Command(
        "audit",
        "Audit this machine: network, kernel, access, files, units, gate, database, service and settings.",
        _audit,
        (
            option(
                "--area",
                "areas",
                multiple=True,
                type=click.Choice([str(area) for area in Area]),
                help="Only this area; repeatable.",
            ),
            option("--all", "everything", is_flag=True, help="Show what passes, and what cannot be read here, too."),
            option("--explain", default="", metavar="NAME", help="Say what a check reads, why, and how it is mended."),
            option("--fix", is_flag=True, help="Show each safe fix and what it changes, ask, apply, judge anew."),
            option("--record", is_flag=True, help="Tell the office, for panel, API, metrics and notices."),
            option("--yes", is_flag=True, help="With --fix: do not ask."),
            option(
                "--root",
                type=click.Path(path_type=Path),
                default=Path("/"),
                help="Audit a tree that does not run, such as an image's disk that is mounted.",
            ),
        ),
        "Ends with 1 when a check fails. What cannot be read here is 'not here', and neither passes nor fails. A fix "
        "never touches SSH's settings, users, the packet filter, mounts or addresses: nobody is locked out by one.",
    ),
)
