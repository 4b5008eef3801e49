"""No dear call begins while the exposure brake holds its account, or one above it."""

from pysrv.limits.decision import Decision
from pysrv.limits.exposure import refusal
from pysrv.limits.facts import CallFacts


def brake(facts: CallFacts) -> Decision | None:
    """The first account of the chain that is held, and for which the call is dear."""
    if not facts.priced:
        return None
    for name, price_per_minute, now in facts.exposures:
        if (found := refusal(name, now, price_per_minute)) is not None:
            return found
    return None
