"""Where an account's owner wants his calls to go instead of his own telephones. Pure.

A forwarded call is a call of the account that forwards: at its expense, within its limits and its credit, never to
where it could not call itself. What cannot be used is left out, and its telephones ring as if there were none.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

PREFIX: Final = "fwd_"
FEWEST_S, MOST_S, USUAL_S = 5, 120, 20
"""How long his telephones ring before the call goes on, seconds."""
DEEPEST: Final = 3
"""How often one call may be forwarded."""
LONGEST_TARGET: Final = 64
_BUSY, _UNANSWERED = (486, 600), (408, 480)


class Occasion(StrEnum):
    """When a call goes on."""

    ALWAYS = "always"
    BUSY = "busy"
    NO_ANSWER = "noanswer"


@dataclass(frozen=True, slots=True)
class Forwards:
    """A number or an account's name for each occasion; empty: none. `seconds`: how long to wait for an answer."""

    always: str = ""
    busy: str = ""
    noanswer: str = ""
    seconds: int = USUAL_S

    def target(self, occasion: Occasion) -> str:
        """Where a call goes then; empty: nowhere."""
        return str(getattr(self, occasion))

    @property
    def waits(self) -> bool:
        """Whether a failed call is to be looked at again."""
        return bool(self.busy or self.noanswer)


NONE: Final = Forwards()
NAMES: Final = tuple(each.name for each in fields(Forwards))


def occasion_of(status: int) -> Occasion | None:
    """What a final status (RFC 3261 21.4, 21.6) of the owner's telephones means; None: nothing to forward for."""
    if status in _BUSY:
        return Occasion.BUSY
    return Occasion.NO_ANSWER if status in _UNANSWERED else None
