"""A deck comes as a file. One that takes another's place is compared with it first and waits for a word.

What waits (`pysrv.panel.waiting`) is an import that nobody sees.
"""

import asyncio
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.control.session import Session
from pysrv.panel.pages.rates import index_page
from pysrv.panel.waiting import Waiting
from pysrv.people.permissions import Area
from pysrv.web.acting import backing, do, form, heard, renew
from pysrv.web.identity import identity
from pysrv.web.routes import Route
from pysrv.web.transfer import UPLOAD, Upload

PIECE_LINES: Final = 1000
SHOWN: Final = 12  # prefixes that vanish, by name


_waiting: Final = Waiting()


async def receive(request: web.Request) -> web.Response:
    """A deck comes as a file: all of it counts, or nothing."""
    upload, office, who = request[UPLOAD], backing(request), identity(request)
    _waiting.give_up(request)
    session = office.control.session(who.who, who.licence)
    waits = False
    try:
        await _read(request, session, upload)
        if _exists(request, upload.fields.get("deck", "")):
            asked = await _compared(request, session)
            waits = True
            return _ask(request, session, asked)
        renew(request, session)
        return index_page(request, None, {}, session.do("rates.commit"))
    except WireError as error:
        return index_page(request, error, upload.fields)
    finally:
        if not waits:
            session.close()
        office.turn()


async def confirm(request: web.Request) -> web.Response:
    """The word for a deck that waits; when the deck in use is another one by now, it is asked for again."""
    fields = await form(request)
    held = _waiting.taken(request, fields.get("number", ""))
    if held is None:
        hint = "bring the file again: a deck waits a quarter of an hour, and one of each person"
        return index_page(request, WireError("conflict", "this deck waits no more; nothing was imported", hint), {})
    waits = False
    try:
        asked = await _compared(request, held.session)
        if not fields.get("sure") or asked != held.shown:
            waits = True
            return _ask(request, held.session, asked)
        renew(request, held.session)
        return index_page(request, None, {}, held.session.do("rates.commit"))
    except WireError as error:
        return index_page(request, error, {})
    finally:
        if not waits:
            held.session.close()
        backing(request).turn()


async def _read(request: web.Request, session: Session, upload: Upload) -> None:
    """Piece by piece in one conversation, so that calls go between the pieces. Raises WireError."""
    begin = {name: upload.fields.get(name, "") for name in ("deck", "currency", "tax", "effective")}
    session.do("rates.begin", begin)
    async for first, text in upload.pieces(PIECE_LINES):
        session.do("rates.rows", {"first_line": first, "text": text})
        backing(request).turn()
        heard(request)
        await asyncio.sleep(0)


async def _compared(request: web.Request, session: Session) -> dict[str, Any]:
    """What the deck would change, gathered in bites. Raises WireError."""
    gone: list[str] = []
    count, after = 0, ""
    while True:
        told = session.do("rates.compare", {"after": after})
        gone += told["gone"][: SHOWN - len(gone)]
        count += len(told["gone"])
        if told["next"] is None:
            return {name: told[name] for name in told if name != "next"} | {"gone": gone, "gone_count": count}
        after = told["next"]
        heard(request)
        await asyncio.sleep(0)


def _exists(request: web.Request, deck: str) -> bool:
    return any(each["name"] == deck for each in do(request, "rates.decks")["decks"])


def _ask(request: web.Request, session: Session, asked: dict[str, Any]) -> web.Response:
    held = _waiting.hold(request, session, asked)
    return index_page(request, None, {}, asked=asked | {"number": held.number})


_WRITE: dict[str, Any] = {"area": Area.PRICES, "writes": True}
ROUTES = (
    Route("POST", "/panel/rates", receive, uploads=True, **_WRITE),
    Route("POST", "/panel/rates-confirm", confirm, **_WRITE),
)
