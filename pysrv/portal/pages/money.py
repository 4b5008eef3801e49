"""What moved the balance besides calls, and the statement of a month, to read, to print and as CSV."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from pysrv.portal.pages.rows import shows, table
from pysrv.web.acting import do, page
from pysrv.web.aside import do_aside

COLUMNS = ("line", "what", "detail", "calls", "seconds", "amount", "currency")


async def movements(request: web.Request) -> web.Response:
    """/portal/payments"""
    return page(request, "portal/payments.html", shown=do(request, "mine.movements"))


async def statement(request: web.Request) -> web.Response:
    """/portal/statement?month=2026-11"""
    return page(request, "portal/statement.html", shown=await _asked(request))


async def export(request: web.Request) -> web.Response:
    """/portal/statement.csv"""
    shown = await _asked(request)
    rows = [[line, *cells, shown["currency"]] for line, *cells in lines(shown)]
    return table(f"statement-{shown['month']}", COLUMNS, rows)


def lines(shown: dict[str, Any]) -> Iterator[list[Any]]:
    """A statement as rows, whose amounts between the two balances make up the difference; taxes are contained."""
    yield ["opening balance", shown["month"], "", "", "", shown["opening"]]
    for each in shown["destinations"]:
        yield ["calls", each["prefix"], each["destination"], each["calls"], each["seconds"], each["moved"]]
    for each in shown["movements"]:
        at = f"{datetime.fromtimestamp(each['at'], UTC):%Y-%m-%dT%H:%M:%SZ}"
        yield [each["kind"], at, each["note"], "", "", each["amount"]]
    yield ["closing balance", shown["month"], "", "", "", shown["closing"]]
    for each in shown["taxes"]:
        yield ["contained tax", each["tax"], f"{each['percent']} %", "", "", each["amount"]]


async def _asked(request: web.Request) -> dict[str, Any]:
    return await do_aside(request, "mine.statement", {"month": request.query.get("month", "").strip()})


ROUTES = (
    shows("/portal/payments", movements, menu="Payments", group="Money"),
    shows("/portal/statement", statement, menu="Statement", group="Money"),
    shows("/portal/statement.csv", export),
)
