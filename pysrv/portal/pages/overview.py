"""The first page: credit, what is used of each limit, running calls, why nothing goes out, and how one is reached."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.web.acting import LANGUAGE_COOKIE, backing, do, form, page, seen
from pysrv.web.problems import status_of

FIELDS = ("display_name", "email", "phone", "language")


async def index(request: web.Request) -> web.Response:
    """/portal/"""
    return _index(request, {}, None)


async def call_back(request: web.Request) -> web.Response:
    """Call me, then connect me."""
    fields = await form(request)
    told = {name: fields.get(name, "") for name in ("number", "first")}
    error = tried(request, "mine.callback", told)
    return _index(request, told, error) if error else seen("/portal/")


def _index(request: web.Request, wanted: dict[str, str], error: WireError | None) -> web.Response:
    status = status_of(error.code) if error else 200
    shown = do(request, "mine.show")
    return page(
        request, "portal/overview.html", status=status, shown=shown, wanted=wanted, error=error,
        server=_server(request),
    )  # fmt: skip


def _server(request: web.Request) -> dict[str, Any]:
    """What a telephone is told: the name of the server (localdomain, else what the browser came by) and its ways."""
    settings = backing(request).settings()
    ways = ["UDP", "TCP", *([f"TLS ({settings.localtlsport})"] if settings.usetls else [])]
    return {"name": settings.localdomain or request.url.host or "", "ways": ", ".join(ways)}


async def contact(request: web.Request) -> web.Response:
    """/portal/contact"""
    account = do(request, "mine.show")["account"]
    return _contact(request, {name: account[name] for name in FIELDS}, None)


async def set_contact(request: web.Request) -> web.Response:
    """Another address, number or language."""
    fields = await form(request)
    told = {name: fields.get(name, "") for name in FIELDS}
    if error := tried(request, "mine.contact", told):
        return _contact(request, told, error)
    answer = seen("/portal/contact")
    answer.del_cookie(LANGUAGE_COOKIE, secure=True, httponly=True, samesite="Lax")  # what was chosen now comes first
    return answer


def _contact(request: web.Request, values: dict[str, str], error: WireError | None) -> web.Response:
    status = status_of(error.code) if error else 200
    return page(request, "portal/contact.html", status=status, values=values, error=error)


ROUTES = (
    shows("/portal/", index, menu="Overview"),
    takes("/portal/callback", call_back),
    shows("/portal/contact", contact, menu="How you are reached", group="You"),
    takes("/portal/contact", set_contact),
)
