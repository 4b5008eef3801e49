"""How answers look: JSON for programs, tables and lines for people. Knows no command.

Text that came from the network may hold anything; control characters are made visible before a terminal sees them.
"""

import datetime
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from appliance.cli.exits import Exit, Failure

PIPE_WIDTH = 200  # columns of a table that goes to a file or a pipe


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says: `value` as JSON, `human` on a terminal (plain strings are written as they are)."""

    value: Any
    human: tuple[RenderableType, ...] = ()
    exit_code: Exit = Exit.OK


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the key in a row (dots descend), its heading, and how its value is written."""

    key: str
    title: str
    write: Callable[[Any], str] = str
    right: bool = False


class _Console(Console):
    """One whose reader may go: `appliance ... | head` has done what it should."""

    def on_broken_pipe(self) -> None:
        """Called while a BrokenPipeError is handled; the command ends well (table.attempt)."""
        raise BrokenPipeError


def console(*, error: bool = False) -> Console:
    """A console on today's stdout or stderr that takes nothing in a text for markup."""
    stream = sys.stderr if error else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return _Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def visible(text: str) -> str:
    """`text` with control and format characters written as escapes."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def line(text: str, style: str = "") -> Text:
    """One line for people."""
    return Text(visible(text), style=style)


def table(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], empty: str) -> RenderableType:
    """A table of `rows`, or the sentence `empty` when there are none."""
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(visible(column.write(_dig(row, column.key)))) for column in columns])
    return drawn if drawn.row_count else line(empty, "dim")


def facts(pairs: Iterable[tuple[str, str]]) -> RenderableType:
    """Names and values, one pair a line; empty values are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0) + 2
    return Text("\n").join(Text.assemble((name.ljust(width), "bold"), visible(value)) for name, value in shown)


def _dig(row: Mapping[str, Any], key: str) -> Any:
    value: Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else value


def yes_no(value: Any) -> str:
    """`yes`, or nothing."""
    return "yes" if value else ""


def joined(value: Any) -> str:
    """A list on one line."""
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def moment(value: Any) -> str:
    """A Unix time in local time; 0 and nothing are empty."""
    if not value:
        return ""
    return datetime.datetime.fromtimestamp(float(value)).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def until(value: Any) -> str:
    """A Unix time by which something ends; 0 is never."""
    return moment(value) or "until lifted"


def span(value: Any) -> str:
    """Seconds as minutes and seconds."""
    if value == "":
        return ""
    seconds = round(float(value))
    return f"{seconds // 60}:{seconds % 60:02d}"


def say(answer: Answer, *, as_json: bool) -> None:
    """Write an answer to stdout."""
    if as_json:
        sys.stdout.write(json.dumps(answer.value, indent=2, ensure_ascii=not unicode_shown(), default=str) + "\n")
        return
    out = console()
    for part in answer.human:
        if isinstance(part, str):  # text for another program: nothing may be broken or coloured
            sys.stdout.write(part + "\n")
        else:
            out.print(part, soft_wrap=isinstance(part, Text))


def unicode_shown() -> bool:
    """Whether standard output takes more than ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def complain(failure: Failure, *, as_json: bool) -> None:
    """Write a failure to stderr: one line and a hint."""
    if as_json:
        error = {"code": failure.code, "message": failure.message, "hint": failure.hint}
        sys.stderr.write(json.dumps({"error": error, "exit": int(failure.exit_code)}) + "\n")
        return
    out = console(error=True)
    out.print(Text(f"appliance: {visible(failure.message)}", style="red"), soft_wrap=True)
    if failure.hint:
        out.print(Text(f"  hint: {visible(failure.hint)}", style="dim"), soft_wrap=True)
