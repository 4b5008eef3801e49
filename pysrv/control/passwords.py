"""Verbs about passwords: what a new one must be, whether one is right, what is known of all. None is ever logged."""

from dataclasses import dataclass, field
from typing import TypedDict

from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.control.answer import Moment
from pysrv.control.desk import Desk, not_found
from pysrv.passwords.estimator import estimate
from pysrv.passwords.made import asks_for_one
from pysrv.passwords.policy import GENERATED, HINT, Owner, Strength, judge
from pysrv.store.passwords import StoredPassword

SECRET_SETTINGS = frozenset(name for name, row in ROWS.items() if row.kind.secret)
BITE = 500


@dataclass(frozen=True, slots=True)
class Tried:
    """A password that somebody says is an account's."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Revealed:
    """An account whose password is to be shown."""

    name: str


@dataclass(frozen=True, slots=True)
class PasswordsOf:
    """Which ones: only those that wait for their replacement, or whose former one is still good."""

    weak: bool = False


class VerifyAnswer(TypedDict):
    """Whether the password is the account's."""

    name: str
    right: bool


class RevealAnswer(TypedDict):
    """A password in clear."""

    name: str
    password: str


class PasswordRow(TypedDict):
    """What is known of a password. `score` null: nobody has estimated it; times 0: never; `replaced_at`: when it is
    replaced because it is weak; `former_until`: so long the one before it is still good."""

    name: str
    score: int | None
    set_at: Moment
    checked_at: Moment
    weak_since: Moment
    weak_why: str
    replaced_at: Moment
    former_until: Moment
    web_own: bool
    readable: bool


class PasswordsAnswer(TypedDict):
    """What is known of accounts' passwords."""

    passwords: list[PasswordRow]


def checked(settings: Settings, owner: Owner, password: str, *, generated: bool = False) -> Strength:
    """What is written down of a new password. Raises WireError for one that the settings refuse.

    `generated`: a machine made it up, so that there is nothing to estimate.
    """
    if generated and len(password) >= settings.minpwdlength:
        return GENERATED
    if asks_for_one(password):
        words = f"{password!r} is the word by which a password is made up, and none itself"
        raise WireError("invalid", words, "in the panel a button makes one up, in a command --password generated")
    found = judge(password, owner, settings.validatepassword, settings.minpwdlength, estimate)
    if found.refusal:
        raise WireError("invalid", found.refusal, HINT if found.setting == "validatepassword" else "")
    return found.strength


def verify(desk: Desk, args: Tried) -> VerifyAnswer:
    """accounts.verify"""
    if desk.store.account(args.name) is None:
        raise not_found("account", args.name)
    right = desk.store.verify_account(args.name, args.password, lenient=desk.settings.uauthverifypwd)
    return {"name": args.name, "right": right}


def reveal(desk: Desk, args: Revealed) -> RevealAnswer:
    """accounts.reveal"""
    return {"name": args.name, "password": desk.store.reveal_password(args.name, desk.who)}


def list_all(desk: Desk, args: PasswordsOf) -> PasswordsAnswer:
    """accounts.passwords"""
    rows = desk.store.passwords_waiting() if args.weak else desk.store.passwords()
    return {"passwords": [shape(row, desk.settings, desk.clock()) for row in rows]}


def shape(row: StoredPassword, settings: Settings, now: float) -> PasswordRow:
    """What is known of a password at `now` (Unix seconds)."""
    known = row.strength.score >= 0
    return {
        "name": row.owner.name,
        "score": row.strength.score if known else None,
        "set_at": row.set_at,
        "checked_at": row.checked_at,
        "weak_since": row.weak_since,
        "weak_why": row.weak_why,
        "replaced_at": row.weak_since + settings.passwordgrace if row.weak_since else 0.0,
        "former_until": row.former_until if row.former_until > now else 0.0,
        "web_own": row.web_own,
        "readable": row.readable,
    }


def follow(desk: Desk, before: Settings, after: Settings) -> list[str]:
    """What a change of settings does to stored passwords; returns whose must be set again.

    The running service converts in bites; a single run does it at once.
    """
    desk.store.protect(after.securepasswords, desk.who)
    lost = desk.store.change_realm(after.realm) if before.realm != after.realm else []
    while desk.live is None and desk.store.convert(BITE, SECRET_SETTINGS):
        pass
    return lost
