"""The call detail record: what happened to one call, and what it cost. One for every call, refused ones included.

Times are Unix seconds; `duration_s` is talk time measured on a clock that nobody sets, so it need not equal the
difference of the two. Money is micro-units. `cause` is Q.850, `sip_status` what the caller was told.
"""

from dataclasses import dataclass
from enum import StrEnum

from pysrv.billing.tariff import Rate


class EndedBy(StrEnum):
    """Who ended the call."""

    CALLER = "caller"
    CALLEE = "callee"
    APPLIANCE = "appliance"


@dataclass(frozen=True, slots=True)
class Carried:
    """What the relay carried in one direction. `last_at` 0: nothing ever came."""

    packets: int = 0
    bytes: int = 0
    last_at: float = 0.0


NOTHING_CARRIED = Carried()


@dataclass(frozen=True, slots=True)
class Cdr:
    """One call. `rate`, `billable_seconds`, `charge` and `cost` are filled by the store when it settles.

    `reports` names the settings in report-only that would have refused or cut it.
    """

    call_id: str
    account: str = ""
    caller: str = ""
    callee: str = ""
    source: str = ""
    trunk: str = ""
    setup_at: float = 0.0
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float = 0.0
    cause: int = 16
    sip_status: int = 200
    reason: str = ""
    ended_by: str = EndedBy.APPLIANCE
    duration_s: float = 0.0
    billable_seconds: int = 0
    charge: int = 0
    cost: int = 0
    currency: str = "EUR"
    emergency: bool = False
    refused_by: str = ""
    rate: Rate | None = None
    from_caller: Carried = NOTHING_CARRIED
    from_callee: Carried = NOTHING_CARRIED
    reports: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        """Talk time counts from here."""
        return self.answered_at is not None

    @property
    def prefix(self) -> str:
        """Prefix that priced the call; empty for free ones."""
        return self.rate.prefix if self.rate else ""
