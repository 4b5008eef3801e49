"""The call has a sure price, and a route is left that is not too dear and pays. The rules are pysrv.limits.price.

One stage for each setting, so that each can be put in report-only by itself.
"""

from pysrv.billing.quote import Quote
from pysrv.limits import price as rules
from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts
from pysrv.limits.price import Complaint

NAME = "price"


def price(facts: CallFacts) -> Decision | None:
    """Everybody who pays has a price, as sure as blocknotbilledcalls asks."""
    if not facts.priced:
        return None
    complaint = rules.billed(_quotes(facts), facts.settings)
    return _refusal(facts, complaint or _none_left("blocknotbilledcalls", facts))


def cost(facts: CallFacts) -> Decision | None:
    """A route is left that costs no more than blockhighcostcalls."""
    return _refusal(facts, _none_left("blockhighcostcalls", facts)) if facts.priced else None


def profit(facts: CallFacts) -> Decision | None:
    """A route is left over which nobody loses money."""
    return _refusal(facts, _none_left("blocknotprofitablecalls", facts)) if facts.priced else None


def _quotes(facts: CallFacts) -> tuple[Quote, ...]:
    """A call without a rate that nobody was asked for a price of has none."""
    if facts.quotes or facts.rate is not None or facts.account is None:
        return facts.quotes
    return (Quote(facts.account.name, why=f"no rate for {facts.destination.number}"),)


def _none_left(setting: str, facts: CallFacts) -> Complaint | None:
    return rules.none_left(setting, facts.routes, facts.settings, facts.report_only)


def _refusal(facts: CallFacts, complaint: Complaint | None) -> Refuse | None:
    if complaint is None:
        return None
    figures = {"number": facts.destination.number} | dict(complaint.figures)
    return Refuse(NAME, complaint.setting, 403, "Forbidden", complaint.sentence, figures)
