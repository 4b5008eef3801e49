"""A reseller's customers: what they have, what they may, and what he books for them."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from appliance.wire import WireError
from pysrv.portal.pages.rows import shows, takes, tried
from pysrv.store.account import AccountType
from pysrv.web.acting import do, form, page, seen
from pysrv.web.once import do_once, fresh
from pysrv.web.problems import status_of

FIELDS = ("display_name", "email", "phone", "deck", "maxlines", "maxdailycredit", "maxmonthlycredit",
          "maxdailyminutes", "maxmonthlyminutes")  # fmt: skip
_AT = "/portal/customers/{name}"


async def index(request: web.Request) -> web.Response:
    """/portal/customers"""
    return _list(request)


async def add(request: web.Request) -> web.Response:
    """A new one."""
    fields, posted = await form(request), await request.post()
    args = {
        "customer": fields.get("customer", ""),
        "password": str(posted.get("password", "")),
        "fields": {name: fields[name] for name in ("display_name", "email", "deck") if fields.get(name)},
    }
    if error := tried(request, "mine.add_customer", args):
        shown = {name: text for name, text in fields.items() if name != "password"}
        return _list(request, error, shown)
    return seen(_at(fields["customer"]))


async def show(request: web.Request) -> web.Response:
    """/portal/customers/NAME"""
    return _one(request)


async def change(request: web.Request) -> web.Response:
    """Fields of one: only what differs is sent on."""
    fields = await form(request)
    changed = {name: fields[name] for name in FIELDS if name in fields and fields[name] != fields.get(f"was-{name}")}
    return _tried(request, "mine.set_customer", {"fields": changed}, fields)


async def enable(request: web.Request) -> web.Response:
    """Let in, or keep out."""
    return _tried(request, "mine.set_customer", {"enabled": (await form(request)).get("enabled") == "1"})


async def password(request: web.Request) -> web.Response:
    """Another password."""
    posted = await request.post()
    return _tried(request, "mine.set_customer", {"password": str(posted.get("password", ""))})


async def credit(request: web.Request) -> web.Response:
    """What was paid, or is taken back: the form counts once."""
    fields, name = await form(request), request.match_info["name"]
    args = {"customer": name, "amount": fields.get("amount", ""), "note": fields.get("note", "")}
    try:
        do_once(request, fields, "mine.credit_customer", args, lambda _: "")
    except WireError as error:
        if error.code == "unproven":
            raise
        return _refused(request, error, fields)
    return seen(_at(name))


def _tried(request: web.Request, verb: str, args: dict[str, Any], typed: dict[str, str] | None = None) -> web.Response:
    name = request.match_info["name"]
    if error := tried(request, verb, {"customer": name} | args):
        return _refused(request, error, typed)
    return seen(_at(name))


def _refused(request: web.Request, error: WireError, typed: dict[str, str] | None) -> web.Response:
    """The page again with what is wrong; raises it where there is no such customer, so no page."""
    if error.code == "forbidden" or (error.code == "not_found" and "customer" in error.message):
        raise error
    return _one(request, error, typed)


def _list(request: web.Request, error: WireError | None = None, values: dict[str, str] | None = None) -> web.Response:
    status, shown = status_of(error.code) if error else 200, do(request, "mine.customers")
    decks = [(name, name) for name in shown["decks"]]
    told = values or {}
    return page(request, "portal/customers.html", status=status, shown=shown, decks=decks, error=error, values=told)


def _one(request: web.Request, error: WireError | None = None, typed: dict[str, str] | None = None) -> web.Response:
    status = status_of(error.code) if error else 200
    shown = do(request, "mine.customer", {"customer": request.match_info["name"]})
    decks = [(name, name) for name in shown["decks"]]
    return page(
        request,
        "portal/customer.html",
        status=status,
        shown=shown,
        decks=decks,
        error=error,
        names=FIELDS,
        typed=typed or {},
        once=fresh(),
    )


def _at(name: str) -> str:
    return f"/portal/customers/{quote(name, safe='')}"


_R = AccountType.RESELLER
ROUTES = (
    shows("/portal/customers", index, menu="Customers", group="Resale", of_type=_R),
    takes("/portal/customers", add, _R),
    shows(_AT, show, of_type=_R),
    takes(f"{_AT}/set", change, _R),
    takes(f"{_AT}/enable", enable, _R),
    takes(f"{_AT}/password", password, _R),
    takes(f"{_AT}/credit", credit, _R),
)
