"""Why did this call fail? One page that answers it by account, number, address or call."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.pages.ladder import ladder_of
from pysrv.people.permissions import Area
from pysrv.web.acting import do, page
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

MOST = 50
ASKED = ("account", "number", "address", "call_id")


async def index(request: web.Request) -> web.Response:
    """/panel/why; without a question, the newest failures of everybody"""
    asked: dict[str, Any] = {name: request.query.get(name, "").strip()[:256] for name in ASKED}
    error: WireError | None = None
    found: dict[str, Any] = {"refusals": [], "gate": None}
    try:
        found = do(request, "refusals.list", asked | {"limit": MOST})
    except WireError as wrong:
        error = wrong
    return page(
        request, "panel/why.html", status=status_of(error.code) if error else 200, error=error, asked=asked, most=MOST,
        ladder=ladder_of(request, asked["call_id"]), **found,
    )  # fmt: skip


ROUTES = (Route("GET", "/panel/why", index, area=Area.RECORDS, menu="Why did this call fail?"),)
