"""Verbs about people who run the appliance: administrators, their sessions and tokens, and the audit trail."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

from appliance.wire import WireError
from pysrv.control.answer import Done, Moment
from pysrv.control.desk import Desk, not_found
from pysrv.people.permissions import Role, parse_scope
from pysrv.store.people import Administrator
from pysrv.store.rows import AuditRow
from pysrv.store.trail import Chain
from pysrv.store.web import ApiToken, PersonKind, WebSession

LONGEST_TOKEN_DAYS = 730.0
DAY_S = 86_400.0
SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class PersonNamed:
    """An administrator by his name."""

    name: str


@dataclass(frozen=True, slots=True)
class AddPerson:
    """A new administrator."""

    name: str
    role: Role
    password: str = field(repr=False)
    email: str = ""


@dataclass(frozen=True, slots=True)
class SetPerson:
    """What changes; None stays. `second_factor` False takes TOTP, passkeys and recovery codes away: for somebody who
    lost them."""

    name: str
    role: Role | None = None
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)
    display_name: str | None = None
    email: str | None = None
    second_factor: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session by the first 16 digits that lists show."""

    id: str


@dataclass(frozen=True, slots=True)
class AddToken:
    """A token for a program that acts for an administrator. `scopes` such as `accounts:read`, `*:read`."""

    name: str
    label: str
    scopes: tuple[str, ...]
    days: float = 90.0


class TokenWish(Protocol):
    """What a new token is to be."""

    @property
    def label(self) -> str: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def days(self) -> float: ...


@dataclass(frozen=True, slots=True)
class TokenRef:
    """A token by its number."""

    id: int


@dataclass(frozen=True, slots=True)
class TrailOf:
    """Which part of the trail; None does not matter. `who`: as the trail has it, or a name by whatever way."""

    subject: str | None = None
    before_id: int | None = None
    limit: int = 100
    who: str | None = None


@dataclass(frozen=True, slots=True)
class NotedHead:
    """A head of the chain that was noted earlier; empty: none was."""

    head: str = ""


class PersonRow(TypedDict):
    """An administrator. `has_totp`: a one-time code is asked for; `passkeys` and `recovery_codes` are how many;
    `seen_at` 0: never; `language` empty: as the browser says."""

    name: str
    role: Role
    enabled: bool
    display_name: str
    email: str
    language: str
    has_totp: bool
    seen_at: Moment
    passkeys: int
    recovery_codes: int


class PersonAnswer(TypedDict):
    """An administrator as he is now."""

    person: PersonRow


class PeopleAnswer(TypedDict):
    """Administrators."""

    people: list[PersonRow]


class SessionRow(TypedDict):
    """Somebody who is logged in. `id`: first digits, by which it can be ended; `complete`: the second factor was shown,
    if there is one."""

    id: str
    kind: PersonKind
    name: str
    created_at: Moment
    seen_at: Moment
    complete: bool
    address: str
    agent: str


class SessionsAnswer(TypedDict):
    """Who is logged in."""

    sessions: list[SessionRow]


class TokensAnswer(TypedDict):
    """Tokens of programs, never the tokens themselves; `used_at` 0: never."""

    tokens: list[ApiToken]


class TokenMade(TypedDict):
    """A token, shown this once."""

    token: str
    expires_at: Moment


class TrailAnswer(TypedDict):
    """Rows of the audit trail, newest first."""

    trail: list[AuditRow]


def shape(person: Administrator) -> PersonRow:
    """An administrator without what his passkeys know him by."""
    return {
        "name": person.name,
        "role": person.role,
        "enabled": person.enabled,
        "display_name": person.display_name,
        "email": person.email,
        "language": person.language,
        "has_totp": person.has_totp,
        "seen_at": person.seen_at,
        "passkeys": person.passkeys,
        "recovery_codes": person.recovery_codes,
    }


