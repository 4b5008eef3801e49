"""Backups: which there are, how the last one went, and a button for one more. How one is put back is a command: what
replaces the whole state is not done from inside of it.
"""

from aiohttp import web

from appliance.wire import BackupWork, WireError
from pysrv.panel.forms import answered, tried
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, seen
from pysrv.web.routes import Route

_AT = "/panel/backups"


async def index(request: web.Request) -> web.Response:
    """/panel/backups"""
    return _page(request)


async def make(request: web.Request) -> web.Response:
    """One more, or a look whether the repository is whole."""
    work = (await form(request)).get("work", "")
    if work not in tuple(BackupWork):
        return _page(request, WireError("invalid", f"{work[:20]!r} is nothing that backups do"))
    _, error = tried(request, "backups.make", {"work": work})
    return _page(request, error) if error else seen(_AT)


def _page(request: web.Request, error: WireError | None = None) -> web.Response:
    return answered(request, "panel/backups.html", error, told=do(request, "backups.list"))


ROUTES = (
    Route("GET", _AT, index, area=Area.BACKUPS, menu="Backups", group="Appliance"),
    Route("POST", _AT, make, area=Area.BACKUPS, writes=True),
)
