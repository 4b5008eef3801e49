"""`appliance rules try` and `rules replay`: calls of the past under other limits, as tables and a small picture.

A process of its own does the work beside the office that serves calls; this one shows how far it is.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, Column, console, facts, line, moment, span, table, unicode_shown
from appliance.cli.table import Command, Session, argument, option

BAR = 32  # columns of the picture
Amounts = Mapping[str, str]


def amounts(value: Any) -> str:
    """Money by currency."""
    return ", ".join(f"{amount} {currency}" for currency, amount in value.items()) if value else ""


SUMS = (
    Column("refused", "refused", right=True),
    Column("cut", "cut", right=True),
    Column("freed", "let through", right=True),
    Column("trusted", "of customers", right=True),
    Column("talk_s", "talk lost", span, right=True),
    Column("revenue", "revenue lost", amounts, right=True),
    Column("cost", "cost saved", amounts, right=True),
    Column("first_at", "first", moment),
)
SETTINGS = (Column("setting", "setting"), *SUMS)
ACCOUNTS = (Column("account", "account"), *SUMS)
STOPPED = (
    Column("at", "when", moment),
    Column("account", "account"),
    Column("callee", "callee"),
    Column("ending", ""),
    Column("talk_s", "after", span, right=True),
    Column("of_s", "of", span, right=True),
    Column("setting", "by"),
    Column("sentence", "because"),
)
BLOCKED = (
    Column("at", "when", moment),
    Column("account", "account"),
    Column("setting", "by"),
    Column("spent", "spent that day", right=True),
)


def proposal(words: Sequence[str]) -> dict[str, str]:
    """SETTING=VALUE pairs. Raises Failure."""
    changes: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Failure(Exit.USAGE, f"{word!r} is no SETTING=VALUE", "such as maxdailycreditforenduser=20.00")
        if name.lower() in changes:
            raise Failure(Exit.USAGE, f"{name} is given twice")
        changes[name.lower()] = value
    return changes


def _try(session: Session, words: tuple[str, ...], days: int, accounts: tuple[str, ...], top: int) -> Answer:
    return _replayed(session, proposal(words), days, accounts, top)


def _replay(session: Session, days: int, accounts: tuple[str, ...], top: int) -> Answer:
    return _replayed(session, {}, days, accounts, top)


def _replayed(session: Session, changes: dict[str, str], days: int, accounts: tuple[str, ...], top: int) -> Answer:
    args = {"changes": changes, "days": days, "accounts": list(accounts), "top": top}
    with _bar(session) as said:
        result = session.link().replay(args, said)
    return Answer(result, tuple(_human(result)))


@contextlib.contextmanager
def _bar(session: Session) -> Iterator[Any]:
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("calls"), TimeRemainingColumn())
    shown = console(error=True)
    hidden = session.json or not shown.is_terminal
    with Progress(*columns, console=shown, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _human(result: Mapping[str, Any]) -> Iterator[Any]:
    total = result["total"]
    against = "settings in force" if result["tried"] else "the records"
    yield facts(
        [
            ("tried", ", ".join(_tried(each) for each in result["tried"]) or "the settings in force"),
            ("against", against),
            ("calls", f"{result['calls']} since {moment(result['since'])}"),
            ("stopped", f"{total['refused']} refused, {total['cut']} cut, of {result['accounts_hit']} accounts"),
            ("of customers", f"{total['trusted']} (never blocked since, not locked, and somebody pays for them)"),
            ("talk lost", span(total["talk_s"])),
            ("revenue lost", amounts(total["revenue"])),
            ("cost saved", amounts(total["cost"])),
            ("let through", f"{total['freed']} that were refused; how long they would talk nobody knows"),
            ("blocked for a day", str(result["blocked_in_all"])),
        ]
    )
    if result["not_in_records"]:
        yield line(f"records do not tell what {', '.join(result['not_in_records'])} would do", "yellow")
    if result["unlike_records"]:
        words = f"{result['unlike_records']} calls went otherwise than {against} would have it: limits, prices or money"
        yield line(f"{words} were not then what they are now", "yellow")
    for columns, rows in (
        (SETTINGS, result["settings"]),
        (ACCOUNTS, result["accounts"]),
        (BLOCKED, result["blocked"]),
        (STOPPED, result["stopped"]),
    ):
        if rows:
            yield line("")
            yield table(columns, rows, "")
    yield line("")
    yield picture(result["days"])


def _tried(each: Mapping[str, str]) -> str:
    return f"{each['name']}={each['tried']}" + (f" (now {each['now']})" if each["now"] else "")


def picture(days: Sequence[Mapping[str, Any]]) -> Text:
    """A bar for each day: what is still spent, what is no longer, and where the ceiling is."""
    spent = [(_sum(day["before"]), _sum(day["after"])) for day in days]
    ceilings = [Decimal(day["ceiling"]) for day in days if day["ceiling"] is not None]
    most = max([*(max(pair) for pair in spent), Decimal("0.01")])
    most = max([most, *(each for each in ceilings if each <= 2 * most)])
    full, gone, limit = ("█", "░", "│") if unicode_shown() else ("#", "-", "|")
    drawn = Text()
    for day, (before, after) in zip(days, spent, strict=True):
        kept, lost = _columns(after, most), max(0, _columns(before, most) - _columns(after, most))
        bar = list((full * kept + gone * lost).ljust(BAR))
        if day["ceiling"] is not None and Decimal(day["ceiling"]) <= most:
            bar[max(0, min(BAR, _columns(Decimal(day["ceiling"]), most)) - 1)] = limit
        drawn.append(f"{day['day']} ", "bold")
        drawn.append("".join(bar))
        drawn.append(f" {amounts(day['after']) or '0.00'}")
        notes = [f"before {amounts(day['before'])}"] if before != after else []
        notes += [f"{day['stopped']} stopped"] if day["stopped"] else []
        notes += [f"{day['blocked']} blocked"] if day["blocked"] else []
        drawn.append(f"  {', '.join(notes)}\n" if notes else "\n", "yellow")
    drawn.append(f"{full} spent   {gone} no longer" + (f"   {limit} ceiling" if ceilings else ""), "dim")
    return drawn


def _sum(by_currency: Amounts) -> Decimal:
    """For the length of a bar alone: currencies are not told apart."""
    return sum((Decimal(amount) for amount in by_currency.values()), Decimal(0))


def _columns(amount: Decimal, most: Decimal) -> int:
    return max(0, round(amount * BAR / most))


LOOK = (
    option("--days", type=click.IntRange(1, 400), default=30, help="So many days, today the last."),
    option("--account", "accounts", multiple=True, help="Look at this account alone; repeatable."),
    option("--top", type=click.IntRange(1, 100), default=10, help="Accounts, blocks and calls that are listed."),
)
COMMANDS = (
    Command(
        "rules try",
        "Show what other limits would have done to the calls of the last days.",
        _try,
        (argument("words", nargs=-1, required=True, metavar="SETTING=VALUE..."), *LOOK),
        "Nothing is changed. A field of accounts, such as maxlines=3, is tried for all of them or for --account.",
    ),
    Command(
        "rules replay",
        "Show what the settings in force would have done to the calls of the last days.",
        _replay,
        LOOK,
    ),
)
