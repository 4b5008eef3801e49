"""Everything that is known about a call when policy is asked, frozen. Who gathers it is not known here.

Accounts and settings are Protocols: the store's Account and the settings snapshot fit as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pysrv.billing.ledger import Funds
from pysrv.billing.tariff import Rate


class AccountView(Protocol):
    """What policy looks at in an account; figures without the call in question."""

    @property
    def name(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def locklevel(self) -> int: ...
    @property
    def maxlines(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def onlylocalaccess(self) -> bool: ...
    @property
    def funds(self) -> Funds: ...


class LimitSettings(Protocol):
    """The settings that the stages read, by their names."""

    @property
    def allownoauthcalls(self) -> bool: ...
    @property
    def emergencynumbers(self) -> Sequence[str]: ...
    @property
    def blocknotbilledcalls(self) -> int: ...
    @property
    def quotadiscreason(self) -> int: ...


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
    TRUNK = "trunk"  # from a trunk's address
    NONE = "none"  # no credentials
    WRONG = "wrong"  # credentials that do not fit


class DestinationKind(StrEnum):
    """Where a dialled number leads."""

    LOCAL = "local"
    TRUNK = "trunk"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Destination:
    """The callee: a local account, or a number with at least one route. `foreign` None: not known, taken as foreign."""

    kind: DestinationKind
    number: str
    account: AccountView | None = None
    foreign: bool | None = None
    premium: bool = False


@dataclass(frozen=True, slots=True)
class CallFacts:
    """One call attempt. `account` pays; None: a trunk's call to a local user. `rate` None: no price is known."""

    call_id: str
    source: str
    auth: Auth
    account: AccountView | None
    caller: str
    destination: Destination
    rate: Rate | None
    settings: LimitSettings

    @property
    def emergency(self) -> bool:
        """Passes every credit, spend, line and lock check, but not authentication."""
        return self.destination.number in self.settings.emergencynumbers

    @property
    def priced(self) -> bool:
        """Whether somebody has to pay for the call."""
        leaves = self.destination.kind is DestinationKind.TRUNK
        return leaves and self.account is not None and not self.emergency
