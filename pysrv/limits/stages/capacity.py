"""How many calls there may be, and how fast they may come: the appliance's ceiling, and the pace of each account."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts

NAME = "capacity"


def capacity(facts: CallFacts) -> Decision | None:
    """The appliance has room for one more call, and no account of the chain calls faster than its maxcps.

    Whoever dials an emergency number is not asked.
    """
    if facts.emergency:
        return None
    most, running = facts.load.most_calls, facts.load.calls
    if most and running >= most:
        sentence = f"{running} calls are running, licensecfg allows {most}"
        figures = {"calls": running, "most": most}
        return Refuse(NAME, "licensecfg", 503, "Service Unavailable", sentence, figures)
    hasty = next((pace for pace in facts.paces if not pace.within), None)
    if hasty is None:
        return None
    sentence = f"{hasty.account} starts calls faster than {hasty.most} a second"
    return Refuse(NAME, "maxcps", 503, "Service Unavailable", sentence, {"maxcps": hasty.most})
