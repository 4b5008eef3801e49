"""`appliance blacklist`: numbers that may not be called, and callers who may not call."""

from pathlib import Path
from typing import Any

import click

from appliance import numberlist
from appliance.cli.exits import Exit, Failure
from appliance.cli.firewall import DATABASE, provide
from appliance.cli.importing import DRY_RUN, ask, bar_of, counted, may_ask
from appliance.cli.link import Request
from appliance.cli.lists import read_text
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

AT_ONCE = 1000
COUNTRIES = "blocksourcecountries"


def _until(at: float) -> str:
    return moment(at) if at else ""


ENTRIES = (
    Column("id", "entry", right=True),
    Column("side", "side"),
    Column("kind", "kind"),
    Column("digits", "digits"),
    Column("whole", "match", lambda whole: "number" if whole else "prefix"),
    Column("account", "account", lambda name: name or "all"),
    Column("confidence", "confidence", lambda value: str(value) if value else "", right=True),
    Column("expires_at", "until", _until),
    Column("reason", "reason"),
    Column("who", "by"),
)


def _list(session: Session, limit: int, **wanted: Any) -> Answer:
    named = {name: value for name, value in wanted.items() if value is not None}
    result = session.link().office("blacklist.list", named | {"limit": limit})
    rest = () if len(result["entries"]) < limit else (line(f"the first {limit}; see --digits and --limit", "dim"),)
    return Answer(result, (table(ENTRIES, result["entries"], "nothing is on the blacklists"), *rest))


def _digits(text: str) -> str:
    try:
        return numberlist.digits(text)
    except ValueError as error:
        raise Failure(Exit.USAGE, str(error)) from None


def _add(session: Session, digits: str, caller: bool, whole: bool, **more: Any) -> Answer:
    named = {name: value for name, value in more.items() if value is not None}
    side = "caller" if caller else "destination"
    args = {"digits": _digits(digits), "side": side, "whole": whole} | named
    result = session.link().office("blacklist.add", args)
    return Answer(result, (line("on the blacklist, for new calls:"), table(ENTRIES, [result["entry"]], "")))


def _remove(session: Session, ids: tuple[int, ...]) -> Answer:
    result = session.link().office("blacklist.remove", {"ids": list(ids)})
    words = [
        line(f"removed entry {row['id']}: {row['kind']} {row['side']} {row['digits']}") for row in result["removed"]
    ]
    return Answer(result, tuple(words))


def _import(session: Session, file: str, dry_run: bool, yes: bool) -> Answer:
    text = read_text(file)
    with bar_of(session, Path(file).name) as bar:
        task = bar.add_task("read", total=text.count("\n") + 1, words="read")
        try:
            found = numberlist.read(text, lambda done: bar.update(task, completed=done))
        except numberlist.BadCell as error:
            raise Failure(Exit.REFUSED, f"{file}, {error}", "nothing was imported", "bad_list") from None
    if not found:
        raise Failure(Exit.REFUSED, f"{file} has no entries", "nothing was imported", "bad_list")
    entries = list({numberlist.place(each): each for each in found}.values())  # of two at one place the later counts
    if dry_run or may_ask(session, file, yes=yes):
        counts = _put(session, file, entries, dry_run=True)
        if dry_run:
            human = line(f"of {len(entries)} entries there would be {counted(counts)}; nothing was imported")
            return Answer({"entries": len(entries), "dry_run": True} | counts, (human,))
        if counts["changed"]:
            ask(f"of {len(entries)} entries there would be {counted(counts)}. Import them?")
    counts = _put(session, file, entries, dry_run=False)
    human = line(f"{len(entries)} entries, {counted(counts)}; in force for new calls")
    return Answer({"entries": len(entries)} | counts, (human,))


def _put(session: Session, file: str, entries: list[dict[str, Any]], *, dry_run: bool) -> dict[str, int]:
    """Sends the entries; how many of them are new, and how many differ from what was there."""
    pieces: list[Request] = [
        ("blacklist.put", {"entries": entries[start : start + AT_ONCE], "dry_run": dry_run})
        for start in range(0, len(entries), AT_ONCE)
    ]
    with bar_of(session, Path(file).name) as bar:
        sent = bar.add_task("send", total=len(entries), words="compared" if dry_run else "sent")

        def progress(done: int, _total: int) -> None:
            bar.update(sent, completed=min(done * AT_ONCE, len(entries)))

        told = session.link().office_all(pieces, progress)
    return {name: sum(each[name] for each in told) for name in ("added", "changed")}


