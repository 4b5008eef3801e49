"""`appliance payments`: what was paid, what waits for a decision, refunds, and the comparison with the gateway."""

import csv
import io
import time
from collections.abc import Callable
from typing import Any

import click

from appliance.cli.calls import when
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option

PAYMENTS = (
    Column("id", "number", right=True),
    Column("created_at", "begun", moment),
    Column("account", "account"),
    Column("gateway", "gateway"),
    Column("status", "status"),
    Column("amount", "ordered", right=True),
    Column("currency", ""),
    Column("captured", "paid", right=True),
    Column("credited", "credited", right=True),
    Column("reasons", "why it waits"),
)
FACTS = (
    Column("at", "when", moment),
    Column("kind", "the gateway said"),
    Column("amount", "amount", right=True),
    Column("currency", ""),
    Column("ident", "its name of it"),
)
REFUNDS = (
    Column("at", "asked for", moment),
    Column("who", "by"),
    Column("amount", "amount", right=True),
    Column("status", "status"),
    Column("tries", "tries", right=True),
    Column("reason", "why not"),
)
LINES = (
    Column("difference", "difference", lambda text: str(text).replace("_", " ")),
    Column("at", "paid", moment),
    Column("number", "number", lambda number: str(number or ""), right=True),
    Column("account", "account"),
    Column("theirs", "gateway's", right=True),
    Column("ours", "ours", right=True),
    Column("currency", ""),
    Column("payment_id", "gateway's name of it"),
)
STATUSES = ("open", "pending", "failed", "waiting", "approved", "rejected")
GATEWAYS = ("paypal", "stripe")
PATIENCE_S, LOOK_EVERY_S = 45.0, 0.25
LONG_PATIENCE_S = 600.0  # a long list is read page by page


def _list(session: Session, status: str | None, account: str | None, limit: int) -> Answer:
    result = session.link().office("payments.list", {"status": status, "account": account, "limit": limit})
    return Answer(result, (table(PAYMENTS, result["payments"], "no payments"),))


def _show(session: Session, number: int) -> Answer:
    return _answer(session.link().office("payments.show", {"id": number}))


def _answer(result: dict[str, Any], *words: str) -> Answer:
    shown = result["payment"]
    paid = f"{shown['captured']} {shown['captured_currency']}" if shown["captured_currency"] else "nothing yet"
    pairs = [
        ("payment", str(shown["id"])),
        ("account", shown["account"]),
        ("gateway", f"{shown['gateway']} {shown['payment_id'] or shown['order_id']}"),
        ("status", shown["status"]),
        ("why it waits", shown["reasons"]),
        ("ordered", f"{shown['amount']} {shown['currency']}, {moment(shown['created_at'])}"),
        ("paid", f"{paid}  {moment(shown['captured_at'])}"),
        ("payer", " ".join(filter(None, (shown["payer_email"], shown["payer_country"])))),
        ("refunded", result["refunded"]),
        ("disputed", result["disputed"]),
        ("credited", shown["credited"]),
        ("decided", f"{moment(shown['decided_at'])} {shown['decided_by']}".strip()),
        ("note", shown["note"]),
    ]
    parts = [facts(pairs), table(FACTS, result["facts"], "the gateway has said nothing yet")]
    if result["refunds"]:
        parts.append(table(REFUNDS, result["refunds"], ""))
    return Answer(result, (*(line(each) for each in words), *parts))


def _approve(session: Session, number: int, note: str) -> Answer:
    result = session.link().office("payments.approve", {"id": number, "note": note})
    return _answer(result, f"payment {number} is credited to {result['payment']['account']}")


def _reject(session: Session, number: int, note: str) -> Answer:
    return _given_back(session, "payments.reject", {"id": number, "note": note})


def _refund(session: Session, number: int, amount: str | None, note: str) -> Answer:
    return _given_back(session, "payments.refund", {"id": number, "amount": amount, "note": note})


def _given_back(session: Session, verb: str, args: dict[str, Any]) -> Answer:
    """Asks for a refund, and waits for the gateway while the office runs."""
    link = session.link()
    result = link.office(verb, args)
    ask = lambda: link.office("payments.show", {"id": args["id"]})  # noqa: E731
    if _runs(link):
        result = _waited(ask, lambda found: found["refunds"][-1]["tries"] and _settled(found["refunds"][-1]))
    last = result["refunds"][-1] if result["refunds"] else {"status": "sent", "amount": "0.00", "reason": ""}
    said = {
        "sent": f"{last['amount']} go back to the payer",
        "failed": f"the gateway does not give it back: {last['reason']}",
        "wanted": f"the gateway has not taken it yet ({last['reason'] or 'it is asked soon'}); it is asked again",
    }
    answer = _answer(result, said[last["status"]])
    return Answer(answer.value, answer.human, Exit.REFUSED if last["status"] == "failed" else Exit.OK)


