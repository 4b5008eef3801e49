"""Verbs about oneself: what every administrator may see and change of his own, whatever his role; nothing of others.

They belong to the person of the licence. Who has the machine is nobody in particular: he uses `people` and `tokens`. A
program's token reaches none of them (`pysrv.people.permissions.SCOPED`).
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from appliance.wire import WireError
from pysrv.control.answer import Done, Moment
from pysrv.control.desk import Desk, not_found
from pysrv.control.people import (
    PersonAnswer,
    PersonRow,
    SessionRef,
    SessionRow,
    TokenMade,
    TokenRef,
    made_token,
    session_shape,
    shape,
)
from pysrv.people import codes
from pysrv.people.permissions import Access, parse_scope
from pysrv.store.people import Administrator, Passkey
from pysrv.store.web import ApiToken, PersonKind

MOST_PASSKEYS, MOST_TOKENS = 20, 50
_SECRET = re.compile(r"[A-Z2-7]{32,128}").fullmatch
_LANGUAGE = re.compile(r"([a-z]{2})?").fullmatch


@dataclass(frozen=True, slots=True)
class SetOwn:
    """What changes; None stays. `language` is its code of two letters; empty: as the browser says."""

    display_name: str | None = None
    email: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """A new password."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnTotp:
    """A shared secret in base32 with a code that proves that the authenticator has it; an empty secret: none more."""

    secret: str = field(default="", repr=False)
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OwnPasskey:
    """A passkey whose registration was verified. `id` and `public_key` (COSE) are in hexadecimal."""

    id: str
    public_key: str
    sign_count: int
    label: str


@dataclass(frozen=True, slots=True)
class PasskeyRef:
    """A passkey by its id in hexadecimal."""

    id: str


@dataclass(frozen=True, slots=True)
class OwnToken:
    """A token for a program of one's own: it never reaches further than oneself."""

    label: str
    scopes: tuple[str, ...]
    days: float = 90.0


class PasskeyRow(TypedDict):
    """A passkey; `used_at` 0: never."""

    id: str
    label: str
    created_at: Moment
    used_at: Moment


class OwnAnswer(TypedDict):
    """What an administrator has of his own. `powers`: read or write by area."""

    person: PersonRow
    powers: dict[str, str]
    passkeys: list[PasskeyRow]
    sessions: list[SessionRow]
    tokens: list[ApiToken]


class CodesAnswer(TypedDict):
    """Recovery codes, shown this once."""

    codes: list[str]


class PasskeysAnswer(TypedDict):
    """The passkeys that there are now."""

    passkeys: list[PasskeyRow]


def show(desk: Desk, _: Any) -> OwnAnswer:
    """own.show"""
    person, store = _self(desk), desk.store
    powers = desk.powers.accesses if desk.powers else {}
    return {
        "person": shape(person),
        "powers": {str(area): access.name.lower() for area, access in powers.items() if access is not Access.NONE},
        "passkeys": [_passkey_shape(each) for each in store.passkeys(person.name)],
        "sessions": [session_shape(each) for each in store.web_sessions(PersonKind.ADMINISTRATOR, person.name)],
        "tokens": list(store.api_tokens(person.name)),
    }


def change(desk: Desk, args: SetOwn) -> PersonAnswer:
    """own.set"""
    person = _self(desk)
    if args.language is not None and not _LANGUAGE(args.language):
        raise WireError("invalid", f"{args.language[:20]!r} is no language", "two letters such as de, or nothing")
    for name, text in asdict(args).items():
        if text is not None and text != getattr(person, name):
            desk.store.set_administrator(person.name, name, text, desk.who)
    return {"person": shape(_self(desk))}


def password(desk: Desk, args: OwnPassword) -> Done:
    """own.password: every session ends."""
    desk.store.set_admin_password(_self(desk).name, args.password, desk.who)
    return {}


