"""How much may come from one source address within a sliding window: the number of calls.

Their duration and cost are ceilings of the lease (pysrv.limits.spend), because running calls add to them.
"""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts

NAME = "address"


def address(facts: CallFacts) -> Decision | None:
    """The address has not started as many calls as maxcallperip allows within maxcallperperiod."""
    most, use = facts.settings.maxcallperip, facts.address
    if not most or use is None or facts.emergency or use.calls < most:
        return None
    days = facts.settings.maxcallperperiod
    sentence = f"{use.calls} calls came from {facts.source} within {days} days, maxcallperip is {most}"
    return Refuse(NAME, "maxcallperip", 403, "Forbidden", sentence, {"calls": use.calls, "maxcallperip": most})
