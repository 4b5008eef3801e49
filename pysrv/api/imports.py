"""Rate decks and sheets of accounts as one POST of CSV, the configuration as one of JSON: read in bites, bounded, all
of it or nothing. And the configuration as one answer.

The body may come over seconds; calls and other requests go on between its bites.
"""

import asyncio
import codecs
import csv
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NotRequired

from aiohttp import web

from appliance.config import document
from appliance.wire import WireError
from pysrv.api import arguments
from pysrv.api.endpoint import ROOT, Argument
from pysrv.api.repeats import HEADER, encoded
from pysrv.api.rest import admit, touch
from pysrv.control.configuration.verbs import ConfigurationPlan
from pysrv.control.decks import DeckImported
from pysrv.control.session import Session
from pysrv.control.sheets import SheetImported
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, heard, renew
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.transfer import configuration, download

CSV: Final = "text/csv"
BITE_BYTES: Final = 65_536
MOST_DECK_BYTES: Final = 128 * 1024 * 1024
MOST_SHEET_BYTES: Final = 16 * 1024 * 1024
MOST_AT_ONCE: Final = 2
ROWS_A_BITE: Final = 200
LONGEST_S: Final = 120.0  # for a body that is kept whole
_under_way: set[str] = set()


@dataclass(frozen=True, slots=True)
class Import:
    """One import as the document prints it: POST of `kind` to `path`, with these parameters, and this answer."""

    path: str
    answer: Any
    says: str
    placed: tuple[Argument, ...]
    told: tuple[Argument, ...]
    kind: str = CSV
    status: int = 201


class ConfigurationAnswer(ConfigurationPlan):
    """What was changed, or with `dry_run` would be."""

    dry_run: NotRequired[bool]
    generation: NotRequired[int]
    live: NotRequired[bool]


class DeckAnswer(DeckImported):
    """The deck that was imported. With `dry_run` it was not: of its rates so many are new (`added`) or different
    (`changed`), and of those in use so many would be `removed`."""

    dry_run: NotRequired[bool]
    added: NotRequired[int]
    changed: NotRequired[int]
    removed: NotRequired[int]


def _text(name: str) -> Argument:
    return Argument(name, name, str, required=False, default="")


DECK: Final = Import(
    "/decks/{deck}",
    DeckAnswer,
    "Import a rate deck as CSV: it replaces the deck of that name, whole or not at all. `dry_run`: nothing is "
    "replaced, and what would be is counted.",
    (Argument("deck", "deck", str, required=True),),
    (
        _text("currency"),
        _text("tax"),
        _text("effective"),
        Argument("dry_run", "dry_run", bool, required=False, default=False),
    ),
)
SHEET: Final = Import(
    "/sheets",
    SheetImported,
    "Import a sheet of accounts as CSV, whole or not at all. `update`: it may change accounts that exist; `dry_run`: "
    "everything is checked and taken back.",
    (),
    (
        Argument("update", "update", bool, required=False, default=False),
        Argument("dry_run", "dry_run", bool, required=False, default=False),
    ),
)
CONFIGURATION: Final = Import(
    "/configuration",
    ConfigurationAnswer,
    "Make the configuration what the document says, whole or not at all; secrets that it does not hold stay. "
    "`dry_run`: everything is done and taken back. `digest`, of a dry run's answer: only what that showed is done.",
    (),
    (Argument("dry_run", "dry_run", bool, required=False, default=False), _text("digest")),
    arguments.JSON,
    200,
)
IMPORTS: Final = (DECK, SHEET, CONFIGURATION)
EXPORT_SAYS: Final = "Everything that was configured as one document, without secrets: what `POST` here takes."


async def _deck(request: web.Request) -> web.Response:
    told = _asked(request, DECK)
    deck = arguments.text("deck", request.match_info["deck"])
    line, dry_run = 1, told.pop("dry_run", False)
    with _importing(request) as session:
        session.do("rates.begin", {"deck": deck, **told})
        async for text in _bites(request, MOST_DECK_BYTES):
            session.do("rates.rows", {"first_line": line, "text": text})
            line += text.count("\n")
        renew(request, session)
        return _said(await _counted(request, session) if dry_run else session.do("rates.commit"))


async def _counted(request: web.Request, session: Session) -> dict[str, Any]:
    """What the deck would change, in bites."""
    counts, after = dict.fromkeys(("added", "changed", "removed"), 0), ""
    while True:
        part = session.do("rates.compare", {"after": after})
        counts = {name: count + part[name] for name, count in counts.items()}
        if part["next"] is None:
            return {"deck": part["deck"], "rates": part["new"], "dry_run": True} | counts
        after = part["next"]
        await _breathe(request)


async def _sheet(request: web.Request) -> web.Response:
    told = _asked(request, SHEET)
    with _importing(request) as session:
        _demand(request, Area.ACCOUNTS, Area.MONEY, Area.PASSWORDS)  # before the body, which is kept whole
        async with asyncio.timeout(LONGEST_S):
            texts = [text async for text in _bites(request, MOST_SHEET_BYTES)]
        rows = _rows("".join(texts))
        session.do("sheets.begin", {"columns": next(rows)["columns"], "update": told.get("update", False)})
        bite: list[dict[str, Any]] = []
        for row in rows:
            bite.append(row)
            if len(bite) == ROWS_A_BITE:
                session.do("sheets.rows", {"rows": bite})
                bite = []
                await _breathe(request)
        session.do("sheets.rows", {"rows": bite})
        renew(request, session)
        return _said(session.do("sheets.commit", {"dry_run": told.get("dry_run", False)}))


