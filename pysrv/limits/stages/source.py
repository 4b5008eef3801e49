"""Whether calls are taken from where this one comes, and from somebody who does not say who he is.

Both ask of calls that rest on the source's word alone: an account that proved who it is may call from anywhere, and is
known however it wants to be shown.
"""

from enum import IntEnum

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import Auth, CallFacts

NAME = "source"


class Restriction(IntEnum):
    """fs_restrictsiptolocal: from where calls without an account are taken. Each holds what the ones before it do."""

    ANYWHERE = 0
    LISTED = 1
    REGISTERED = 2
    THIS_HOST = 3


def source(facts: CallFacts) -> Decision | None:
    """Calls without an account come from where fs_restrictsiptolocal says, and say who calls."""
    return _internal(facts) or _anonymous(facts)


def _internal(facts: CallFacts) -> Refuse | None:
    if facts.account is not None or facts.settings.fs_restrictsiptolocal == Restriction.ANYWHERE:
        return None
    level, origin = facts.settings.fs_restrictsiptolocal, facts.origin
    if origin.own:
        return None
    wanted = "this host"
    if level in (Restriction.LISTED, Restriction.REGISTERED):
        if origin.listed and (level == Restriction.LISTED or origin.registered):
            return None
        wanted = "listed trunks" if level == Restriction.LISTED else "listed trunks with a device that is registered"
    sentence = f"a call without an account came from {facts.source}; such calls are taken from {wanted} only"
    figures: dict[str, int | str] = {"source": facts.source, "fs_restrictsiptolocal": level}
    return Refuse(NAME, "fs_restrictsiptolocal", 403, "Forbidden", sentence, figures)


def _anonymous(facts: CallFacts) -> Refuse | None:
    if not facts.origin.anonymous or facts.settings.allowanonymouscaller or facts.emergency:
        return None
    if facts.auth in (Auth.PROVEN, Auth.ADDRESS):
        return None
    sentence = f"the caller at {facts.source} is anonymous"
    return Refuse(NAME, "allowanonymouscaller", 433, "Anonymity Disallowed", sentence, {"source": facts.source})
