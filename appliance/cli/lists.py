"""`appliance lists`: ban lists of others, imported whole."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.progress import Progress

from appliance import feeds, networks
from appliance.cli.exits import Exit, Failure
from appliance.cli.importing import DRY_RUN, ask, bar_of, counted, may_ask, read_file
from appliance.cli.link import Link, Request
from appliance.cli.show import Answer, Column, line, moment, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.feeds import BadLine, Feed, Format

MOST_BYTES = 512 * 1024 * 1024
NAMED_LINES = 20  # bad lines that are written out; all are counted
IN_FORCE_WITHIN_S, LOOK_EVERY_S = 30.0, 0.1

LISTS = (
    Column("name", "list"),
    Column("entries", "networks", right=True),
    Column("skipped", "not taken", right=True),
    Column("source", "from"),
    Column("imported_at", "imported", moment),
    Column("in_force", "in force", yes_no),
)
BAD = (Column("line", "line", right=True), Column("text", "what"), Column("reason", "why not"))


def read_text(path: str) -> str:
    """The text of a list. Raises Failure."""
    data = read_file(path, MOST_BYTES, "split the list")
    if b"\0" in data:
        raise Failure(Exit.REFUSED, f"{path} is no text", "unpack it first, if it is compressed", "bad_list")
    return data.decode("utf-8", errors="replace").replace("\r", "")


def protected(link: Link) -> dict[bytes, tuple[str, str]]:
    """What no list may cover: row to (text, reason)."""
    rows = link.office("protected.list")["protected"]
    return {networks.parsed(each["prefix"]): (each["prefix"], each["why"]) for each in rows}


def without_protected(rows: list[bytes], guarded: dict[bytes, tuple[str, str]]) -> tuple[list[bytes], list[BadLine]]:
    """The rows that may be taken, and those that would cut somebody off."""
    clashes = {row: guarded[hit] for row, hit in networks.clashes(rows, guarded)}
    kept = [row for row in rows if row not in clashes] if clashes else rows
    bad = [BadLine(0, networks.text(row), f"would cut off {text}: {why}") for row, (text, why) in clashes.items()]
    return kept, bad


def send(
    link: Link, name: str, kind: str, rows: list[bytes], source: str, skipped: int, progress: Callable[[int], None]
) -> dict[str, Any]:
    """Stores a list and puts it in force; the office's answer. `progress` hears how many rows are there."""
    begin: Request = ("lists.begin", {"name": name, "kind": kind, "source": source, "skipped": skipped})
    return link.office_all(
        [begin, *_pieces(rows), ("lists.commit", {})],
        lambda done, _: progress(min((done - 1) * networks.CHUNK_ROWS, len(rows))),
    )[-1]


def _pieces(rows: list[bytes]) -> list[Request]:
    return [("lists.rows", {"packed": base64.b64encode(piece).decode()}) for piece in feeds.pieces(rows)]


