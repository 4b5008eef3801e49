"""Static rules with a test and a way back, imported lists, and the change that waits for its word."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import tried
from pysrv.panel.pages.listing import attempt, confirm_s, number
from pysrv.people.permissions import Area
from pysrv.web.acting import ROUTES as ALL
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

HERE = "/panel/firewall"


async def index(request: web.Request) -> web.Response:
    """/panel/firewall, with `?address=` a test of it too"""
    return _all(request, None, {})


async def add(request: web.Request) -> web.StreamResponse:
    """One more rule."""
    fields = await form(request)
    rule: dict[str, Any] = {name: fields.get(name, "") for name in ("action", "prefix", "protocol", "note")}
    rule |= {"country": fields.get("country", "").upper(), "port": number(fields.get("port", ""), 65_536)}
    try:
        args = {"rules": [rule], "confirm_s": confirm_s(fields)}
    except WireError as error:
        return _all(request, error, fields)
    told, refused = tried(request, "firewall.add", args)
    if refused:
        return _all(request, refused, fields)
    added = ",".join(str(each["id"]) for each in told["rules"])
    return seen(f"{HERE}?added={added}" if told["keeps_out"] else HERE)


def _whom(request: web.Request) -> dict[str, Any] | None:
    """Whom the rules shut out that were just added, as the address names them."""
    ids = [found for each in request.query.get("added", "").split(",")[:50] if (found := number(each))]
    return do(request, "firewall.whom", {"ids": ids}) if ids else None


async def remove(request: web.Request) -> web.StreamResponse:
    """One rule fewer."""
    fields = await form(request)
    try:
        args = {"ids": [number(fields.get("id", ""))], "confirm_s": confirm_s(fields)}
    except WireError as error:
        return _all(request, error, {})
    return attempt(request, "firewall.remove", args, HERE, lambda error: _all(request, error, {}))


def _all(request: web.Request, error: WireError | None, values: dict[str, str]) -> web.Response:
    asked = {name: request.query.get(name, "").strip() for name in ("address", "port", "protocol")}
    tested = None
    if asked["address"] and error is None:
        args = {"address": asked["address"], "port": number(asked["port"]) or 5060, "protocol": asked["protocol"]}
        try:
            tested = do(request, "firewall.test", args | ({} if asked["protocol"] else {"protocol": "udp"}))
        except WireError as wrong:
            error = wrong
    return page(
        request, "panel/firewall.html", status=status_of(error.code) if error else 200, error=error, values=values,
        asked=asked, tested=tested, whom=_whom(request), rules=do(request, "firewall.list")["rules"],
    )  # fmt: skip


async def lists(request: web.Request) -> web.Response:
    """/panel/lists"""
    return _lists(request, None)


async def remove_list(request: web.Request) -> web.StreamResponse:
    """One list fewer."""
    args = {"name": (await form(request)).get("name", "")}
    return attempt(request, "lists.remove", args, "/panel/lists", lambda error: _lists(request, error))


def _lists(request: web.Request, error: WireError | None) -> web.Response:
    status = status_of(error.code) if error else 200
    return page(request, "panel/lists.html", status=status, error=error, **do(request, "lists.list"))


async def confirm(request: web.Request) -> web.Response:
    """The change that waits stays."""
    return await _word(request, "changes.confirm")


async def undo(request: web.Request) -> web.Response:
    """The change that waits is taken back now."""
    return await _word(request, "changes.undo")


async def _word(request: web.Request, verb: str) -> web.Response:
    back = (await form(request)).get("next", "")
    do(request, verb)
    pages = {route.path for route in request.app[ALL] if route.method == "GET" and route.menu}
    return seen(back if back in pages else HERE)


_S = Area.SECURITY
ROUTES = (
    Route("GET", HERE, index, area=_S, menu="Firewall", group="Defence"),
    Route("POST", f"{HERE}/add", add, area=_S, writes=True),
    Route("POST", f"{HERE}/remove", remove, area=_S, writes=True),
    Route("GET", "/panel/lists", lists, area=_S, menu="Imported lists", group="Defence"),
    Route("POST", "/panel/lists/remove", remove_list, area=_S, writes=True),
    Route("POST", "/panel/changes/confirm", confirm, area=_S, writes=True),
    Route("POST", "/panel/changes/undo", undo, area=_S, writes=True),
)
