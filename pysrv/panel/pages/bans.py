"""Bans with their evidence, lifted by one click or made by hand; the allow list; who can never be cut off."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import staying, tried
from pysrv.panel.pages.listing import Part, attempt, until
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, page, seen
from pysrv.web.logins import LOGINS
from pysrv.web.problems import status_of
from pysrv.web.routes import Route


async def index(request: web.Request) -> web.Response:
    """/panel/bans"""
    return _all(request, None, {})


async def show(request: web.Request) -> web.Response:
    """/panel/bans/one?source=ADDRESS[:PORT]: every ban that concerns a source, with all that is known."""
    source = request.query.get("source", "").strip()
    found = do(request, "bans.show", {"source": source})["bans"]
    behind = {ban["source"]: _registered(request, ban["prefix"]) for ban in found}
    return page(request, "panel/ban.html", source=source, bans=found, behind=behind)


def _registered(request: web.Request, prefix: str) -> list[dict[str, Any]]:
    """The devices that are registered at an address now; of a network nobody asks."""
    if "/" in prefix:
        return []
    found = do(request, "registrations.list", {"words": prefix, "limit": 50})["registrations"]
    return [each for each in found if each["remote_host"] == prefix]


async def add(request: web.Request) -> web.StreamResponse:
    """A ban by hand; one that shuts trunks or registered devices out wants a second word."""
    fields = await form(request)
    args = {"prefix": fields.get("prefix", ""), "reason": fields.get("reason", "")}
    try:
        args["expires_at"] = until(fields.get("for", ""), request.app[LOGINS].now())  # type: ignore[assignment]
    except WireError as error:
        return _all(request, error, fields)
    if fields.get("sure") != args["prefix"]:
        whom, refused = tried(request, "bans.whom", {"prefix": args["prefix"]})
        if refused or whom["keeps_out"]:
            return _all(request, refused, fields, whom)
    return attempt(request, "bans.add", args, "/panel/bans", lambda error: _all(request, error, fields))


async def lift(request: web.Request) -> web.StreamResponse:
    """One ban, gone."""
    args = {"source": (await form(request)).get("source", "")}
    if args["source"] == "all":  # that is `clear`, which wants the word typed
        return _all(request, WireError("invalid", "name an address or a network"), {})
    return attempt(request, "bans.lift", args, "/panel/bans", lambda error: _all(request, error, {}))


async def clear(request: web.Request) -> web.StreamResponse:
    """Every ban, gone."""
    if (await form(request)).get("word") != "all":
        return _all(request, WireError("invalid", "type 'all' to lift every ban"), {})
    do(request, "bans.clear")
    return seen("/panel/bans")


def _all(
    request: web.Request, error: WireError | None, values: dict[str, str], whom: dict[str, Any] | None = None
) -> web.Response:
    part = Part.of(request)
    shown = do(request, "bans.list", part.args)
    status = status_of(error.code) if error else 200
    return page(request, "panel/bans.html", status=status, error=error, values=values, part=part, whom=whom, **shown)


async def allowed(request: web.Request) -> web.Response:
    """/panel/allowed"""
    return _allowed(request, None, {})


async def allow(request: web.Request) -> web.StreamResponse:
    """One more that is trusted."""
    fields = await form(request)
    args: dict[str, Any] = {name: fields.get(name, "") for name in ("prefix", "reason", "kind")}
    try:
        args["expires_at"] = until(fields.get("for", ""), request.app[LOGINS].now())
    except WireError as error:
        return _allowed(request, error, fields)
    return _change(request, "allows.add", args, fields)


async def disallow(request: web.Request) -> web.StreamResponse:
    """One fewer."""
    args = {"prefix": (await form(request)).get("prefix", "")}
    return _change(request, "allows.remove", args, {})


def _change(request: web.Request, verb: str, args: dict[str, Any], values: dict[str, str]) -> web.StreamResponse:
    def again(error: WireError) -> web.StreamResponse:
        return _allowed(request, error, values)

    return attempt(request, verb, args, "/panel/allowed", again, staying(request))


def _allowed(request: web.Request, error: WireError | None, values: dict[str, str]) -> web.Response:
    told = do(request, "allows.list")
    return page(
        request, "panel/allowed.html", status=status_of(error.code) if error else 200, error=error, values=values,
        allows=told["allows"], warnings=told["warnings"], ended=told["ended"],
        private_networks=told["private_networks"], protected=do(request, "protected.list")["protected"],
    )  # fmt: skip


_S = Area.SECURITY
ROUTES = (
    Route("GET", "/panel/bans", index, area=_S, menu="Bans", group="Defence"),
    Route("GET", "/panel/bans/one", show, area=_S),
    Route("POST", "/panel/bans/add", add, area=_S, writes=True),
    Route("POST", "/panel/bans/lift", lift, area=_S, writes=True),
    Route("POST", "/panel/bans/clear", clear, area=_S, writes=True),
    Route("GET", "/panel/allowed", allowed, area=_S, menu="Allow list", group="Defence"),
    Route("POST", "/panel/allowed/add", allow, area=_S, writes=True),
    Route("POST", "/panel/allowed/remove", disallow, area=_S, writes=True),
)
