"""The trail: who changed what and when, newest first, and whether its chain is whole.

The chain is walked aside: calls go on meanwhile.
"""

from aiohttp import web

from pysrv.people.permissions import Area
from pysrv.web.acting import do, page
from pysrv.web.aside import do_aside
from pysrv.web.routes import Route

ROWS = 100


async def index(request: web.Request) -> web.Response:
    """/panel/trail"""
    subject, who = request.query.get("subject", "").strip(), request.query.get("who", "").strip()
    before = _number(request.query.get("before", ""))
    args = {"subject": subject or None, "who": who or None, "before_id": before or None, "limit": ROWS + 1}
    rows = do(request, "trail.list", args)["trail"]
    last = rows[ROWS - 1]["id"] if len(rows) > ROWS else 0
    return page(request, "panel/trail.html", trail=rows[:ROWS], subject=subject, person=who, before=before, last=last)


async def verify(request: web.Request) -> web.Response:
    """/panel/trail-verify: the whole chain, and whether a head that was noted earlier stands in it."""
    noted = request.query.get("head", "").strip().lower()
    chain = await do_aside(request, "trail.verify", {"head": noted})
    return page(request, "panel/trail_verify.html", chain=chain, noted=noted)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


ROUTES = (
    Route("GET", "/panel/trail", index, area=Area.TRAIL, menu="Trail", group="People"),
    Route("GET", "/panel/trail-verify", verify, area=Area.TRAIL),
)
