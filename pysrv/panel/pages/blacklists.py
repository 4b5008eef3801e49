"""Numbers that nobody shall call, or that nobody shall be called by: entries, and what is known of a number."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.pages.listing import attempt, number
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, page
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

HERE, MOST = "/panel/blacklists", 200


async def index(request: web.Request) -> web.Response:
    """/panel/blacklists, with `?number=` a test of it too"""
    return _all(request, None, {})


async def add(request: web.Request) -> web.StreamResponse:
    """One more entry."""
    fields = await form(request)
    args: dict[str, Any] = {name: fields.get(name, "") for name in ("digits", "side", "account", "reason")}
    args["whole"] = fields.get("whole") == "1"
    return attempt(request, "blacklist.add", args, HERE, lambda error: _all(request, error, fields))


async def remove(request: web.Request) -> web.StreamResponse:
    """One fewer."""
    args = {"ids": [number((await form(request)).get("id", ""))]}
    return attempt(request, "blacklist.remove", args, HERE, lambda error: _all(request, error, {}))


def _all(request: web.Request, error: WireError | None, values: dict[str, str]) -> web.Response:
    asked = {name: request.query.get(name, "").strip() for name in ("q", "number", "account")}
    tested = None
    if asked["number"] and error is None:
        try:
            tested = do(request, "blacklist.test", {"number": asked["number"], "account": asked["account"]})
        except WireError as wrong:
            error = wrong
    digits = asked["q"] if asked["q"].isdigit() else ""
    listed = do(request, "blacklist.list", {"digits": digits, "limit": MOST})
    return page(
        request, "panel/blacklists.html", status=status_of(error.code) if error else 200, error=error, values=values,
        asked=asked, tested=tested, most=MOST, **listed,
    )  # fmt: skip


ROUTES = (
    Route("GET", HERE, index, area=Area.SECURITY, menu="Blacklists", group="Defence"),
    Route("POST", f"{HERE}/add", add, area=Area.SECURITY, writes=True),
    Route("POST", f"{HERE}/remove", remove, area=Area.SECURITY, writes=True),
)
