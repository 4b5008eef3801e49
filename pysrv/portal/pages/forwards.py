"""Where one's calls go on to."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of

FEWEST_S, MOST_S = 5, 120  # as the verb takes it
NAMES = ("always", "busy", "noanswer", "seconds")


async def index(request: web.Request) -> web.Response:
    """/portal/forwards"""
    return _page(request, {}, None)


async def change(request: web.Request) -> web.Response:
    """Other ones."""
    fields = await form(request)
    told: dict[str, Any] = {name: fields[name] for name in NAMES if name in fields}
    if "seconds" in told:
        told["seconds"] = seconds_of(told["seconds"])
    if error := tried(request, "mine.forwards", told):
        return _page(request, fields, error)
    return seen("/portal/forwards")


def seconds_of(text: str) -> int:
    """What was typed; 0, which is refused with words, for what is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < len(str(MOST_S)) + 2 else 0


def _page(request: web.Request, typed: dict[str, str], error: WireError | None) -> web.Response:
    values = do(request, "mine.show")["account"]["forwards"] | {name: typed[name] for name in NAMES if name in typed}
    status = status_of(error.code) if error else 200
    return page(
        request, "portal/forwards.html", status=status, values=values, error=error, fewest=FEWEST_S, most=MOST_S
    )


ROUTES = (shows("/portal/forwards", index, menu="Forwards"), takes("/portal/forwards", change))
