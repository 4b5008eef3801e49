"""What commands that import a file have in common: how it is read, the bar while it is sent, the question before it."""

import sys
from collections.abc import Mapping

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.cli.exits import Exit, Failure
from appliance.cli.show import console
from appliance.cli.table import Session, option

MIB = 1024**2
DRY_RUN = option("--dry-run", is_flag=True, default=False, help="Only count what it would change.")


def read_file(path: str, most_bytes: int, hint: str) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises Failure; `hint` is for a file that is too large."""
    try:
        with click.open_file(path, "rb") as file:
            data = bytes(file.read(most_bytes + 1))
    except OSError as error:
        raise Failure(Exit.NOT_FOUND, f"{path} cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise Failure(Exit.REFUSED, f"{path} is larger than {most_bytes // MIB} MiB", hint)
    return data


def bar_of(session: Session, words: str) -> Progress:
    """A progress bar, whose tasks say in `words` what they count; none where nobody looks."""
    columns = (
        TextColumn(words),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        TimeRemainingColumn(),
    )
    shown = console(error=True)
    return Progress(*columns, console=shown, transient=True, disable=session.json or not shown.is_terminal)


def may_ask(session: Session, file: str, *, yes: bool) -> bool:
    """Whether somebody at a terminal is to be asked before something in use is replaced."""
    return not yes and file != "-" and sys.stdin.isatty() and not session.json


def counted(counts: Mapping[str, int]) -> str:
    """`3 added, 0 changed, 1 removed`"""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def ask(words: str) -> None:
    """Ends the command unless the answer is yes."""
    click.confirm(words, abort=True, err=True)
