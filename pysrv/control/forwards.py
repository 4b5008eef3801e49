"""Where calls of an account go on to: what may be set, by its owner (`mine.forwards`) or by an operator.

Whether the account may call that place is asked at each call, when its limits and its credit are known; here is only
refused what no call could ever do.
"""

from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from appliance.config.settings import Settings
from appliance.wire import WireError
from pysrv.billing.number import normalise
from pysrv.control.desk import Desk, not_found
from pysrv.limits.forwards import DEEPEST, FEWEST_S, LONGEST_TARGET, MOST_S, Forwards, Occasion
from pysrv.store import Store
from pysrv.store.account import Account

SAID = {Occasion.ALWAYS: "every call", Occasion.BUSY: "calls while busy", Occasion.NO_ANSWER: "unanswered calls"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where calls go on, each a number or the name of an account here; None stays, an empty text is none. `seconds`
    is how long the telephones ring before an unanswered call goes on, 5 to 120."""

    always: str | None = None
    busy: str | None = None
    noanswer: str | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ForwardsOf:
    """Of which account, and what changes."""

    name: str
    forwards: Wanted


class ForwardsAnswer(TypedDict):
    """Where calls go on now."""

    forwards: Forwards


def shape(account: Account) -> dict[str, Any]:
    """Forwards as JSON."""
    return asdict(account.forwards)


def change(desk: Desk, args: ForwardsOf) -> ForwardsAnswer:
    """accounts.forward"""
    account = desk.store.account(args.name)
    if account is None:
        raise not_found("account", args.name)
    changed = desk.store.set_forwards(
        account.name, wanted(desk.store, desk.settings, account, args.forwards), who=desk.who
    )
    desk.after_commit(lambda live: live.account_changed(account.name))
    return {"forwards": changed.forwards}


def wanted(store: Store, settings: Settings, account: Account, args: Wanted) -> Forwards:
    """What is to be set. Raises WireError."""
    was, told = shape(account), asdict(args)
    found = {name: was[name] if value is None else value for name, value in told.items()}
    seconds = int(found.pop("seconds"))
    if not FEWEST_S <= seconds <= MOST_S:
        raise WireError("invalid", f"{seconds} seconds of ringing are not {FEWEST_S} to {MOST_S}", "20 are usual")
    ahead = Forwards(**{name: _place(store, settings, str(text)) for name, text in found.items()}, seconds=seconds)
    for occasion in Occasion:
        _refuse_circle(store, account, ahead.target(occasion), SAID[occasion])
    return ahead


def _place(store: Store, settings: Settings, text: str) -> str:
    """A number in bare digits, or an account's name."""
    said, bare = text.strip(), normalise(text.strip())
    if not said:
        return ""
    if bare in settings.emergencynumbers:
        raise WireError("invalid", f"{said[:20]} is an emergency number", "nothing is forwarded there")
    if bare is None and (len(said) > LONGEST_TARGET or store.account(said) is None):
        raise WireError("invalid", f"{said[:40]!r} is no number", "write digits, for instance 493012345678")
    return bare or said


def _account(store: Store, place: str) -> Account | None:
    return store.account(place) or store.account_by_number(place)


def _refuse_circle(store: Store, account: Account, place: str, said: str) -> None:
    """A forward to oneself, or to somebody whose forward of every call leads back."""
    found = _account(store, place) if place else None
    for _ in range(DEEPEST + 1):
        if found is None:
            return
        if found.id == account.id:
            raise WireError("invalid", f"{said} would go in a circle: {place} leads back here", "name another number")
        found = _account(store, found.forwards.always) if found.forwards.always else None
