"""`appliance gate`: what the gate counts, whom it refuses, and the packets themselves.

All of it comes from the keeper, so it works while the office is down. Watching redraws on a terminal; into a pipe it
writes one table after the other.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Group as Stack
from rich.console import RenderableType
from rich.live import Live

from appliance import metrics, wire
from appliance.capture import Capture
from appliance.cli.bans import prefix_of
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.show import Answer, Column, console, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.wire import KeeperVerb

BAR_COLUMNS = 30
ASK_EVERY_S = 0.5
MOST_AT_ONCE = 4096  # samples in one answer: all that the keeper keeps
FULL, PART = "█", "▒"

Row = Mapping[str, Any]


def _number(value: Any) -> str:
    return f"{round(value):,}" if value != "" else ""


def _rate(value: Any) -> str:
    return "" if value == "" else f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"


VERDICTS = (
    Column("verdict", "verdict"),
    Column("action", "action"),
    Column("packets", "packets", _number, right=True),
    Column("rate", "a second", _rate, right=True),
    Column("bytes", "bytes", _number, right=True),
    Column("reported", "reported only", lambda value: _number(value) if value else "", right=True),
    Column("text", "meaning"),
)
OFFENDERS = (
    Column("address", "source"),
    Column("messages", "messages", _number, right=True),
    Column("wrong", "wrong", _number, right=True),
    Column("unauthenticated", "no login", _number, right=True),
    Column("dropped", "dropped", _number, right=True),
    Column("rate", "dropped a second", _rate, right=True),
    Column("bar", f"dropped {FULL} wrong {PART}"),
    Column("last_at", "last", moment),
)


def _seconds_between(session: Session, ask: Callable[[Link], list[Row]], wait_s: float) -> tuple[list[Row], list[Row]]:
    """Two answers `wait_s` apart; without a wait the second is none."""
    before = ask(session.link())
    if not wait_s:
        return before, []
    time.sleep(wait_s)
    return before, ask(session.link())


def _with_rates(before: Sequence[Row], after: Sequence[Row], key: str, counted: str, wait_s: float) -> list[Row]:
    """`after` with a rate for each row: what `counted` grew by in a second. A table that began anew has none."""
    old = {row[key]: row[counted] for row in before}
    return [
        {**row, "rate": max(0, row[counted] - old[row[key]]) / wait_s if row[key] in old and wait_s else None}
        for row in after
    ]


def _tallies(link: Link) -> list[Row]:
    return list(link.keeper(KeeperVerb.TALLIES)["tallies"])


def _verdicts(session: Session, everything: bool, seconds: float) -> Answer:
    before, after = _seconds_between(session, _tallies, seconds)
    rows = _with_rates(before, after or before, "verdict", "packets", seconds if after else 0)
    shown = [row for row in rows if everything or row["packets"] or row["reported"]]
    return Answer({"tallies": shown}, (table(VERDICTS, shown, "no packet yet"),))


def bars(rows: Sequence[Row]) -> list[Row]:
    """The rows with a bar each, the longest for the one with the most dropped and wrong packets."""
    longest = max((row["dropped"] + row["wrong"] for row in rows), default=0) or 1
    drawn: list[Row] = []
    for row in rows:
        full, part = (round(row[name] * BAR_COLUMNS / longest) for name in ("dropped", "wrong"))
        drawn.append({**row, "bar": FULL * full + PART * part})
    return drawn


def _top(session: Session, limit: int, watch: float | None, times: int) -> Answer:
    def ask(link: Link) -> list[Row]:
        return list(link.keeper(KeeperVerb.OFFENDERS, {"limit": limit})["offenders"])

    if watch is None:
        rows = ask(session.link())
        return Answer({"offenders": rows}, (_top_table(rows),))
    if session.json:
        raise Failure(Exit.USAGE, "--watch draws for people", "leave --json away, or --watch")
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        _draw(_watched(session, ask, watch, times))
    return Answer({})


def _watched(
    session: Session, ask: Callable[[Link], list[Row]], every_s: float, times: int
) -> Iterator[RenderableType]:
    before, asked_at = ask(session.link()), time.monotonic()
    yield _top_table(before)
    while times != 1:
        time.sleep(every_s)
        now, now_at = ask(session.link()), time.monotonic()
        yield _top_table(_with_rates(before, now, "address", "dropped", now_at - asked_at))
        before, asked_at, times = now, now_at, times - 1


def _top_table(rows: Sequence[Row]) -> RenderableType:
    columns = [column for column in OFFENDERS if column.key != "rate" or any("rate" in row for row in rows)]
    return table(columns, bars(rows), "no source has been counted yet")


def _draw(pictures: Iterable[RenderableType]) -> None:
    """On a terminal each picture takes the place of the last."""
    out = console()
    if not out.is_terminal:
        for picture in pictures:
            out.print(picture)
        return
    with Live(console=out, auto_refresh=False, transient=False) as live:
        for picture in pictures:
            live.update(Stack(line(f"{moment(time.time())}   Ctrl-C ends it", "dim"), picture), refresh=True)


def _capture(session: Session, file: Path, seconds: float, verdict: str, address: str, force: bool) -> Answer:
    link = session.link()
    query = {"limit": MOST_AT_ONCE, "verdict": verdict, "address": prefix_of(address) if address else ""}
    texts = {row["verdict"]: row["text"] for row in _tallies(link)}
    if verdict and verdict not in texts:
        raise Failure(Exit.NOT_FOUND, f"there is no verdict {verdict!r}", "'appliance gate verdicts --all' lists them")
    after = _newest(link) if seconds else 0
    with _created(file, force) as stream:
        capture = Capture(stream, texts)
        with contextlib.suppress(KeyboardInterrupt):  # what was written so far is worth keeping
            _collect(link, query, after, seconds, capture)
    value = {"file": str(file), "packets": capture.packets}
    words = f"{capture.packets} dropped packet{'' if capture.packets == 1 else 's'} in {file}"
    return Answer(value, (line(words),))


def _newest(link: Link) -> int:
    newest = link.keeper(KeeperVerb.SAMPLES, {"limit": 1})["samples"]
    return int(newest[-1]["number"]) if newest else 0


def _collect(link: Link, query: Row, after: int, seconds: float, capture: Capture) -> None:
    """Asks again and again until the time is over; once when there is none."""
    until = time.monotonic() + seconds
    while True:
        for row in link.keeper(KeeperVerb.SAMPLES, {**query, "after": after})["samples"]:
            sample = wire.from_dict(wire.Sample, row)
            capture.add(sample)
            after = sample.number
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(ASK_EVERY_S, left))


@contextlib.contextmanager
def _created(file: Path, force: bool) -> Iterator[BinaryIO]:
    """For the caller alone, as the packets are other people's."""
    try:
        with open(file, "wb" if force else "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            os.fchmod(stream.fileno(), 0o600)  # --force may have found one that others can read
            yield stream
    except FileExistsError:
        raise Failure(Exit.REFUSED, f"{file} is there already", "--force writes over it") from None
    except OSError as error:
        raise Failure(Exit.REFUSED, f"{file} cannot be written: {error.strerror}") from None


def _reading(link: Link) -> metrics.Reading:
    status = wire.from_dict(wire.GateStatus, link.keeper(KeeperVerb.STATUS))
    tallies = tuple(wire.from_dict(wire.Tally, row) for row in _tallies(link))
    office: wire.OfficeFigures | None = None
    with contextlib.suppress(Failure):  # an office that is away is one of the things that are told
        office = wire.from_dict(wire.OfficeFigures, link.running_office("figures"))
    return metrics.Reading(status, tallies, office)


def exposition(link: Link) -> str:
    """What Prometheus reads. Raises Failure."""
    return metrics.exposition(_reading(link))


def _metrics(session: Session) -> Answer:
    reading = _reading(session.link())
    return Answer({"metrics": metrics.points(reading)}, (metrics.exposition(reading).rstrip("\n"),))


GROUP = Group("gate", "See what the gate counts and whom it refuses.", "verdicts")
SECONDS = click.FloatRange(0, 3600)

COMMANDS = (
    Command(
        "gate verdicts",
        "Show how many packets ended with which verdict, and how fast.",
        _verdicts,
        (
            option("--all", "everything", is_flag=True, default=False, help="Those that have not happened, too."),
            option("--seconds", type=SECONDS, default=1.0, help="Time over which rates are taken; 0: no rates."),
        ),
    ),
    Command(
        "gate top",
        "Show which sources the gate refused most.",
        _top,
        (
            option("--limit", type=click.IntRange(1, 1000), default=20, help="How many."),
            option(
                "--watch",
                type=click.FloatRange(0.5, 3600),
                is_flag=False,
                flag_value=2.0,
                default=None,
                metavar="[SECONDS]",
                help="Draw it again every 2 seconds, or as often as said.",
            ),
            option("--times", type=click.IntRange(0), default=0, help="With --watch: how often; 0: until Ctrl-C."),
        ),
        "Counts are those of messages to service ports; an IPv6 source is its /64. Whom a ban keeps out is counted by "
        "the ban's verdict alone.",
    ),
    Command(
        "gate capture",
        "Write dropped packets to a pcapng file, each with its verdict.",
        _capture,
        (
            argument("file", type=click.Path(path_type=Path, dir_okay=False)),
            option("--seconds", type=SECONDS, default=10.0, help="How long; 0: what the keeper still holds."),
            option("--verdict", default="", help="Packets with this verdict alone."),
            option("--address", default="", help="Packets of this address or network alone."),
            option("--force", is_flag=True, default=False, help="Write over a file that is there."),
        ),
        "The gate keeps a sample: one packet of each verdict in sample_interval on each CPU, its first 256 bytes.",
    ),
    Command("gate metrics", "Print the metrics of gate and office as Prometheus reads them.", _metrics),
)
