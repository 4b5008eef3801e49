"""The certificate of HTTPS and SIP over TLS: which one, until when, another one. A key comes in and never out."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.panel.forms import answered, tried
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, seen
from pysrv.web.routes import Route
from pysrv.web.transfer import UPLOAD

_AT = "/panel/certificate"
NOTHING_TYPED: Final[Mapping[str, str]] = MappingProxyType({"directory": "", "email": "", "names": ""})


async def index(request: web.Request) -> web.Response:
    """/panel/certificate"""
    return _page(request, None)


async def bring(request: web.Request) -> web.Response:
    """One of the operator's own."""
    try:
        pem = await request[UPLOAD].text()
    except WireError as wrong:
        return _page(request, wrong)
    if not pem.strip():
        return _page(request, WireError("invalid", "no file came", "choose a PEM file with key and certificate"))
    return _done(request, tried(request, "certificate.set", {"pem": pem})[1])


async def drop(request: web.Request) -> web.Response:
    """Back to the appliance's own."""
    await form(request)
    return _done(request, tried(request, "certificate.remove")[1])


async def renew(request: web.Request) -> web.Response:
    """The appliance's own anew."""
    await form(request)
    return _done(request, tried(request, "certificate.renew")[1])


async def ask(request: web.Request) -> web.Response:
    """A request for an authority."""
    names = (await form(request)).get("names", "")
    told, error = tried(request, "certificate.csr", {"names": names.split()})
    return _page(request, error, names, "" if error else told["csr"])


async def order(request: web.Request) -> web.Response:
    """One from an authority, by ACME."""
    fields = await form(request)
    typed = {name: fields.get(name, "") for name in ("directory", "email", "names")}
    told = {
        "directory": typed["directory"], "email": typed["email"], "names": typed["names"].split(),
        "agreed": fields.get("agreed") == "1",
    }  # fmt: skip
    _, error = tried(request, "certificate.order", told)
    return _page(request, error, typed["names"], typed=typed) if error else seen(_AT)


async def forget(request: web.Request) -> web.Response:
    """Order no more."""
    await form(request)
    return _done(request, tried(request, "certificate.forget")[1])


def _done(request: web.Request, error: WireError | None) -> web.Response:
    return _page(request, error) if error else seen(_AT)


def _page(
    request: web.Request,
    error: WireError | None,
    names: str = "",
    csr: str = "",
    typed: Mapping[str, str] = NOTHING_TYPED,
) -> web.Response:
    shown = None
    try:
        shown = do(request, "certificate.show")
    except WireError as wrong:
        error = error or wrong
    settings = backing(request).settings()
    return answered(
        request, "panel/certificate.html", error, shown=shown, csr=csr, names=names or settings.localdomain,
        uploads=settings.allowhttpfileupload, typed=typed, plain=settings.localhttpport,
    )  # fmt: skip


ROUTES = (
    Route("GET", _AT, index, area=Area.SETTINGS, menu="Certificate", group="Appliance"),
    Route("POST", _AT, bring, area=Area.SETTINGS, writes=True, uploads=True),
    Route("POST", f"{_AT}/drop", drop, area=Area.SETTINGS, writes=True),
    Route("POST", f"{_AT}/renew", renew, area=Area.SETTINGS, writes=True),
    Route("POST", f"{_AT}/order", order, area=Area.SETTINGS, writes=True),
    Route("POST", f"{_AT}/forget", forget, area=Area.SETTINGS, writes=True),
    Route("POST", f"{_AT}/request", ask, area=Area.SETTINGS, writes=True),
)
