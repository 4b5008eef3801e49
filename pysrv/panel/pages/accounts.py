"""Accounts: the list, one account with its limits beside today's figures, and what an administrator changes of it."""

from typing import Any
from urllib.parse import quote

from aiohttp import web

from appliance.config.account import FIELDS, TYPES
from appliance.wire import WireError
from pysrv.panel.forms import Input, Shape, answered, choices, drawn, tried, unit_in, whole
from pysrv.passwords.made import made_up
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, language, page, seen
from pysrv.web.identity import identity
from pysrv.web.once import fresh
from pysrv.web.rendering import catalogue
from pysrv.web.routes import Route
from pysrv.web.words import N_

MOST_RESELLERS = 1000
PAGE_ROWS = 50
HIDDEN = frozenset({"display_name", "enabled"})  # have places of their own in the form
GROUPS = {
    N_("Who it is"): ("type", "parent", "group_name", "email", "phone", "country"),
    N_("How it proves itself"): ("needauth", "authip", "techprefix"),
    N_("What it may call"): ("locklevel", "onlylocalaccess", "blacklistlevel"),
    N_("Calls at once"): ("maxlines", "maxlinesoffpeak", "maxcps"),
    N_("What it pays"): ("deck", "tax", "postpaid"),
    N_("What it may spend"): (
        "maxdailycredit", "maxmonthlycredit", "maxmonthlycreditinc", "maxmonthlycreditend", "maxdailyminutes",
        "maxmonthlyminutes",
    ),
}  # fmt: skip
LABELS = {
    "type": N_("Type"),
    "parent": N_("Below the reseller"),
    "group_name": N_("Group"),
    "email": N_("E-mail"),
    "phone": N_("Telephone for messages"),
    "country": N_("Home country"),
    "needauth": N_("Proof of identity"),
    "authip": N_("Addresses that it calls from"),
    "techprefix": N_("Tech prefix"),
    "locklevel": N_("Lock"),
    "onlylocalaccess": N_("Only inside this appliance"),
    "blacklistlevel": N_("Blacklist level"),
    "maxlines": N_("Calls at once"),
    "maxlinesoffpeak": N_("Calls at once, off-peak"),
    "maxcps": N_("New calls a second"),
    "deck": N_("Rate deck"),
    "tax": N_("Tax"),
    "postpaid": N_("Pays later"),
    "maxdailycredit": N_("Spend of a day"),
    "maxmonthlycredit": N_("Spend of a month"),
    "maxmonthlycreditinc": N_("Growth of a month's spend"),
    "maxmonthlycreditend": N_("Where the growth ends"),
    "maxdailyminutes": N_("Minutes of a day"),
    "maxmonthlyminutes": N_("Minutes of a month"),
}
assert LABELS.keys() == FIELDS.keys() - HIDDEN
STAFF = frozenset({"operator", "support", "admin"})  # types of former systems; here staff are administrators
assert sorted(name for names in GROUPS.values() for name in names) == sorted(FIELDS.keys() - HIDDEN)


async def index(request: web.Request) -> web.Response:
    """/panel/accounts"""
    query = {name: request.query.get(name, "").strip() for name in ("q", "type", "parent")}
    wanted = {"search": query["q"], "type": query["type"], "parent": query["parent"]}
    found = do(request, "accounts.list", wanted | {"after": request.query.get("after", ""), "limit": PAGE_ROWS})
    return page(
        request, "panel/accounts.html", accounts=found["accounts"], next=found["next"], query=query, types=TYPES
    )


async def show(request: web.Request) -> web.Response:
    """/panel/accounts/NAME, with `?done=` or `?booked=` what was just done to it"""
    return one(request, None, booked=_booked(request))


def _booked(request: web.Request) -> dict[str, Any] | None:
    """The movement of money that the address names, if it is one of this account."""
    ident = whole(request.query.get("booked", ""))
    if not ident or not identity(request).may(Area.MONEY):
        return None
    args = {"name": request.match_info["name"], "limit": 1, "before_id": ident + 1}
    rows: list[dict[str, Any]] = do(request, "accounts.ledger", args)["postings"]
    return next((row for row in rows if row["id"] == ident), None)


async def new(request: web.Request) -> web.Response:
    """/panel/accounts-new"""
    return _new(request, None, {})


