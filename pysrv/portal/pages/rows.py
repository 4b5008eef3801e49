"""What the portal's modules share: rows that accounts alone may come to, forms that are shown again, and CSV."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from appliance.wire import WireError
from pysrv.store.account import AccountType
from pysrv.store.web import PersonKind
from pysrv.web.acting import do
from pysrv.web.routes import Answer, Route

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shows(path: str, answer: Answer, menu: str = "", group: str = "", **more: Any) -> Route:
    """A page; `more` are further fields of its row."""
    return Route("GET", path, answer, PersonKind.ACCOUNT, menu=menu, group=group, **more)


def takes(path: str, answer: Answer, of_type: AccountType | None = None) -> Route:
    """A form."""
    return Route("POST", path, answer, PersonKind.ACCOUNT, writes=True, of_type=of_type)


def tried(request: web.Request, verb: str, args: Mapping[str, Any] | None = None) -> WireError | None:
    """Asks a verb; returns why it refused, for the form to say. What wants a password again is the guard's."""
    try:
        do(request, verb, args)
    except WireError as error:
        if error.code == "unproven":
            raise
        return error
    return None


def table(name: str, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> web.Response:
    """A CSV file (RFC 4180). Text that a spreadsheet would take for a formula begins with an apostrophe (CWE-1236)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return web.Response(body=text.getvalue().encode(), content_type="text/csv", charset="utf-8", headers=headers)


def _cell(value: Any) -> str:
    text = str(value)
    harmless = text.lstrip("-").replace(".", "", 1).isdigit()
    return "'" + text if text.startswith(_FORMULA) and not harmless else text
