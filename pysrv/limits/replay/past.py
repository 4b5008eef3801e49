"""A call of the past as replay needs it, money that moved meanwhile, and what a record cannot tell.

Credentials, routes, and whether anybody answered are taken as they turned out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from pysrv.billing.tariff import Rate
from pysrv.limits.facts import DestinationKind, LimitSettings
from pysrv.limits.spend import SpendProfile, SpendSettings


class ReplayAccount(SpendProfile, Protocol):
    """What replay looks at in an account: its limits as they are now."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def locklevel(self) -> int: ...
    @property
    def maxlines(self) -> int: ...
    @property
    def maxlinesoffpeak(self) -> int: ...
    @property
    def maxcps(self) -> Decimal: ...
    @property
    def onlylocalaccess(self) -> bool: ...
    @property
    def currency(self) -> str: ...


class ReplaySettings(LimitSettings, SpendSettings, Protocol):
    """The settings that a course reads, by their names."""

    @property
    def licensecfg(self) -> Mapping[str, int]: ...
    @property
    def maxcallperuserid(self) -> int: ...
    @property
    def maxdurationperip(self) -> float: ...
    @property
    def maxcostperip(self) -> int: ...


@dataclass(frozen=True, slots=True)
class PastCall:
    """One record. `chain` has the ids of everybody who pays, the caller first, and `rates` a rate for each.

    `talk_s` is whole seconds, 0 unless it was answered; `cost` what the carrier took for them. `refused_by` with
    `answered_at` None is a call that was refused, with it one that was cut. `callee_id` is a local callee.
    """

    call_id: str
    chain: tuple[int, ...]
    source: str
    caller: str
    callee: str
    setup_at: float
    answered_at: float | None
    ended_at: float
    talk_s: int
    kind: DestinationKind = DestinationKind.TRUNK
    rates: tuple[Rate | None, ...] = ()
    cost: int = 0
    charge: int = 0
    emergency: bool = False
    refused_by: str = ""
    callee_id: int | None = None

    @property
    def refused(self) -> bool:
        """It was never set up."""
        return bool(self.refused_by) and self.answered_at is None

    @property
    def cut(self) -> bool:
        """It talked, and a limit ended it."""
        return bool(self.refused_by) and self.answered_at is not None


@dataclass(frozen=True, slots=True)
class Move:
    """Money that came or went otherwise than by a call: a deposit, an adjustment."""

    at: float
    account_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Start:
    """What an account had and had used up when `day`, the first of the records, began.

    `extras` is what an operator allowed it beyond its daily limits, by day. `trusted`: it looks like a customer.
    """

    day: int = 0
    balance: int = 0
    peak: int = 0
    spent_month: int = 0
    seconds_month: int = 0
    extras: Mapping[int, int] | None = None
    trusted: bool = True


class FactsOf(Protocol):
    """Further facts of a call, by the names of CallFacts' fields: what later stages look at.

    A fact that is left out has its default, with which its stage passes. `settings` names what these facts decide.
    """

    settings: frozenset[str]

    def __call__(self, call: PastCall, /) -> Mapping[str, object]:
        """The facts of one call."""


class NoFurtherFacts:
    """Records tell what the stages of money, lines and addresses need, and nothing else."""

    settings: frozenset[str] = frozenset()
    _none: Mapping[str, object] = {}

    def __call__(self, _call: PastCall, /) -> Mapping[str, object]:
        """Nothing."""
        return self._none
