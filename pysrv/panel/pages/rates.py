"""Prices: decks and their way out, part of one, currencies and taxes, and what a call would cost."""

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import answered, choices, number, tried
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, seen
from pysrv.web.routes import Route
from pysrv.web.transfer import download

SHOWN_RATES = 500


async def index(request: web.Request) -> web.Response:
    """/panel/rates"""
    return index_page(request, None, {})


async def deck(request: web.Request) -> web.Response:
    """/panel/rates/DECK"""
    return _deck(request, None)


async def export(request: web.Request) -> web.StreamResponse:
    """/panel/rates/DECK/export.csv"""
    name = request.match_info["deck"]
    return await download(request, f"{name}.csv", _exported(request, name))


async def remove(request: web.Request) -> web.Response:
    """A deck, or only its successor of a later day."""
    name, fields = request.match_info["deck"], await form(request)
    scheduled = fields.get("scheduled") == "1"
    if not scheduled and fields.get("name") != name:
        return _deck(request, WireError("invalid", f"type the name {name!r} to remove the deck"))
    _, error = tried(request, "rates.remove", {"deck": name, "scheduled": scheduled})
    return _deck(request, error) if error else seen("/panel/rates")


async def currencies(request: web.Request) -> web.Response:
    """/panel/currencies"""
    return _currencies(request, None)


async def currency(request: web.Request) -> web.Response:
    """What a currency is worth, or that it is gone."""
    fields = await form(request)
    code = fields.get("code", "")
    if fields.get("remove"):
        _, error = tried(request, "currencies.remove", {"code": code})
    else:
        told = {"code": code, "rate": fields.get("rate", ""), "valid_from": fields.get("valid_from", "")}
        _, error = tried(request, "currencies.set", told)
    return _currencies(request, error, fields) if error else seen("/panel/currencies")


async def tax(request: web.Request) -> web.Response:
    """A tax, or that it is gone."""
    fields = await form(request)
    name = fields.get("name", "")
    if fields.get("remove"):
        _, error = tried(request, "taxes.remove", {"name": name})
    else:
        percent = fields.get("percent", "").removesuffix("%").strip()
        told = {"name": name, "percent": f"{percent}%", "note": fields.get("note", "")}
        _, error = tried(request, "taxes.set", told)
    return _currencies(request, error, fields) if error else seen("/panel/currencies")


async def quote(request: web.Request) -> web.Response:
    """/panel/quote: what a call would cost, and over which trunk it would go."""
    asked = {name: request.query.get(name, "").strip() for name in ("account", "deck", "number", "seconds", "at")}
    told: dict[str, Any] = {}
    error: WireError | None = None
    if asked["number"]:
        try:
            seconds = number(asked["seconds"] or "60", "the length in seconds")
            told, error = tried(request, "rates.quote", asked | {"seconds": seconds})
        except WireError as wrong:
            error = wrong
    decks = [each["name"] for each in do(request, "rates.decks")["decks"]]
    return answered(request, "panel/quote.html", error, asked=asked, told=told, decks=choices(decks))


async def _exported(request: web.Request, name: str) -> AsyncIterator[str]:
    behind: dict[str, Any] | None = {}
    while behind is not None:
        told = do(request, "rates.export", {"deck": name} | behind)
        behind = told["next"]
        yield told["text"]


def index_page(
    request: web.Request, error: WireError | None, values: dict[str, str], done: dict[str, Any] | None = None,
    asked: dict[str, Any] | None = None,
) -> web.Response:  # fmt: skip
    """All decks. `done`: the deck that was imported; `asked`: what one would change that waits for a word."""
    taxes = [each["name"] for each in do(request, "taxes.list")["taxes"]]
    return answered(
        request, "panel/rates.html", error, decks=do(request, "rates.decks")["decks"], values=values, done=done,
        asked=asked, taxes=choices(taxes), uploads=backing(request).settings().allowhttpfileupload,
    )  # fmt: skip


def _deck(request: web.Request, error: WireError | None) -> web.Response:
    name, prefix = request.match_info["deck"], request.query.get("prefix", "").strip().lstrip("+")
    held = next((each for each in do(request, "rates.decks")["decks"] if each["name"] == name), None)
    if held is None:
        raise WireError("not_found", f"there is no rate deck {name[:60]!r}")
    rates = do(request, "rates.list", {"deck": name, "prefix": prefix, "limit": SHOWN_RATES + 1})["rates"]
    return answered(
        request, "panel/deck.html", error, deck=held, rates=rates[:SHOWN_RATES], more=len(rates) > SHOWN_RATES,
        prefix=prefix,
    )  # fmt: skip


def _currencies(request: web.Request, error: WireError | None, values: dict[str, str] | None = None) -> web.Response:
    told, taxes = do(request, "currencies.list"), do(request, "taxes.list")["taxes"]
    return answered(
        request, "panel/currencies.html", error, base=told["base"], currencies=told["currencies"], taxes=taxes,
        values=values or {},
    )  # fmt: skip


_AT = "/panel/rates/{deck}"
_WRITE: dict[str, Any] = {"area": Area.PRICES, "writes": True}
ROUTES = (
    Route("GET", "/panel/rates", index, area=Area.PRICES, menu="Rate decks", group="Prices"),
    Route("GET", _AT, deck, area=Area.PRICES),
    Route("GET", f"{_AT}/export.csv", export, area=Area.PRICES),
    Route("POST", f"{_AT}/remove", remove, **_WRITE),
    Route("GET", "/panel/quote", quote, area=Area.PRICES, menu="What a call costs", group="Prices"),
    Route("GET", "/panel/currencies", currencies, area=Area.PRICES, menu="Currencies and taxes", group="Prices"),
    Route("POST", "/panel/currencies/set", currency, **_WRITE),
    Route("POST", "/panel/taxes/set", tax, **_WRITE),
)