def _compared(link: Link, name: str, rows: list[bytes], held: int) -> dict[str, int]:
    """How many networks of a list in use would be added and removed; it stays as it is."""
    bites = -(-held // networks.CHUNK_ROWS) - (-len(rows) // networks.CHUNK_ROWS) + 1
    requests: list[Request] = [("lists.begin", {"name": name}), *_pieces(rows), *[("lists.compare", {})] * bites]
    told = link.office_all(requests)[-bites:]
    return {each: sum(bite[each] for bite in told) for each in ("added", "removed")}


@dataclass(frozen=True, slots=True)
class Taken:
    """What of a file may be imported: its rows, how many lines it had, how many rows others cover, what is left out."""

    rows: list[bytes]
    read: int
    merged: int
    bad: list[BadLine]

    def shown(self) -> dict[str, Any]:
        """As JSON says it."""
        return {"read": self.read, "merged": self.merged, "bad": [_shown(each) for each in self.bad]}


def _import(session: Session, name: str, file: str, form: str, strict: bool, dry_run: bool, yes: bool) -> Answer:
    link, words = session.link(), f"{Path(file).name} -> {name}"
    link.office("lists.begin", {"name": name})  # a name that cannot be is refused before a large file is read
    with bar_of(session, words) as bar:
        taken = _taken(link, bar, file, Format(form), strict=strict)
    held = max((each["entries"] for each in link.office("lists.list")["lists"] if each["name"] == name), default=0)
    if dry_run or (held and may_ask(session, file, yes=yes)):
        counts = _compared(link, name, taken.rows, held)
        if dry_run:
            human = line(f"{name}: of its networks there would be {counted(counts)}; nothing was imported")
            return Answer({"name": name, "dry_run": True} | counts | taken.shown(), (human, *_bad_lines(taken.bad)))
        if any(counts.values()):
            ask(f"{name} is in use with {held} networks: {counted(counts)}. Replace it?")
    with bar_of(session, words) as bar:
        task = bar.add_task("send", total=len(taken.rows), words="sent")
        bad = len(taken.bad)
        result = send(link, name, "ban", taken.rows, file, bad, lambda done: bar.update(task, completed=done))
        in_force = _await(link, name, result)
    said = _words(name, len(taken.rows), taken.merged, in_force, live=result["live"])
    return Answer(result | taken.shown() | {"in_force": in_force}, (said, *_bad_lines(taken.bad)))


def _taken(link: Link, bar: Progress, file: str, form: Format, *, strict: bool) -> Taken:
    """What may be taken of a file. Raises Failure."""
    feed = _read(bar, read_text(file), form, file)
    rows = networks.merged(feed.rows)
    merged = len(feed.rows) - len(rows)
    rows, cutting = without_protected(rows, protected(link))
    bad = [*feed.bad, *cutting]
    if strict and bad:
        raise Failure(Exit.REFUSED, _first_bad(file, bad), "nothing was imported; see --no-strict", "bad_list")
    if not rows:
        words = f"{file} names no network" + (f"; {_first_bad(file, bad)}" if bad else "")
        raise Failure(Exit.REFUSED, words, "nothing was imported; see --format", "bad_list")
    return Taken(rows, feed.total, merged, bad)


def _read(bar: Progress, text: str, form: Format, file: str) -> Feed:
    task = bar.add_task("read", total=text.count("\n") + 1, words="read")
    try:
        feed = feeds.read(text, form, lambda done: bar.update(task, completed=done))
    except (ValueError, RecursionError) as error:
        why = "brackets are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Failure(Exit.REFUSED, f"{file} is not JSON: {why}", "nothing was imported; see --format") from None
    bar.update(task, completed=text.count("\n") + 1)
    return feed


def _await(link: Link, name: str, result: dict[str, Any]) -> bool:
    """Whether the list came into force; waits for it while the appliance runs."""
    until = time.monotonic() + IN_FORCE_WITHIN_S
    while result["live"] and time.monotonic() < until:
        if any(each["name"] == name and each["in_force"] for each in link.office("lists.list")["lists"]):
            return True
        time.sleep(LOOK_EVERY_S)
    return False


def _words(name: str, count: int, merged: int, in_force: bool, *, live: bool) -> RenderableType:
    joined = f", {merged} doubles and covered ones left out" if merged else ""
    if in_force:
        state = "in force"
    else:
        state = (
            "stored, but not in force yet: see 'appliance lists show'" if live else "in force when the appliance starts"
        )
    return line(f"{name}: {count} networks{joined}; {state}", "" if in_force or not live else "yellow")


def _first_bad(file: str, bad: list[BadLine]) -> str:
    first = bad[0]
    where = f"{file}, line {first.line}" if first.line else file
    return f"{where}: {first.text}: {first.reason}" + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else "")


def _shown(bad: BadLine) -> dict[str, Any]:
    return {"line": bad.line, "text": bad.text, "reason": bad.reason}


def _bad_lines(bad: list[BadLine]) -> list[Any]:
    if not bad:
        return []
    rest = [line(f"and {len(bad) - NAMED_LINES} more; --json names all", "dim")] if len(bad) > NAMED_LINES else []
    title = line(f"not taken: {len(bad)}", "yellow")
    return [title, table(BAD, [_shown(each) for each in bad[:NAMED_LINES]], ""), *rest]


def _show(session: Session) -> Answer:
    result = session.link().office("lists.list")
    return Answer(result, (table(LISTS, result["lists"], "no lists: 'appliance lists import NAME FILE'"),))


def _remove(session: Session, name: str) -> Answer:
    result = session.link().office("lists.remove", {"name": name})
    return Answer(result, (line(f"removed {name}"),))


GROUP = Group("lists", "Ban lists of others, imported whole.", default="show")
NAME = argument("name")

COMMANDS = (
    Command(
        "lists import",
        "Import a ban list; the one of the same name is replaced, all at once.",
        _import,
        (
            NAME,
            argument("file", type=click.Path(allow_dash=True)),
            option(
                "--format",
                "form",
                type=click.Choice([str(each) for each in Format]),
                default="auto",
                help="How it is written; 'plain' takes addresses, CIDR, ranges and comments.",
            ),
            option("--strict/--no-strict", default=False, help="Take nothing when a line cannot be used."),
            DRY_RUN,
            option("--yes", is_flag=True, default=False, help="Do not ask before a list in use is replaced."),
        ),
        "FILE is a path, or '-' for standard input. Lines that cannot be used are named and left out, and so is "
        "whatever would cut off the machine itself, its gateway, the allow list or those who manage it. At a terminal "
        "it is asked first whether a list in use is to be replaced, with how many networks are added and removed.",
    ),
    Command("lists show", "List the imported lists.", _show),
    Command("lists remove", "Remove a list.", _remove, (NAME,)),
)
