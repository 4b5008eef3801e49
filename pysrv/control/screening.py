"""What comes in is looked at before anything is done with it (validateinput), by whatever way it came.

Every verb's arguments pass here, and so do the addresses and forms of the web. What is refused stands in the table of
pysrv.limits.input; SIP asks the same table (pysrv.service.requests).
"""

from typing import Any, Protocol

from appliance.wire import WireError
from pysrv.limits.input import first_refused


class Counts(Protocol):
    """Who counts what was refused."""

    def input_refused(self, rule: str) -> None:
        """A text was refused by the rule of this name."""


def screen(level: int, given: Any, counts: Counts | None) -> None:
    """Raises WireError("invalid") for a text within plain JSON types that validateinput refuses at this level."""
    found = first_refused(level, given)
    if found is None:
        return
    if counts is not None:
        counts.input_refused(found.rule.name)
    hint = f"write it without; validateinput below {found.rule.level} lets it in"
    where = found.field or "what was sent"
    raise WireError("invalid", f"{where!r:.60} holds {found.rule.words} (validateinput {level})", hint)