def _settled(refund: dict[str, Any]) -> bool:
    return refund["status"] != "wanted" or bool(refund["reason"])


def _runs(link: Link) -> bool:
    try:
        link.running_office("status")
    except Failure:
        return False
    return True


def _waited(
    ask: Callable[[], dict[str, Any]], done: Callable[[dict[str, Any]], Any], patience_s: float = PATIENCE_S
) -> dict[str, Any]:
    """The first answer that is done, or the last one before patience ends."""
    until = time.monotonic() + patience_s
    while not done(result := ask()) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
    return result


def _reconcile(session: Session, since: str, until: str | None, gateway: str | None, as_csv: bool) -> Answer:
    link = session.link()
    args = {"since": when(since, "--since"), "until": when(until, "--until"), "gateway": gateway}
    asked = link.running_office("payments.reconcile", args)
    result = _waited(
        lambda: link.running_office("payments.compared", {"id": asked["id"]}),
        lambda found: found["done"],
        LONG_PATIENCE_S,
    )
    if not result["done"]:
        raise Failure(Exit.REFUSED, "the gateway has not answered yet", "ask for a shorter span, or later")
    if result["problem"]:
        raise Failure(Exit.REFUSED, f"{result['gateway']}: {result['problem']}", "nothing was compared")
    code = Exit.REFUSED if result["lines"] else Exit.OK
    if as_csv:
        return Answer(result, (_sheet(result["lines"]),), code)
    span = f"{moment(result['since'])} to {moment(result['until'])}"
    words = f"{result['gateway']}, {span}: {result['same']} agree, {len(result['lines'])} differ"
    foreign = [line(f"{result['foreign']} payments of the gateway were not begun here")] if result["foreign"] else []
    return Answer(result, (line(words), *foreign, table(LINES, result["lines"], "nothing differs")), code)


def _sheet(lines: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    names = ("difference", "at", "number", "account", "payment_id", "currency", "theirs", "ours")
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(each[name]) for name in names} for each in lines)
    return out.getvalue().rstrip("\n")


def _plain(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and not _is_amount(value) else value


def _is_amount(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


NUMBER = argument("number", type=click.IntRange(1))
NOTE = option("--note", default="", help="Why; kept with the payment and in the audit trail.")
GROUP = Group("payments", "What customers paid through a gateway, and what waits for a decision.")
COMMANDS = (
    Command(
        "payments list",
        "List payments, newest first, with the reasons why some wait.",
        _list,
        (
            option("--status", type=click.Choice(STATUSES), help="Only those with this status."),
            option("--account", help="Only those of this account."),
            option("--limit", type=click.IntRange(1, 10_000), default=50, help="At most so many."),
        ),
    ),
    Command("payments show", "Show a payment and everything that its gateway has said of it.", _show, (NUMBER,)),
    Command("payments approve", "Credit a payment that waits.", _approve, (NUMBER, NOTE)),
    Command(
        "payments reject", "Give a payment that waits back through its gateway, uncredited.", _reject, (NUMBER, NOTE)
    ),
    Command(
        "payments refund",
        "Give a credited payment back through its gateway; its credit goes at once.",
        _refund,
        (
            NUMBER,
            option("--amount", help="Only so much of it, in the currency that was paid. Without it all that is left."),
            NOTE,
        ),
        "The balance may go below zero by it; calls are then refused until something is paid.",
    ),
    Command(
        "payments reconcile",
        "Compare the gateway's list of payments with ours: missing here, missing there, amounts that differ.",
        _reconcile,
        (
            option("--since", required=True, help="From this date or time on, such as 2026-01-31, yesterday or 7d."),
            option("--until", help="Before this date or time; without it now."),
            option("--gateway", type=click.Choice(GATEWAYS), help="This one; without it the one in use."),
            option("--csv", "as_csv", is_flag=True, help="Answer in CSV."),
        ),
        "Exit code 1 says that something differs. PayPal lists a payment up to three hours late: younger ones are left "
        "out.",
    ),
)
