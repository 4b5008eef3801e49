"""Trunks and their routes, with what they were worth lately."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import answered, choices, number, tried
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, page, seen
from pysrv.web.routes import Route

TRANSPORTS = ("udp", "tcp")


async def index(request: web.Request) -> web.Response:
    """/panel/trunks"""
    told, trunks = do(request, "trunks.quality"), do(request, "trunks.list")["trunks"]
    answered, window_s = answered_of(told["quality"]), told["window_s"]
    return page(request, "panel/trunks.html", trunks=trunks, answered=answered, window_s=window_s)


def answered_of(quality: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Each trunk's share of answered calls in per cent, every prefix counting by its calls, and how many calls."""
    sums: dict[str, tuple[float, int]] = {}
    for each in quality:
        answered, calls = sums.get(each["trunk"], (0.0, 0))
        sums[each["trunk"]] = answered + (each["asr_percent"] or 0) * each["calls"], calls + each["calls"]
    return {trunk: (round(answered / calls), calls) for trunk, (answered, calls) in sums.items() if calls}


async def new(request: web.Request) -> web.Response:
    """/panel/trunks-new"""
    return page(request, "panel/trunk_new.html", error=None, values={}, **_choices(request))


async def add(request: web.Request) -> web.Response:
    """A new trunk, with a first route if its prefix is given."""
    fields = await form(request)
    try:
        args = told_of(fields) | {"name": fields.get("name", ""), "routes": _first_routes(fields)}
        _, error = tried(request, "trunks.add", args)
    except WireError as wrong:
        if wrong.code == "unproven":
            raise
        error = wrong
    if error:
        values = {name: text for name, text in fields.items() if name != "password"}
        return answered(request, "panel/trunk_new.html", error, values=values, **_choices(request))
    return seen(f"/panel/trunks/{fields['name']}")


async def show(request: web.Request) -> web.Response:
    """/panel/trunks/NAME"""
    return _one(request, None)


async def change(request: web.Request) -> web.Response:
    """What the form says; a password that was left empty stays."""
    fields = await form(request)
    try:
        changes = told_of(fields)
    except WireError as error:
        return _one(request, error)
    if not changes["password"]:
        del changes["password"]
    return _done(request, "trunks.set", {"changes": changes})


async def route(request: web.Request) -> web.Response:
    """One more route, or another one for the same prefix."""
    try:
        told = _route(await form(request))
    except WireError as error:
        return _one(request, error)
    return _done(request, "trunks.route", {"route": told})


async def unroute(request: web.Request) -> web.Response:
    """One route less."""
    return _done(request, "trunks.unroute", {"prefix": (await form(request)).get("prefix", "")})


async def remove(request: web.Request) -> web.Response:
    """Gone."""
    name = request.match_info["name"]
    if (await form(request)).get("name") != name:
        return _one(request, WireError("invalid", f"type the name {name!r} to remove the trunk"))
    _, error = tried(request, "trunks.remove", {"name": name})
    return _one(request, error) if error else seen("/panel/trunks")


def told_of(fields: dict[str, str]) -> dict[str, Any]:
    """The fields of a form as the verbs take them. Raises WireError."""
    return {
        "host": fields.get("host", ""),
        "port": number(fields.get("port") or "5060", "the port"),
        "transport": fields.get("transport", "udp"),
        "user": fields.get("user", ""),
        "password": fields.get("password", ""),
        "inbound": fields.get("inbound", "").split(),
        "max_channels": number(fields.get("max_channels") or "0", "the number of calls at once"),
        "deck": fields.get("deck", ""),
        "enabled": fields.get("enabled") == "1",
    }


def _route(fields: dict[str, str]) -> dict[str, Any]:
    prefix = fields.get("prefix", "")
    return {
        "prefix": "" if prefix.lower() == "all" else prefix,
        "priority": number(fields.get("priority") or "100", "the priority"),
        "strip": number(fields.get("strip") or "0", "how many digits are taken off"),
        "prepend": fields.get("prepend", ""),
    }


def _first_routes(fields: dict[str, str]) -> list[dict[str, Any]]:
    return [_route(fields)] if fields.get("prefix") else []


def _choices(request: web.Request) -> dict[str, Any]:
    decks = [each["name"] for each in do(request, "rates.decks")["decks"]]
    return {"transports": [(each, each.upper()) for each in TRANSPORTS], "decks": choices(decks)}


def _done(request: web.Request, verb: str, args: dict[str, Any]) -> web.Response:
    name = request.match_info["name"]
    _, error = tried(request, verb, {"name": name} | args)
    return _one(request, error) if error else seen(f"/panel/trunks/{name}")


def _one(request: web.Request, error: WireError | None) -> web.Response:
    name = request.match_info["name"]
    trunk = next((each for each in do(request, "trunks.list")["trunks"] if each["name"] == name), None)
    if trunk is None:
        raise WireError("not_found", f"there is no trunk {name[:60]!r}")
    quality = do(request, "trunks.quality", {"trunk": name})["quality"]
    return answered(
        request, "panel/trunk.html", error, trunk=trunk, quality=quality,
        window_s=backing(request).settings().routingwindow, **_choices(request),
    )  # fmt: skip


_AT = "/panel/trunks/{name}"
_WRITE: dict[str, Any] = {"area": Area.ROUTING, "writes": True}
ROUTES = (
    Route("GET", "/panel/trunks", index, area=Area.ROUTING, menu="Trunks and routes", group="Calls"),
    Route("GET", "/panel/trunks-new", new, **_WRITE),
    Route("POST", "/panel/trunks-new", add, **_WRITE),
    Route("GET", _AT, show, area=Area.ROUTING),
    Route("POST", f"{_AT}/set", change, **_WRITE),
    Route("POST", f"{_AT}/route", route, **_WRITE),
    Route("POST", f"{_AT}/unroute", unroute, **_WRITE),
    Route("POST", f"{_AT}/remove", remove, **_WRITE),
)
