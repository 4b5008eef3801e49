"""Payments: those that wait for somebody's word, all others with what the gateway said of them, and refunds."""

from aiohttp import web

from appliance.wire import WireError
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

PAGE_ROWS = 50
DECISIONS = ("approve", "reject", "refund")


async def index(request: web.Request) -> web.Response:
    """/panel/payments"""
    before = request.query.get("before", "")
    args = {"limit": PAGE_ROWS} | ({"before_id": int(before)} if before.isdecimal() and len(before) < 18 else {})
    account = request.query.get("account", "").strip()
    waiting = do(request, "payments.list", {"status": "waiting", "limit": PAGE_ROWS})["payments"]
    found = do(request, "payments.list", args | ({"account": account} if account else {}))["payments"]
    more = found[-1]["id"] if len(found) == PAGE_ROWS else None
    return page(request, "panel/payments.html", waiting=waiting, payments=found, more=more, account=account)


async def show(request: web.Request) -> web.Response:
    """/panel/payments/NUMBER"""
    return _one(request, None)


async def decide(request: web.Request) -> web.Response:
    """Approved, rejected or given back."""
    fields, number = await form(request), _number(request)
    what = request.match_info["what"]
    if what not in DECISIONS:
        raise WireError("not_found", "there is no such page")
    args = {"id": number, "note": fields.get("note", "")}
    if what == "refund" and fields.get("amount"):
        args["amount"] = fields["amount"]
    try:
        do(request, f"payments.{what}", args)
    except WireError as error:
        if error.code == "unproven":
            raise
        return _one(request, error)
    return seen(f"/panel/payments/{number}")


def _one(request: web.Request, error: WireError | None) -> web.Response:
    shown = do(request, "payments.show", {"id": _number(request)})
    status = status_of(error.code) if error else 200
    return page(request, "panel/payment.html", status=status, error=error, shown=shown, payment=shown["payment"])


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    if not text.isdecimal() or len(text) > 17:
        raise WireError("not_found", f"there is no payment {text[:40]!r}")
    return int(text)


ROUTES = (
    Route("GET", "/panel/payments", index, area=Area.MONEY, menu="Payments", group="Customers"),
    Route("GET", "/panel/payments/{number}", show, area=Area.MONEY),
    Route("POST", "/panel/payments/{number}/{what}", decide, area=Area.MONEY, writes=True),
)