def session_shape(session: WebSession) -> SessionRow:
    """A session as JSON: never what opens it."""
    return {
        "id": session.digest[:SHOWN_DIGITS],
        "kind": session.kind,
        "name": session.name,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "complete": session.complete,
        "address": session.address,
        "agent": session.agent,
    }


def list_all(desk: Desk, _: Any) -> PeopleAnswer:
    """people.list"""
    return {"people": [shape(person) for person in desk.store.administrators()]}


def add(desk: Desk, args: AddPerson) -> PersonAnswer:
    """people.add"""
    desk.store.add_administrator(args.name, args.role, args.password, desk.who)
    if args.email:
        desk.store.set_administrator(args.name, "email", args.email, desk.who)
    return {"person": shape(_found(desk, args.name))}


def change(desk: Desk, args: SetPerson) -> PersonAnswer:
    """people.set"""
    _found(desk, args.name)
    texts = {"role": args.role, "display_name": args.display_name, "email": args.email}
    if args.enabled is not None:
        texts["enabled"] = str(int(args.enabled))
    for name, text in texts.items():
        if text is not None:
            desk.store.set_administrator(args.name, name, text, desk.who)
    if args.password is not None:
        desk.store.set_admin_password(args.name, args.password, desk.who)
    if args.second_factor is not None:
        if args.second_factor:
            raise WireError("invalid", "a second factor is set up by its owner", "on the panel, under 'You'")
        desk.store.forget_second_factor(args.name, desk.who)
    return {"person": shape(_found(desk, args.name))}


def remove(desk: Desk, args: PersonNamed) -> Done:
    """people.remove"""
    desk.store.remove_administrator(args.name, desk.who)
    return {}


def sessions(desk: Desk, _: Any) -> SessionsAnswer:
    """people.sessions"""
    return {"sessions": [session_shape(session) for session in desk.store.web_sessions()]}


def revoke(desk: Desk, args: SessionRef) -> Done:
    """people.revoke"""
    if not desk.store.end_session(args.id, desk.who):
        raise not_found("session", args.id)
    return {}


def tokens(desk: Desk, _: Any) -> TokensAnswer:
    """tokens.list"""
    return {"tokens": list(desk.store.api_tokens())}


def add_token(desk: Desk, args: AddToken) -> TokenMade:
    """tokens.add"""
    return made_token(desk, _found(desk, args.name).name, args)


def made_token(desk: Desk, name: str, args: TokenWish) -> TokenMade:
    """A token that acts for `name`. Raises WireError for scopes, a label or a time that will not do."""
    if not args.scopes:
        raise WireError("invalid", "a token needs a scope", "for instance accounts:read, or *:read")
    for scope in args.scopes:
        try:
            parse_scope(scope)
        except ValueError as error:
            raise WireError("invalid", str(error)) from None
    if not 0 < args.days <= LONGEST_TOKEN_DAYS:
        raise WireError("invalid", f"a token lasts more than 0 and at most {LONGEST_TOKEN_DAYS:.0f} days")
    if not args.label or len(args.label) > 80:
        raise WireError("invalid", "a token needs a label of at most 80 characters", "say which program has it")
    until = desk.clock() + args.days * DAY_S
    token = desk.store.add_api_token(name, args.label, args.scopes, until, desk.who)
    return {"token": token, "expires_at": until}


def remove_token(desk: Desk, args: TokenRef) -> Done:
    """tokens.remove"""
    if not desk.store.remove_api_token(args.id, desk.who):
        raise not_found("token", str(args.id))
    return {}


def trail(desk: Desk, args: TrailOf) -> TrailAnswer:
    """trail.list"""
    rows = desk.store.audit(max(1, min(args.limit, 1000)), args.subject, args.before_id, args.who)
    return {"trail": list(rows)}


def verify_trail(desk: Desk, args: NotedHead) -> Chain:
    """trail.verify"""
    return desk.store.audit_chain(args.head.strip().lower())


def _found(desk: Desk, name: str) -> Administrator:
    person = desk.store.administrator(name)
    if person is None:
        raise not_found("administrator", name)
    return person
