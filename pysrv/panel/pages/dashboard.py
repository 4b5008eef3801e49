"""The first page: what runs now, what the gate drops, what an administrator should know."""

from typing import Any

from aiohttp import web

from appliance import wire
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, page
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.status import Snapshot

MAX_ROWS = 100


async def index(request: web.Request) -> web.Response:
    """/panel/"""
    now = await backing(request).snapshot()
    return page(
        request, "panel/dashboard.html", now=now, tallies=tallies(now), relay=relay(now.gate), most=MAX_ROWS,
        setup=setup(request),
    )  # fmt: skip


def setup(request: web.Request) -> str | None:
    """The step of the first set-up that comes next, for those who may take it; None: it is finished."""
    if not identity(request).may(Area.SETTINGS, writes=True):
        return None
    found: str | None = do(request, "setup.show")["next"]
    return found


def tallies(now: Snapshot) -> list[wire.Tally]:
    """What the gate counted, the most packets first."""
    return sorted((tally for tally in now.tallies if tally.packets), key=lambda tally: -tally.packets)


def relay(gate: wire.GateStatus | None) -> dict[str, Any]:
    """Where media is relayed."""
    if gate is None:
        return {"where": "", "why": ""}
    return {"where": gate.relay, "why": gate.relay_reason, "sessions": gate.sessions}


ROUTES = (Route("GET", "/panel/", index, area=Area.STATE, menu="Dashboard"),)
