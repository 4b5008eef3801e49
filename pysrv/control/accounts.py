"""Verbs about accounts: their money, limits, numbers and passwords. A password passes through and is never logged."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.config.account import parse_fields
from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.ledger import PostingKind
from pysrv.control import cards
from pysrv.control.account_shapes import (
    PLAIN,
    AccountAnswer,
    AccountChanged,
    AccountRow,
    AccountsAnswer,
    AccountShown,
    LedgerAnswer,
    shape,
)
from pysrv.control.answer import Removed
from pysrv.control.desk import Desk, amount, not_found, written
from pysrv.control.passwords import checked
from pysrv.control.usage import figures
from pysrv.limits.decoys import taken
from pysrv.passwords.policy import Owner
from pysrv.people.permissions import Area
from pysrv.store.account import PROFILE, Account, AccountType, NewAccount
from pysrv.store.currencies import NO_TAX
from pysrv.store.rows import AccountFilter
from pysrv.store.web import PersonKind


@dataclass(frozen=True, slots=True)
class AddAccount:
    """A new account; what is left out comes from the settings. `fields` holds texts by the names of
    appliance.config.account, and comes before what is named here. `generated`: a machine made the password up.
    `web_password` is another one for the web; without it the same is good there."""

    name: str
    password: str = field(repr=False)
    generated: bool = False
    web_password: str | None = field(default=None, repr=False)
    numbers: tuple[str, ...] = ()
    display_name: str = ""
    type: AccountType = AccountType.END_USER
    deck: str = ""
    credit: str | None = None
    postpaid: bool | None = None
    maxlines: int | None = None
    locklevel: int | None = None
    onlylocalaccess: bool | None = None
    currency: str = "EUR"
    fields: dict[str, str] = field(default_factory=dict)
    anumbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """What may change; None stays. `credit` sets the balance, `top_up` moves it; `fields` as in AddAccount. `pin` is
    "generated" or "none", `anumbers` are the numbers from which a card's holder calls."""

    password: str | None = field(default=None, repr=False)
    generated: bool = False
    web_password: str | None = field(default=None, repr=False)
    numbers: tuple[str, ...] | None = None
    display_name: str | None = None
    type: AccountType | None = None
    deck: str | None = None
    credit: str | None = None
    top_up: str | None = None
    note: str = ""
    postpaid: bool | None = None
    maxlines: int | None = None
    locklevel: int | None = None
    onlylocalaccess: bool | None = None
    enabled: bool | None = None
    fields: dict[str, str] = field(default_factory=dict)
    pin: str | None = None
    anumbers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SetAccount:
    """Changes of one account."""

    name: str
    changes: AccountChanges


