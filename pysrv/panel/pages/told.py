"""What the appliance has told: its log's newest lines, and the notices that it sent to people."""

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.pages.listing import attempt
from pysrv.people.permissions import Area
from pysrv.web.acting import do, page
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

MOST = 200
LEVELS = ("info", "warning", "error")


async def log(request: web.Request) -> web.Response:
    """/panel/log"""
    level, words = request.query.get("level", "info"), request.query.get("q", "").strip()[:100]
    error, lines = None, []
    try:
        lines = do(request, "log.list", {"level": level, "words": words, "limit": MOST})["lines"]
    except WireError as wrong:
        error = wrong
    status = status_of(error.code) if error else 200
    return page(
        request, "panel/log.html", status=status, error=error, lines=lines, level=level, q=words, levels=LEVELS,
        most=MOST,
    )  # fmt: skip


async def notices(request: web.Request) -> web.Response:
    """/panel/notices"""
    return _notices(request, None)


async def test(request: web.Request) -> web.StreamResponse:
    """Send a test by every way that is set up."""
    return attempt(request, "notices.test", {}, "/panel/notices", lambda error: _notices(request, error))


async def retry(request: web.Request) -> web.StreamResponse:
    """Try again what failed."""
    return attempt(request, "notices.retry", {}, "/panel/notices", lambda error: _notices(request, error))


def _notices(request: web.Request, error: WireError | None) -> web.Response:
    account = request.query.get("account", "").strip()
    found = do(request, "notices.list", {"account": account or None, "limit": MOST})["notices"]
    return page(
        request, "panel/notices.html", status=status_of(error.code) if error else 200, error=error, notices=found,
        account=account, most=MOST,
    )  # fmt: skip


ROUTES = (
    Route("GET", "/panel/notices", notices, area=Area.STATE, menu="Notices", group="Appliance"),
    Route("POST", "/panel/notices/test", test, area=Area.STATE, writes=True),
    Route("POST", "/panel/notices/retry", retry, area=Area.STATE, writes=True),
    Route("GET", "/panel/log", log, area=Area.SECURITY, menu="Log", group="Appliance"),
)
