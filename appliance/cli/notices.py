"""`appliance notices`: what administrators and owners were told, and a test that they can be."""

import time
from typing import Any

import click

from appliance.cli.exits import Exit
from appliance.cli.link import Link
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
TRIED = tuple(column for column in NOTICES if column.key in ("channel", "recipient", "status", "reason"))
PATIENCE_S, LOOK_EVERY_S = 75.0, 0.25  # a mail server may take a minute
CHANNELS = ("mail", "sms", "webhook")


def _list(session: Session, limit: int, account: str | None) -> Answer:
    args: dict[str, Any] = {"limit": limit, "account": account}
    result = session.link().office("notices.list", args)
    return Answer(result, (table(NOTICES, result["notices"], "nobody was told anything"),))


def _test(session: Session, channel: str | None) -> Answer:
    link = session.link()
    result = link.running_office("notices.test", {"channel": channel})
    rows = _outcome(link, result["key"])
    closed = [line(f"nothing by {each['channel']}: {each['setting']} is not set") for each in result["closed"]]
    bad = [row for row in rows if row["status"] != "sent"]
    last = line("not everybody was reached; a test is not repeated by itself" if bad else "everybody was reached")
    parts = (table(TRIED, rows, "nobody is told"), *closed, last)
    return Answer(result | {"notices": rows}, parts, Exit.REFUSED if bad or not rows else Exit.OK)


def _outcome(link: Link, key: str) -> list[dict[str, Any]]:
    """What became of a test, once everything of it was tried, or patience ends."""
    until = time.monotonic() + PATIENCE_S
    while True:
        listed = link.running_office("notices.list", {"key": key, "account": ""})["notices"]
        rows = [row for row in listed if row["status"] != "suppressed"]
        waits = not listed or any(row["status"] == "waiting" for row in rows)
        if not waits or time.monotonic() >= until:
            return rows
        time.sleep(LOOK_EVERY_S)


def _retry(session: Session) -> Answer:
    result = session.link().running_office("notices.retry")
    words = "'appliance notices list' says what becomes of them" if result["retried"] else "nothing has failed lately"
    return Answer(result, (line(f"{result['retried']} notices are tried again; {words}"),))


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
    Command(
        "notices test",
        "Send a test by every way that is set up, and say how it went.",
        _test,
        (option("--channel", type=click.Choice(CHANNELS), help="By this one alone."),),
    ),
    Command("notices retry", "Try again what failed within the last two days, once its cause is mended.", _retry),
)
