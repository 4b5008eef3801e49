"""`appliance rates`: decks of prices in and out, and what a call would cost."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.exits import Exit, Failure
from appliance.cli.importing import DRY_RUN, ask, bar_of, counted, may_ask, read_file
from appliance.cli.link import Request
from appliance.cli.pricing import level_lines
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

CHUNK_LINES = 1000
COMPARED_ROWS = 2000  # prefixes in use that one `rates.compare` looks at (pysrv.control.decks)
MOST_DECK_BYTES = 512 * 1024 * 1024

DECK_COLUMNS = (
    Column("name", "deck"),
    Column("rates", "prefixes", right=True),
    Column("currency", ""),
    Column("tax", "tax"),
    Column("imported_at", "imported", moment),
    Column("effective_at", "in force from", moment),
)
RATE_COLUMNS = (
    Column("prefix", "prefix"),
    Column("destination", "destination"),
    Column("per_minute", "per minute", right=True),
    Column("connect_fee", "connect fee", right=True),
    Column("initial_increment_s", "first s", right=True),
    Column("next_increment_s", "next s", right=True),
    Column("minimum_s", "minimum s", right=True),
    Column("free_seconds", "free s", right=True),
    Column("rounding", "rounded"),
    Column("time_class", "when"),
    Column("valid_from", "from", moment),
    Column("valid_until", "until", moment),
)


def read_deck(path: str) -> list[str]:
    """The lines of a rate deck. Raises Failure that names what is wrong with the file."""
    data = read_file(path, MOST_DECK_BYTES, "split the deck")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        words = f"{path}, line {number}, column {column}: not UTF-8 text"
        raise Failure(Exit.REFUSED, words, "save the file as 'CSV UTF-8'") from None


def _import(
    session: Session, deck: str, file: str, currency: str, tax: str, effective: str, dry_run: bool, yes: bool
) -> Answer:
    lines = read_deck(file)
    pieces = range(0, len(lines), CHUNK_LINES)
    rows: list[Request] = [
        ("rates.rows", {"first_line": start + 1, "text": "\n".join(lines[start : start + CHUNK_LINES]) + "\n"})
        for start in pieces
    ]
    begin = {"deck": deck} | {
        name: value for name, value in (("currency", currency), ("tax", tax), ("effective", effective)) if value
    }
    requests = [("rates.begin", begin), *rows]
    decks = session.link().office("rates.decks")["decks"]
    held = max((each["rates"] for each in decks if each["name"] == deck), default=0)
    asks = bool(held) and may_ask(session, file, yes=yes)
    if dry_run or asks:
        pieces_held: list[Request] = [("rates.compare", {"on": True})] * (held // COMPARED_ROWS + 1)
        told = _sent(session, deck, file, [*requests, *pieces_held], lines)[-len(pieces_held) :]
        counts = {name: sum(each[name] for each in told) for name in ("added", "changed", "removed")}
        value = {"deck": deck, "rates": told[0]["new"], "dry_run": True} | counts
        words = counted(counts)
        if dry_run:
            return Answer(value, (line(f"{deck}: of its rates there would be {words}; nothing was imported"),))
        ask(f"{deck} is in use with {held} rates: {words}. Replace it?")
    result = _sent(session, deck, file, [*requests, ("rates.commit", {})], lines)[-1]
    since = f"in force from {moment(result['effective_at'])}" if "effective_at" in result else "in force for new calls"
    return Answer(result, (line(f"{deck}: {result['rates']} prefixes, {since}"),))


def _sent(
    session: Session, deck: str, file: str, requests: Sequence[Request], lines: Sequence[str]
) -> list[dict[str, Any]]:
    """Sends a deck; a refusal names the file."""
    with bar_of(session, f"{Path(file).name} -> {deck}") as bar:
        task = bar.add_task("", total=len(lines), words="lines")

        def progress(done: int, _total: int) -> None:
            bar.update(task, completed=min((done - 1) * CHUNK_LINES, len(lines)))

        try:
            return session.link().office_all(requests, progress)
        except Failure as failure:
            if failure.code != "bad_rate":
                raise
            words = f"{file}, {failure.message}"
            raise Failure(failure.exit_code, words, failure.hint or "nothing was imported", failure.code) from None


def _rates(session: Session, deck: str | None, prefix: str, limit: int) -> Answer:
    if deck is None:
        result = session.link().office("rates.decks")
        return Answer(result, (table(DECK_COLUMNS, result["decks"], "no rate decks: 'appliance rates import'"),))
    result = session.link().office("rates.list", {"deck": deck, "prefix": prefix, "limit": limit})
    rest = () if len(result["rates"]) < limit else (line(f"the first {limit}; see --prefix and --limit", "dim"),)
    return Answer(result, (table(RATE_COLUMNS, result["rates"], f"nothing in {deck}"), *rest))


def _export(session: Session, deck: str, file: str) -> Answer:
    link, asked, count = session.link(), {"deck": deck}, 0
    with click.open_file(file, "w", encoding="utf-8") as out:
        while True:
            piece = link.office("rates.export", asked)
            out.write(piece["text"])
            count += piece["text"].count("\n")
            if piece["next"] is None:
                break
            asked = {"deck": deck} | piece["next"]
    rates = count - 1
    sys.stdout.flush()
    told = () if file == "-" else (line(f"{deck}: {rates} rates written to {file}"),)
    return Answer({"deck": deck, "rates": rates, "file": file}, told)


def _drop(session: Session, deck: str, scheduled: bool) -> Answer:
    result = session.link().office("rates.remove", {"deck": deck, "scheduled": scheduled})
    return Answer(result, (line(f"removed {deck}"),))


def _quote(session: Session, number: str, **given: Any) -> Answer:
    args = {name: value for name, value in given.items() if value}
    result = session.link().office("rates.quote", {"number": number, "seconds": given["seconds"]} | args)
    when = f"{moment(result['at'])} ({result['time_class']})"
    human: list[RenderableType] = [
        facts([("number", result["number"]), ("at", when), ("talk", f"{result['seconds']} s")])
    ]
    for level in result["levels"]:
        human += [line(""), line(level["sentence"], "bold"), *level_lines(level)]
    if result["refused_by"]:
        human += [line(""), line(f"{result['refused_by']} refuses the call: {result['refusal']}", "red")]
    for route in result["routes"]:
        human += [line(""), line(f"trunk {route['trunk']}, route {route['prefix'] or '(all)'}", "bold")]
        human += level_lines(route["cost"])
        human += [line(f"  {_earned(margin)}", "green") for margin in route["margins"]]
        if route["left_out"]:
            human.append(line(f"  left out by {route['left_out_by']}: {route['left_out']}", "red"))
    if not result["routes"]:
        human.append(line("no trunk has a route for the number", "dim"))
    return Answer(result, tuple(human))


def _earned(margin: dict[str, Any]) -> str:
    shown = "?" if margin["amount"] is None else margin["amount"]
    return f"{margin['sentence']}: {shown} {margin['currency']}"


GROUP = Group("rates", "Rate decks: what calls cost.")
DECK = argument("deck")

COMMANDS = (
    Command(
        "rates import",
        "Import a rate deck from CSV; all of it or nothing.",
        _import,
        (
            DECK,
            argument("file", type=click.Path(allow_dash=True)),
            option("--currency", default="", metavar="CODE", help="Of the prices; the base currency when not said."),
            option("--tax", default="", metavar="NAME", help="Tax on every price; see 'appliance taxes'."),
            option("--effective", default="", metavar="DATE", help="From when it holds; at once when not said."),
            DRY_RUN,
            option("--yes", is_flag=True, default=False, help="Do not ask before a deck in use is replaced."),
        ),
        "The header names the columns: prefix and per_minute, and if wanted connect_fee, initial_increment, "
        "next_increment, minimum, destination, free_seconds, rounding, time_class, valid_from, valid_until. An error "
        "names line and column. The deck of the same name is replaced, now or on the day that it is effective; at a "
        "terminal that is asked first, with how many rates are added, changed and removed.",
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
    Command(
        "rates export",
        "Write a rate deck as CSV that can be imported again.",
        _export,
        (DECK, argument("file", type=click.Path(allow_dash=True, writable=True), default="-")),
    ),
    Command(
        "rates remove",
        "Remove a rate deck.",
        _drop,
        (DECK, option("--scheduled", is_flag=True, default=False, help="Only what is to come into force later.")),
    ),
    Command(
        "rates quote",
        "Say what a call would cost everybody, line by line.",
        _quote,
        (
            argument("number"),
            option("--account", help="The account that calls, with everybody above it."),
            option("--deck", help="Instead of an account: by this deck."),
            option("--currency", help="With --deck: who pays, pays in this one."),
            option("--seconds", type=click.IntRange(0, 86_400), default=60, help="Of talk."),
            option("--at", metavar="TIME", help="A date or time such as 2026-12-24T18:00; now when not said."),
        ),
        "Every trunk that could carry the call is shown in the order in which it would be tried, with what it costs, "
        "what is earned, and why it would be left out.",
    ),
)
