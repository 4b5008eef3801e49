"""Every account of the chain can pay for a first lease beside all its running calls, within all its ceilings."""

from pysrv.billing import ledger
from pysrv.billing.ledger import Level, Shortfall
from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts

NAME = "funds"


def spend(facts: CallFacts) -> Decision | None:
    """The ledger would give a lease. A ceiling of talk time holds for calls that cost nothing too."""
    if facts.account is None or facts.emergency:
        return None
    levels = facts.levels or (Level(0, facts.account.funds, facts.rate, facts.account.name),)
    granted = ledger.reserve(levels)
    return shortfall_refusal(granted, facts) if isinstance(granted, Shortfall) else None


def shortfall_refusal(short: Shortfall, facts: CallFacts) -> Refuse:
    """The refusal for a lease that the ledger does not give, here or when the store reserves it."""
    figures: dict[str, int | str] = {"account": short.account, "needed": short.needed, "available": short.available}
    status = facts.settings.quotadiscreason
    return Refuse(NAME, short.setting, status, "Payment Required" if status == 402 else "", short.sentence, figures)
