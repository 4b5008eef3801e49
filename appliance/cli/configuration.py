"""`appliance config`: everything that was configured, as one file; and a file of it put in force."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.door import foreseen, notes
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link, Request
from appliance.cli.show import Answer, Column, line, say, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config import document

LINES_SHOWN = 200
SIGNS = {"added": "+", "changed": "~", "removed": "-"}
CHANGES = (
    Column("section", "section"),
    Column("what", "", lambda what: SIGNS.get(what, what)),
    Column("name", "name"),
    Column("before", "before"),
    Column("after", "after"),
)


def _export(session: Session, file: str, with_secrets: bool, force: bool) -> Answer:
    if file != "-" and not force and os.path.lexists(file):
        raise _there_already(file)
    pieces = _pieces(session.link(), secrets=with_secrets)
    if file == "-":
        for piece in pieces:
            sys.stdout.write(piece)
        sys.stdout.flush()
        return Answer({"file": file, "secrets": with_secrets})
    size = _written(Path(file), pieces, force=force)
    words = "with passwords and keys in clear: nobody else may read it" if with_secrets else "without secrets"
    value = {"file": file, "secrets": with_secrets, "bytes": size}
    return Answer(value, (line(f"{file}: {size} bytes, {words}", "yellow" if with_secrets else ""),))


def _pieces(link: Link, *, secrets: bool) -> Iterator[str]:
    after: list[str] | None = []
    while after is not None:
        piece = link.office("config.export", {"secrets": secrets, "after": after})
        yield piece["text"]
        after = piece["next"]


def _there_already(file: object) -> Failure:
    return Failure(Exit.REFUSED, f"{file} is there already", "--force writes over it")


def _written(path: Path, pieces: Iterator[str], *, force: bool) -> int:
    """The file, whole or not at all, readable by its owner alone; its size in bytes. Raises Failure."""
    first = next(pieces)  # a refusal leaves no file behind
    try:
        if not force:
            open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)).close()  # ours from here on
        try:
            return _replaced(path, first, pieces)
        except BaseException:
            if not force:
                path.unlink()
            raise
    except FileExistsError:
        raise _there_already(path) from None
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{path} cannot be written: {error.strerror}") from None


def _replaced(path: Path, first: str, pieces: Iterator[str]) -> int:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(first)
            out.writelines(pieces)
            out.flush()
            os.fsync(out.fileno())
            size = out.tell()
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return size


def _import(session: Session, file: str, dry_run: bool, yes: bool) -> Answer:
    asks = not (dry_run or yes)
    if asks and (session.json or file == "-" or not sys.stdin.isatty()):
        raise click.UsageError("where nobody can be asked, 'config import' needs --yes or --dry-run")
    requests = _requests(file)
    link = session.link()
    if not asks and not dry_run:
        return _applied(session, _sent(link, file, [*requests, ("config.apply", {})]))
    planned = _sent(link, file, [*requests, ("config.plan", {})])
    ssh, cut_off = foreseen(session, planned["administered_from"]) if planned["changes"] else ((), "")
    shown = (*_shown(planned), *ssh)
    if dry_run or not planned["changes"]:
        words = "nothing was changed" if dry_run else "nothing differs; nothing was changed"
        return Answer(planned | {"dry_run": True}, (*shown, line(words, "dim")))
    say(Answer(planned, shown), as_json=False)
    if cut_off:
        words = f"you come over SSH from {cut_off}, to which it would be closed"
        raise Failure(Exit.REFUSED, words, "your next session would not be answered; --yes does it all the same")
    click.confirm("Change all of this?", abort=True, err=True)
    return _applied(session, _sent(link, file, [*requests, ("config.apply", {"digest": planned["digest"]})]), told=True)


def _requests(file: str) -> list[Request]:
    try:
        with click.open_file(file, "rb") as opened:
            data = bytes(opened.read(document.MOST_BYTES + 1))
        return list(document.requests(document.read(data)))
    except OSError as error:
        raise Failure(Exit.NOT_FOUND, f"{file} cannot be read: {error.strerror}") from None
    except document.BadDocument as error:
        raise Failure(Exit.REFUSED, f"{file}, {error}", "nothing was changed", "bad_configuration") from None


def _sent(link: Link, file: str, requests: list[Request]) -> dict[str, Any]:
    """The last answer; a refusal names the file."""
    try:
        return link.office_all(requests)[-1]
    except Failure as failure:
        words = f"{file}, {failure.message}"
        raise Failure(failure.exit_code, words, failure.hint or "nothing was changed", failure.code) from None


def _shown(told: dict[str, Any]) -> tuple[RenderableType, ...]:
    counts = [
        line(f"{name}: " + ", ".join(f"{count} {what}" for what, count in each.items() if count))
        for name, each in told["counts"].items()
    ]
    lines = told["changes"][:LINES_SHOWN]
    total = sum(sum(each.values()) for each in told["counts"].values())
    rest = (line(f"and {total - len(lines)} more", "dim"),) if total > len(lines) else ()
    warned = (line(f"warning: {warning}", "yellow") for warning in told["warnings"])
    return (table(CHANGES, lines, "nothing differs"), *rest, *counts, *warned)


def _applied(session: Session, result: dict[str, Any], *, told: bool = False) -> Answer:
    state = "in force" if result["live"] else "saved; in force when the appliance starts"
    shown = () if told else _shown(result)
    return Answer(result, (*shown, line(f"generation {result['generation']}, {state}", "dim"), *notes(session)))


GROUP = Group("config", "The configuration as one file: written, and read again.", "")

COMMANDS = (
    Command(
        "config export",
        "Write everything that was configured as one file.",
        _export,
        (
            argument("file", type=click.Path(allow_dash=True, dir_okay=False)),
            option("--with-secrets", is_flag=True, default=False, help="Passwords and keys too, in clear."),
            option("--force", is_flag=True, default=False, help="Write over a file that is there."),
        ),
        "Settings, currencies, taxes, trunks with their routes, rules of the firewall, what only counts, trusted "
        "sources, bans made by hand, blacklist and rate decks; as JSON, an entry a line. Nothing that was counted, no "
        "accounts ('appliance accounts export'), no administrators, no imported lists, no certificate. The file is "
        "readable by its owner alone.",
    ),
    Command(
        "config import",
        "Make the configuration what a file says, all of it or nothing.",
        _import,
        (
            argument("file", type=click.Path(allow_dash=True)),
            option("--dry-run", is_flag=True, default=False, help="Only show what it would change."),
            option("--yes", is_flag=True, default=False, help="Do not ask."),
        ),
        "What it would change is shown first, and whom panel and SSH would not answer any more; who comes over SSH and "
        "would be shut out himself is refused without --yes. A section that the file does not have is left "
        "as it is; what a section of it does not have is removed. A file without secrets leaves those that the machine "
        "has. What is wrong is named by its place, and nothing is changed.",
    ),
)