def totp(desk: Desk, args: OwnTotp) -> PersonAnswer:
    """own.totp"""
    person = _self(desk)
    if args.secret:
        if not _SECRET(args.secret):
            raise WireError("invalid", "the secret is not 32 or more letters of base32", "let the panel make one")
        step = codes.step_of_code(args.secret, args.code, desk.clock())
        if step is None:
            raise WireError("invalid", "this code does not belong to the secret", "check the clock of the telephone")
    desk.store.set_totp(person.name, args.secret, desk.who)
    if args.secret:
        desk.store.use_totp(person.name, args.code)  # what was typed once is used
    return {"person": shape(_self(desk))}


def recovery_codes(desk: Desk, _: Any) -> CodesAnswer:
    """own.codes: new ones instead of those before, shown this once."""
    person = _self(desk)
    if not person.has_second_factor:
        raise WireError("invalid", "recovery codes stand in for a second factor", "set one up first")
    made = codes.new_recovery_codes()
    desk.store.set_recovery_codes(person.name, made, desk.who)
    return {"codes": list(made)}


def passkey(desk: Desk, args: OwnPasskey) -> PasskeysAnswer:
    """own.passkey"""
    person = _self(desk)
    if person.passkeys >= MOST_PASSKEYS:
        raise WireError("invalid", f"there are {MOST_PASSKEYS} passkeys already", "remove one that you do not use")
    if not args.label or len(args.label) > 80:
        raise WireError("invalid", "a passkey needs a name of at most 80 characters", "say where it is")
    ident, key = _hex(args.id), _hex(args.public_key)
    desk.store.add_passkey(Passkey(ident, person.name, key, args.sign_count, args.label, desk.clock()), desk.who)
    return {"passkeys": [_passkey_shape(each) for each in desk.store.passkeys(person.name)]}


def forget(desk: Desk, args: PasskeyRef) -> Done:
    """own.forget"""
    if not desk.store.remove_passkey(_self(desk).name, _hex(args.id), desk.who):
        raise not_found("passkey of yours", args.id)
    return {}


def revoke(desk: Desk, args: SessionRef) -> Done:
    """own.revoke"""
    own = desk.store.web_sessions(PersonKind.ADMINISTRATOR, _self(desk).name)
    found = next((each for each in own if len(args.id) >= 12 and each.digest.startswith(args.id)), None)
    if found is None:
        raise not_found("session of yours", args.id)
    desk.store.end_session(found.digest, desk.who)
    return {}


def token(desk: Desk, args: OwnToken) -> TokenMade:
    """own.token"""
    person = _self(desk)
    if len(desk.store.api_tokens(person.name)) >= MOST_TOKENS:
        raise WireError("invalid", f"there are {MOST_TOKENS} tokens already", "remove one that no program uses")
    for scope in args.scopes:
        _refuse_beyond(desk, scope)
    return made_token(desk, person.name, args)


def untoken(desk: Desk, args: TokenRef) -> Done:
    """own.untoken"""
    if all(each.id != args.id for each in desk.store.api_tokens(_self(desk).name)):
        raise not_found("token of yours", str(args.id))
    desk.store.remove_api_token(args.id, desk.who)
    return {}


def _refuse_beyond(desk: Desk, scope: str) -> None:
    """A scope that names more than one's own powers would grow with the next role. `*` means as far as one's own."""
    if scope.startswith("*"):
        return
    try:
        wanted = parse_scope(scope)
    except ValueError as error:
        raise WireError("invalid", str(error)) from None
    for area, access in wanted.items():
        if desk.powers is None or not desk.powers.allow(area, writes=access is Access.WRITE):
            raise WireError("forbidden", f"a token of yours cannot have {scope}: your role has not", "name less")


def _self(desk: Desk) -> Administrator:
    person = desk.store.administrator(desk.person) if desk.person else None
    if person is None:
        hint = "on the machine itself, 'appliance people' and 'appliance tokens' change any administrator"
        raise WireError("invalid", "this is about an administrator's own, and you came as none", hint)
    return person


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise WireError("invalid", "a passkey is named by hexadecimal digits") from None


def _passkey_shape(each: Passkey) -> PasskeyRow:
    return {"id": each.id.hex(), "label": each.label, "created_at": each.created_at, "used_at": each.used_at}
