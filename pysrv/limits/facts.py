"""Everything that is known about a call when policy is asked, frozen. Who gathers it is not known here.

Accounts and settings are Protocols: the store's Account and the settings snapshot fit as they are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from pysrv.billing.ledger import Funds, Levels
from pysrv.billing.quote import Quote
from pysrv.billing.tariff import Rate
from pysrv.limits.exposure import Exposure
from pysrv.limits.fraud import CLEAN, FraudFacts, FraudSettings
from pysrv.limits.price import RouteCost


class AccountView(Protocol):
    """What policy looks at in an account; figures without the call in question."""

    @property
    def name(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def locklevel(self) -> int: ...
    @property
    def own_locklevel(self) -> int: ...
    @property
    def maxlines(self) -> int: ...
    @property
    def maxlinesoffpeak(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def onlylocalaccess(self) -> bool: ...
    @property
    def funds(self) -> Funds: ...


class LimitSettings(FraudSettings, Protocol):
    """The settings that the stages read, by their names."""

    @property
    def allownoauthcalls(self) -> bool: ...
    @property
    def allowanonymouscaller(self) -> bool: ...
    @property
    def enforcestrongauth(self) -> bool: ...
    @property
    def fs_restrictsiptolocal(self) -> int: ...
    @property
    def fwdtootherdomains(self) -> bool: ...
    @property
    def emergencynumbers(self) -> Sequence[str]: ...
    @property
    def blocknotbilledcalls(self) -> int: ...
    @property
    def blocknotprofitablecalls(self) -> int: ...
    @property
    def blockhighcostcalls(self) -> int: ...
    @property
    def quotadiscreason(self) -> int: ...
    @property
    def maxcallperip(self) -> int: ...
    @property
    def maxcallperperiod(self) -> Decimal: ...


class LockLevel(StrEnum):
    """What an account is locked out of; the stored number is the position."""

    NONE = "nothing"
    FOREIGN = "foreign and premium numbers"
    OUTGOING = "outgoing calls"
    BOTH_WAYS = "outgoing and incoming calls"
    ALL = "everything, registration included"


def lock_level(number: int) -> LockLevel:
    """The level of a stored number; an unknown one locks everything."""
    levels = list(LockLevel)
    return levels[number] if 0 <= number < len(levels) else LockLevel.ALL


class Auth(StrEnum):
    """What the request proved."""

    PROVEN = "proven"  # digest of a known account
    ADDRESS = "address"  # an account by its source address
    NAMED = "named"  # an account by its name or tech prefix alone
    TRUNK = "trunk"  # from a trunk's address
    NONE = "none"  # no credentials
    WRONG = "wrong"  # credentials that do not fit


class DestinationKind(StrEnum):
    """Where a dialled number leads."""

    LOCAL = "local"
    TRUNK = "trunk"
    DOMAIN = "domain"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Destination:
    """The callee: a local account, a number with at least one route, or somebody at another `domain`.

    `foreign` None: not known, taken as foreign. `barred` says why a domain is not called.
    """

    kind: DestinationKind
    number: str
    account: AccountView | None = None
    foreign: bool | None = None
    premium: bool = False
    domain: str = ""
    barred: str = ""

    @property
    def leaves(self) -> bool:
        """Whether the call leaves this server, so that somebody has to pay and be allowed to."""
        return self.kind in (DestinationKind.TRUNK, DestinationKind.DOMAIN)


@dataclass(frozen=True, slots=True)
class Load:
    """How many calls run on the whole appliance, and how many may (licensecfg; 0: no ceiling)."""

    calls: int = 0
    most_calls: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an account of the chain starts calls: whether this one is within its maxcps (as text)."""

    account: str
    most: str
    within: bool


@dataclass(frozen=True, slots=True)
class AddressUse:
    """Calls, seconds of talk and their cost from the source address within maxcallperperiod, running calls included."""

    calls: int = 0
    seconds: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of where a call comes from.

    `own`: this machine; `listed`: a trunk's address; `registered`: a device behind it is registered now; `trusted`: by
    the rules of pysrv.limits.trusted; `anonymous`: the caller does not say who he is (RFC 3323, 3325); `lacks_prefix`:
    the account's tech prefix was not dialled.
    """

    own: bool = False
    listed: bool = False
    registered: bool = False
    trusted: bool = False
    anonymous: bool = False
    lacks_prefix: bool = False


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One call attempt. `account` pays; None: a trunk's call to a local user. `rate` None: no price is known.

    `above` are the resellers above the account, the nearest first; `levels` is everybody who pays, with the rate of
    each level and all that limits it. `paces` names the accounts whose maxcps was asked. `address` None: no limit of
    the address concerns this call. `quotes` says how each level's rate was found, `routes` what each trunk costs that
    could carry the call; `report_only` names the settings by which none of them was left out. `fraud` is what is known
    of numbers and lists, `exposures` how each account that pays would stand with this call: its name, the price a
    minute, and the brake.
    """

    call_id: str
    source: str
    auth: Auth
    account: AccountView | None
    caller: str
    destination: Destination
    rate: Rate | None
    settings: LimitSettings
    at: float = 0.0
    above: tuple[AccountView, ...] = ()
    levels: Levels = ()
    load: Load = Load()
    paces: tuple[Pace, ...] = ()
    address: AddressUse | None = None
    off_peak: bool = False
    origin: Origin = Origin()
    quotes: tuple[Quote, ...] = ()
    routes: tuple[RouteCost, ...] = ()
    report_only: Collection[str] = ()
    fraud: FraudFacts = CLEAN
    exposures: tuple[tuple[str, int, Exposure], ...] = ()

    @property
    def chain(self) -> tuple[AccountView, ...]:
        """The account and everybody above it; nobody when nobody pays."""
        return (self.account, *self.above) if self.account is not None else ()

    @property
    def emergency(self) -> bool:
        """Passes every credit, spend, line and lock check, but not authentication."""
        return self.destination.number in self.settings.emergencynumbers

    @property
    def priced(self) -> bool:
        """Whether somebody has to pay for the call."""
        return self.destination.leaves and self.account is not None and not self.emergency
