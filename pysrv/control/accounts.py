"""Verbs about accounts: their money, limits, numbers and passwords. A password passes through and is never logged."""

from dataclasses import dataclass, field
from typing import Any

from appliance.config.account import field_texts, parse_fields
from appliance.wire import WireError
from pysrv.control import cards
from pysrv.control.desk import Desk, amount, not_found, written
from pysrv.limits.decoys import taken
from pysrv.store.account import PROFILE, Account, AccountType, NewAccount
from pysrv.store.currencies import NO_TAX

_MOST_PASSWORD = 128


@dataclass(frozen=True, slots=True)
class AddAccount:
    """A new account; what is left out comes from the settings. `fields` holds texts by the names of
    appliance.config.account, and comes before what is named here."""

    name: str
    password: str = field(repr=False)
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
class LedgerOf:
    """The newest movements of one account."""

    name: str
    limit: int = 50


PLAIN = ("display_name", "type", "deck", "postpaid", "maxlines", "locklevel", "onlylocalaccess", "enabled")


def shape(account: Account) -> dict[str, Any]:
    """An account as JSON; amounts as text, credentials left out. `fields` has every profile field as its text."""
    profile = {name: getattr(account, name) for name in PROFILE}
    return {
        "id": account.id,
        "name": account.name,
        "numbers": list(account.numbers),
        **{name: profile[name] for name in PLAIN},
        "type": str(account.type),
        "realm": account.realm,
        "balance": written(account.balance),
        "reserved": written(account.reserved),
        "currency": account.currency,
        "lines": account.lines,
        "created_at": account.created_at,
        "fields": field_texts(profile),
    }


def check_password(desk: Desk, name: str, password: str) -> None:
    """Refuse a password that the settings do not allow. Raises WireError."""
    least = desk.settings.minpwdlength
    if len(password) < least:
        raise WireError("invalid", f"the password is shorter than minpwdlength ({least} characters)")
    if len(password) > _MOST_PASSWORD or not password.isprintable():
        raise WireError("invalid", f"a password has at most {_MOST_PASSWORD} printable characters")
    if password == name:
        raise WireError("invalid", "the password is the user name")


def _check_deck(desk: Desk, deck: str | None) -> None:
    if deck and deck not in {each.name for each in desk.store.decks()}:
        raise not_found("rate deck", deck)


def _check_tax(desk: Desk, tax: str | None) -> None:
    """A tax that is not there would leave the account without prices."""
    if tax and tax != NO_TAX and desk.store.tax(tax) is None:
        raise not_found("tax", tax)


def add(desk: Desk, args: AddAccount) -> dict[str, Any]:
    """accounts.add"""
    check_password(desk, args.name, args.password)
    _check_decoys(desk, (args.name, *args.numbers))
    _check_room(desk)
    settings = desk.settings
    profile = {name: value for name in PROFILE if (value := getattr(settings, name, None)) is not None}
    profile |= {name: value for name in PLAIN if (value := getattr(args, name, None)) is not None}
    profile |= parse_fields(args.fields)
    if (args.maxlines is not None or "maxlines" in args.fields) and "maxlinesoffpeak" not in args.fields:
        profile["maxlinesoffpeak"] = profile["maxlines"]
    _check_deck(desk, profile["deck"])
    _check_tax(desk, profile.get("tax"))
    new = NewAccount(
        args.name,
        args.password,
        settings.realm,
        args.numbers,
        balance=settings.credit if args.credit is None else _not_negative(args.credit),
        currency=args.currency,
        **profile,
    )
    account = desk.store.add_account(new, desk.who)
    card = cards.added(desk, account, args.anumbers)
    desk.after_commit(lambda live: live.account_changed(args.name))
    return {"account": shape(account) | cards.card_shape(desk, account)} | card


def _check_room(desk: Desk) -> None:
    """Refuse one more account than licensecfg allows. Raises WireError."""
    most, held = desk.settings.licensecfg.get("accounts", 0), desk.store.account_count()
    if most and held >= most:
        words = f"there are {held} accounts, licensecfg allows {most}"
        raise WireError("conflict", words, "remove one first, or raise accounts in licensecfg")


def _check_decoys(desk: Desk, names: tuple[str, ...]) -> None:
    """Whoever calls a decoy is banned: nobody may have its name or number."""
    if wrong := taken(desk.settings.decoyextensions, names):
        raise WireError("invalid", f"{', '.join(wrong)} is a decoy (decoyextensions)", "take it off that list first")


def _not_negative(text: str) -> int:
    micro = amount(text)
    if micro < 0:
        raise WireError("invalid", f"credit must be an amount of at least 0, not {text!r}")
    return micro


def list_all(desk: Desk, _: Any) -> dict[str, Any]:
    """accounts.list"""
    return {"accounts": [shape(account) for account in desk.store.accounts()]}


def show(desk: Desk, args: Named) -> dict[str, Any]:
    """accounts.show"""
    account = _found(desk, args.name)
    return {"account": shape(account) | cards.card_shape(desk, account)}


def _found(desk: Desk, name: str) -> Account:
    account = desk.store.account(name)
    if account is None:
        raise not_found("account", name)
    return account


def change(desk: Desk, args: SetAccount) -> dict[str, Any]:
    """accounts.set"""
    account, wanted = _found(desk, args.name), args.changes
    plain: dict[str, Any] = {name: getattr(wanted, name) for name in PLAIN if getattr(wanted, name) is not None}
    plain |= parse_fields(wanted.fields)
    _check_deck(desk, plain.get("deck"))
    _check_tax(desk, plain.get("tax"))
    if wanted.numbers is not None:
        _check_decoys(desk, wanted.numbers)
        plain["numbers"] = wanted.numbers
    if wanted.password is not None:
        check_password(desk, args.name, wanted.password)
        plain |= {"password": wanted.password, "realm": desk.settings.realm}
    if plain:
        desk.store.set_account(args.name, who=desk.who, **plain)
    _move_money(desk, account, wanted)
    card = cards.changed(desk, args.name, wanted.pin, wanted.anumbers)
    desk.after_commit(lambda live: live.account_changed(args.name))
    account = _found(desk, args.name)
    return {"account": shape(account) | cards.card_shape(desk, account)} | card


def _move_money(desk: Desk, account: Account, wanted: AccountChanges) -> None:
    if wanted.credit is not None and wanted.top_up is not None:
        raise WireError("bad_args", "credit sets the balance and top_up moves it: name one of them")
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


def remove(desk: Desk, args: Named) -> dict[str, Any]:
    """accounts.remove"""
    desk.store.remove_account(args.name, desk.who)
    desk.after_commit(lambda live: live.account_changed(args.name))
    return {"removed": args.name}


def ledger(desk: Desk, args: LedgerOf) -> dict[str, Any]:
    """accounts.ledger"""
    _found(desk, args.name)
    return {
        "postings": [
            {
                "id": row.id,
                "at": row.at,
                "kind": str(row.kind),
                "amount": written(row.amount),
                "balance_after": written(row.balance_after),
                "call_id": row.call_id,
                "note": row.note,
                "who": row.who,
            }
            for row in desk.store.postings(args.name, args.limit)
        ]
    }
