"""`appliance accounts`: who may register and call, with what money."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.passwords import GENERATED, Password, password_of
from appliance.cli.show import Answer, Column, facts, joined, line, moment, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.cli.usage import bars
from appliance.config.account import FIELDS, TYPES, Field
from appliance.config.fields import Choice

SWITCHES = ("postpaid", "onlylocalaccess", "enabled")  # fields that have a pair of options of their own

COLUMNS = (
    Column("name", "name"),
    Column("numbers", "numbers", joined),
    Column("balance", "balance", right=True),
    Column("reserved", "reserved", right=True),
    Column("currency", ""),
    Column("postpaid", "postpaid", yes_no),
    Column("lines", "lines", right=True),
    Column("maxlines", "of", right=True),
    Column("locklevel", "lock", right=True),
    Column("deck", "deck"),
    Column("enabled", "enabled", yes_no),
)
DETAILS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("name", "name", str),
    ("numbers", "numbers", joined),
    ("realm", "realm", str),
    ("balance", "balance", str),
    ("reserved", "reserved", str),
    ("currency", "currency", str),
    ("lines", "running calls", str),
    ("created_at", "since", moment),
)
DEVICES = (
    Column("contact", "device"),
    Column("transport", "over"),
    Column("source", "from"),
    Column("expires_at", "until", moment),
    Column("user_agent", "program"),
)
FORWARDS = (
    ("always", "every call"),
    ("busy", "when busy"),
    ("noanswer", "when nobody answers"),
    ("seconds", "after seconds of ringing"),
)
LEDGER = (
    Column("at", "when", moment),
    Column("kind", "kind"),
    Column("amount", "amount", right=True),
    Column("balance_after", "balance", right=True),
    Column("call_id", "call"),
    Column("note", "note"),
    Column("who", "by"),
)


def pin_told(result: dict[str, Any]) -> tuple[dict[str, str], tuple[RenderableType, ...]]:
    """A new PIN as JSON and for people; nothing where none was made."""
    if "pin" not in result:
        return {}, ()
    once = line("The PIN is shown this once; it is kept hashed.", "dim")
    return {"pin": result["pin"]}, (facts([("PIN", result["pin"])]), once)


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, without what was left out."""
    named = {name: value for name, value in given.items() if value is not None and value != ()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}


