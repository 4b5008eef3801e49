"""Accounts: the list, one account with its limits beside today's figures, and what an administrator changes of it."""

from typing import Any

from aiohttp import web

from appliance.config.account import FIELDS
from appliance.wire import WireError
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, page, seen
from pysrv.web.problems import status_of
from pysrv.web.routes import Route

PAGE_ROWS = 50
HIDDEN = frozenset({"display_name"})  # has a place of its own in the form


async def index(request: web.Request) -> web.Response:
    """/panel/accounts"""
    wanted = {"search": request.query.get("q", "").strip(), "after": request.query.get("after", "")}
    found = do(request, "accounts.list", {**wanted, "limit": PAGE_ROWS})
    return page(request, "panel/accounts.html", accounts=found["accounts"], next=found["next"], q=wanted["search"])


async def show(request: web.Request) -> web.Response:
    """/panel/accounts/NAME"""
    return _one(request, None)


async def new(request: web.Request) -> web.Response:
    """/panel/accounts-new"""
    return page(request, "panel/account_new.html", error=None, values={})


async def add(request: web.Request) -> web.Response:
    """A new account."""
    fields = await form(request)
    args: dict[str, Any] = {
        "name": fields.get("name", ""),
        "password": fields.get("password", ""),
        "numbers": fields.get("numbers", "").split(),
        "display_name": fields.get("display_name", ""),
        "deck": fields.get("deck", ""),
    }
    if fields.get("credit"):
        args["credit"] = fields["credit"]
    try:
        do(request, "accounts.add", args)
    except WireError as error:
        if error.code == "unproven":
            raise
        shown = {name: text for name, text in fields.items() if name != "password"}
        return page(request, "panel/account_new.html", status=status_of(error.code), error=error, values=shown)
    return seen(f"/panel/accounts/{args['name']}")


async def change(request: web.Request) -> web.Response:
    """Fields of an account: only what differs is sent on, so that nobody overwrites what he did not touch."""
    fields = await form(request)
    changed = {
        name: fields[name]
        for name in FIELDS
        if name in fields and fields[name] != fields.get(f"was-{name}") and name not in HIDDEN
    }
    changes: dict[str, Any] = {"fields": changed} if changed else {}
    if fields.get("display_name", "") != fields.get("was-display_name", ""):
        changes["display_name"] = fields["display_name"]
    if fields.get("numbers", "") != fields.get("was-numbers", ""):
        changes["numbers"] = fields.get("numbers", "").split()
    return await _changed(request, changes)


async def credit(request: web.Request) -> web.Response:
    """Credit more, or less."""
    fields = await form(request)
    return await _changed(request, {"top_up": fields.get("amount", ""), "note": fields.get("note", "")})


async def allow(request: web.Request) -> web.Response:
    """More for today, beyond the daily limits."""
    name, fields = request.match_info["name"], await form(request)
    try:
        do(request, "accounts.allow", {"name": name, "amount": fields.get("amount", "")})
    except WireError as error:
        if error.code == "unproven":
            raise
        return _one(request, error)
    return seen(f"/panel/accounts/{name}")


async def enable(request: web.Request) -> web.Response:
    """Let in, or keep out."""
    return await _changed(request, {"enabled": (await form(request)).get("enabled") == "1"})


async def password(request: web.Request) -> web.Response:
    """Another password."""
    posted = await request.post()
    return await _changed(request, {"password": str(posted.get("password", ""))})


async def remove(request: web.Request) -> web.Response:
    """Gone."""
    name = request.match_info["name"]
    if (await form(request)).get("name") != name:
        return _one(request, WireError("invalid", f"type the name {name!r} to remove the account"))
    do(request, "accounts.remove", {"name": name})
    return seen("/panel/accounts")


async def _changed(request: web.Request, changes: dict[str, Any]) -> web.Response:
    name = request.match_info["name"]
    if changes:
        try:
            do(request, "accounts.set", {"name": name, "changes": changes})
        except WireError as error:
            if error.code == "unproven":
                raise
            return _one(request, error)
    return seen(f"/panel/accounts/{name}")


def _one(request: web.Request, error: WireError | None) -> web.Response:
    name = request.match_info["name"]
    shown = do(request, "accounts.show", {"name": name})
    return page(
        request,
        "panel/account.html",
        status=status_of(error.code) if error else 200,
        error=error,
        account=shown["account"],
        shown=shown,
        fields=[each for each in FIELDS.values() if each.name not in HIDDEN],
    )


_AT = "/panel/accounts/{name}"
ROUTES = (
    Route("GET", "/panel/accounts", index, area=Area.ACCOUNTS, menu="Accounts", group="Customers"),
    Route("GET", "/panel/accounts-new", new, area=Area.ACCOUNTS, writes=True),
    Route("POST", "/panel/accounts-new", add, area=Area.ACCOUNTS, writes=True),
    Route("GET", _AT, show, area=Area.ACCOUNTS),
    Route("POST", f"{_AT}/set", change, area=Area.ACCOUNTS, writes=True),
    Route("POST", f"{_AT}/credit", credit, area=Area.MONEY, writes=True),
    Route("POST", f"{_AT}/allow", allow, area=Area.MONEY, writes=True),
    Route("POST", f"{_AT}/enable", enable, area=Area.ACCOUNTS, writes=True),
    Route("POST", f"{_AT}/password", password, area=Area.PASSWORDS, writes=True),
    Route("POST", f"{_AT}/remove", remove, area=Area.ACCOUNTS, writes=True),
)
