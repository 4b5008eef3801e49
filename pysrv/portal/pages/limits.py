"""Limits of one's own, which only go further than the operator's."""

from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of

NAMES = ("maxdailycredit", "maxmonthlycredit", "maxdailyminutes", "maxmonthlyminutes", "locklevel")


async def index(request: web.Request) -> web.Response:
    """/portal/limits"""
    account = do(request, "mine.show")["account"]
    return _page(request, account, account["own"], None)


async def change(request: web.Request) -> web.Response:
    """Other ones."""
    fields = await form(request)
    told = {name: fields[name] for name in NAMES if name in fields}
    if error := tried(request, "mine.limits", {"limits": told}):
        account = do(request, "mine.show")["account"]
        return _page(request, account, account["own"] | told, error)
    return seen("/portal/limits")


def _page(request: web.Request, account: Any, values: dict[str, str], error: WireError | None) -> web.Response:
    status = status_of(error.code) if error else 200
    return page(request, "portal/limits.html", status=status, account=account, values=values, error=error)


ROUTES = (shows("/portal/limits", index, menu="Limits of your own"), takes("/portal/limits", change))