@dataclass(frozen=True, slots=True)
class Named:
    """Something by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListAccounts:
    """Which accounts; what is empty does not matter. `parent` "-": those of the owner. `search`: part of a name or
    begin of a number. At most `limit` behind the name `after`; the answer's `next` is the next page's `after`."""

    group: str = ""
    type: str = ""
    parent: str = ""
    search: str = ""
    after: str = ""
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerOf:
    """The newest movements of one account."""

    name: str
    limit: int = 50
    before_id: int | None = None


OWNER = "-"  # as a parent: nobody but the owner of the appliance


def owner_of(name: str, numbers: tuple[str, ...], profile: Mapping[str, Any]) -> Owner:
    """Whose password it is, as far as that makes one weak."""
    return Owner(name, numbers, str(profile.get("display_name", "")), str(profile.get("email", "")))


def _check_deck(desk: Desk, deck: str | None) -> None:
    if deck and deck not in {each.name for each in desk.store.decks()}:
        raise not_found("rate deck", deck)


def check_tax(desk: Desk, tax: str | None) -> None:
    """A tax that is not there would leave the account without prices."""
    if tax and tax != NO_TAX and desk.store.tax(tax) is None:
        raise not_found("tax", tax)


MOST_LISTED = 1_000_000
MONEY_FIELDS = frozenset({"postpaid", "tax", "parent", "type", "deck"})
PROOF_FIELDS = frozenset({"needauth", "authip", "techprefix"})  # what a caller has to show instead of a password


def added_areas(args: AddAccount) -> set[Area]:
    """What else a new account is about."""
    money = args.credit is not None or args.postpaid is not None or bool(args.fields.keys() & MONEY_FIELDS)
    return {Area.MONEY} if money or args.type is not AccountType.END_USER else set()


def changed_areas(args: SetAccount) -> set[Area]:
    """What else a change is about."""
    wanted, areas = args.changes, set()
    money = (wanted.credit, wanted.top_up, wanted.postpaid, wanted.type, wanted.deck)
    if any(each is not None for each in money) or wanted.fields.keys() & MONEY_FIELDS:
        areas.add(Area.MONEY)
    proofs = (wanted.password, wanted.web_password, wanted.pin, wanted.anumbers)
    if any(each is not None for each in proofs) or wanted.fields.keys() & PROOF_FIELDS:
        areas.add(Area.PASSWORDS)
    return areas


def add(desk: Desk, args: AddAccount) -> AccountChanged:
    """accounts.add"""
    settings = desk.settings
    profile = profile_of(settings, args)
    _check_deck(desk, profile["deck"])
    check_tax(desk, profile.get("tax"))
    told = {*args.fields, *(("maxlines",) if args.maxlines is not None else ())}
    account = insert(desk, settings, args, profile, told)
    if args.web_password is not None:
        set_web_password(desk, settings, account, args.web_password)
    pin = cards.added(desk, account, args.anumbers)
    desk.after_commit(lambda live: live.account_changed(args.name))
    return _changed(desk, account, pin)


def _changed(desk: Desk, account: Account, pin: str | None) -> AccountChanged:
    row: AccountRow = {**shape(account), **cards.card_shape(desk, account)}
    return {"account": row} if pin is None else {"account": row, "pin": pin}


def profile_of(settings: Settings, args: AddAccount) -> dict[str, Any]:
    """A new account's profile: the settings, over them what is named, over that the texts of its fields."""
    profile = {name: value for name in PROFILE if (value := getattr(settings, name, None)) is not None}
    profile |= {name: value for name in PLAIN if (value := getattr(args, name, None)) is not None}
    return profile | parse_fields(args.fields)


def insert(desk: Desk, settings: Settings, args: AddAccount, profile: dict[str, Any], told: Collection[str]) -> Account:
    """Adds an account; its hash for the web is left to be made. `told` has the names of fields that somebody set."""
    owner = owner_of(args.name, args.numbers, profile)
    strength = checked(settings, owner, args.password, generated=args.generated)
    check_decoys(settings, (args.name, *args.numbers))
    _check_room(desk, settings)
    if "maxlines" in told and "maxlinesoffpeak" not in told:
        profile["maxlinesoffpeak"] = profile["maxlines"]
    new = NewAccount(
        args.name,
        args.password,
        settings.realm,
        args.numbers,
        balance=settings.credit if args.credit is None else not_negative(args.credit),
        currency=args.currency,
        strength=strength,
        **profile,
    )
    return desk.store.add_account(new, desk.who)


def set_web_password(desk: Desk, settings: Settings, account: Account, own: str) -> None:
    """Hashes a password of the web's own. The same as for SIP is hashed with the first right log-in: Argon2 takes a
    tenth of a second, and calls would wait for every account that is added."""
    checked(settings, owner_of(account.name, account.numbers, {"email": account.email}), own)
    desk.store.set_web_password(account.name, own, own=True, who=desk.who)


def _check_room(desk: Desk, settings: Settings) -> None:
    """Refuse one more account than licensecfg allows. Raises WireError."""
    most, held = settings.licensecfg.get("accounts", 0), desk.store.account_count()
    if most and held >= most:
        words = f"there are {held} accounts, licensecfg allows {most}"
        raise WireError("conflict", words, "remove one first, or raise accounts in licensecfg")


def check_decoys(settings: Settings, names: tuple[str, ...]) -> None:
    """Whoever calls a decoy is banned: nobody may have its name or number."""
    if wrong := taken(settings.decoyextensions, names):
        raise WireError("invalid", f"{', '.join(wrong)} is a decoy (decoyextensions)", "take it off that list first")


def not_negative(text: str) -> int:
    micro = amount(text)
    if micro < 0:
        raise WireError("invalid", f"credit must be an amount of at least 0, not {text!r}")
    return micro


