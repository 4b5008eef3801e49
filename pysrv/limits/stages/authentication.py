"""Somebody known is calling."""

from pysrv.limits.credentials import is_taken_unproven
from pysrv.limits.decision import Challenge, Decision, Refuse
from pysrv.limits.facts import AccountView, Auth, CallFacts

NAME = "authentication"


def authentication(facts: CallFacts) -> Decision | None:
    """Somebody known is calling, or calls without authentication are allowed from there."""
    if facts.auth is Auth.WRONG or (facts.auth is Auth.NONE and not _taken(facts)):
        return Challenge(NAME, "needauth", f"{facts.auth} credentials from {facts.source}")
    for account in facts.chain:
        if not account.enabled:
            return disabled(account, 403, "Forbidden")
    return None


def _taken(facts: CallFacts) -> bool:
    settings = facts.settings
    return is_taken_unproven(
        allowed=settings.allownoauthcalls,
        trusted=facts.origin.trusted,
        strong=settings.enforcestrongauth,
        account=facts.account is not None,
    )


def disabled(account: AccountView, status: int, reason: str) -> Refuse:
    """The refusal for an account, or for whoever is below it, that is not let in."""
    sentence = f"account {account.name} is disabled"
    return Refuse(NAME, "enabled", status, reason, sentence, {"account": account.name})
