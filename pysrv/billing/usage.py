"""What an account has used up in the current day and month: the settled part of what spend limits look at.

The other part, what running calls have reserved, moves with every lease and stands in the account's funds. A call
counts on the day on which it is settled; until then its reserve counts on every day on which it runs.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Money in micro-units, talk time in billed seconds. `day` and `month` as pysrv.billing.calendar numbers them.

    `peak` is the largest spend of an earlier day on which the account was not blocked. `blocked` names the setting
    that blocks the account for the rest of the day; `extra` is what an operator allows it today beyond daily limits.
    """

    day: int = 0
    month: int = 0
    spent_today: int = 0
    seconds_today: int = 0
    spent_month: int = 0
    seconds_month: int = 0
    peak: int = 0
    blocked: str = ""
    extra: int = 0


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day of one account, as it is kept."""

    day: int
    spent: int
    seconds: int
    calls: int
    blocked: str
    extra: int
