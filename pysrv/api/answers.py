"""What verbs answer with, as types that the OpenAPI document describes: rows of lists, and whole answers.

A row that the store gives as it is, is the store's own type; what a verb makes of it is added here. Amounts are text,
exact in the currency beside them; times are Unix seconds. A verb that stands in neither table answers with an object
that the document does not describe yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from pysrv.store.rows import AuditRow, BanRow, SavedBinding
from pysrv.store.trail import Chain

Amount = Annotated[str, msgspec.Meta(description="an exact amount as decimal text, in `currency`")]
Moment = Annotated[float, msgspec.Meta(description="Unix seconds")]
Seconds = Annotated[float, msgspec.Meta(description="seconds")]


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The price of a prefix."""

    prefix: str
    per_minute: Amount


@dataclass(frozen=True, slots=True)
class CallRow:
    """A running call. `talk_s` null: nobody has answered yet; `price`: if it ended now."""

    call_id: str
    state: str
    account: str
    caller: str
    callee: str
    source: str
    trunk: str
    emergency: bool
    setup_at: Moment
    answered_at: Moment | None
    talk_s: Seconds | None
    currency: str
    price: Amount
    rate: PriceRow | None
    reserved: Amount
    lease_left_s: Seconds | None
    lease_ends_at: Moment | None


@dataclass(frozen=True, slots=True)
class CarriedRow:
    """What the relay carried in one direction. `last_at` 0: nothing ever came."""

    packets: int
    bytes: int
    last_at: Moment


@dataclass(frozen=True, slots=True)
class CdrRow:
    """A call record. `ringing_at`, `answered_at` null: it never did; `rate` null: it was free or refused."""

    id: int
    call_id: str
    account: str
    caller: str
    callee: str
    source: str
    trunk: str
    setup_at: Moment
    ringing_at: Moment | None
    answered_at: Moment | None
    ended_at: Moment
    cause: Annotated[int, msgspec.Meta(description="by Q.850")]
    sip_status: int
    reason: str
    ended_by: str
    duration_s: Seconds
    billable_seconds: int
    charge: Amount
    cost: Amount
    currency: str
    emergency: bool
    refused_by: Annotated[str, msgspec.Meta(description="the setting that refused it; empty: none did")]
    rate: PriceRow | None
    from_caller: CarriedRow
    from_callee: CarriedRow
    reports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationRow(SavedBinding):
    """A registered device; `source` is its address with its port."""

    source: str = ""


@dataclass(frozen=True, slots=True)
class BannedRow(BanRow):
    """A ban with its evidence; `source` is the network, or the address with its port."""

    source: str = ""


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of the first set-up; `state` empty: it is ahead."""

    step: str
    state: str


@dataclass(frozen=True, slots=True)
class SetupAnswer:
    """The first set-up. `next` null: every step is behind."""

    steps: tuple[StepRow, ...]
    next: str | None
    finished: bool


@dataclass(frozen=True, slots=True)
class DialAnswer:
    """Which phone was asked to call whom."""

    account: str
    number: str
    asked: bool


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """To how many devices a text went."""

    account: str
    to: str
    devices: int


@dataclass(frozen=True, slots=True)
class ReloadAnswer:
    """What is in force after reading again, and what is wrong with stored settings."""

    generation: int
    problems: tuple[str, ...]


ROWS: Final[Mapping[str, type[Any]]] = {
    "calls.list": CallRow,
    "cdrs.list": CdrRow,
    "registrations.list": RegistrationRow,
    "bans.list": BannedRow,
    "trail.list": AuditRow,
}
"""Of verbs that answer with a list: what one row is."""

WHOLE: Final[Mapping[str, type[Any]]] = {
    "setup.show": SetupAnswer,
    "setup.mark": SetupAnswer,
    "calls.dial": DialAnswer,
    "messages.send": TextAnswer,
    "reload": ReloadAnswer,
    "trail.verify": Chain,
}
"""Of verbs that answer with one object: what it is."""
