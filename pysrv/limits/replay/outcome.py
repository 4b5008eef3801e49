"""What became of a call in a course, and which settings a course decides about. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pysrv.limits.spend import RULES

ALWAYS: Final = frozenset(
    (
        "credit", "licensecfg", "maxcps", "maxlines", "maxlinesoffpeak", "maxcallperip", "maxdurationperip",
        "maxcostperip", *(rule.setting for rule in RULES),
    )
)  # fmt: skip
"""Settings that are decided anew for every call, because what they look at moves with the course of calls."""


class Ending(StrEnum):
    """What became of a call."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    CUT = "cut"
    TAKEN = "taken"  # refused, by something that is not in question: as it turned out


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call met: `setting` and `account` (whose limit it was) unless it was allowed, and what it came to.

    `charges` has an amount for each level that pays, the caller's first.
    """

    ending: Ending
    talk_s: int = 0
    charges: tuple[int, ...] = ()
    setting: str = ""
    account: str = ""
    sentence: str = ""

    @property
    def hit(self) -> bool:
        """A limit stopped it."""
        return self.ending in (Ending.REFUSED, Ending.CUT)


TAKEN: Final = Outcome(Ending.TAKEN)
SET_UP: Final = Outcome(Ending.ALLOWED)
