"""What the store hands out and takes in: one frozen dataclass per kind of row.

Money in micro-units, `*_at` in Unix seconds (expires_at 0: never), numbers in bare digits. `New...` is what a caller
gives, the plain name what is stored. Accounts stand in pysrv.store.account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pysrv.billing.lease import Lease
from pysrv.billing.tariff import Rate
from pysrv.store.account import Account as Account
from pysrv.store.account import AccountType as AccountType
from pysrv.store.account import NewAccount as NewAccount


@dataclass(frozen=True, slots=True)
class Route:
    """Numbers starting with `prefix` may go over a trunk; lower `priority` first. `strip` digits off, `prepend` on."""

    prefix: str = ""
    priority: int = 100
    strip: int = 0
    prepend: str = ""

    def rewrite(self, number: str) -> str:
        """The number as the trunk wants it."""
        return self.prepend + number[self.strip :]


@dataclass(frozen=True, slots=True)
class NewTrunk:
    """A trunk to add. `inbound` lists addresses and networks from which it sends calls to us."""

    name: str
    host: str
    port: int = 5060
    transport: str = "udp"
    user: str = ""
    password: str = field(default="", repr=False)
    routes: tuple[Route, ...] = ()
    inbound: tuple[str, ...] = ()
    max_channels: int = 0
    deck: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Trunk:
    """A stored trunk; `deck` is what it costs us (empty: not known), `max_channels` 0: no ceiling."""

    id: int
    name: str
    host: str
    port: int
    transport: str
    user: str
    password: str = field(repr=False)
    routes: tuple[Route, ...]
    inbound: tuple[str, ...]
    max_channels: int
    deck: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Deck:
    """A rate deck: its name, how many rows it has, when it was imported, and from when it holds (0: already)."""

    name: str
    rates: int
    imported_at: float
    currency: str = "EUR"
    tax: str = ""
    effective_at: float = 0.0


@dataclass(frozen=True, slots=True)
class CurrencyRow:
    """What one unit of a currency is worth in the base currency, as it was written, from an instant on (0: always)."""

    code: str
    valid_from: float
    rate: str


@dataclass(frozen=True, slots=True)
class TaxRow:
    """A tax scheme: its name, millionths, and what it is for."""

    name: str
    ppm: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """What one level paid for a call, and by which rate; level 0 is the caller's account."""

    level: int
    account_id: int
    amount: int
    billable_seconds: int
    currency: str
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class TrunkHours:
    """What a trunk did with numbers of a prefix in one hour (hours since 1970)."""

    trunk: str
    prefix: str
    hour: int
    attempts: int
    answered: int
    talk_s: int


class CallState(StrEnum):
    """How far an open call is."""

    SETUP = "setup"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call about to go out. `account_id` None: nobody pays (inbound to a local user). `rate` None: free.
    `above` has the rates of the accounts above it, the nearest first.

    `emergency` passes every credit check and costs nothing.
    """

    call_id: str
    account_id: int | None
    caller: str
    callee: str
    source: str = ""
    trunk: str = ""
    rate: Rate | None = None
    emergency: bool = False
    setup_at: float = 0.0
    above: tuple[Rate | None, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A running call as the database knows it: what it may use, and what a restart needs to take it up again."""

    call_id: str
    account_id: int | None
    account: str
    caller: str
    callee: str
    source: str
    trunk: str
    emergency: bool
    setup_at: float
    answered_at: float | None
    lease: Lease
    snapshot: Mapping[str, Any]
    currency: str = ""

    @property
    def state(self) -> CallState:
        """Set up or answered."""
        return CallState.SETUP if self.answered_at is None else CallState.ANSWERED

    @property
    def lease_ends_at(self) -> float | None:
        """When the reserved talk time is over; None before the answer."""
        return None if self.answered_at is None else self.answered_at + self.lease.covered_s


@dataclass(frozen=True, slots=True)
class StoredPosting:
    """One movement of a balance; never changed, never removed."""

    id: int
    account_id: int
    at: float
    kind: str
    amount: int
    balance_after: int
    call_id: str
    note: str
    who: str


@dataclass(frozen=True, slots=True)
class DeckChange:
    """Part of what an import would change: `held` rates are in use, `new` were read; `gone` are prefixes in use that it
    lacks. `next`: the prefix behind which to go on, None at the end. Of this part's rates it would have so many
    `added`, `changed` and `removed`; one is the same by prefix, time class and the instant from which it holds."""

    deck: str
    held: int
    new: int
    gone: tuple[str, ...]
    next: str | None
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts; None and an empty search do not matter. `search`: part of the name or of the name shown, or the
    begin of a number; `parent` empty: those of the owner."""

    search: str = ""
    group: str | None = None
    type: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class CdrFilter:
    """Which CDRs: unset fields do not matter. `callee` is a prefix. `before_id` pages backwards."""

    account: str | None = None
    trunk: str | None = None
    callee: str | None = None
    since: float | None = None
    until: float | None = None
    answered: bool | None = None
    refused_by: str | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class SavedBinding:
    """A registrar binding as text; (aor, contact) is its key. `expires_at` in Unix seconds."""

    aor: str
    contact: str
    transport: str
    local_host: str
    local_port: int
    remote_host: str
    remote_port: int
    expires_at: float
    call_id: str
    cseq: int
    connection: int = 0
    instance_id: str = ""
    reg_id: int = 0
    path: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Override:
    """A setting that an administrator changed."""

    name: str
    value: str
    generation: int
    changed_at: float
    who: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who changed what, when; never changed, never removed."""

    id: int
    at: float
    who: str
    action: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class BanRow:
    """A banned address or network, or with `port` one socket of an address; and why.

    An automatic one keeps its evidence: `count` events in `window_s` seconds where `allowed` are (the setting `rule`),
    a few `samples` of what was sent, the `neighbours` registered behind the address at that moment, and which
    `repetition` it is (0: the first). `proven`: the address was shown to be the sender's own. With `spares_known`
    registered devices inside go on working.
    """

    prefix: str
    rule: str
    reason: str = ""
    created_at: float = 0.0
    expires_at: float = 0.0
    who: str = ""
    port: int = 0
    scope: str = "address"
    spares_known: bool = False
    proven: bool = False
    count: int = 0
    allowed: int = 0
    window_s: float = 0.0
    repetition: int = 0
    samples: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The address or network, with the port where there is one: `192.0.2.7:5070`, `[2001:db8::7]:5070`."""
        if not self.port:
            return self.prefix
        return f"[{self.prefix}]:{self.port}" if ":" in self.prefix else f"{self.prefix}:{self.port}"


@dataclass(frozen=True, slots=True)
class AllowRow:
    """A trusted address or network; `kind` is the gate's class of source."""

    prefix: str
    kind: str = "allow"
    reason: str = ""
    created_at: float = 0.0
    expires_at: float = 0.0
    who: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something tried and refused that left no CDR: a failed registration, a malformed message."""

    at: float
    source: str
    kind: str
    user: str = ""
    setting: str = ""
    detail: str = ""
