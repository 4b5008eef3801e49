"""Passwords on the command line, and `appliance accounts passwords`, `verify` and `reveal`."""

import secrets
import sys
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType

from appliance.cli.exits import Exit
from appliance.cli.show import Answer, Column, facts, line, moment, table, yes_no
from appliance.cli.table import Command, Session, argument, option

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that reads like another letter
LENGTH = 16
GENERATED = "generated"

PASSWORDS = (
    Column("name", "account"),
    Column("score", "strength", lambda score: "unknown" if score in (None, "") else f"{score} of 4"),
    Column("set_at", "set", moment),
    Column("checked_at", "checked", moment),
    Column("weak_why", "weak: it"),
    Column("replaced_at", "replaced at", moment),
    Column("former_until", "former one until", moment),
    Column("web_own", "own for the web", yes_no),
    Column("readable", "kept in clear", yes_no),
)


@dataclass(frozen=True, slots=True)
class Password:
    """A new password; `reveal` when the command made it up, so that it must be shown, once."""

    text: str
    reveal: bool
    web: bool = False

    def value(self) -> dict[str, str]:
        """What JSON says of it."""
        return {"web_password" if self.web else "password": self.text} if self.reveal else {}

    def human(self) -> tuple[RenderableType, ...]:
        """What a person is told of it."""
        if not self.reveal:
            return ()
        once = line("The password is shown this once; it is not kept in clear.", "dim")
        return (facts([("web password" if self.web else "password", self.text)]), once)


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


def _passwords(session: Session, weak: bool) -> Answer:
    result = session.link().office("accounts.passwords", {"weak": weak})
    empty = "no weak passwords are known" if weak else "no accounts"
    return Answer(result, (table(PASSWORDS, result["passwords"], empty),))


def _verify(session: Session, name: str, password: str) -> Answer:
    tried = password_of(password)
    if tried.reveal:
        raise click.UsageError("--password takes '-': what is to be compared is read from standard input")
    result = session.link().office("accounts.verify", {"name": name, "password": tried.text})
    if result["right"]:
        return Answer(result, (line(f"that is the password of {name}", "green"),))
    return Answer(result, (line(f"that is not the password of {name}", "red"),), Exit.REFUSED)


def _reveal(session: Session, name: str) -> Answer:
    result: dict[str, Any] = session.link().office("accounts.reveal", {"name": name})
    return Answer(result, (facts([("password", result["password"])]),))


NAME = argument("name")
COMMANDS = (
    Command(
        "accounts passwords",
        "Show what is known of the passwords, and which are weak; never a password.",
        _passwords,
        (option("--weak", is_flag=True, default=False, help="Only those that are, or were lately, replaced as weak."),),
    ),
    Command(
        "accounts verify",
        "Say whether a password is an account's.",
        _verify,
        (NAME, option("--password", default="-", metavar="-", help="'-' reads it from standard input.")),
        "Exit code 1 when it is not. It is compared as the web does (uauthverifypwd).",
    ),
    Command(
        "accounts reveal",
        "Show a password that is kept as entered.",
        _reveal,
        (NAME,),
        "Only passwords that were set with securepasswords 0 are; the audit trail says who looked.",
    ),
)
