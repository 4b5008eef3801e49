"""Call records: found by their filters, explained line by line, and taken away as CSV."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import answered, tried, whole
from pysrv.panel.pages.ladder import ladder_of
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, page
from pysrv.web.routes import Route
from pysrv.web.transfer import download, lines_of

PAGE_ROWS, PIECE_ROWS, MOST_ROWS = 50, 500, 100_000
FIELDS = ("account", "trunk", "callee", "since", "until", "outcome", "refused_by")
COLUMNS = (
    "setup_at", "answered_at", "ended_at", "account", "caller", "callee", "source", "trunk", "duration_s",
    "billable_seconds", "charge", "cost", "currency", "sip_status", "reason", "refused_by", "ended_by", "call_id",
)  # fmt: skip


async def index(request: web.Request) -> web.Response:
    """/panel/cdrs"""
    filters = {name: request.query.get(name, "").strip() for name in FIELDS}
    before = whole(request.query.get("before", ""), 2**53)
    cdrs: list[dict[str, Any]] = []
    try:
        wanted = _wanted(filters, _zone(request)) | ({"before_id": before} if before else {})
        told, error = tried(request, "cdrs.list", wanted | {"limit": PAGE_ROWS + 1})
        cdrs = told.get("cdrs", [])
    except WireError as wrong:
        error = wrong
    used = {name: text for name, text in filters.items() if text}
    return answered(
        request, "panel/cdrs.html", error, cdrs=cdrs[:PAGE_ROWS], more=len(cdrs) > PAGE_ROWS, filters=filters,
        used=used, before=before, most=MOST_ROWS,
    )  # fmt: skip


async def show(request: web.Request) -> web.Response:
    """/panel/cdrs-show?call_id=..."""
    told = do(request, "cdrs.show", {"call_id": request.query.get("call_id", "")})
    return page(request, "panel/cdr.html", told=told, ladder=ladder_of(request, told["call_id"]))


async def export(request: web.Request) -> web.StreamResponse:
    """/panel/cdrs.csv: what the filters let through, the newest first, at most MOST_ROWS."""
    filters = {name: request.query.get(name, "").strip() for name in FIELDS}
    zone = _zone(request)
    return await download(request, "calls.csv", _lines(request, _wanted(filters, zone), zone))


async def _lines(request: web.Request, wanted: dict[str, Any], zone: ZoneInfo) -> AsyncIterator[str]:
    """Times are those of the appliance's time zone, in ISO 8601."""
    before: dict[str, Any] = {}
    heading, left = lines_of([COLUMNS]), MOST_ROWS
    while left > 0:
        cdrs = do(request, "cdrs.list", wanted | before | {"limit": min(PIECE_ROWS, left)})["cdrs"]
        yield heading + lines_of([_cells(each, zone) for each in cdrs])
        heading, left, before = "", left - len(cdrs), {"before_id": cdrs[-1]["id"]} if cdrs else {}
        if len(cdrs) < PIECE_ROWS:
            return


def _cells(cdr: dict[str, Any], zone: ZoneInfo) -> list[object]:
    def cell(name: str) -> object:
        value = cdr[name]
        if not name.endswith("_at") or value is None:
            return value
        return datetime.fromtimestamp(value, UTC).astimezone(zone).isoformat(timespec="seconds")

    return [cell(name) for name in COLUMNS]


def _wanted(filters: dict[str, str], zone: ZoneInfo) -> dict[str, Any]:
    """The verb's arguments. Raises WireError for a time that is none."""
    wanted: dict[str, Any] = {name: filters[name] for name in ("account", "trunk", "refused_by") if filters[name]}
    if filters["callee"]:
        wanted["callee"] = filters["callee"].lstrip("+")
    wanted |= {name: _time(filters[name], zone, name) for name in ("since", "until") if filters[name]}
    match filters["outcome"]:
        case "answered":
            wanted["answered"] = True
        case "unanswered":
            wanted["answered"] = False
    return wanted


def _time(text: str, zone: ZoneInfo, what: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WireError("invalid", f"{what} must be a time such as 2026-03-01T08:00, not {text[:40]!r}") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()


def _zone(request: web.Request) -> ZoneInfo:
    return ZoneInfo(backing(request).settings().timezone or "UTC")


ROUTES = (
    Route("GET", "/panel/cdrs", index, area=Area.RECORDS, menu="Call records", group="Customers"),
    Route("GET", "/panel/cdrs-show", show, area=Area.RECORDS),
    Route("GET", "/panel/cdrs.csv", export, area=Area.RECORDS),
)
