"""Accounts and their movements as verbs answer with them: amounts as text, credentials left out."""

from typing import NotRequired, TypedDict

from appliance.config.account import field_texts
from pysrv.billing.ledger import PostingKind
from pysrv.control.answer import Amount, Moment
from pysrv.control.desk import written
from pysrv.control.usage import UsageRow
from pysrv.limits.forwards import Forwards
from pysrv.store.account import PROFILE, Account, AccountType

PLAIN = ("display_name", "type", "deck", "postpaid", "maxlines", "locklevel", "onlylocalaccess", "enabled")


class CardRow(TypedDict):
    """What a calling card has: the numbers from which its holder calls, and whether there is a PIN. Other accounts have
    neither field."""

    anumbers: NotRequired[tuple[str, ...]]
    has_pin: NotRequired[bool]


class AccountRow(CardRow):
    """An account. `reserved` is what running calls hold of its `balance`, `lines` how many it has; `fields` has every
    field of its profile as text."""

    id: int
    name: str
    numbers: tuple[str, ...]
    display_name: str
    type: AccountType
    deck: str
    postpaid: bool
    maxlines: int
    locklevel: int
    onlylocalaccess: bool
    enabled: bool
    realm: str
    balance: Amount
    reserved: Amount
    currency: str
    lines: int
    created_at: Moment
    fields: dict[str, str]


class AccountShown(AccountRow):
    """An account, and where its calls go on."""

    forwards: Forwards


class AccountAnswer(TypedDict):
    """One account, with what it has used beside its limits."""

    account: AccountShown
    usage: UsageRow


class AccountsAnswer(TypedDict):
    """Accounts in the order of their names."""

    accounts: list[AccountRow]
    next: str | None


class AccountChanged(TypedDict):
    """The account as it is now. `pin`: one that was made just now, told this once; `posting`: the number of the
    movement of its balance, if there was one."""

    account: AccountRow
    pin: NotRequired[str]
    posting: NotRequired[int]


class PostingRow(TypedDict):
    """A movement of the balance; `call_id` empty: no call's."""

    id: int
    at: Moment
    kind: PostingKind
    amount: Amount
    balance_after: Amount
    call_id: str
    note: str
    who: str


class LedgerAnswer(TypedDict):
    """Movements of one account's balance, newest first."""

    postings: list[PostingRow]


def shape(account: Account) -> AccountRow:
    """An account without what only calling cards have."""
    return {
        "id": account.id,
        "name": account.name,
        "numbers": account.numbers,
        "display_name": account.display_name,
        "type": account.type,
        "deck": account.deck,
        "postpaid": account.postpaid,
        "maxlines": account.maxlines,
        "locklevel": account.locklevel,
        "onlylocalaccess": account.onlylocalaccess,
        "enabled": account.enabled,
        "realm": account.realm,
        "balance": written(account.balance),
        "reserved": written(account.reserved),
        "currency": account.currency,
        "lines": account.lines,
        "created_at": account.created_at,
        "fields": field_texts({name: getattr(account, name) for name in PROFILE}),
    }
