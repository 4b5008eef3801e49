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

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that reads like another letter
LENGTH = 16
GENERATED = "generated"
TYPES = ("end_user", "traffic_sender", "reseller", "calling_card", "operator")

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
    ("display_name", "shown as", str),
    ("type", "type", str),
    ("enabled", "enabled", lambda value: "yes" if value else "no"),
    ("realm", "realm", str),
    ("balance", "balance", str),
    ("reserved", "reserved", str),
    ("currency", "currency", str),
    ("postpaid", "postpaid", yes_no),
    ("deck", "deck", str),
    ("lines", "running calls", str),
    ("maxlines", "maxlines", str),
    ("locklevel", "locklevel", str),
    ("onlylocalaccess", "local calls only", yes_no),
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


def _add(session: Session, name: str, password: str, **given: Any) -> Answer:
    secret = password_of(password)
    args = {"name": name, "password": secret.text} | said(given)
    account = session.link().office("accounts.add", args)["account"]
    shown = [(key, joined(account[key])) for key in ("name", "realm", "numbers", "balance")]
    human = (line(f"added {account['name']}"), facts(shown), *secret.human())
    return Answer({"account": account} | secret.value(), human)


def _list(session: Session) -> Answer:
    result = session.link().office("accounts.list")
    return Answer(result, (table(COLUMNS, result["accounts"], "no accounts: add one with 'appliance accounts add'"),))


def _show(session: Session, name: str) -> Answer:
    link = session.link()
    result = link.office("accounts.show", {"name": name})
    devices = [row for row in link.office("registrations.list")["registrations"] if row["aor"] == name]
    account = result["account"]
    shown = [(title, write(account[key])) for key, title, write in DETAILS]
    human = (facts(shown), line(""), table(DEVICES, devices, "no device is registered"))
    return Answer(result | {"registrations": devices}, human)


def _set(session: Session, name: str, password: str | None, no_number: bool, **given: Any) -> Answer:
    secret = password_of(password) if password else None
    changes = said(given) | ({"password": secret.text} if secret else {}) | ({"numbers": []} if no_number else {})
    if not changes:
        raise click.UsageError("nothing to change was named; see 'appliance accounts set --help'")
    account = session.link().office("accounts.set", {"name": name, "changes": changes})["account"]
    told = secret.human() if secret else ()
    if account["lines"] and not account["enabled"]:
        words = f"{account['lines']} of its calls go on: 'appliance calls hangup --account {name}' ends them"
        told = (*told, line(words, "yellow"))
    return Answer({"account": account} | (secret.value() if secret else {}), (table(COLUMNS, [account], ""), *told))


def _remove(session: Session, name: str) -> Answer:
    result = session.link().office("accounts.remove", {"name": name})
    return Answer(result, (line(f"removed {name}; its records stay"),))


def _ledger(session: Session, name: str, limit: int) -> Answer:
    result = session.link().office("accounts.ledger", {"name": name, "limit": limit})
    return Answer(result, (table(LEDGER, result["postings"], f"no movement on {name}"),))


def _profile_options() -> tuple[click.Parameter, ...]:
    return (
        option("--number", "numbers", multiple=True, help="A number of the account, in digits; repeatable."),
        option("--display-name", help="Name shown to the people it calls."),
        option("--credit", help="Prepaid balance, such as 10.00."),
        option("--postpaid/--prepaid", "postpaid", default=None, help="Pays afterwards, or from its balance."),
        option("--maxlines", type=int, help="Calls at once; 0 = off."),
        option("--locklevel", type=int, help="0 none ... 4 everything; see 'appliance settings get locklevel'."),
        option("--local-only/--not-local-only", "onlylocalaccess", default=None, help="Only this appliance's users."),
        option("--deck", help="Rate deck that prices its calls."),
        option("--type", "type", type=click.Choice(TYPES), help="What the account stands for."),
    )


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
            *_profile_options(),
            option("--top-up", help="Add to the balance; a minus takes away."),
            option("--note", help="Why, for the ledger."),
            option("--no-number", is_flag=True, default=False, help="Take all its numbers away."),
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
