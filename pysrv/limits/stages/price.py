"""The call has a price."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts

NAME = "price"


def price(facts: CallFacts) -> Decision | None:
    """The account's deck knows the number."""
    if not facts.priced or facts.rate is not None or not facts.settings.blocknotbilledcalls:
        return None
    sentence = f"no rate for {facts.destination.number} in the account's deck"
    return Refuse(NAME, "blocknotbilledcalls", 403, "Forbidden", sentence, {"number": facts.destination.number})
