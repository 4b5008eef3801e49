"""Accounts, settings and calls of the past for tests: numbers are clocks, day 0 begins at 0."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from pysrv.billing.calendar import Days
from pysrv.billing.tariff import Rate
from pysrv.limits.facts import DestinationKind
from pysrv.limits.replay.course import Course
from pysrv.limits.replay.outcome import Outcome
from pysrv.limits.replay.past import Move, PastCall, Start
from pysrv.limits.replay.standing import Standing

ONE = 1_000_000
DAY = 86_400.0
MINUTE = Rate("49", ONE)  # 1.00 a minute, by the second
_ids = count(1)


@dataclass(frozen=True)
class Account:
    """An account as the store has it, as far as replay looks at it."""

    id: int = 1
    name: str = "alice"
    type: str = "end_user"
    enabled: bool = True
    locklevel: int = 0
    postpaid: bool = True
    maxlines: int = 0
    maxlinesoffpeak: int = 0
    maxcps: Decimal = Decimal(0)
    onlylocalaccess: bool = False
    currency: str = "EUR"
    maxdailycredit: int = 0
    maxmonthlycredit: int = 0
    maxdailyminutes: int = 0
    maxmonthlyminutes: int = 0


@dataclass(frozen=True)
class Settings:
    """The settings that a course reads; no limit but those that a test sets."""

    allownoauthcalls: bool = False
    emergencynumbers: Sequence[str] = ("112",)
    blocknotbilledcalls: int = 0
    quotadiscreason: int = 403
    maxcallperip: int = 0
    maxcallperperiod: Decimal = Decimal(1)
    maxcallperuserid: int = -1
    maxdurationperip: float = 0
    maxcostperip: int = 0
    licensecfg: Mapping[str, int] = field(default_factory=dict)
    creditcheckforpostp: bool = True
    maxdailycreditperuser: bool | None = None
    maxdailycreditforenduser: int = 0
    maxdailycreditforts: int = 0
    checkmaxdyndailycredit: int = 0
    maxdyndailycreditforenduser_min: int = 0
    maxdynmaxdailycreditforts_min: int = 0
    maxdyndailycredit_multiplier: Decimal = Decimal(7)


def call(at: float, talk_s: int = 60, *, chain: tuple[int, ...] = (1,), **more: Any) -> PastCall:
    """A call that was answered after five seconds, or with talk_s 0 was not."""
    number = next(_ids)
    answered = at + 5 if talk_s else None
    fields: dict[str, Any] = {
        "source": "192.0.2.1", "caller": "101", "callee": "4912345", "kind": DestinationKind.TRUNK,
        "rates": (MINUTE,) * len(chain), "ended_at": at + 5 + talk_s, "charge": talk_s * ONE // 60,
    }  # fmt: skip
    return PastCall(
        call_id=f"c{number}", chain=chain, setup_at=at, answered_at=answered, talk_s=talk_s, **(fields | more)
    )


@dataclass
class Run:
    """A course and what it said."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    blocks: list[tuple[str, str, float]] = field(default_factory=list)
    accounts: dict[int, Standing] = field(default_factory=dict)

    def of(self, past: PastCall) -> Outcome:
        return self.outcomes[past.call_id]


def run(
    events: Iterable[PastCall | Move],
    settings: Settings | None = None,
    accounts: Sequence[Account] = (Account(),),
    starts: Mapping[int, Start] | None = None,
    **more: Any,
) -> Run:
    """All events through one course."""
    chosen: Any = settings or Settings()  # a course that read another setting of the protocol would fail
    made = Run()
    reporting, asked = more.get("report_only", ()), more.get("asked", ())
    made.accounts = {
        each.id: Standing(each, chosen, (starts or {}).get(each.id, Start()), asked, reporting) for each in accounts
    }
    course = Course(
        chosen,
        made.accounts,
        Days(),
        lambda past, outcome: made.outcomes.__setitem__(past.call_id, outcome),
        blocked=lambda who, setting, at: made.blocks.append((who.name, setting, at)),
        **more,
    )
    for event in events:
        course.move(event) if isinstance(event, Move) else course.attempt(event)
    course.finish()
    return made
