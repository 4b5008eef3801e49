"""The stages of policy for a call: pure functions from facts to a decision, or None to go on.

STAGES is the table that the pipeline runs, in the order of checks; each row names the settings that it enforces.
Emergency numbers pass lock level, lines, destination, price and funds, except under lock level 4.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pysrv.billing import ledger
from pysrv.billing.ledger import Shortfall
from pysrv.limits.decision import Challenge, Decision, Refuse
from pysrv.limits.facts import AccountView, Auth, CallFacts, DestinationKind, LockLevel, lock_level

_OUTGOING = (LockLevel.OUTGOING, LockLevel.BOTH_WAYS, LockLevel.ALL)
_INCOMING = (LockLevel.BOTH_WAYS, LockLevel.ALL)


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: what it is called, which settings it enforces, and the check."""

    name: str
    settings: tuple[str, ...]
    check: Callable[[CallFacts], Decision | None]


def authentication(facts: CallFacts) -> Decision | None:
    """Somebody known is calling, or calls without authentication are allowed."""
    if facts.auth is Auth.NONE and facts.settings.allownoauthcalls:
        return None
    if facts.auth in (Auth.NONE, Auth.WRONG):
        return Challenge("authentication", "needauth", f"{facts.auth} credentials from {facts.source}")
    if facts.account is not None and not facts.account.enabled:
        sentence = f"account {facts.account.name} is disabled"
        return Refuse("authentication", "enabled", 403, "Forbidden", sentence, {"account": facts.account.name})
    return None


def locks(facts: CallFacts) -> Decision | None:
    """Neither caller nor callee is locked out of this kind of call."""
    if facts.account is not None and (refusal := _caller_lock(facts, facts.account)):
        return refusal
    callee = facts.destination.account
    return incoming_refusal(callee) if callee is not None else None


def lines(facts: CallFacts) -> Decision | None:
    """The account has a free line."""
    account = facts.account
    if account is None or facts.emergency or not account.maxlines or account.lines < account.maxlines:
        return None
    sentence = f"{account.name} has {account.lines} running calls, maxlines is {account.maxlines}"
    figures = {"lines": account.lines, "maxlines": account.maxlines}
    return Refuse("lines", "maxlines", 486, "Busy Here", sentence, figures)


def destination(facts: CallFacts) -> Decision | None:
    """The number leads somewhere, and the caller may go there."""
    where = facts.destination
    if where.kind is DestinationKind.UNKNOWN:
        return Refuse("destination", "routes", 404, "Not Found", f"{where.number} is no user and has no route")
    if where.kind is DestinationKind.LOCAL:
        return None
    if facts.account is None:
        sentence = f"a call from {facts.source} without an account cannot leave over a trunk: nobody would pay"
        return Refuse("destination", "needauth", 403, "Forbidden", sentence)
    if facts.account.onlylocalaccess and not facts.emergency:
        sentence = f"{facts.account.name} may only call users of this server"
        return Refuse("destination", "onlylocalaccess", 403, "Forbidden", sentence, {"number": where.number})
    return None


def price(facts: CallFacts) -> Decision | None:
    """The call has a price."""
    if not facts.priced or facts.rate is not None or not facts.settings.blocknotbilledcalls:
        return None
    sentence = f"no rate for {facts.destination.number} in the account's deck"
    return Refuse("price", "blocknotbilledcalls", 403, "Forbidden", sentence, {"number": facts.destination.number})


def funds(facts: CallFacts) -> Decision | None:
    """The account can pay for a first lease beside all its running calls."""
    if not facts.priced or facts.account is None:
        return None
    granted = ledger.reserve(facts.account.funds, facts.rate)
    return shortfall_refusal(granted, facts) if isinstance(granted, Shortfall) else None


STAGES = (
    Stage("authentication", ("needauth", "allownoauthcalls", "enabled"), authentication),
    Stage("lock level", ("locklevel", "emergencynumbers"), locks),
    Stage("lines", ("maxlines", "emergencynumbers"), lines),
    Stage("destination", ("onlylocalaccess", "emergencynumbers"), destination),
    Stage("price", ("blocknotbilledcalls",), price),
    Stage("funds", ("credit", "postpaid", "quotadiscreason", "emergencynumbers"), funds),
)


def shortfall_refusal(short: Shortfall, facts: CallFacts) -> Refuse:
    """The refusal for a lease that the ledger does not give, here or when the store reserves it."""
    figures = {"needed": short.needed, "available": short.available}
    status = facts.settings.quotadiscreason
    return Refuse("funds", short.setting, status, "Payment Required" if status == 402 else "", short.sentence, figures)


def registration_refusal(account: AccountView) -> Refuse | None:
    """Why an account that proved who it is may still not register."""
    if not account.enabled:
        return Refuse("authentication", "enabled", 403, "Forbidden", f"account {account.name} is disabled")
    return _locked(account, 403, "Forbidden") if lock_level(account.locklevel) is LockLevel.ALL else None


def incoming_refusal(callee: AccountView) -> Refuse | None:
    """Why an account may not be called."""
    if not callee.enabled:
        return Refuse("lock level", "enabled", 480, "Temporarily Unavailable", f"{callee.name} is disabled")
    return _locked(callee, 480, "Temporarily Unavailable") if lock_level(callee.locklevel) in _INCOMING else None


def _caller_lock(facts: CallFacts, account: AccountView) -> Refuse | None:
    level = lock_level(account.locklevel)
    if facts.emergency and level is not LockLevel.ALL:
        return None
    where = facts.destination
    far = where.kind is DestinationKind.TRUNK and (where.premium or where.foreign is not False)
    if level in _OUTGOING or (level is LockLevel.FOREIGN and far):
        return _locked(account, 403, "Forbidden")
    return None


def _locked(account: AccountView, status: int, reason: str) -> Refuse:
    sentence = f"{account.name} is locked out of {lock_level(account.locklevel)} (locklevel {account.locklevel})"
    return Refuse("lock level", "locklevel", status, reason, sentence, {"locklevel": account.locklevel})
