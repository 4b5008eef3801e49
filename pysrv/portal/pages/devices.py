"""The telephones that are registered now, and taking one away."""

from aiohttp import web

from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of


async def index(request: web.Request) -> web.Response:
    """/portal/devices"""
    return page(request, "portal/devices.html", shown=do(request, "mine.devices"), error=None)


async def remove(request: web.Request) -> web.Response:
    """One is forgotten."""
    fields = await form(request)
    if error := tried(request, "mine.unregister", {"contact": fields.get("contact", "")}):
        shown = do(request, "mine.devices")
        return page(request, "portal/devices.html", status=status_of(error.code), shown=shown, error=error)
    return seen("/portal/devices")


ROUTES = (shows("/portal/devices", index, menu="Telephones"), takes("/portal/devices", remove))
