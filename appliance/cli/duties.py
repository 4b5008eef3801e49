"""`appliance checklist`, `setup` and `reload`: what an operator should see to."""

from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.show import Answer, Column, line, table
from appliance.cli.table import Command, Group, Session, argument, option

STEPS = ("password", "address", "domain", "certificate", "interfaces", "profile", "trunk", "accounts", "mail")
STYLES = {"pass": "green", "warn": "yellow", "fail": "red"}

FINDINGS = (Column("grade", "grade"), Column("title", "check"), Column("value", "now"))
SHOWN = (Column("step", "step"), Column("state", "state", lambda state: state or "ahead"))


def _checklist(session: Session, everything: bool) -> Answer:
    result = session.link().office("checklist.show")
    found = [each for each in result["findings"] if everything or each["grade"] != "pass"]
    human: list[RenderableType] = [
        line(f"score {result['score']} of 100", "bold"),
        table(FINDINGS, found, "nothing to mend"),
    ]
    for each in found:
        mended = [f"appliance settings set {name} {value}" for name, value in each["fix"].items()]
        human += [line(""), line(each["title"], STYLES[each["grade"]]), line(f"  {each['why']}")]
        human += [line(f"  {command}", "dim") for command in mended]
    return Answer(result | {"findings": found}, tuple(human))


def _setup(session: Session) -> Answer:
    result = session.link().office("setup.show")
    return _steps(result)


def _mark(session: Session, step: str, state: str) -> Answer:
    told = {"step": step, "state": "" if state == "ahead" else state}
    return _steps(session.link().office("setup.mark", told))


def _steps(result: dict[str, Any]) -> Answer:
    last = "every step is behind you" if result["finished"] else f"next: {result['next']}"
    return Answer(result, (table(SHOWN, result["steps"], "no steps"), line(last, "dim")))


def _reload(session: Session) -> Answer:
    result = session.link().running_office("reload")
    problems = [line(f"problem: {problem}", "yellow") for problem in result["problems"]]
    return Answer(result, (line(f"read again: generation {result['generation']} is in force"), *problems))


GROUPS = (Group("setup", "The first set-up, step by step.", "show"),)
COMMANDS = (
    Command(
        "checklist",
        "Judge how safely the appliance is set up.",
        _checklist,
        (option("--all", "everything", is_flag=True, default=False, help="Also what is well."),),
        "Example: 'appliance checklist' names what to mend, why, and the command that mends it.",
    ),
    Command("setup show", "Show the steps of the first set-up and which are behind you.", _setup),
    Command(
        "setup mark",
        "Say of a step that it is done, is skipped, or is ahead again.",
        _mark,
        (
            argument("step", type=click.Choice(STEPS)),
            argument("state", type=click.Choice(("done", "skipped", "ahead")), default="done", required=False),
        ),
        "Example: 'appliance setup mark mail skipped'.",
    ),
    Command(
        "reload",
        "Let the running office read what is stored again.",
        _reload,
        (),
        "Example: 'appliance reload', after a backup was put back. Calls go on.",
    ),
)
