"""What an administrator books on an account, and what he lets it spend today: each form counts once, much is asked
about, and what came of it is said afterwards.
"""

import re
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.billing import money
from pysrv.panel.pages.accounts import address, one
from pysrv.people.permissions import Area
from pysrv.web.acting import do, form, seen
from pysrv.web.once import do_once
from pysrv.web.routes import Route

MUCH: Final = 1000 * money.MICRO  # micro-units, of whichever currency: more is asked about
TIMES: Final = 10  # so many times the largest booking so far is asked about
LOOKED_AT: Final = 200  # of the newest bookings
BY_HAND: Final = frozenset({"deposit", "adjustment"})
_COMMA = re.compile(r"([+-]?[0-9]*),([0-9]{1,6})", re.ASCII)


async def credit(request: web.Request) -> web.Response:
    """Credit more, or less."""
    name, fields = request.match_info["name"], await form(request)
    try:
        amount = typed(fields.get("amount", ""))
        micro = money.parse(amount)
        if not micro:
            raise WireError("invalid", "there is nothing to book", "above 0 credits, below 0 takes money off")
        if fields.get("sure") != amount and _is_much(abs(micro), _largest(request, name)):
            return one(request, None, asked=_question("credit", amount, fields))
        args = {"name": name, "changes": {"top_up": amount, "note": fields.get("note", "")}}
        booked = do_once(request, fields, "accounts.set", args, lambda said: str(said["posting"]))
    except money.MoneyError as error:
        return one(request, WireError("invalid", str(error)))
    except WireError as error:
        return _refused(request, error)
    return seen(f"{address(name)}?booked={booked}")


async def allow(request: web.Request) -> web.Response:
    """More for today, beyond the daily limits."""
    name, fields = request.match_info["name"], await form(request)
    try:
        amount = typed(fields.get("amount", ""))
        if fields.get("sure") != amount and _is_much(money.parse(amount), 0):
            return one(request, None, asked=_question("allow", amount, fields))
        do_once(request, fields, "accounts.allow", {"name": name, "amount": amount}, lambda _: "")
    except money.MoneyError as error:
        return one(request, WireError("invalid", str(error)))
    except WireError as error:
        return _refused(request, error)
    return seen(f"{address(name)}?done=allowed")


def typed(text: str) -> str:
    """An amount as verbs take it: a decimal comma is one too. Raises WireError for what may be thousands."""
    found = _COMMA.fullmatch(text)
    if found is None:
        return text
    if len(found[2]) == 3 and found[1].lstrip("+-"):
        hint = f"write {found[1]}{found[2]} or {found[1]}.{found[2]}"
        raise WireError("invalid", f"{text!r} may be thousands or decimals", hint)
    return f"{found[1]}.{found[2]}"


def _refused(request: web.Request, error: WireError) -> web.Response:
    """The page with the refusal; "unproven" is the guard's to answer."""
    if error.code == "unproven":
        raise error
    return one(request, error)


def _largest(request: web.Request, name: str) -> int:
    """The largest amount that was ever booked by hand, of the newest; micro-units, 0: none was."""
    rows = do(request, "accounts.ledger", {"name": name, "limit": LOOKED_AT})["postings"]
    return max((abs(money.parse(row["amount"])) for row in rows if row["kind"] in BY_HAND), default=0)


def _is_much(micro: int, largest: int) -> bool:
    return micro > MUCH or 0 < TIMES * largest < micro


def _question(what: str, amount: str, fields: dict[str, str]) -> dict[str, Any]:
    return {"what": what, "amount": amount, "note": fields.get("note", ""), "once": fields.get("once", "")}


_AT = "/panel/accounts/{name}"
ROUTES = (
    Route("POST", f"{_AT}/credit", credit, area=Area.MONEY, writes=True),
    Route("POST", f"{_AT}/allow", allow, area=Area.MONEY, writes=True),
)
