"""The number leads somewhere, and the caller may go there."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import CallFacts, Destination, DestinationKind

NAME = "destination"


def destination(facts: CallFacts) -> Decision | None:
    """Users of this server are always reached; beyond it somebody has to pay and be allowed to leave."""
    where = facts.destination
    if where.kind is DestinationKind.UNKNOWN:
        return Refuse(NAME, "routes", 404, "Not Found", f"{where.number} is no user and has no route")
    if where.kind is DestinationKind.LOCAL:
        return None
    if facts.account is None:
        sentence = f"a call from {facts.source} without an account cannot leave over a trunk: nobody would pay"
        return Refuse(NAME, "needauth", 403, "Forbidden", sentence)
    if facts.emergency:
        return None
    if where.kind is DestinationKind.DOMAIN and (where.barred or not facts.settings.fwdtootherdomains):
        return _elsewhere(where)
    for account in facts.chain:
        if account.onlylocalaccess:
            sentence = f"{account.name} may only call users of this server"
            return Refuse(NAME, "onlylocalaccess", 403, "Forbidden", sentence, {"number": where.number})
    return None


def _elsewhere(where: Destination) -> Refuse:
    why = where.barred or "calls to other domains are switched off"
    figures: dict[str, int | str] = {"domain": where.domain}
    return Refuse(NAME, "fwdtootherdomains", 403, "Forbidden", f"{where.domain} is not called: {why}", figures)
