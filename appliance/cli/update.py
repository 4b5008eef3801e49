"""`appliance update`: the image's two slots, and what fills, confirms or takes one back. Only on the image."""

from pathlib import Path

import click

from appliance.cli.exits import Exit, Failure
from appliance.cli.follow import followed, taken_back
from appliance.cli.show import Answer, Column, line, table, yes_no
from appliance.cli.slots import slots_here
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.slots import SlotError, State, run

SHOWN = (
    Column("name", "slot"),
    Column("running", "runs", yes_no),
    Column("next", "starts next", yes_no),
    Column("good", "good", yes_no),
    Column("version", "version"),
    Column("installed_at", "installed"),
)


def _answer(found: State, *words: str) -> Answer:
    rows = [
        {
            "name": each.name, "running": each.running, "next": each.next, "good": each.good, "version": each.version,
            "installed_at": each.installed_at,
        }
        for each in found.slots
    ]  # fmt: skip
    trial = [line(f"slot {found.trial} is on trial: it is taken back unless it proves healthy", "yellow")]
    human = (*(line(each) for each in words), table(SHOWN, rows, "no slots"), *(trial if found.trial else ()))
    return Answer({"slots": rows, "trial": found.trial or None}, human)


def _status(session: Session) -> Answer:
    slots = slots_here()
    try:
        found = slots.look()
    except SlotError as error:
        raise Failure(Exit.REFUSED, str(error)) from None
    shown, value = followed(session, found)
    answer = _answer(found)
    return Answer(answer.value | {"followed": value}, (*answer.human, line(shown, "dim")))


def _install(_session: Session, file: Path, reboot: bool, older: bool) -> Answer:
    slots = slots_here()
    if not file.is_file():
        raise Failure(Exit.NOT_FOUND, f"there is no file {file}", "an update is called appliance-VERSION.raucb")
    try:
        version = slots.contents(file)
        found = slots.install(file, older=older)
        words = f"version {version} is in slot {found.other.name} and starts with the next restart, on trial"
        if reboot:
            run(["systemctl", "--no-block", "reboot"])
    except SlotError as error:
        raise Failure(Exit.REFUSED, str(error), "the slot that runs is as it was") from None
    return _answer(found, words)


def _rollback(session: Session, reboot: bool) -> Answer:
    slots = slots_here()
    try:
        before = slots.look()
        found = slots.rollback()
        trouble = taken_back(session, before)
        if reboot:
            run(["systemctl", "--no-block", "reboot"])
    except SlotError as error:
        raise Failure(Exit.REFUSED, str(error)) from None
    chosen = next((each.name for each in found.slots if each.next), "?")
    return _answer(found, f"slot {chosen} starts with the next restart", *filter(None, [trouble]))


def _confirm(_session: Session) -> Answer:
    slots = slots_here()
    try:
        found = slots.confirm()
    except SlotError as error:
        raise Failure(Exit.REFUSED, str(error)) from None
    return _answer(found, f"slot {found.running.name} stays")


OLDER = option("--older", is_flag=True, default=False, help="Take a version that is older than the one that runs.")
REBOOT = option("--reboot", is_flag=True, default=False, help="Restart the machine at once.")
FILE = click.Path(path_type=Path)
GROUP = Group("update", "The system of the image: two slots, updated as a whole.", "status")
COMMANDS = (
    Command("update status", "Show both slots: which runs, which starts next, which version each holds.", _status),
    Command(
        "update install",
        "Write a signed update into the slot that does not run; the next restart tries it.",
        _install,
        (argument("file", metavar="FILE", type=FILE), REBOOT, OLDER),
        more="A slot on trial that does not prove healthy (/readyz and SIP answer) restarts the machine; after three "
        "starts the other slot runs again. What the machine was set to stays with either. An older version, with holes "
        "that were closed since, is refused unless --older is given.",
    ),
    Command(
        "update rollback",
        "Start the other slot from the next restart on, or take back an update that waits for its restart.",
        _rollback,
        (REBOOT,),
        more="The version that is left so is not installed again by a source that is followed.",
    ),
    Command("update confirm", "End the trial of the slot that runs now, by hand.", _confirm),
)
