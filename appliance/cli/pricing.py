"""`appliance currencies` and `appliance taxes`, and how explained charges are shown."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from appliance.cli.show import Answer, Column, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

CURRENCY_COLUMNS = (
    Column("code", "currency"),
    Column("rate", "one unit is worth", right=True),
    Column("base", ""),
    Column("valid_from", "from", moment),
)
TAX_COLUMNS = (Column("name", "tax"), Column("percent", "", right=True), Column("note", "note"))
LINE_COLUMNS = (
    Column("text", "line"),
    Column("seconds", "s", right=True),
    Column("amount", "amount", right=True),
)


def level_lines(level: Mapping[str, Any]) -> list[RenderableType]:
    """An explained charge for people: its lines and its total."""
    if level["rate"] is None:
        return []
    total = {"text": f"total {level['currency']}", "seconds": level["billable_seconds"], "amount": level["total"]}
    return [table(LINE_COLUMNS, [*level["lines"], total], "nothing")]


def _currencies(session: Session) -> Answer:
    result = session.link().office("currencies.list")
    words = f"no exchange rates: prices are in {result['base']} alone"
    return Answer(result, (table(CURRENCY_COLUMNS, result["currencies"], words),))


def _set_currency(session: Session, code: str, rate: str, since: str) -> Answer:
    result = session.link().office("currencies.set", {"code": code, "rate": rate, "valid_from": since})
    row = result["currency"]
    from_ = f" from {moment(row['valid_from'])}" if row["valid_from"] else ""
    return Answer(result, (line(f"one {row['code']} is worth {row['rate']} of the base currency{from_}"),))


def _drop_currency(session: Session, code: str) -> Answer:
    result = session.link().office("currencies.remove", {"code": code})
    return Answer(result, (line(f"removed {result['removed']}: what is priced in it has no price now"),))


def _taxes(session: Session) -> Answer:
    result = session.link().office("taxes.list")
    return Answer(result, (table(TAX_COLUMNS, result["taxes"], "no taxes"),))


def _set_tax(session: Session, name: str, percent: str, note: str) -> Answer:
    result = session.link().office("taxes.set", {"name": name, "percent": percent, "note": note})
    return Answer(result, (line(f"{name} is {result['tax']['percent']} for new calls"),))


def _drop_tax(session: Session, name: str) -> Answer:
    result = session.link().office("taxes.remove", {"name": name})
    return Answer(result, (line(f"removed {name}"),))


GROUPS = (
    Group("currencies", "Exchange rates to the base currency."),
    Group("taxes", "Taxes on calls."),
)
COMMANDS = (
    Command("currencies list", "List the exchange rates.", _currencies),
    Command(
        "currencies set",
        "Set what one unit of a currency is worth in the base currency.",
        _set_currency,
        (
            argument("code"),
            argument("rate"),
            option("--from", "since", default="", metavar="DATE", help="From when it holds; always when not said."),
        ),
        "The rate is exact: 0.92, or a fraction such as 23/25. A currency without a rate has no prices.",
    ),
    Command("currencies remove", "Remove all exchange rates of a currency.", _drop_currency, (argument("code"),)),
    Command("taxes list", "List the taxes.", _taxes),
    Command(
        "taxes set",
        "Set a tax, such as 19%.",
        _set_tax,
        (argument("name"), argument("percent"), option("--note", default="", help="What it is for.")),
        "A deck is taxed by 'appliance rates import --tax NAME', an account by its own 'tax', which comes first; "
        "'none' there means no tax.",
    ),
    Command("taxes remove", "Remove a tax that nothing uses.", _drop_tax, (argument("name"),)),
)
