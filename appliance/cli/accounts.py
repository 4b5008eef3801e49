"""`appliance accounts`: who may register and call, with what money."""

import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.show import Answer, Column, facts, joined, line, moment, table, yes_no
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.config.account import FIELDS, Field
from appliance.config.fields import Choice

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that reads like another letter
LENGTH = 16
GENERATED = "generated"
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
LEDGER = (
    Column("at", "when", moment),
    Column("kind", "kind"),
    Column("amount", "amount", right=True),
    Column("balance_after", "balance", right=True),
    Column("call_id", "call"),
    Column("note", "note"),
    Column("who", "by"),
)


@dataclass(frozen=True, slots=True)
class Password:
    """A new password; `reveal` when the command made it up, so that it must be shown, once."""

    text: str
    reveal: bool

    def value(self) -> dict[str, str]:
        """What JSON says of it."""
        return {"password": self.text} if self.reveal else {}

    def human(self) -> tuple[RenderableType, ...]:
        """What a person is told of it."""
        if not self.reveal:
            return ()
        once = line("The password is shown this once; it is not kept in clear.", "dim")
        return (facts([("password", self.text)]), once)


def pin_told(result: dict[str, Any]) -> tuple[dict[str, str], tuple[RenderableType, ...]]:
    """A new PIN as JSON and for people; nothing where none was made."""
    if "pin" not in result:
        return {}, ()
    once = line("The PIN is shown this once; it is kept hashed.", "dim")
    return {"pin": result["pin"]}, (facts([("PIN", result["pin"])]), once)


def generated() -> str:
    """A password that needs no special keys on a phone: 16 letters and digits, 93 bits."""
    return "".join(secrets.choice(LETTERS) for _ in range(LENGTH))


def password_of(word: str) -> Password:
    """The password that `--password WORD` means. One on the command line would show in the list of processes."""
    if word == GENERATED:
        return Password(generated(), reveal=True)
    if word != "-":
        raise click.UsageError(f"--password takes '{GENERATED}', or '-' to read it from standard input")
    if sys.stdin.isatty():
        return Password(str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), reveal=False)
    return Password(sys.stdin.readline().rstrip("\r\n"), reveal=False)


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, without what was left out."""
    named = {name: value for name, value in given.items() if value is not None and value != ()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}


def split_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, with the texts of profile fields under `fields`."""
    named = said(given)
    texts = {name: named.pop(name) for name in list(named) if name in FIELDS and name not in SWITCHES}
    return named | ({"fields": texts} if texts else {})


def _add(session: Session, name: str, password: str, **given: Any) -> Answer:
    secret = password_of(password)
    args = {"name": name, "password": secret.text} | split_fields(given)
    result = session.link().office("accounts.add", args)
    account, (pin, told) = result["account"], pin_told(result)
    shown = [(key, joined(account[key])) for key in ("name", "realm", "numbers", "balance")]
    human = (line(f"added {account['name']}"), facts(shown), *secret.human(), *told)
    return Answer({"account": account} | secret.value() | pin, human)


def _list(session: Session) -> Answer:
    result = session.link().office("accounts.list")
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
    human = (facts(shown), line(""), table(DEVICES, devices, "no device is registered"))
    return Answer(result | {"registrations": devices}, human)


def _set(session: Session, name: str, password: str | None, no_number: bool, no_a_number: bool, **given: Any) -> Answer:
    secret = password_of(password) if password else None
    changes = split_fields(given) | ({"password": secret.text} if secret else {})
    changes |= ({"numbers": []} if no_number else {}) | ({"anumbers": []} if no_a_number else {})
    if not changes:
        raise click.UsageError("nothing to change was named; see 'appliance accounts set --help'")
    result = session.link().office("accounts.set", {"name": name, "changes": changes})
    account, (pin, shown) = result["account"], pin_told(result)
    told = (secret.human() if secret else ()) + shown
    if account["lines"] and not account["enabled"]:
        words = f"{account['lines']} of its calls go on: 'appliance calls hangup --account {name}' ends them"
        told = (*told, line(words, "yellow"))
    value = {"account": account} | (secret.value() if secret else {}) | pin
    return Answer(value, (table(COLUMNS, [account], ""), *told))


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

COMMANDS = (
    Command("accounts list", "List the accounts.", _list),
    Command(
        "accounts add",
        "Add an account and print its generated password once.",
        _add,
        (
            NAME,
            option(
                "--password", default=GENERATED, metavar="-|generated", help="'-' reads one line of standard input."
            ),
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
    Command("accounts remove", "Remove an account. Call records and ledger stay.", _remove, (NAME,)),
    Command(
        "accounts ledger",
        "Show what moved an account's balance, newest first.",
        _ledger,
        (NAME, option("--limit", type=click.IntRange(1, 10_000), default=50, help="At most so many.")),
    ),
)
