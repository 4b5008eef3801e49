"""What an account's owner allows himself: limits of his own beside the administrator's, so the lower one holds. Pure.

They are ceilings and a lock of their own, not other values of the administrator's: whoever lowers his limit later wins,
and neither report-only nor a switch that turns the administrator's limits off touches them. Passing one blocks nothing
for the rest of the day, because its owner may raise it again.
"""

from dataclasses import dataclass, fields
from typing import Final

from pysrv.billing.ledger import Ceiling, Unit
from pysrv.billing.usage import Usage

PREFIX: Final = "own_"
STRONGEST_LOCK: Final = 3
"""The last lock level that leaves emergency calls and registrations alone."""
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class OwnLimits:
    """Money in micro-units, talk in minutes; 0: none. `locklevel` as of accounts, 0 to STRONGEST_LOCK."""

    maxdailycredit: int = 0
    maxmonthlycredit: int = 0
    maxdailyminutes: int = 0
    maxmonthlyminutes: int = 0
    locklevel: int = 0


NONE: Final = OwnLimits()
NAMES: Final = tuple(each.name for each in fields(OwnLimits))


def own_ceilings(own: OwnLimits, usage: Usage) -> tuple[Ceiling, ...]:
    """The ceilings of these limits now; a refusal names them `own_...`."""
    if own == NONE:
        return ()
    rows = (
        ("maxdailycredit", own.maxdailycredit, usage.spent_today, Unit.MONEY),
        ("maxmonthlycredit", own.maxmonthlycredit, usage.spent_month, Unit.MONEY),
        ("maxdailyminutes", own.maxdailyminutes * _MINUTE_S, usage.seconds_today, Unit.SECONDS),
        ("maxmonthlyminutes", own.maxmonthlyminutes * _MINUTE_S, usage.seconds_month, Unit.SECONDS),
    )
    return tuple(Ceiling(PREFIX + name, limit, used, unit) for name, limit, used, unit in rows if limit)


def too_high(name: str, wanted: int, administrators: int) -> bool:
    """Whether an owner asks for more than the administrator allows: his limits only ever lower, his lock only adds."""
    if name == "locklevel":
        return wanted < administrators if wanted else False
    return bool(administrators) and wanted > administrators
