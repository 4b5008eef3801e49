"""Accounts as a sheet: a CSV file in, checked row by row and taken as a whole, and one out."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from appliance.config.account import FIELDS
from appliance.wire import WireError
from pysrv.panel.forms import answered
from pysrv.passwords.made import asks_for_one, made_up
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, heard, renew
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.transfer import UPLOAD, download, lines_of

COLUMNS = ("name", "password", "numbers", "credit", "currency", *FIELDS)
DELIMITERS = ",;\t"
PIECE_ROWS, EXPORT_ROWS = 25, 500
MOST_GENERATED = 500
Rows = list[dict[str, Any]]


async def index(request: web.Request) -> web.Response:
    """/panel/accounts-sheet"""
    return _page(request, None)


async def receive(request: web.Request) -> web.Response:
    """A sheet comes as a file. Generated passwords are shown this once."""
    upload = request[UPLOAD]
    try:
        columns, rows = read(await upload.text())
        made = _generate(rows)
        done = await _import(request, columns, rows, upload.fields)
    except WireError as error:
        return _page(request, error, upload.fields)
    return _page(request, None, {}, done, {} if done["dry_run"] else made)


async def export(request: web.Request) -> web.StreamResponse:
    """/panel/accounts.csv: without passwords."""
    return await download(request, "accounts.csv", _lines(request))


def read(text: str) -> tuple[list[str], Rows]:
    """Columns and rows of CSV text, separated by comma, semicolon or tab. Raises WireError that names the line."""
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count), strict=True)
    columns: list[str] = []
    rows: Rows = []
    at = 1
    try:
        for cells in reader:
            if not columns:
                columns = [cell.strip().lower() for cell in cells]
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(columns):
                    words = f"line {at}: {len(cells)} cells, and the header has {len(columns)}"
                    raise WireError("bad_sheet", words, "nothing was imported")
                rows.append({"line": at, "cells": dict(zip(columns, cells, strict=True))})
            at = reader.line_num + 1
    except csv.Error as error:
        raise WireError("bad_sheet", f"line {at}: no CSV: {error}", "nothing was imported") from None
    if not rows:
        raise WireError("bad_sheet", "the sheet has no accounts", "the first line names columns, each other an account")
    return columns, rows


def _generate(rows: Rows) -> dict[str, str]:
    """Passwords for the cells that say `generated`. Raises WireError for more than a page should show."""
    wanted = [row for row in rows if asks_for_one(row["cells"].get("password", ""))]
    if len(wanted) > MOST_GENERATED:
        hint = "split the sheet, or use 'appliance accounts import' with --passwords"
        raise WireError("bad_sheet", f"at most {MOST_GENERATED} passwords are generated at once", hint)
    made: dict[str, str] = {}
    for row in wanted:
        password = made_up()
        row["cells"]["password"], row["generated"] = password, True
        made[row["cells"].get("name", "").strip()] = password
    return made


async def _import(request: web.Request, columns: list[str], rows: Rows, fields: dict[str, str]) -> dict[str, Any]:
    """Piece by piece in one conversation, so that calls go between the pieces. Raises WireError."""
    who, office = identity(request), backing(request)
    session = office.control.session(who.who, who.licence)
    try:
        session.do("sheets.begin", {"columns": columns, "update": fields.get("update") == "1"})
        for start in range(0, len(rows), PIECE_ROWS):
            session.do("sheets.rows", {"rows": rows[start : start + PIECE_ROWS]})
            heard(request)
            await asyncio.sleep(0)
        renew(request, session)
        return session.do("sheets.commit", {"dry_run": fields.get("dry_run") == "1"})
    finally:
        session.close()
        office.turn()


async def _lines(request: web.Request) -> AsyncIterator[str]:
    heading, after = lines_of([COLUMNS]), ""
    while after is not None:
        found = do(request, "accounts.list", {"after": after, "limit": EXPORT_ROWS})
        yield heading + lines_of([_cells(each) for each in found["accounts"]])
        heading, after = "", found["next"]


def _cells(account: dict[str, Any]) -> list[object]:
    own = {"name": account["name"], "numbers": " ".join(account["numbers"]), "credit": account["balance"]}
    cells = account["fields"] | own | {"password": "", "currency": account["currency"]}
    return [cells[column] for column in COLUMNS]


def _page(
    request: web.Request, error: WireError | None, values: dict[str, str] | None = None,
    done: dict[str, Any] | None = None, made: dict[str, str] | None = None,
) -> web.Response:  # fmt: skip
    return answered(
        request, "panel/accounts_sheet.html", error, values=values or {}, done=done, made=made or {}, columns=COLUMNS,
        uploads=backing(request).settings().allowhttpfileupload, proven=identity(request).licence.proven,
    )  # fmt: skip


ROUTES = (
    Route("GET", "/panel/accounts-sheet", index, area=Area.ACCOUNTS),
    Route("POST", "/panel/accounts-sheet", receive, area=Area.ACCOUNTS, writes=True, uploads=True),
    Route("GET", "/panel/accounts.csv", export, area=Area.ACCOUNTS),
)
