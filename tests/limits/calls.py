"""A call that nothing objects to, for tests to spoil."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pysrv.billing.ledger import Funds
from pysrv.billing.tariff import Rate
from pysrv.limits.facts import Auth, CallFacts, Destination, DestinationKind

ONE = 1_000_000
RATE = Rate("49", per_minute=ONE)


@dataclass(frozen=True)
class Account:
    """What policy sees of an account."""

    name: str = "alice"
    enabled: bool = True
    locklevel: int = 0
    own_locklevel: int = 0
    maxlines: int = 5
    maxlinesoffpeak: int = 5
    lines: int = 0
    onlylocalaccess: bool = False
    funds: Funds = field(default_factory=lambda: Funds(balance=10 * ONE))


@dataclass(frozen=True)
class Settings:
    """The settings that the stages read, at their defaults but for the price."""

    allownoauthcalls: bool = False
    allowanonymouscaller: bool = False
    enforcestrongauth: bool = True
    fs_restrictsiptolocal: int = 0
    fwdtootherdomains: bool = True
    emergencynumbers: Sequence[str] = ("112", "911", "999")
    blocknotbilledcalls: int = 1
    blocknotprofitablecalls: int = 0
    blockhighcostcalls: int = 0
    quotadiscreason: int = 403
    maxcallperip: int = 0
    maxcallperperiod: Decimal = Decimal(1)
    blocksatellitecalls: bool = True
    blockpremiumnumbers: bool = True
    blocksharedcostnumbers: bool = False
    blockcountries: Sequence[str] = ()
    blocksourcecountries: Sequence[str] = ()
    blacklists: bool = True


ALICE, BOB = Account(), Account("bob")
ABROAD = Destination(DestinationKind.TRUNK, "49301")
EMERGENCY = Destination(DestinationKind.TRUNK, "112")
TO_BOB = Destination(DestinationKind.LOCAL, "102", BOB)
OUTGOING = CallFacts("c1", "192.0.2.9", Auth.PROVEN, ALICE, "101", ABROAD, RATE, Settings())
LOCAL = replace(OUTGOING, destination=TO_BOB, rate=None)
INCOMING = replace(LOCAL, auth=Auth.TRUNK, account=None)
EMERGENCY_CALL = replace(OUTGOING, destination=EMERGENCY, rate=None)
