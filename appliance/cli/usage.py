"""`appliance accounts days`, `allow` and `tree`, and the bars that show how much of each limit is used up."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from appliance.cli.show import Answer, Column, facts, line, span, table, visible
from appliance.cli.table import Command, Session, argument, option

WIDTH = 24  # cells of a bar
NEAR_PERCENT = 80
FULL, EMPTY = "█", "░"

DAYS = (
    Column("day", "day"),
    Column("spent", "spent", right=True),
    Column("seconds", "talk", span, right=True),
    Column("calls", "calls", right=True),
    Column("blocked", "blocked by"),
    Column("extra", "allowed beyond", lambda text: "" if text == "0.00" else str(text), right=True),
)


def bar(percent: int) -> Text:
    """How much of a limit is used, as a picture; in colours when it is near or reached."""
    filled = min(WIDTH, WIDTH * max(0, percent) // 100)
    style = "red" if percent >= 100 else "yellow" if percent >= NEAR_PERCENT else "green"
    return Text.assemble((FULL * filled, style), (EMPTY * (WIDTH - filled), "dim"), f" {percent:3d} %")


def bars(usage: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    """What is used today and this month, and each limit with its bar."""
    spent = f"{usage['spent_today']} today, {usage['spent_month']} this month"
    talked = f"{span(usage['seconds_today'])} today, {span(usage['seconds_month'])} this month"
    talked += f", + {span(usage['reserved_s'])} reserved" if usage["reserved_s"] else ""
    pairs = [("spent", spent), ("talked", talked), ("blocked today by", usage["blocked"])]
    pairs += [("allowed beyond", usage["extra"])] if usage["extra"] != "0.00" else []
    return (facts(pairs), *(_limit_line(row) for row in usage["limits"]))


def _limit_line(row: Mapping[str, Any]) -> Text:
    words = f"  {row['used']} of {row['limit']} {row['unit']}"
    return Text.assemble((f"{row['setting']:<26}", "bold"), bar(int(row["percent"])), visible(words))


def _days(session: Session, name: str, limit: int) -> Answer:
    result = session.link().office("accounts.days", {"name": name, "limit": limit})
    return Answer(result, (table(DAYS, result["days"], f"{name} has not called yet"),))


def _allow(session: Session, name: str, amount: str) -> Answer:
    result = session.link().office("accounts.allow", {"name": name, "amount": amount})
    words = f"{name} may spend {amount} more today than its daily limits say; a block is lifted"
    return Answer(result, (line(words), *bars(result["usage"])))


def _tree(session: Session) -> Answer:
    accounts = session.link().office("accounts.list")["accounts"]
    below: dict[str, list[Mapping[str, Any]]] = {}
    for account in accounts:
        below.setdefault(account["fields"]["parent"], []).append(account)
    value = [_branch(account, below) for account in below.get("", [])]
    drawn = Tree(line("the owner of the appliance", "bold"))
    _grow(drawn, value)
    return Answer({"accounts": value}, (drawn if value else line("no accounts", "dim"),))


def _branch(account: Mapping[str, Any], below: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    shown = {name: account[name] for name in ("name", "type", "balance", "currency", "lines")}
    return shown | {"below": [_branch(each, below) for each in below.get(account["name"], [])]}


def _grow(drawn: Tree, accounts: Sequence[Mapping[str, Any]]) -> None:
    for account in accounts:
        calls = f", {account['lines']} calls" if account["lines"] else ""
        words = f"{account['name']}  {account['type']}, {account['balance']} {account['currency']}{calls}"
        _grow(drawn.add(line(words)), account["below"])


NAME = argument("name")
COMMANDS = (
    Command("accounts tree", "Show resellers and who is below them.", _tree),
    Command(
        "accounts days",
        "Show what an account used on each day, newest first.",
        _days,
        (NAME, option("--limit", type=click.IntRange(1, 10_000), default=62, help="At most so many.")),
    ),
    Command(
        "accounts allow",
        "Let an account spend more today than its daily limits say.",
        _allow,
        (NAME, argument("amount")),
        "What was allowed already adds to it; a block of today is lifted. Balance and monthly limits stay.",
    ),
)