async def add(request: web.Request) -> web.Response:
    """A new account. A card's PIN and a password that was made up are shown this once."""
    fields = await form(request)
    secret = _secret(request, fields, (await request.post()).get("password", ""))
    args: dict[str, Any] = {name: fields.get(name, "") for name in ("name", "display_name", "deck")} | secret
    args |= {
        "numbers": fields.get("numbers", "").split(),
        "type": fields.get("type") or "end_user",
    }
    if fields.get("credit"):
        args["credit"] = fields["credit"]
    if fields.get("currency"):
        args["currency"] = fields["currency"]
    if fields.get("parent"):
        args["fields"] = {"parent": fields["parent"]}
    told, error = tried(request, "accounts.add", args)
    if error:
        return _new(request, error, {name: text for name, text in fields.items() if name != "password"})
    made = secret["password"] if secret["generated"] else ""
    if made or "pin" in told:
        return one(request, None, args["name"], pin=told.get("pin", ""), made=made)
    return seen(f"{address(args['name'])}?done=added")


def _secret(request: web.Request, fields: dict[str, str], text: object) -> dict[str, Any]:
    """The password of a form: made up if its button was pressed, else as it was typed."""
    wanted = bool(fields.get("make"))
    return {"password": made_up(backing(request).settings().minpwdlength) if wanted else str(text), "generated": wanted}


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
    return await _changed(request, changes, fields)


async def pin(request: web.Request) -> web.Response:
    """Another PIN for a card, which is shown this once; or none."""
    name, fields = request.match_info["name"], await form(request)
    changes: dict[str, Any] = {"anumbers": fields.get("anumbers", "").split()}
    if fields.get("pin"):
        changes = {"pin": fields["pin"]}
    told, error = tried(request, "accounts.set", {"name": name, "changes": changes})
    return one(request, error, pin=told.get("pin", "")) if error or "pin" in told else seen(address(name))


async def history(request: web.Request) -> web.Response:
    """/panel/accounts/NAME/history: its days as a picture, its money, its devices."""
    name = request.match_info["name"]
    days = do(request, "accounts.days", {"name": name})
    most = max((float(each["spent"]) for each in days["days"]), default=0.0)
    for each in days["days"]:
        each["percent"] = round(100 * float(each["spent"]) / most) if most else 0  # a width, no money
    may_see_money = identity(request).may(Area.MONEY)
    return page(
        request, "panel/account_history.html", account_name=name, days=days["days"], currency=days["currency"],
        postings=do(request, "accounts.ledger", {"name": name, "limit": 100})["postings"] if may_see_money else None,
        devices=do(request, "registrations.list", {"account": name})["registrations"],
    )  # fmt: skip


async def resellers(request: web.Request) -> web.Response:
    """/panel/resellers: who sells to whom."""
    found = do(request, "accounts.list", {"type": "reseller", "limit": MOST_RESELLERS})
    below: dict[str, list[dict[str, Any]]] = {}
    for each in found["accounts"]:
        below.setdefault(each["fields"]["parent"], []).append(each)
    names = {each["name"] for each in found["accounts"]}
    tops = [each for parent, rows in below.items() if parent not in names for each in rows]
    return page(request, "panel/resellers.html", tops=tops, below=below, more=found["next"] is not None)


async def weak(request: web.Request) -> web.Response:
    """/panel/passwords: those that wait for their replacement."""
    return page(request, "panel/passwords.html", rows=do(request, "accounts.passwords", {"weak": True})["passwords"])


async def call_back(request: web.Request) -> web.Response:
    """Call its telephone, then a number."""
    name, fields = request.match_info["name"], await form(request)
    wanted = {each: fields.get(each, "") for each in ("number", "first")}
    _, error = tried(request, "calls.callback", {"account": name} | wanted)
    return one(request, error, wanted=wanted) if error else seen("/panel/calls")


async def forward(request: web.Request) -> web.Response:
    """Where its calls go on."""
    name, fields = request.match_info["name"], await form(request)
    told: dict[str, Any] = {each: fields[each] for each in ("always", "busy", "noanswer") if each in fields}
    if text := fields.get("seconds", ""):
        told["seconds"] = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    _, error = tried(request, "accounts.forward", {"name": name, "forwards": told})
    return one(request, error, typed=fields) if error else seen(address(name))


async def enable(request: web.Request) -> web.Response:
    """Let in, or keep out."""
    return await _changed(request, {"enabled": (await form(request)).get("enabled") == "1"}, done="enabled")


async def password(request: web.Request) -> web.Response:
    """Another password; one that is made up is shown this once."""
    name, posted = request.match_info["name"], await request.post()
    secret = _secret(request, await form(request), posted.get("password", ""))
    _, error = tried(request, "accounts.set", {"name": name, "changes": secret})
    if error or secret["generated"]:
        return one(request, error, made="" if error else secret["password"])
    return seen(f"{address(name)}?done=password")


