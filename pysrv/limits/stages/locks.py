"""Neither caller, nor whoever sells to the caller, nor callee is locked out of this kind of call."""

from pysrv.limits.decision import Decision, Refuse
from pysrv.limits.facts import AccountView, CallFacts, LockLevel, lock_level
from pysrv.limits.stages.authentication import disabled

NAME = "lock level"
_OUTGOING = (LockLevel.OUTGOING, LockLevel.BOTH_WAYS, LockLevel.ALL)
_INCOMING = (LockLevel.BOTH_WAYS, LockLevel.ALL)


def locks(facts: CallFacts) -> Decision | None:
    """Emergency numbers pass every lock but 4."""
    for account in facts.chain:
        if refusal := _caller_lock(facts, account):
            return refusal
    callee = facts.destination.account
    return incoming_refusal(callee) if callee is not None else None


def registration_refusal(account: AccountView) -> Refuse | None:
    """Why an account that proved who it is may still not register."""
    if not account.enabled:
        return disabled(account, 403, "Forbidden")
    if lock_level(account.locklevel) is LockLevel.ALL:
        return _locked(account, 403, "Forbidden", "locklevel", account.locklevel)
    return None


def incoming_refusal(callee: AccountView) -> Refuse | None:
    """Why an account may not be called."""
    if not callee.enabled:
        return Refuse(NAME, "enabled", 480, "Temporarily Unavailable", f"{callee.name} is disabled")
    for setting, number in (("locklevel", callee.locklevel), ("own_locklevel", callee.own_locklevel)):
        if lock_level(number) in _INCOMING:
            return _locked(callee, 480, "Temporarily Unavailable", setting, number)
    return None


def _caller_lock(facts: CallFacts, account: AccountView) -> Refuse | None:
    where = facts.destination
    far = where.leaves and (where.premium or where.foreign is not False)
    for setting, number in (("locklevel", account.locklevel), ("own_locklevel", account.own_locklevel)):
        level = lock_level(number)
        if facts.emergency and level is not LockLevel.ALL:
            continue
        if level in _OUTGOING or (level is LockLevel.FOREIGN and far):
            return _locked(account, 403, "Forbidden", setting, number)
    return None


def _locked(account: AccountView, status: int, reason: str, setting: str, number: int) -> Refuse:
    sentence = f"{account.name} is locked out of {lock_level(number)} ({setting} {number})"
    return Refuse(NAME, setting, status, reason, sentence, {setting: number})
