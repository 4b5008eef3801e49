"""The number that was dialled, without the caller's tech prefix: everything after this stage sees it so."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts

NAME = "number"


def number(facts: CallFacts) -> Decision | None:
    """An account whose needauth looks at the tech prefix has dialled it."""
    if not facts.origin.lacks_prefix:
        return None
    whose = facts.account.name if facts.account is not None else f"whoever calls from {facts.source}"
    sentence = f"{whose} did not dial the tech prefix first"
    return Refuse(NAME, "techprefix", 403, "Forbidden", sentence, {"source": facts.source})
