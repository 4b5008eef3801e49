"""Calls that run, with what they cost and how long they may; and the devices that are registered."""

from urllib.parse import quote

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.pages.ladder import ladder_of
from pysrv.panel.pages.listing import Part, attempt
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, page
from pysrv.web.problems import status_of
from pysrv.web.routes import Route


async def index(request: web.Request) -> web.Response:
    """/panel/calls"""
    return _all(request, None)


async def show(request: web.Request) -> web.Response:
    """/panel/calls/one?id=CALL: a call that runs; one that has ended has its record's page."""
    call_id = request.query.get("id", "")
    found = do(request, "calls.show", {"call_id": call_id})["call"]
    return page(request, "panel/call.html", call=found, ladder=ladder_of(request, call_id))


async def hang_up(request: web.Request) -> web.StreamResponse:
    """End a call."""
    args = {"call_id": (await form(request)).get("call_id", "")}
    if not args["call_id"]:
        return _all(request, WireError("invalid", "no call was named"))
    return attempt(request, "calls.hangup", args, "/panel/calls", lambda error: _all(request, error))


async def hang_up_all(request: web.Request) -> web.StreamResponse:
    """End every call of an account, or every one that a search found."""
    fields = await form(request)
    args = {name: fields.get(name, "") for name in ("account", "words")}
    if bool(args["account"]) == bool(args["words"]):
        return _all(request, WireError("invalid", "name an account, or the words of a search"))
    back = f"/panel/accounts/{quote(args['account'], safe='')}" if fields.get("back") == "account" else "/panel/calls"
    return attempt(request, "calls.hangup", args, back, lambda error: _all(request, error))


def _all(request: web.Request, error: WireError | None) -> web.Response:
    part = Part.of(request)
    found = do(request, "calls.list", part.args)
    status = status_of(error.code) if error else 200
    return page(request, "panel/calls.html", status=status, error=error, part=part, **found)


async def registrations(request: web.Request) -> web.Response:
    """/panel/registrations"""
    part = Part.of(request)
    return page(request, "panel/registrations.html", part=part, **do(request, "registrations.list", part.args))


ROUTES = (
    Route("GET", "/panel/calls", index, area=Area.CALLS, menu="Live calls"),
    Route("GET", "/panel/calls/one", show, area=Area.CALLS),
    Route("POST", "/panel/calls/hangup", hang_up, area=Area.CALLS, writes=True),
    Route("POST", "/panel/calls/hangup-all", hang_up_all, area=Area.CALLS, writes=True),
    Route("GET", "/panel/registrations", registrations, area=Area.STATE, menu="Registrations"),
)
