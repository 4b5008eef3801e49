"""Abnormal traffic: today against the usual of the days before, by account, destination, country and address."""

from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.pages.listing import number
from pysrv.people.permissions import Area
from pysrv.web.acting import page
from pysrv.web.aside import do_aside
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

WAYS: Final = ("account", "destination", "country", "address")
DAYS: Final = (1, 7, 14, 28)


async def index(request: web.Request) -> web.Response:
    """/panel/analyze?by=account&days=7"""
    asked: dict[str, Any] = {"by": request.query.get("by", "account"), "days": number(request.query.get("days", "7"))}
    error: WireError | None = None
    found: dict[str, Any] = {"rows": [], "total": 0, "days": 0, "currency": "", "left_out": [], "elapsed_s": 0}
    try:
        found = await do_aside(request, "analyze.traffic", asked)
    except WireError as wrong:
        error = wrong
    return page(
        request, "panel/analyze.html", status=status_of(error.code) if error else 200, error=error, asked=asked,
        found=found, ways=WAYS, choices=DAYS, most=max((row["score"] for row in found["rows"]), default=0),
    )  # fmt: skip


ROUTES = (Route("GET", "/panel/analyze", index, area=Area.RECORDS, menu="Analyze"),)
