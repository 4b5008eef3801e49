"""What a caller on an access number says of itself: the number, what stands behind it, and whose wrong PINs it counts.

A telephone of ours has its account's number, whatever its From says; a trunk's caller has what the trunk asserts (RFC
3325), or else claims. Knows requests and accounts, no settings.
"""

from dataclasses import dataclass

from pysrv.billing.number import normalise
from pysrv.calls.events import CallRequested
from pysrv.limits.cards import Strength
from pysrv.limits.facts import Auth
from pysrv.service.entry import Caller
from pysrv.service.journal import visible
from pysrv.sip.errors import BadMessage
from pysrv.sip.grammar import unescape
from pysrv.sip.headers import NameAddr
from pysrv.sip.uri import Uri

MOST_PARTY = 64  # characters that name a caller in counters and records
_HIDDEN = frozenset((b"id", b"user", b"header"))


@dataclass(frozen=True, slots=True)
class Claim:
    """`numbers` are those that a card may list, the likeliest first; `party` is who is counted."""

    party: str
    numbers: tuple[str, ...]
    strength: Strength
    agrees: bool
    hidden: bool


def claim(event: CallRequested, caller: Caller) -> Claim:
    """What this caller says of itself."""
    request = event.request
    said = _user(request.from_.uri)
    hidden = _hides(request.headers.get_all(b"privacy"))
    account = caller.account
    if account is not None:
        agrees = said == account.name or normalise(said) in account.numbers
        strength = Strength.PROVEN if caller.proven and caller.how is Auth.PROVEN else Strength.CLAIMED
        return Claim(f"account {account.name}"[:MOST_PARTY], account.numbers, strength, agrees, hidden)
    if caller.trunk is None:  # calls that prove nothing are taken: whatever they say is nobody's word
        return Claim(f"nobody {event.flow.remote[0]}", (), Strength.NOTHING, False, hidden)
    claimed, asserted = normalise(said), _asserted(request.headers.split(b"p-asserted-identity"))
    number = asserted or claimed
    strength = Strength.ASSERTED if asserted else Strength.CLAIMED if claimed else Strength.NOTHING
    party = f"{caller.trunk.name} {number or ''}"[:MOST_PARTY]
    return Claim(party, (number,) if number else (), strength, claimed == number, hidden)


def _hides(values: list[bytes]) -> bool:
    return any(wish.strip().lower() in _HIDDEN for value in values for wish in value.split(b";"))


def _asserted(values: list[bytes]) -> str | None:
    """The number of the first identity that has one."""
    for value in values:
        try:
            number = normalise(_user(NameAddr.parse(value).uri))
        except BadMessage:
            continue
        if number is not None:
            return number
    return None


def _user(uri: Uri) -> str:
    return visible(unescape(uri.user or b"").decode("utf-8", "replace"))
