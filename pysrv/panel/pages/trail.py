"""The trail: who changed what and when, newest first, and whether its chain is whole.

The chain is walked in a thread, on a connection of its own: calls go on meanwhile. One walk at a time.
"""

import asyncio

from aiohttp import web

from appliance.wire import WireError
from pysrv.people.permissions import Area
from pysrv.store.trail import Chain
from pysrv.web.acting import backing, do, page
from pysrv.web.routes import Route

ROWS = 100
_walking = asyncio.Semaphore(1)


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
    if _walking.locked():
        raise WireError("too_many", "the trail is being checked already", "wait for it")
    async with _walking:
        chain = await asyncio.to_thread(_walk, request, noted)
    return page(request, "panel/trail_verify.html", chain=chain, noted=noted)


def _walk(request: web.Request, noted: str) -> Chain:
    reader = backing(request).store.reader()
    try:
        return reader.audit_chain(noted)
    finally:
        reader.close()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


ROUTES = (
    Route("GET", "/panel/trail", index, area=Area.TRAIL, menu="Trail", group="People"),
    Route("GET", "/panel/trail-verify", verify, area=Area.TRAIL),
)
