"""Passwords, the PIN of a calling card, and the sessions in which somebody is logged in."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.web.acting import do, form, page, seen
from pysrv.web.identity import IDENTITY, identity
from pysrv.web.logins import LOGINS
from pysrv.web.problems import status_of


async def passwords(request: web.Request) -> web.Response:
    """/portal/password"""
    return _passwords(request)


async def set_password(request: web.Request) -> web.Response:
    """Another password; the old one is asked for each time, like at a login, so guesses wait and are counted."""
    posted = await request.post()
    old, new, again = (str(posted.get(name, "")) for name in ("old", "new", "again"))
    if new != again:
        return _passwords(request, WireError("invalid", "the two new passwords differ", "type the new one twice"))
    try:
        request[IDENTITY] = await request.app[LOGINS].prove(request, identity(request), old)
    except WireError as error:
        words = "the old password is wrong" if error.code == "unauthorized" else error.message
        return _passwords(request, WireError(error.code, words, error.hint))
    refusal = tried(request, "mine.password", {"password": new, "of": str(posted.get("of", ""))})
    if refusal is not None:
        return _passwords(request, refusal)
    return _passwords(request, changed=str(posted.get("of", "")))


async def pin(request: web.Request) -> web.Response:
    """Another PIN, shown this once."""
    try:
        made = do(request, "mine.pin")["pin"]
    except WireError as error:
        if error.code == "unproven":
            raise
        return _passwords(request, error)
    return _passwords(request, pin=made)


async def sessions(request: web.Request) -> web.Response:
    """/portal/sessions"""
    return page(request, "portal/sessions.html", shown=do(request, "mine.sessions"), error=None)


async def revoke(request: web.Request) -> web.Response:
    """One ends, or all others."""
    fields = await form(request)
    if error := tried(request, "mine.revoke", {"id": fields.get("id", "")}):
        shown = do(request, "mine.sessions")
        return page(request, "portal/sessions.html", status=status_of(error.code), shown=shown, error=error)
    return seen("/portal/sessions")


def _passwords(
    request: web.Request, error: WireError | None = None, *, changed: str = "", pin: str = ""
) -> web.Response:
    values: dict[str, Any] = {"shown": do(request, "mine.show"), "devices": do(request, "mine.devices")["devices"]}
    status = status_of(error.code) if error else 200
    return page(request, "portal/password.html", status=status, error=error, changed=changed, pin=pin, **values)


ROUTES = (
    shows("/portal/password", passwords, menu="Passwords", group="You"),
    takes("/portal/password", set_password),
    takes("/portal/pin", pin),
    shows("/portal/sessions", sessions, menu="Sessions", group="You"),
    takes("/portal/sessions", revoke),
)
