"""`appliance trunks` and `appliance rates`: where calls go, and what they cost."""

from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from appliance.cli.accounts import said
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Request
from appliance.cli.passwords import password_of
from appliance.cli.show import Answer, Column, console, joined, line, moment, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option

CHUNK_LINES = 1000
MOST_DECK_BYTES = 512 * 1024 * 1024

TRUNK_COLUMNS = (
    Column("name", "name"),
    Column("host", "host"),
    Column("port", "port", right=True),
    Column("transport", "transport"),
    Column("user", "user"),
    Column("inbound", "inbound from", joined),
    Column("max_channels", "channels", right=True),
    Column("deck", "cost deck"),
    Column("routes", "routes", lambda routes: str(len(routes)), right=True),
    Column("enabled", "enabled", yes_no),
)
ROUTE_COLUMNS = (
    Column("prefix", "prefix", lambda prefix: prefix or "(all)"),
    Column("priority", "priority", right=True),
    Column("strip", "strip", right=True),
    Column("prepend", "prepend"),
)
DECK_COLUMNS = (
    Column("name", "deck"),
    Column("rates", "prefixes", right=True),
    Column("imported_at", "imported", moment),
)
RATE_COLUMNS = (
    Column("prefix", "prefix"),
    Column("destination", "destination"),
    Column("per_minute", "per minute", right=True),
    Column("connect_fee", "connect fee", right=True),
    Column("initial_increment_s", "first s", right=True),
    Column("next_increment_s", "next s", right=True),
    Column("minimum_s", "minimum s", right=True),
)


def _list(session: Session) -> Answer:
    result = session.link().office("trunks.list")
    return Answer(result, (table(TRUNK_COLUMNS, result["trunks"], "no trunks: add one with 'appliance trunks add'"),))


def _add(
    session: Session, name: str, host: str, password: str | None, prefixes: tuple[str, ...], **given: Any
) -> Answer:
    args = {"name": name, "host": host, "routes": [{"prefix": prefix} for prefix in prefixes]} | said(given)
    if password:
        args["password"] = _secret(password)
    trunk = session.link().office("trunks.add", args)["trunk"]
    hint = (
        () if trunk["routes"] else (line(f"no numbers go there yet: 'appliance trunks routes {name} --add 44'", "dim"),)
    )
    return Answer({"trunk": trunk}, (line(f"added {name}"), table(TRUNK_COLUMNS, [trunk], ""), *hint))


def _secret(word: str) -> str:
    if word != "-":
        raise click.UsageError("--password takes '-': what the carrier gave you is read from standard input")
    return password_of(word).text


def _set(session: Session, name: str, password: str | None, **given: Any) -> Answer:
    changes = said(given) | ({"password": _secret(password)} if password else {})
    if not changes:
        raise click.UsageError("nothing to change was named; see 'appliance trunks set --help'")
    trunk = session.link().office("trunks.set", {"name": name, "changes": changes})["trunk"]
    return Answer({"trunk": trunk}, (table(TRUNK_COLUMNS, [trunk], ""),))


def _remove(session: Session, name: str) -> Answer:
    result = session.link().office("trunks.remove", {"name": name})
    return Answer(result, (line(f"removed {name}"),))


def _routes(session: Session, name: str, add: tuple[str, ...], remove: tuple[str, ...], **route: Any) -> Answer:
    requests: list[Request] = [("trunks.unroute", {"name": name, "prefix": _prefix(prefix)}) for prefix in remove]
    requests += [("trunks.route", {"name": name, "route": {"prefix": _prefix(prefix)} | route}) for prefix in add]
    requests.append(("trunks.routes", {"name": name}))
    result = session.link().office_all(requests)[-1]
    return Answer(result, (table(ROUTE_COLUMNS, result["routes"], f"no numbers go over {name}"),))


def _prefix(text: str) -> str:
    return "" if text == "all" else text


def read_deck(path: str) -> list[str]:
    """The lines of a rate deck. Raises Failure that names what is wrong with the file."""
    try:
        with click.open_file(path, "rb") as file:
            data = bytes(file.read(MOST_DECK_BYTES + 1))
    except OSError as error:
        raise Failure(Exit.NOT_FOUND, f"{path} cannot be read: {error.strerror}") from None
    if len(data) > MOST_DECK_BYTES:
        raise Failure(Exit.REFUSED, f"{path} is larger than {MOST_DECK_BYTES // 1024**2} MiB", "split the deck")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        words = f"{path}, line {number}, column {column}: not UTF-8 text"
        raise Failure(Exit.REFUSED, words, "save the file as 'CSV UTF-8'") from None