async def remove(request: web.Request) -> web.Response:
    """Gone."""
    name = request.match_info["name"]
    if (await form(request)).get("name") != name:
        return one(request, WireError("invalid", f"type the name {name!r} to remove the account"))
    _, error = tried(request, "accounts.remove", {"name": name})
    return one(request, error) if error else seen("/panel/accounts")


async def _changed(
    request: web.Request, changes: dict[str, Any], typed: dict[str, str] | None = None, done: str = "saved"
) -> web.Response:
    name = request.match_info["name"]
    if changes:
        _, error = tried(request, "accounts.set", {"name": name, "changes": changes})
        if error:
            return one(request, error, typed=typed)
    return seen(f"{address(name)}?done={done}")


def _new(request: web.Request, error: WireError | None, values: dict[str, str]) -> web.Response:
    words = catalogue(language(request)).gettext
    types = [(name, words(meaning)) for name, meaning in TYPES.items() if name not in STAFF]
    return answered(request, "panel/account_new.html", error, values=values, types=types, decks=_decks(request))


def one(
    request: web.Request, error: WireError | None, name: str = "", *, pin: str = "", made: str = "",
    typed: dict[str, str] | None = None, booked: dict[str, Any] | None = None, asked: dict[str, Any] | None = None,
    wanted: dict[str, str] | None = None,
) -> web.Response:  # fmt: skip
    """The page of one account; what was typed and refused stays in the form. `made`: a password, shown this once;
    `booked`: the movement of money just made; `asked`: a booking that wants a second word."""
    shown = do(request, "accounts.show", {"name": name or request.match_info["name"]})
    account = shown["account"]
    texts = account["fields"] | (typed or {})
    decks = _decks(request)
    groups = {
        words: [
            (_input(each, texts[each], decks, account["currency"]), FIELDS[each].sentence, account["fields"][each])
            for each in names
        ]
        for words, names in GROUPS.items()
    }
    return answered(
        request, "panel/account.html", error, account=account, shown=shown, groups=groups, pin=pin, made=made,
        typed=typed or {}, booked=booked, asked=asked, done="" if error else request.query.get("done", ""),
        once=fresh(), labels=LABELS, devices=_devices(request, account["name"]), wanted=wanted or {},
    )  # fmt: skip


def _devices(request: web.Request, name: str) -> list[dict[str, Any]] | None:
    """The telephones that are registered now; None for somebody who may not see them."""
    if not identity(request).may(Area.STATE):
        return None
    found: list[dict[str, Any]] = do(request, "registrations.list", {"account": name})["registrations"]
    return found


def _input(name: str, text: str, decks: list[tuple[str, str]], currency: str) -> Input:
    field = FIELDS[name]
    if name == "deck":
        return Input(name, Shape.CHOICE, text, decks)
    if name == "type":
        offered = [each for each in TYPES.items() if each[0] not in STAFF or each[0] == text]
        return Input(name, Shape.CHOICE, text, offered)
    return drawn(name, field.kind, text, unit_in(field.kind, field.unit, currency))


def _decks(request: web.Request) -> list[tuple[str, str]]:
    return choices(each["name"] for each in do(request, "rates.decks")["decks"])


def address(name: str) -> str:
    return f"/panel/accounts/{quote(name, safe='')}"


_AT = "/panel/accounts/{name}"
ROUTES = (
    Route("GET", "/panel/accounts", index, area=Area.ACCOUNTS, menu="Accounts", group="Customers"),
    Route("GET", "/panel/accounts-new", new, area=Area.ACCOUNTS, writes=True),
    Route("POST", "/panel/accounts-new", add, area=Area.ACCOUNTS, writes=True),
    Route("GET", "/panel/resellers", resellers, area=Area.ACCOUNTS, menu="Resellers", group="Customers"),
    Route("GET", "/panel/passwords", weak, area=Area.ACCOUNTS, menu="Weak passwords", group="Customers"),
    Route("GET", _AT, show, area=Area.ACCOUNTS),
    Route("GET", f"{_AT}/history", history, area=Area.ACCOUNTS),
    Route("POST", f"{_AT}/pin", pin, area=Area.PASSWORDS, writes=True),
    Route("POST", f"{_AT}/set", change, area=Area.ACCOUNTS, writes=True),
    Route("POST", f"{_AT}/callback", call_back, area=Area.CALLS, writes=True),
    Route("POST", f"{_AT}/forwards", forward, area=Area.ACCOUNTS, writes=True),
    Route("POST", f"{_AT}/enable", enable, area=Area.ACCOUNTS, writes=True),
    Route("POST", f"{_AT}/password", password, area=Area.PASSWORDS, writes=True),
    Route("POST", f"{_AT}/remove", remove, area=Area.ACCOUNTS, writes=True),
)
