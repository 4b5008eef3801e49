"""The configuration as one file: taken along, or brought, looked at, and put in force by a word.

A file that was brought waits, judged (`pysrv.panel.waiting`); what it would change is shown, and only that is done.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiohttp import web

from appliance.config import document
from appliance.config.schema import ROWS
from appliance.wire import WireError
from pysrv.panel.forms import answered, closing_to_oneself, staying, would_close
from pysrv.panel.waiting import Held, Waiting
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, heard, renew
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.transfer import UPLOAD, configuration, download

_AT: Final = "/panel/configuration"
SHOWN: Final = 200  # lines


_waiting: Final = Waiting()


async def index(request: web.Request) -> web.Response:
    """/panel/configuration"""
    return _page(request)


async def export(request: web.Request) -> web.StreamResponse:
    """/panel/configuration/export.json: without secrets, which leave the machine by its own command alone."""
    return await download(request, "configuration.json", _pieces(request), "application/json")


async def _pieces(request: web.Request) -> AsyncIterator[str]:
    after: list[str] | None = []
    while after is not None:
        piece = do(request, "config.export", {"after": after})
        yield piece["text"]
        after = piece["next"]


async def receive(request: web.Request) -> web.Response:
    """A file: what it would change."""
    upload, office, who = request[UPLOAD], backing(request), identity(request)
    _waiting.give_up(request)
    session = office.control.session(who.who, who.licence)
    waits = False
    try:
        read = await configuration(request, (await upload.text()).encode())
        for verb, args in document.requests(read):
            session.do(verb, args)
            office.turn()
            heard(request)
            await asyncio.sleep(0)
        plan = session.do("config.plan")
        if closing := closing_to_oneself(request, _settings(request, read)):
            hint = "come through the tunnel or from this machine and import it there; nothing was changed"
            raise would_close(request, closing, hint)
        if not plan["changes"]:
            return _page(request, same=True)
        held = _waiting.hold(request, session, plan)
        waits = True
        return _page(request, asked=held)
    except WireError as error:
        return _page(request, error)
    finally:
        if not waits:
            session.close()
        office.turn()


async def confirm(request: web.Request) -> web.Response:
    """The word for it."""
    fields = await form(request)
    held = _waiting.taken(request, fields.get("number", ""))
    if held is None:
        hint = "bring the file again: it waits a quarter of an hour, and one of each person"
        return _page(request, WireError("conflict", "this file waits no more; nothing was changed", hint))
    try:
        if fields.get("sure"):
            told = {"digest": held.shown["digest"]}
            renew(request, held.session)
            return _page(request, done=held.session.do("config.apply", told, staying(request)))
        return _page(request)
    except WireError as error:
        return _page(request, error)
    finally:
        held.session.close()
        backing(request).turn()


def _page(
    request: web.Request,
    error: WireError | None = None,
    *,
    asked: Held | None = None,
    done: dict[str, Any] | None = None,
    same: bool = False,
) -> web.Response:
    told = asked.shown if asked is not None else done
    total = sum(sum(each.values()) for each in told["counts"].values()) if told else 0
    uploads = backing(request).settings().allowhttpfileupload
    more = max(0, total - SHOWN)
    shown: dict[str, Any] = {"asked": asked, "done": done, "told": told, "same": same, "total": total, "more": more}
    return answered(request, "panel/configuration.html", error, uploads=uploads, lines=SHOWN, **shown)


def _settings(request: web.Request, read: Mapping[str, Any]) -> dict[str, str | None]:
    """What the document makes of settings, as far as it changes them; one that it does not have goes to its default."""
    if "settings" not in read:
        return {}
    now = backing(request).settings()
    texts = {
        name: read["settings"].get(name, row.kind.text(row.default))
        for name, row in ROWS.items()
        if not row.kind.secret
    }
    return {name: text for name, text in texts.items() if text != now.text(name)}


_WRITE: Final[dict[str, Any]] = {"area": Area.SETTINGS, "writes": True}
ROUTES = (
    Route("GET", _AT, index, menu="Configuration", group="Appliance", **_WRITE),
    Route("GET", f"{_AT}/export.json", export, **_WRITE),
    Route("POST", _AT, receive, uploads=True, **_WRITE),
    Route("POST", f"{_AT}/confirm", confirm, **_WRITE),
)
