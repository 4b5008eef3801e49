"""One's own calls, each with its price explained, by month, and as CSV."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows
from pysrv.web.acting import do, page
from pysrv.web.aside import do_aside
from pysrv.web.problems import status_of
from pysrv.web.transfer import download, lines_of

ROWS = 50
MOST_EXPORTED, PIECE = 5_000, 500
COLUMNS = ("account", "caller", "callee", "destination", "duration_s", "billable_seconds", "charge", "currency")


async def index(request: web.Request) -> web.Response:
    """/portal/calls"""
    args: dict[str, Any] = {"month": request.query.get("month", "").strip(), "limit": ROWS}
    before = request.query.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 16:
        args["before_id"] = int(before)
    try:
        return page(request, "portal/calls.html", shown=do(request, "mine.calls", args), error=None)
    except WireError as error:
        empty = {"month": args["month"], "calls": [], "next": None}
        return page(request, "portal/calls.html", status=status_of(error.code), shown=empty, error=error)


async def show(request: web.Request) -> web.Response:
    """/portal/call?id=CALL"""
    return page(request, "portal/call.html", shown=do(request, "mine.call", {"call_id": request.query.get("id", "")}))


async def quote(request: web.Request) -> web.Response:
    """/portal/quote?number=...: what a minute there costs, and a call of so many minutes."""
    asked = {name: request.query.get(name, "").strip()[:40] for name in ("number", "minutes")}
    told, error = None, None
    if asked["number"]:
        try:
            told = do(request, "mine.quote", {"number": asked["number"], "seconds": _seconds(asked["minutes"])})
        except WireError as wrong:
            error = wrong
    status = status_of(error.code) if error else 200
    return page(request, "portal/quote.html", status=status, error=error, asked=asked, told=told)


def _seconds(minutes: str) -> int:
    if minutes and not (minutes.isascii() and minutes.isdigit()):
        raise WireError("invalid", f"{minutes!r} is no number of minutes", "a whole number, such as 3")
    return 60 * int(minutes or "1")


async def export(request: web.Request) -> web.StreamResponse:
    """/portal/calls.csv: a month, the newest MOST_EXPORTED calls of it. Of a reseller's calls each wants a question of
    its own, so they are asked for beside the loop and in pieces."""
    month = request.query.get("month", "").strip()
    first = await do_aside(request, "mine.calls", {"month": month, "limit": PIECE})
    return await download(request, f"calls-{first['month']}.csv", _pieces(request, first))


async def _pieces(request: web.Request, shown: dict[str, Any]) -> AsyncIterator[str]:
    heading, left = lines_of([("at_utc", *COLUMNS, "reason")]), MOST_EXPORTED
    while True:
        calls = shown["calls"]
        rows = ([_utc(call["at"]), *(call[name] for name in COLUMNS), call["reason"]] for call in calls)
        yield heading + lines_of(rows)
        heading, left = "", left - len(calls)
        if left <= 0 or shown["next"] is None:
            return
        args = {"month": shown["month"], "limit": min(PIECE, left), "before_id": shown["next"]}
        shown = await do_aside(request, "mine.calls", args)


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


ROUTES = (
    shows("/portal/calls", index, menu="Calls"),
    shows("/portal/calls.csv", export),
    shows("/portal/call", show),
    shows("/portal/quote", quote, menu="What a call costs"),
)
