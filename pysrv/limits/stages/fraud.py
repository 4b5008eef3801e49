"""The checks of pysrv.limits.fraud as stages, one each, so that each can be in report-only by itself."""

from collections.abc import Callable

from pysrv.limits.decision import Decision
from pysrv.limits.facts import CallFacts, DestinationKind
from pysrv.limits.fraud import CHECKS, NAME, Check, FraudView
from pysrv.limits.stages.stage import Stage


def stages() -> tuple[Stage, ...]:
    """A stage for each check, in their order."""
    return tuple(Stage(NAME, (*check.settings, "emergencynumbers"), _stage(check)) for check in CHECKS)


def _stage(check: Check) -> Callable[[CallFacts], Decision | None]:
    def look(facts: CallFacts) -> Decision | None:
        leaves = facts.destination.kind is DestinationKind.TRUNK
        if facts.emergency or (check.outside_only and not leaves):
            return None
        dialled = facts.destination.number
        return check.refuse(FraudView(facts.fraud, facts.settings, facts.source, facts.caller, dialled))

    return look
