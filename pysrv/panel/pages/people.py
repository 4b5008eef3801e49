"""Administrators: who runs the appliance, with what role; everybody's sessions and tokens, and their end."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.people.permissions import Area, Role
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

HERE = "/panel/people"
NEW = "/panel/people-new"
MOST_SESSIONS = 200
ROLES = [(str(role), str(role)) for role in Role]


async def index(request: web.Request) -> web.Response:
    """/panel/people"""
    return _all(request, None)


async def new(request: web.Request) -> web.Response:
    """/panel/people-new"""
    return page(request, "panel/person_new.html", error=None, values={}, roles=ROLES)


async def add(request: web.Request) -> web.Response:
    """Somebody new."""
    fields, posted = await form(request), await request.post()
    args = {name: fields.get(name, "") for name in ("name", "role", "email")}
    try:
        do(request, "people.add", {**args, "password": str(posted.get("password", ""))})
    except WireError as error:
        if error.code == "unproven":
            raise
        return page(
            request, "panel/person_new.html", status=status_of(error.code), error=error, values=args, roles=ROLES
        )
    return seen(f"{HERE}/{args['name']}")


async def show(request: web.Request) -> web.Response:
    """/panel/people/NAME"""
    return _one(request, None)


async def change(request: web.Request) -> web.Response:
    """Role, name and address."""
    fields = await form(request)
    names = ("role", "display_name", "email")
    return _changed(request, {name: fields[name] for name in names if fields.get(name) != fields.get(f"was-{name}")})


async def enable(request: web.Request) -> web.Response:
    """Let in, or keep out."""
    return _changed(request, {"enabled": (await form(request)).get("enabled") == "1"})


async def password(request: web.Request) -> web.Response:
    """Another password, for somebody who forgot his."""
    return _changed(request, {"password": str((await request.post()).get("password", ""))})


async def forget_second(request: web.Request) -> web.Response:
    """No second factor, for somebody who lost his."""
    return _changed(request, {"second_factor": False})


async def remove(request: web.Request) -> web.Response:
    """Gone."""
    name = request.match_info["name"]
    try:
        if (await form(request)).get("name") != name:
            raise WireError("invalid", f"type the name {name!r} to remove the administrator")
        do(request, "people.remove", {"name": name})
    except WireError as error:
        if error.code == "unproven":
            raise
        return _one(request, error)
    return seen(HERE)


async def revoke(request: web.Request) -> web.Response:
    """A session ends."""
    return _ended(request, "people.revoke", {"id": (await form(request)).get("id", "")})


async def drop_token(request: web.Request) -> web.Response:
    """A token opens nothing any more."""
    text = (await form(request)).get("id", "")
    return _ended(request, "tokens.remove", {"id": int(text) if text.isascii() and text.isdigit() else 0})


def _ended(request: web.Request, verb: str, args: dict[str, Any]) -> web.Response:
    try:
        do(request, verb, args)
    except WireError as error:
        if error.code == "unproven":
            raise
        return _all(request, error)
    return seen(HERE)


def _changed(request: web.Request, changes: dict[str, Any]) -> web.Response:
    name = request.match_info["name"]
    try:
        do(request, "people.set", {"name": name, **changes})
    except WireError as error:
        if error.code == "unproven":
            raise
        return _one(request, error)
    return seen(f"{HERE}/{name}")


def _all(request: web.Request, error: WireError | None) -> web.Response:
    sessions = do(request, "people.sessions")["sessions"]
    return page(
        request,
        "panel/people.html",
        status=status_of(error.code) if error else 200,
        error=error,
        people=do(request, "people.list")["people"],
        sessions=sessions[:MOST_SESSIONS],
        more=max(0, len(sessions) - MOST_SESSIONS),
        tokens=do(request, "tokens.list")["tokens"],
    )


def _one(request: web.Request, error: WireError | None) -> web.Response:
    name = request.match_info["name"]
    found = next((each for each in do(request, "people.list")["people"] if each["name"] == name), None)
    if found is None:
        raise WireError("not_found", f"there is no administrator {name[:80]!r}")
    status = status_of(error.code) if error else 200
    return page(request, "panel/person.html", status=status, error=error, person=found, roles=ROLES)


_AT = HERE + "/{name}"
ROUTES = (
    Route("GET", HERE, index, area=Area.PEOPLE, menu="Administrators", group="People"),
    Route("POST", f"{HERE}-session-end", revoke, area=Area.PEOPLE, writes=True),
    Route("POST", f"{HERE}-token-drop", drop_token, area=Area.PEOPLE, writes=True),
    Route("GET", NEW, new, area=Area.PEOPLE, writes=True),
    Route("POST", NEW, add, area=Area.PEOPLE, writes=True),
    Route("GET", _AT, show, area=Area.PEOPLE),
    Route("POST", f"{_AT}/set", change, area=Area.PEOPLE, writes=True),
    Route("POST", f"{_AT}/enable", enable, area=Area.PEOPLE, writes=True),
    Route("POST", f"{_AT}/password", password, area=Area.PEOPLE, writes=True),
    Route("POST", f"{_AT}/second", forget_second, area=Area.PEOPLE, writes=True),
    Route("POST", f"{_AT}/remove", remove, area=Area.PEOPLE, writes=True),
)
