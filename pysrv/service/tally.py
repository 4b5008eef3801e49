"""Calls that are over, counted by how they ended and by which setting refused them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from pysrv.billing.cdr import Cdr

OUTCOMES: Final = ("answered", "refused", "cancelled", "busy", "unanswered", "failed")
MOST_SETTINGS: Final = 200  # by which refusals are counted: more would be no settings
_BUSY, _CANCELLED, _UNANSWERED = frozenset({486, 600}), 487, frozenset({408, 480})


@dataclass(slots=True)
class CallTally:
    """Calls that are over, by outcome, and refusals by setting, since the office started."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def ended(self, cdr: Cdr) -> None:
        """One more call is over; one that was refused never began."""
        self.outcomes[outcome(cdr)] += 1
        if cdr.refused_by and (cdr.refused_by in self.refusals or len(self.refusals) < MOST_SETTINGS):
            self.refusals[cdr.refused_by] += 1


def outcome(cdr: Cdr) -> str:
    """How a call ended, in one word: answered, refused, cancelled, busy, unanswered or failed."""
    if cdr.answered:
        return "answered"
    if cdr.refused_by:
        return "refused"
    if cdr.sip_status in _BUSY:
        return "busy"
    if cdr.sip_status == _CANCELLED:
        return "cancelled"
    return "unanswered" if cdr.sip_status in _UNANSWERED else "failed"
