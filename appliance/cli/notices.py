"""`appliance notices`: what administrators and owners were told, and a test that they can be."""

from typing import Any

import click

from appliance.cli.show import Answer, Column, line, moment, table
from appliance.cli.table import Command, Group, Session, option

NOTICES = (
    Column("at", "when", moment),
    Column("kind", "kind"),
    Column("account", "account"),
    Column("channel", "by"),
    Column("recipient", "to"),
    Column("status", "status"),
    Column("attempts", "tries", right=True),
    Column("subject", "subject"),
    Column("reason", "why not"),
)
TOLD = (Column("channel", "by"), Column("recipient", "to"))


def _list(session: Session, limit: int, account: str | None) -> Answer:
    args: dict[str, Any] = {"limit": limit, "account": account}
    result = session.link().office("notices.list", args)
    return Answer(result, (table(NOTICES, result["notices"], "nobody was told anything"),))


def _test(session: Session) -> Answer:
    result = session.link().running_office("notices.test")
    lines = [line(f"nothing by {each['channel']}: {each['setting']} is not set") for each in result["closed"]]
    last = line("'appliance notices list' says what became of it; notifydigest may delay a second one")
    return Answer(result, (table(TOLD, result["told"], "nobody is told"), *lines, last))


GROUP = Group("notices", "What administrators and owners of accounts are told.")
COMMANDS = (
    Command(
        "notices list",
        "List notices, newest first: to whom, by which way, whether they went out, and which setting kept them back.",
        _list,
        (
            option("--account", help="Only those about this account."),
            option("--limit", type=click.IntRange(1, 10_000), default=50, help="At most so many."),
        ),
    ),
    Command("notices test", "Send a test by every way that is set up.", _test),
)
