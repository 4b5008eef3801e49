"""What an owner changes: his contact, passwords, PIN, limits, devices and sessions. A password is never logged."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from appliance.config.account import FIELDS
from appliance.wire import WireError
from pysrv.control import calls, cards, forwards
from pysrv.control.accounts import owner_of, set_web_password
from pysrv.control.desk import not_found
from pysrv.control.mine.holder import Answer, Holder
from pysrv.control.mine.shown import account_shape
from pysrv.control.passwords import checked
from pysrv.limits.own import NAMES, STRONGEST_LOCK, OwnLimits, too_high
from pysrv.store.account import AccountType
from pysrv.store.web import PersonKind

LANGUAGES = ("", "en", "de")
SHORTEST_ID = 12


@dataclass(frozen=True, slots=True)
class Contact:
    """How he is reached; None stays. `language` as in the address of a page; empty: the browser's."""

    display_name: str | None = None
    email: str | None = None
    phone: str | None = None
    language: str | None = None


class PasswordOf(StrEnum):
    """What opens with a password. One of the telephones is the web's too, until the web gets its own."""

    SIP = "sip"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class NewPassword:
    """Another password."""

    password: str = field(repr=False)
    of: PasswordOf = PasswordOf.WEB


@dataclass(frozen=True, slots=True)
class Limits:
    """Texts by the names of pysrv.limits.own; what is left out stays, an empty text or 0 is none."""

    limits: dict[str, str]


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device by its contact."""

    contact: str


@dataclass(frozen=True, slots=True)
class WantedCall:
    """Whom he wants to talk to, and what is called first (empty: his telephones)."""

    number: str
    first: str = ""


@dataclass(frozen=True, slots=True)
class SessionId:
    """One of his sessions, by what the list shows of it; "others": all but this one."""

    id: str


def contact(holder: Holder, args: Contact) -> Answer:
    """mine.contact"""
    told = {name: getattr(args, name) for name in ("display_name", "email", "phone")}
    plain = {name: FIELDS[name].parse(text) for name, text in told.items() if text is not None}
    if args.language is not None and args.language not in LANGUAGES:
        raise WireError("invalid", f"{args.language[:20]!r} is no language of the portal", f"one of {LANGUAGES[1:]}")
    if plain:
        holder.store.set_account(holder.account.name, who=holder.who, **plain)
    if args.language is not None:
        holder.store.set_language(holder.account.name, args.language, who=holder.who)
    holder.changed()
    return {"account": account_shape(holder.again())}


def password(holder: Holder, args: NewPassword) -> Answer:
    """mine.password: every other session ends, because somebody else may have begun it."""
    account, settings = holder.account, holder.settings
    if args.of is PasswordOf.WEB:
        set_web_password(holder.desk, settings, account, args.password)
    else:
        owner = owner_of(account.name, account.numbers, {"display_name": account.display_name, "email": account.email})
        strength = checked(settings, owner, args.password)
        holder.store.set_account(
            account.name, who=holder.who, password=args.password, realm=settings.realm, strength=strength
        )
    ended = holder.store.end_sessions_of(PersonKind.ACCOUNT, account.name, holder.who, but=holder.session)
    holder.changed()
    return {"sessions_ended": ended}


def pin(holder: Holder, _: Any) -> Answer:
    """mine.pin: another PIN of a calling card, told this once."""
    if holder.account.type is not AccountType.CALLING_CARD:
        raise WireError("invalid", "this account is no calling card, so it has no PIN")
    told = cards.changed(holder.desk, holder.account.name, cards.GENERATED, None)
    holder.changed()
    return {"pin": told}


def limits(holder: Holder, args: Limits) -> Answer:
    """mine.limits"""
    account, values = holder.account, {name: getattr(holder.account.own, name) for name in NAMES}
    for name, text in args.limits.items():
        if name not in NAMES:
            raise WireError("invalid", f"{name[:40]!r} is no limit of one's own", f"there are {', '.join(NAMES)}")
        values[name] = FIELDS[name].parse(text or "0")
        given = getattr(account, name)
        if too_high(name, values[name], given):
            raise WireError("invalid", _words(name, given), "limits of your own only go further than the operator's")
    if not 0 <= values["locklevel"] <= STRONGEST_LOCK:
        raise WireError("invalid", f"locklevel is 0 to {STRONGEST_LOCK} here", "emergency calls stay possible")
    holder.store.set_own_limits(account.name, OwnLimits(**values), who=holder.who)
    holder.changed()
    return {"account": account_shape(holder.again())}


def ahead(holder: Holder, args: forwards.Wanted) -> Answer:
    """mine.forwards"""
    wanted = forwards.wanted(holder.store, holder.settings, holder.account, args)
    holder.store.set_forwards(holder.account.name, wanted, who=holder.who)
    holder.changed()
    return {"account": account_shape(holder.again())}


def _words(name: str, given: int) -> str:
    text = FIELDS[name].kind.text(given)
    return f"locklevel is {text} already" if name == "locklevel" else f"{name} is at most {text}, set by the operator"


def unregister(holder: Holder, args: Device) -> Answer:
    """mine.unregister: a device of his own is forgotten until it registers again."""
    live, name = holder.desk.live, holder.account.name
    if args.contact not in {row.contact for row in holder.store.bindings(name)}:
        raise not_found("registered device", args.contact)
    if live is None:
        holder.store.remove_binding(name, args.contact)
    elif not live.unregister(name, args.contact):
        raise not_found("registered device", args.contact)
    return {}


def call_back(holder: Holder, args: WantedCall) -> Answer:
    """mine.callback"""
    return dict(calls.call_back(holder.desk, calls.CallBack(holder.account.name, args.number, args.first)))


def revoke(holder: Holder, args: SessionId) -> Answer:
    """mine.revoke"""
    name = holder.account.name
    if args.id == "others":
        return {"ended": holder.store.end_sessions_of(PersonKind.ACCOUNT, name, holder.who, but=holder.session)}
    mine = holder.store.web_sessions(PersonKind.ACCOUNT, name)
    found = [each for each in mine if len(args.id) >= SHORTEST_ID and each.digest.startswith(args.id)]
    if not found:
        raise not_found("session", args.id)
    for each in found:
        holder.store.end_session(each.digest, holder.who)
    return {"ended": len(found)}
