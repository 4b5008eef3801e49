"""What a reseller does with the accounts directly below him, and with no others.

Credit is booked for a customer and not moved from the reseller's balance: a customer's call is charged to both, each at
its own price, and goes out only while both can pay. Moving it would take the reseller's money twice.
"""

from dataclasses import dataclass, field
from typing import Any

from appliance.config.account import FIELDS
from appliance.wire import WireError
from pysrv.control.accounts import AccountChanges, AddAccount, insert, profile_of, update
from pysrv.control.desk import amount, not_found
from pysrv.control.mine.holder import Answer, Holder
from pysrv.control.mine.shown import account_shape
from pysrv.control.usage import figures
from pysrv.store.account import Account, AccountType
from pysrv.store.web import PersonKind

CEILINGS = ("maxlines", "maxdailycredit", "maxmonthlycredit", "maxdailyminutes", "maxmonthlyminutes")
"""What a customer may have at most of: as much as his reseller."""
FIELDS_OF_RESELLERS = ("display_name", "email", "phone", "deck", *CEILINGS)


@dataclass(frozen=True, slots=True)
class CustomerNamed:
    """A customer by its name."""

    customer: str


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A new customer; `fields` holds texts by FIELDS_OF_RESELLERS."""

    customer: str
    password: str = field(repr=False)
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetCustomer:
    """Changes of one customer; None stays."""

    customer: str
    fields: dict[str, str] = field(default_factory=dict)
    enabled: bool | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CreditOf:
    """What a customer has paid, or with a minus what is taken back."""

    customer: str
    amount: str
    note: str = ""


def below(holder: Holder, name: str) -> Account:
    """The customer of that name. Raises WireError, the same for what is not there and what is somebody else's."""
    found = holder.store.account(name)
    if found is None or found.parent_id != holder.account.id:
        raise not_found("customer", name)
    return found


def decks(holder: Holder) -> list[str]:
    """The decks that the operator has given him or a customer of his; empty: the reseller's own prices."""
    held = {holder.account.deck, *(each.deck for each in holder.store.accounts_below(holder.account.name))}
    return sorted(each for each in held if each)


def list_all(holder: Holder, _: Any) -> Answer:
    """mine.customers"""
    found = holder.store.accounts_below(holder.account.name)
    return {"customers": [account_shape(each) for each in found], "decks": decks(holder), "most": _most(holder)}


def show(holder: Holder, args: CustomerNamed) -> Answer:
    """mine.customer"""
    found = below(holder, args.customer)
    fields = {name: FIELDS[name].kind.text(getattr(found, name)) for name in FIELDS_OF_RESELLERS}
    return {
        "customer": account_shape(found) | {"fields": fields},
        "usage": figures(holder.desk, found),
        "decks": decks(holder),
        "most": _most(holder),
    }


def _most(holder: Holder) -> dict[str, str]:
    return {name: FIELDS[name].kind.text(getattr(holder.account, name)) for name in CEILINGS}


def add(holder: Holder, args: NewCustomer) -> Answer:
    """mine.add_customer: an end user who pays before he talks. Numbers are the operator's to give."""
    if not any(each.isalpha() for each in args.customer):
        words = "a customer's name has at least one letter: one of digits alone would take a number's calls"
        raise WireError("invalid", words)
    parsed = _parsed(holder, args.fields)
    settings, account = holder.settings, holder.account
    new = AddAccount(args.customer, args.password, currency=account.currency, credit="0")
    profile = profile_of(settings, new) | _inherited(account) | parsed
    profile |= {"parent": account.name, "type": AccountType.END_USER, "postpaid": False}
    _check_ceilings(holder, profile)
    found = insert(holder.desk, settings, new, profile, {"maxlines"})
    holder.changed(args.customer)
    return {"customer": account_shape(found)}


def _inherited(reseller: Account) -> dict[str, Any]:
    """What a new customer has unless it is said: never more than the reseller himself."""
    return {name: getattr(reseller, name) for name in CEILINGS} | {"tax": reseller.tax, "country": reseller.country}


def change(holder: Holder, args: SetCustomer) -> Answer:
    """mine.set_customer"""
    found, parsed = below(holder, args.customer), _parsed(holder, args.fields)
    _check_ceilings(holder, parsed)
    wanted = AccountChanges(password=args.password, enabled=_lock(holder, found, args.enabled))
    update(holder.desk, holder.settings, found, wanted, parsed)
    if args.password is not None or args.enabled is False:
        holder.store.end_sessions_of(PersonKind.ACCOUNT, found.name, holder.who)
    holder.changed(found.name)
    return {"customer": account_shape(below(holder, found.name))}


def _lock(holder: Holder, customer: Account, enabled: bool | None) -> bool | None:
    """What a reseller's word makes of a customer's lock: one of the operator's stays as it is, and his. Raises
    WireError."""
    theirs = not customer.enabled and customer.disabled_by != holder.who
    if enabled and theirs:
        words = f"{customer.name} was not locked by you, so it is not yours to unlock"
        raise WireError("forbidden", words, "ask the operator")
    return None if theirs else enabled


def credit(holder: Holder, args: CreditOf) -> Answer:
    """mine.credit_customer"""
    found, moved = below(holder, args.customer), amount(args.amount)
    if moved > 0:
        holder.store.deposit(found.name, moved, who=holder.who, note=args.note[:200])
    elif moved < 0:
        _check_left(found, -moved)
        holder.store.adjust(found.name, moved, who=holder.who, note=args.note[:200])
    else:
        raise WireError("invalid", "the amount is 0", "say what was paid; a minus takes credit back")
    holder.changed(found.name)
    return {"customer": account_shape(below(holder, found.name))}


def _check_left(customer: Account, taken: int) -> None:
    if taken > customer.balance - customer.reserved:
        raise WireError("invalid", f"{customer.name} has less than that left", "running calls keep what they reserved")


def _parsed(holder: Holder, texts: dict[str, str]) -> dict[str, Any]:
    """Values of fields that are a reseller's to set. Raises WireError."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in FIELDS_OF_RESELLERS:
            raise WireError("forbidden", f"{name[:40]!r} is not a reseller's to set", "ask the operator")
        values[name] = FIELDS[name].parse(text)
    deck = values.get("deck", "")
    if deck and deck not in decks(holder):
        raise not_found("rate deck of yours", deck)
    return values


def _check_ceilings(holder: Holder, values: dict[str, Any]) -> None:
    """No customer gets more than his reseller has; 0 is no limit. Raises WireError."""
    for name in CEILINGS:
        most = getattr(holder.account, name)
        if name in values and most and not 0 < values[name] <= most:
            text = FIELDS[name].kind.text(most)
            raise WireError("invalid", f"{name} of a customer is above 0 and at most {text}, your own limit")