async def _configuration(request: web.Request) -> web.Response:
    told = _asked(request, CONFIGURATION)
    with _importing(request) as session:
        _demand(request, Area.SETTINGS, Area.PRICES, Area.ROUTING, Area.SECURITY)  # before the body is kept
        async with asyncio.timeout(LONGEST_S):
            body = b"".join([chunk async for chunk in _chunks(request, MOST_SHEET_BYTES)])
        read = await configuration(request, body)
        for verb, args in document.requests(read):
            session.do(verb, args)
            await _breathe(request)
        renew(request, session)
        if told.get("dry_run"):
            return _said(session.do("config.plan") | {"dry_run": True}, CONFIGURATION.status)
        return _said(session.do("config.apply", {"digest": told.get("digest", "")}), CONFIGURATION.status)


async def _exported(request: web.Request) -> web.StreamResponse:
    admit(request)
    touch(request)
    arguments.of_query(request, ())
    return await download(request, "configuration.json", _pieces(request), arguments.JSON)


async def _pieces(request: web.Request) -> AsyncIterator[str]:
    after: list[str] | None = []
    while after is not None:
        piece = do(request, "config.export", {"after": after})
        yield piece["text"]
        after = piece["next"]


def _asked(request: web.Request, what: Import) -> dict[str, Any]:
    """The parameters. Raises WireError."""
    admit(request)
    touch(request)
    if not arguments.is_type(request, what.kind):
        raise WireError("unsupported_media_type", f"an import is {what.kind}", f"send Content-Type: {what.kind}")
    if HEADER in request.headers:
        raise WireError("bad_args", f"an import takes no {HEADER}", "it counts whole or not at all: repeat it")
    return arguments.of_query(request, what.told)


def _demand(request: web.Request, *areas: Area) -> None:
    """Raises WireError("forbidden")."""
    for area in areas:
        if not identity(request).may(area, writes=True):
            raise WireError("forbidden", f"your role may not change {area}", "an owner can give you another role")


@contextmanager
def _importing(request: web.Request) -> Iterator[Session]:
    """A session for one import; each administrator has one at a time. What is not finished is given up."""
    who, office = identity(request), backing(request)
    if who.who in _under_way or len(_under_way) >= MOST_AT_ONCE:
        raise WireError("conflict", "another import is under way", "wait until it has ended")
    _under_way.add(who.who)
    session = office.control.session(who.who, who.licence)
    try:
        yield session
    finally:
        _under_way.discard(who.who)
        session.close()
        office.turn()


async def _bites(request: web.Request, most: int) -> AsyncIterator[str]:
    """The body as pieces of whole lines. Raises WireError."""
    decoder, rest = codecs.getincrementaldecoder("utf-8-sig")(), ""
    try:
        async for chunk in _chunks(request, most):
            text = rest + decoder.decode(chunk)
            lines, newline, rest = text.rpartition("\n")
            if len(rest) > BITE_BYTES:
                raise WireError("invalid", "a line is longer than any can be")
            if newline:
                yield lines + newline
        if last := rest + decoder.decode(b"", final=True):
            yield last
    except UnicodeDecodeError:
        raise WireError("invalid", "the file is not UTF-8", "save it as UTF-8") from None


async def _chunks(request: web.Request, most: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises WireError."""
    size = 0
    async for chunk in request.content.iter_chunked(BITE_BYTES):
        size += len(chunk)
        if size > most:
            raise WireError("too_large", f"an import has at most {most} bytes", "split the file")
        heard(request)
        yield chunk


def _rows(text: str) -> Iterator[dict[str, Any]]:
    """First the columns, then each row as the verb takes it. Raises WireError."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    columns: list[str] | None = None
    try:
        for cells in reader:
            if columns is None:
                columns = [cell.strip() for cell in cells]
                yield {"columns": columns}
            elif cells:
                if len(cells) != len(columns):
                    words = f"line {reader.line_num}: {len(cells)} cells for {len(columns)} columns"
                    raise WireError("bad_sheet", words, "nothing was imported")
                yield {"line": reader.line_num, "cells": dict(zip(columns, cells, strict=True))}
    except csv.Error as error:
        raise WireError("bad_sheet", f"line {reader.line_num}: {error}", "nothing was imported") from None
    if columns is None:
        raise WireError("bad_sheet", "the sheet is empty", "its first line names the columns")


async def _breathe(request: web.Request) -> None:
    """Let others run between two bites."""
    heard(request)
    backing(request).turn()
    await asyncio.sleep(0)


def _said(said: dict[str, Any], status: int = 201) -> web.Response:
    return web.Response(body=encoded(said), status=status, content_type=arguments.JSON)


ROUTES: Final = (
    Route("POST", ROOT + DECK.path, _deck, token=True),
    Route("POST", ROOT + SHEET.path, _sheet, token=True),
    Route("POST", ROOT + CONFIGURATION.path, _configuration, token=True),
    Route("GET", ROOT + CONFIGURATION.path, _exported, token=True),
)
