"""`appliance restore`: a backup is looked at, or put back. It needs root."""

from pathlib import Path

import click

from appliance.backup.restoring import Restored, restore, restore_into
from appliance.cli.backups import backups_of, office_of, refusals, size
from appliance.cli.show import Answer, facts, line, moment, say
from appliance.cli.table import Command, Session, argument, option


def _restore(session: Session, snapshot: str, into: Path | None, yes: bool) -> Answer:
    with refusals():
        backups = backups_of(session)
        if into is not None:
            return _restored(restore_into(backups, snapshot, into.absolute()))
        if not yes:
            if session.json:
                raise click.UsageError("with --json, 'restore' needs --yes")
            found = backups.find(backups.repository()[1].snapshots(), snapshot)
            words = f"backup {found.short} of {moment(found.at)}, {size(found.size_bytes)}"
            say(Answer({}, (line(words),)), as_json=False)
            click.confirm(f"Put it in the place of what is in {session.state}?", abort=True)
        office = office_of(session)
        done = restore(backups, office, snapshot, session.runtime.absolute())
        options, repository = backups.repository()
        report = {"event": "restored", "snapshot": done.snapshot.ident, "made_at": done.made_at}
        office.tell(report | backups.held(options, repository))
    return _restored(done)


def _restored(done: Restored) -> Answer:
    balances = ", ".join(f"{amount} {code}" for code, amount in done.database["balances"].items())
    broken = done.database["broken_at"]
    shown = (
        ("backup", f"{done.snapshot.short} of {moment(done.made_at)}"),
        ("in", str(done.place)),
        ("accounts", str(done.database["accounts"])),
        ("balances", balances),
        ("call records", str(done.database["cdrs"])),
        ("audit trail", f"broken from row {broken} on" if broken else "whole"),
        ("replaced", f"lies in {done.aside}: remove it when you are content" if done.aside else ""),
    )
    value = {
        "snapshot": done.snapshot.ident, "made_at": done.made_at, "place": str(done.place),
        "database": done.database, "aside": str(done.aside) if done.aside else None,
    }  # fmt: skip
    return Answer(value, (facts(shown),))


COMMANDS = (
    Command(
        "restore",
        "Put a backup in the place of what is there; what it replaces is kept aside.",
        _restore,
        (
            argument("snapshot", default="latest", required=False, metavar="[BACKUP]"),
            option("--into", type=click.Path(path_type=Path, file_okay=False), help="Only write it into a directory."),
            option("--yes", is_flag=True, default=False, help="Do not ask."),
        ),
        "The appliance must be stopped. Everything is fetched and judged before anything is replaced. On a new "
        "machine: 'appliance backup init REPOSITORY --password -', then 'appliance restore'.",
    ),
)