def split_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, with the texts of profile fields under `fields`."""
    named = said(given)
    texts = {name: named.pop(name) for name in list(named) if name in FIELDS and name not in SWITCHES}
    return named | ({"fields": texts} if texts else {})


def _add(session: Session, name: str, password: str, web_password: str | None, **given: Any) -> Answer:
    secret, web = password_of(password), _web(web_password)
    args = {"name": name, "password": secret.text, "generated": secret.reveal} | split_fields(given)
    args |= {"web_password": web.text} if web else {}
    result = session.link().office("accounts.add", args)
    account, (pin, told) = result["account"], pin_told(result)
    shown = [(key, joined(account[key])) for key in ("name", "realm", "numbers", "balance")]
    human = (line(f"added {account['name']}"), facts(shown), *secret.human(), *(web.human() if web else ()), *told)
    return Answer({"account": account} | secret.value() | (web.value() if web else {}) | pin, human)


def _web(word: str | None) -> Password | None:
    return replace(password_of(word), web=True) if word else None


def _list(session: Session, **wanted: str | None) -> Answer:
    result = session.link().office("accounts.list", said(wanted))
    return Answer(result, (table(COLUMNS, result["accounts"], "no accounts: add one with 'appliance accounts add'"),))


def _show(session: Session, name: str) -> Answer:
    link = session.link()
    result = link.office("accounts.show", {"name": name})
    devices = [row for row in link.office("registrations.list")["registrations"] if row["aor"] == name]
    account = result["account"]
    shown = [(title, write(account[key])) for key, title, write in DETAILS]
    if "has_pin" in account:
        shown += [("PIN", "set" if account["has_pin"] else "none"), ("calls from", joined(account["anumbers"]))]
    shown += [(name.replace("_", " "), text) for name, text in account["fields"].items() if text not in ("", "0")]
    registered = table(DEVICES, devices, "no device is registered")
    human = (facts(shown), line(""), *bars(result["usage"]), line(""), registered)
    return Answer(result | {"registrations": devices}, human)


def _set(
    session: Session,
    name: str,
    password: str | None,
    web_password: str | None,
    no_number: bool,
    no_a_number: bool,
    **given: Any,
) -> Answer:
    secret, web = password_of(password) if password else None, _web(web_password)
    changes = split_fields(given) | ({"numbers": []} if no_number else {}) | ({"anumbers": []} if no_a_number else {})
    changes |= {"password": secret.text, "generated": secret.reveal} if secret else {}
    changes |= {"web_password": web.text} if web else {}
    if not changes:
        raise click.UsageError("nothing to change was named; see 'appliance accounts set --help'")
    result = session.link().office("accounts.set", {"name": name, "changes": changes})
    account, (pin, pin_shown) = result["account"], pin_told(result)
    told = (*(secret.human() if secret else ()), *(web.human() if web else ()), *pin_shown)
    if account["lines"] and not account["enabled"]:
        words = f"{account['lines']} of its calls go on: 'appliance calls hangup --account {name}' ends them"
        told = (*told, line(words, "yellow"))
    shown = (secret.value() if secret else {}) | (web.value() if web else {}) | pin
    return Answer({"account": account} | shown, (table(COLUMNS, [account], ""), *told))


def _forward(session: Session, name: str, off: bool, **given: Any) -> Answer:
    changes: dict[str, Any] = {"always": "", "busy": "", "noanswer": ""} if off else {}
    changes |= said(given)
    link = session.link()
    if changes:
        told = link.office("accounts.forward", {"name": name, "forwards": changes})["forwards"]
    else:
        told = link.office("accounts.show", {"name": name})["account"]["forwards"]
    rows = [(words, str(told[key] or "nowhere")) for key, words in FORWARDS]
    return Answer({"forwards": told}, (facts(rows),))


def _remove(session: Session, name: str) -> Answer:
    result = session.link().office("accounts.remove", {"name": name})
    return Answer(result, (line(f"removed {name}; its records stay"),))


def _ledger(session: Session, name: str, limit: int) -> Answer:
    result = session.link().office("accounts.ledger", {"name": name, "limit": limit})
    return Answer(result, (table(LEDGER, result["postings"], f"no movement on {name}"),))


def _profile_options() -> tuple[click.Parameter, ...]:
    return (
        option("--number", "numbers", multiple=True, help="A number of the account, in digits; repeatable."),
        option(
            "--a-number",
            "anumbers",
            multiple=True,
            help="A number that a calling card's holder calls from; repeatable.",
        ),
        option("--credit", help="Prepaid balance, such as 10.00."),
        option("--postpaid/--prepaid", "postpaid", default=None, help="Pays afterwards, or from its balance."),
        option("--local-only/--not-local-only", "onlylocalaccess", default=None, help="Only this appliance's users."),
        *(_field_option(field) for field in FIELDS.values() if field.name not in SWITCHES),
    )


def _field_option(field: Field) -> click.Parameter:
    """The option of one field: --max-cps is --maxcps, as the setting is written; an empty text takes a value away."""
    spelled = "--" + field.name.removesuffix("_name" if field.name == "group_name" else "").replace("_", "-")
    words = field.sentence + (f" [{field.unit}]" if field.unit else "")
    if isinstance(field.kind, Choice):
        return option(spelled, field.name, type=click.Choice(tuple(field.kind.labels)), help=words)
    return option(spelled, field.name, metavar=field.kind.noun.upper().replace(" ", "-"), help=words)


GROUP = Group("accounts", "Who may register and call, and with what money.")
NAME = argument("name")
WEB_PASSWORD = option(
    "--web-password", metavar="-|generated", help="Another password for the web; otherwise it is the same."
)

COMMANDS = (
    Command(
        "accounts list",
        "List the accounts.",
        _list,
        (
            option("--group", help="Only those of this group."),
            option("--type", type=click.Choice(tuple(TYPES)), help="Only those of this type."),
            option("--parent", help="Only those below this reseller; '-': below nobody."),
        ),
    ),
    Command(
        "accounts add",
        "Add an account and print its generated password once.",
        _add,
        (
            NAME,
            option(
                "--password", default=GENERATED, metavar="-|generated", help="'-' reads one line of standard input."
            ),
            WEB_PASSWORD,
            option("--currency", metavar="CODE", help="Of its balance and its charges [default: EUR]."),
            *_profile_options(),
        ),
    ),
    Command("accounts show", "Show one account and its devices.", _show, (NAME,)),
    Command(
        "accounts set",
        "Change an account.",
        _set,
        (
            NAME,
            option("--password", metavar="-|generated", help="A new password; '-' reads it from standard input."),
            WEB_PASSWORD,
            option(
                "--pin", type=click.Choice(("generated", "none")), help="A calling card's new PIN, or none any more."
            ),
            *_profile_options(),
            option("--top-up", help="Add to the balance; a minus takes away."),
            option("--note", help="Why, for the ledger."),
            option("--no-number", is_flag=True, default=False, help="Take all its numbers away."),
            option("--no-a-number", is_flag=True, default=False, help="No number calls for this card any more."),
            option("--enable/--disable", "enabled", default=None, help="Let it in, or keep it out."),
        ),
        "Only what is named changes; --number replaces all numbers of the account.",
    ),
    Command(
        "accounts forward",
        "Show or change where an account's calls go on; it pays for them.",
        _forward,
        (
            NAME,
            option("--always", metavar="NUMBER", help="Every call goes there; an empty text: no more."),
            option("--busy", metavar="NUMBER", help="Calls while it is busy."),
            option("--noanswer", metavar="NUMBER", help="Calls that nobody answers."),
            option("--seconds", type=click.IntRange(5, 120), help="How long to ring before that."),
            option("--off", is_flag=True, default=False, help="Nothing is forwarded any more."),
        ),
    ),
    Command("accounts remove", "Remove an account. Call records and ledger stay.", _remove, (NAME,)),
    Command(
        "accounts ledger",
        "Show what moved an account's balance, newest first.",
        _ledger,
        (NAME, option("--limit", type=click.IntRange(1, 10_000), default=50, help="At most so many.")),
    ),
)
