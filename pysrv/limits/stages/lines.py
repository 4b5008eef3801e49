"""Every account of the chain has a free line."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import AccountView, CallFacts

NAME = "lines"


def lines(facts: CallFacts) -> Decision | None:
    """A reseller's lines are taken by the calls of the accounts below it too. Off-peak, maxlinesoffpeak counts."""
    if facts.emergency:
        return None
    setting = "maxlinesoffpeak" if facts.off_peak else "maxlines"
    for account in facts.chain:
        most = account.maxlinesoffpeak if facts.off_peak else account.maxlines
        if most and account.lines >= most:
            return _busy(account, setting, most)
    return None


def _busy(account: AccountView, setting: str, most: int) -> Refuse:
    sentence = f"{account.name} has {account.lines} running calls, {setting} is {most}"
    return Refuse(NAME, setting, 486, "Busy Here", sentence, {"lines": account.lines, setting: most})