def _import(session: Session, deck: str, file: str) -> Answer:
    lines = read_deck(file)
    pieces = range(0, len(lines), CHUNK_LINES)
    rows: list[Request] = [
        ("rates.rows", {"first_line": start + 1, "text": "\n".join(lines[start : start + CHUNK_LINES]) + "\n"})
        for start in pieces
    ]
    requests = [("rates.begin", {"deck": deck}), *rows, ("rates.commit", {})]
    with bar_of(session, f"{Path(file).name} -> {deck}") as bar:
        task = bar.add_task("", total=len(lines))

        def progress(done: int, _total: int) -> None:
            bar.update(task, completed=min((done - 1) * CHUNK_LINES, len(lines)))

        try:
            results = session.link().office_all(requests, progress)
        except Failure as failure:
            if failure.code != "bad_rate":
                raise
            words = f"{file}, {failure.message}"
            raise Failure(failure.exit_code, words, failure.hint or "nothing was imported", failure.code) from None
    count = results[-1]["rates"]
    return Answer({"deck": deck, "rates": count}, (line(f"{deck}: {count} prefixes, in force for new calls"),))


def bar_of(session: Session, words: str) -> Progress:
    """A progress bar over the lines of a file; none where nobody looks."""
    columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TextColumn("lines"), TimeRemainingColumn())
    shown = console(error=True)
    return Progress(*columns, console=shown, transient=True, disable=session.json or not shown.is_terminal)


def _rates(session: Session, deck: str | None, prefix: str, limit: int) -> Answer:
    if deck is None:
        result = session.link().office("rates.decks")
        return Answer(result, (table(DECK_COLUMNS, result["decks"], "no rate decks: 'appliance rates import'"),))
    result = session.link().office("rates.list", {"deck": deck, "prefix": prefix, "limit": limit})
    rest = () if len(result["rates"]) < limit else (line(f"the first {limit}; see --prefix and --limit", "dim"),)
    return Answer(result, (table(RATE_COLUMNS, result["rates"], f"nothing in {deck}"), *rest))


def _drop(session: Session, deck: str) -> Answer:
    result = session.link().office("rates.remove", {"deck": deck})
    return Answer(result, (line(f"removed {deck}"),))


def _trunk_options() -> tuple[click.Parameter, ...]:
    return (
        option("--port", type=click.IntRange(1, 65535), help="SIP port [default: 5060]."),
        option("--transport", type=click.Choice(["udp", "tcp"]), help="[default: udp]"),
        option("--user", help="User name, when the carrier challenges."),
        option("--password", metavar="-", help="'-' reads it from standard input."),
        option("--inbound", multiple=True, help="Address or network that sends calls to us; repeatable."),
        option("--channels", "max_channels", type=click.IntRange(0), help="Calls at once; 0 = no ceiling."),
        option("--deck", help="Rate deck of what it costs us."),
        option("--enable/--disable", "enabled", default=None, help="Use it, or not."),
    )


GROUPS = (
    Group("trunks", "Carriers: where calls go out and come in."),
    Group("rates", "Rate decks: what calls cost."),
)
NAME = argument("name")
DECK = argument("deck")

COMMANDS = (
    Command("trunks list", "List the trunks.", _list),
    Command(
        "trunks add",
        "Add a trunk.",
        _add,
        (
            NAME,
            argument("host"),
            option("--prefix", "prefixes", multiple=True, help="Numbers that go there; repeatable."),
            *_trunk_options(),
        ),
    ),
    Command(
        "trunks set",
        "Change a trunk. Only what is named changes; --inbound replaces all its addresses.",
        _set,
        (NAME, option("--host", help="Address or DNS name."), *_trunk_options()),
    ),
    Command("trunks remove", "Remove a trunk and its routes.", _remove, (NAME,)),
    Command(
        "trunks routes",
        "Show or change which numbers go over a trunk.",
        _routes,
        (
            NAME,
            option("--add", multiple=True, metavar="PREFIX", help="Prefix to add or change; 'all' is every number."),
            option("--remove", multiple=True, metavar="PREFIX", help="Prefix to take off."),
            option("--priority", type=click.IntRange(0, 65535), default=100, help="Lower ones are tried first."),
            option("--strip", type=click.IntRange(0, 32), default=0, help="Digits to remove from the front."),
            option("--prepend", default="", help="Digits to put in front."),
        ),
        "The longest prefix wins; among equal ones the lower priority; the next is tried when a trunk fails.",
    ),
    Command(
        "rates import",
        "Import a rate deck from CSV; all of it or nothing.",
        _import,
        (DECK, argument("file", type=click.Path(allow_dash=True))),
        "The header names the columns: prefix and per_minute, and if wanted connect_fee, initial_increment, "
        "next_increment, minimum, destination. An error names line and column. The deck of the same name is replaced.",
    ),
    Command(
        "rates list",
        "List the decks, or the rates of one.",
        _rates,
        (
            argument("deck", required=False),
            option("--prefix", default="", help="Only prefixes that start so."),
            option("--limit", type=click.IntRange(1, 1_000_000), default=1000, help="At most so many."),
        ),
    ),
    Command("rates remove", "Remove a rate deck.", _drop, (DECK,)),
)
