"""An account as the store hands it out and takes it in. A password exists here only on its way in.

Money in micro-units. What an account has in common with one that is still to be made is its `Profile`: the columns
that an operator sets, by the names of the settings where there is one.
"""

from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum

from pysrv.billing.ledger import Funds
from pysrv.limits import forwards
from pysrv.limits.forwards import Forwards
from pysrv.limits.own import NONE, OwnLimits
from pysrv.passwords.policy import UNKNOWN, Strength


class AccountType(StrEnum):
    """Who an account stands for."""

    END_USER = "end_user"
    TRAFFIC_SENDER = "traffic_sender"
    RESELLER = "reseller"
    TRUNK = "trunk"
    CALLING_CARD = "calling_card"
    OPERATOR = "operator"
    SUPPORT = "support"
    ADMIN = "admin"


AS_MAXLINES = -1
"""Of maxlinesoffpeak, for an account that is to be made: as many as maxlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What an operator sets. `parent` names the reseller above; empty: the owner of the appliance.

    `country` (ISO 3166-1 alpha-2) is the home that foreign numbers are foreign to; empty: `homecountry`.
    """

    display_name: str = ""
    type: AccountType = AccountType.END_USER
    enabled: bool = True
    parent: str = ""
    group_name: str = ""
    email: str = ""
    phone: str = ""
    country: str = ""
    needauth: int = 4
    authip: tuple[str, ...] = ()
    techprefix: str = ""
    deck: str = ""
    tax: str = ""
    postpaid: bool = False
    maxlines: int = 5
    maxlinesoffpeak: int = AS_MAXLINES
    maxcps: Decimal = Decimal(0)
    maxdailycredit: int = 0
    maxmonthlycredit: int = 0
    maxmonthlycreditinc: int = 0
    maxmonthlycreditend: int = 0
    maxdailyminutes: int = 0
    maxmonthlyminutes: int = 0
    locklevel: int = 0
    onlylocalaccess: bool = False
    blacklistlevel: int = 0


PROFILE = tuple(each.name for each in fields(Profile))
"""The names of a profile's fields; `parent` is kept as an id, every other one under its own name."""


@dataclass(frozen=True, slots=True)
class NewAccount(Profile):
    """An account to add. `password` becomes HA1 for `realm` (see the realm of the service) and is then forgotten, but
    for its `strength`."""

    name: str
    password: str = field(repr=False)
    realm: str
    numbers: tuple[str, ...] = ()
    balance: int = 0
    currency: str = "EUR"
    strength: Strength = UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Profile):
    """A stored account. `reserved`, `reserved_s`, `lines` (running calls) and `running_per_minute` move with its open
    calls, those of the accounts below it among them. `own`, `forwards` and `language` are its owner's own choice.
    `disabled_by` is who disabled it, as the trail names him; empty while it is enabled, and where nobody knows."""

    id: int
    name: str
    parent_id: int | None
    numbers: tuple[str, ...]
    realm: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    balance: int
    reserved: int
    reserved_s: int
    lines: int
    running_per_minute: int
    currency: str
    created_at: float
    own: OwnLimits = NONE
    forwards: Forwards = forwards.NONE
    language: str = ""
    disabled_by: str = ""

    @property
    def own_locklevel(self) -> int:
        """What its owner has locked himself."""
        return self.own.locklevel

    @property
    def funds(self) -> Funds:
        """The account as the ledger sees it, before any spend limit but its credit."""
        return Funds(
            self.balance,
            self.reserved,
            self.running_per_minute,
            self.lines,
            limited=not self.postpaid,
            reserved_s=self.reserved_s,
        )