def _test(session: Session, number: str, account: str | None) -> Answer:
    result = session.link().office("blacklist.test", {"number": number} | ({"account": account} if account else {}))
    foreign = {True: "yes", False: "no", None: "not known: no home country"}[result["foreign"]]
    shown = facts(
        [
            ("understood as", result["judged"] or result["number"]),
            ("country", ", ".join(result["countries"]) or "none"),
            ("at home in", result["home"]),
            ("foreign", foreign),
            ("premium", result["premium"] and f"yes, prefix {result['premium']}"),
            ("shared cost", result["shared_cost"] and f"yes, prefix {result['shared_cost']}"),
            ("satellite", result["satellite"]),
            ("blacklistlevel", str(result["blacklistlevel"])),
        ]
    )
    return Answer(result, (shown, line(""), table(ENTRIES, result["entries"], "on no blacklist")))


def _countries(session: Session, database: tuple[Path, ...]) -> Answer:
    link = session.link()
    value = link.office("settings.get", {"name": COUNTRIES})["value"]
    wanted = sorted(code for code in str(value).split(",") if code)
    counts = provide(link, wanted, database, anew=True)
    columns = (Column("name", "country"), Column("entries", "networks", right=True))
    rows = [{"name": name, "entries": count} for name, count in counts.items()]
    empty = f"{COUNTRIES} names no country: 'appliance settings set {COUNTRIES} CN,RU'"
    return Answer({"read": counts}, (table(columns, rows, empty),))


GROUP = Group("blacklist", "Numbers that may not be called, and callers who may not call.")
COMMANDS = (
    Command(
        "blacklist list",
        "List entries.",
        _list,
        (
            option("--side", type=click.Choice(["destination", "caller"]), help="Only of this side."),
            option("--kind", type=click.Choice(["fixed", "dynamic", "smart"]), help="Only of this kind."),
            option("--account", help="Only of this account; '' those for all."),
            option("--digits", help="Only those that begin so."),
            option("--holds", metavar="NUMBER", help="Only those that this number meets."),
            option("--limit", type=click.IntRange(1, 10_000), default=100, help="At most so many."),
        ),
    ),
    Command(
        "blacklist add",
        "Put a number or a prefix on the blacklist.",
        _add,
        (
            argument("digits"),
            option(
                "--caller", is_flag=True, default=False, help="Who calls from it may not; else it may not be called."
            ),
            option("--whole", is_flag=True, default=False, help="This number alone, not all that begin so."),
            option("--account", help="For this account alone: its calls, or with --caller calls to it."),
            option(
                "--confidence", type=click.IntRange(0, 6), help="A smart entry, that blocks from blacklistlevel on."
            ),
            option("--reason", help="A word for those who look at the list later."),
        ),
    ),
    Command(
        "blacklist remove",
        "Remove entries by their numbers.",
        _remove,
        (argument("ids", nargs=-1, required=True, type=click.IntRange(1), metavar="ENTRY..."),),
    ),
    Command(
        "blacklist import",
        "Import entries from CSV; those at the same place are replaced.",
        _import,
        (
            argument("file", type=click.Path(allow_dash=True)),
            DRY_RUN,
            option("--yes", is_flag=True, default=False, help="Do not ask before entries are replaced."),
        ),
        "The first line names the columns: number, and if you like match (prefix or number), side (destination or "
        "caller), account, confidence (0 to 6: a smart entry) and reason. Nothing is imported when a cell cannot be "
        "read; it is named by line and column. Entries that the file does not have stay. At a terminal it is asked "
        "first when entries would be replaced.",
    ),
    Command(
        "blacklist test",
        "Say what is known of a number, and which entries it meets; no call is made.",
        _test,
        (argument("number"), option("--account", help="As this account would dial it.")),
    ),
    Command(
        "blacklist countries",
        "Read the networks of blocksourcecountries from the database of countries.",
        _countries,
        (DATABASE,),
    ),
)