def list_all(desk: Desk, args: ListAccounts) -> AccountsAnswer:
    """accounts.list"""
    parent = "" if args.parent == OWNER else args.parent or None
    wanted = AccountFilter(args.search, args.group or None, args.type or None, parent)
    limit = MOST_LISTED if args.limit is None else max(1, min(args.limit, MOST_LISTED))
    found = desk.store.accounts_page(wanted, args.after, limit + 1)
    rows = [shape(account) for account in found[:limit]]
    return {"accounts": rows, "next": rows[-1]["name"] if len(found) > limit else None}


def show(desk: Desk, args: Named) -> AccountAnswer:
    """accounts.show"""
    account = _found(desk, args.name)
    shown: AccountShown = {**shape(account), **cards.card_shape(desk, account), "forwards": account.forwards}
    return {"account": shown, "usage": figures(desk, account)}


def _found(desk: Desk, name: str) -> Account:
    account = desk.store.account(name)
    if account is None:
        raise not_found("account", name)
    return account


def change(desk: Desk, args: SetAccount) -> AccountChanged:
    """accounts.set"""
    settings, account, wanted = desk.settings, _found(desk, args.name), args.changes
    parsed = parse_fields(wanted.fields)
    _check_deck(desk, parsed.get("deck", wanted.deck))
    check_tax(desk, parsed.get("tax"))
    moved = update(desk, settings, account, wanted, parsed)
    posting = desk.store.postings(args.name, 1)[0].id if moved else None
    if wanted.web_password is not None:
        set_web_password(desk, settings, account, wanted.web_password)
    if wanted.password is not None or wanted.web_password is not None:
        desk.store.end_sessions_of(PersonKind.ACCOUNT, args.name, desk.who)
    pin = cards.changed(desk, args.name, wanted.pin, wanted.anumbers)
    desk.after_commit(lambda live: live.account_changed(args.name))
    done = _changed(desk, _found(desk, args.name), pin)
    if posting is not None:
        done["posting"] = posting
    return done


def update(desk: Desk, settings: Settings, account: Account, wanted: AccountChanges, parsed: Mapping[str, Any]) -> int:
    """Changes an account; a new password's hash for the web is left to be made. `parsed` has its fields. Returns by how
    much its balance was moved, micro-units."""
    plain: dict[str, Any] = {name: getattr(wanted, name) for name in PLAIN if getattr(wanted, name) is not None}
    plain |= parsed
    if wanted.numbers is not None:
        check_decoys(settings, wanted.numbers)
        plain["numbers"] = wanted.numbers
    if wanted.password is not None:
        profile = {"display_name": account.display_name, "email": account.email} | plain
        owner = owner_of(account.name, account.numbers if wanted.numbers is None else wanted.numbers, profile)
        strength = checked(settings, owner, wanted.password, generated=wanted.generated)
        plain |= {"password": wanted.password, "realm": settings.realm, "strength": strength}
    if plain:
        desk.store.set_account(account.name, who=desk.who, **plain)
    return _move_money(desk, account, wanted)


def _move_money(desk: Desk, account: Account, wanted: AccountChanges) -> int:
    if wanted.credit is not None and wanted.top_up is not None:
        raise WireError("bad_args", "credit sets the balance and top_up moves it: name one of them")
    moved = 0
    if wanted.credit is not None:
        moved = amount(wanted.credit) - account.balance
        if moved:
            desk.store.adjust(account.name, moved, who=desk.who, note=wanted.note or "set by operator")
    elif wanted.top_up is not None:
        moved = amount(wanted.top_up)
        if moved > 0:
            desk.store.deposit(account.name, moved, who=desk.who, note=wanted.note)
        elif moved < 0:
            desk.store.adjust(account.name, moved, who=desk.who, note=wanted.note)
    return moved


def remove(desk: Desk, args: Named) -> Removed:
    """accounts.remove"""
    desk.store.remove_account(args.name, desk.who)
    desk.after_commit(lambda live: live.account_changed(args.name))
    return {"removed": args.name}


def ledger(desk: Desk, args: LedgerOf) -> LedgerAnswer:
    """accounts.ledger"""
    _found(desk, args.name)
    return {
        "postings": [
            {
                "id": row.id,
                "at": row.at,
                "kind": PostingKind(row.kind),
                "amount": written(row.amount),
                "balance_after": written(row.balance_after),
                "call_id": row.call_id,
                "note": row.note,
                "who": row.who,
            }
            for row in desk.store.postings(args.name, max(1, min(args.limit, 10_000)), args.before_id)
        ]
    }
