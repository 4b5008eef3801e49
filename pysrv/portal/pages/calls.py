"""One's own calls, each with its price explained, by month, and as CSV."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, table
from pysrv.web.acting import do, page
from pysrv.web.problems import status_of

ROWS = 50
MOST_EXPORTED = 5_000
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


async def export(request: web.Request) -> web.Response:
    """/portal/calls.csv: a month, the newest MOST_EXPORTED calls of it."""
    args = {"month": request.query.get("month", "").strip(), "limit": MOST_EXPORTED}
    shown = do(request, "mine.calls", args)
    rows = ([_utc(call["at"]), *(call[name] for name in COLUMNS), call["reason"]] for call in shown["calls"])
    return table(f"calls-{shown['month']}", ("at_utc", *COLUMNS, "reason"), rows)


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


ROUTES = (
    shows("/portal/calls", index, menu="Calls"),
    shows("/portal/calls.csv", export),
    shows("/portal/call", show),
)
