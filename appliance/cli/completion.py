"""`appliance completion` and `appliance docs`: what the command says about itself."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from appliance import docs
from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, line
from appliance.cli.table import Command, Session, argument, option

if TYPE_CHECKING:
    from appliance.cli.table import Book

SHELLS = ("bash", "zsh", "fish")
HOW = {
    "bash": "# appliance completion bash > /etc/bash_completion.d/appliance",
    "zsh": "# appliance completion zsh > /usr/local/share/zsh/site-functions/_appliance",
    "fish": "# appliance completion fish > /etc/fish/completions/appliance.fish",
}


def _completion(_session: Session, shell: str | None) -> Answer:
    name = shell or Path(os.environ.get("SHELL", "bash")).name
    kind = get_completion_class(name)
    if name not in SHELLS or kind is None:
        raise Failure(Exit.USAGE, f"no completion for {name!r}", f"name one of {', '.join(SHELLS)}")
    source = kind(click.Group("appliance"), {}, "appliance", "_APPLIANCE_COMPLETE").source()
    # zsh wants its #compdef on the first line, so that the advice comes last
    text = f"{source.strip()}\n{HOW[name]}"
    return Answer({"shell": name, "script": text}, (text,))


def _docs(_session: Session, check: bool, directory: Path | None) -> Answer:
    from appliance.cli.book import BOOK

    where = directory or docs.DIRECTORY
    try:
        stale = docs.stale(where, _pages(BOOK)) if check else docs.write(where, _pages(BOOK))
    except docs.DocsError as error:
        raise Failure(Exit.REFUSED, str(error)) from None
    if check and stale:
        raise Failure(Exit.REFUSED, f"out of date: {', '.join(stale)}", "'appliance docs' writes them", "stale")
    words = "generated documents are up to date" if not stale else f"wrote {', '.join(stale)}"
    return Answer({"directory": str(where), "written": stale}, (line(words),))


def _pages(book: "Book") -> dict[str, docs.Page]:
    return docs.pages(lambda: docs.command_page(book))


COMMANDS = (
    Command(
        "docs",
        "Write the documents that are generated from tables, or check them.",
        _docs,
        (
            option("--check", is_flag=True, default=False, help="Write nothing; fail when one is out of date."),
            option("--directory", type=click.Path(path_type=Path, file_okay=False), help="[default: docs/]"),
        ),
    ),
    Command(
        "completion",
        "Print what sets up completion in a shell.",
        _completion,
        (argument("shell", required=False, type=click.Choice(SHELLS)),),
        "Without SHELL, the one that $SHELL names.",
    ),
)
