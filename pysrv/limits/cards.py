"""Who a caller on an access number is: the ten levels of callingcardauth, and how often somebody may be wrong.

Pure. A caller's number is evidence of some strength, a PIN is proof. Each level accepts the number alone in fewer cases
than the level before; the PIN is accepted at all of them. The table is run, printed in docs/calls.md and walked by a
test that holds every level to be no laxer than the one before.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

DAY_S: Final = 86_400.0
EVER: Final = float("inf")
NEVER: Final = -1.0


class Strength(IntEnum):
    """What stands behind a caller's number."""

    NOTHING = 0  # there is none, or no card lists it
    CLAIMED = 1  # a trunk says so in From
    ASSERTED = 2  # a trunk asserts it (P-Asserted-Identity, RFC 3325)
    PROVEN = 3  # the telephone is one of ours and has proved its password


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a caller's number that a card lists.

    `agrees`: From says the same number. `hidden`: the caller asked not to be shown (RFC 3323). `wrong`: a wrong PIN
    came from there within the last hour. `proof_age_s`: since the card's PIN was given from there; EVER: it was not.
    """

    strength: Strength = Strength.NOTHING
    agrees: bool = False
    hidden: bool = False
    wrong: bool = False
    proof_age_s: float = EVER


@dataclass(frozen=True, slots=True)
class Level:
    """When a caller's number is enough by itself. `proof_s`: the PIN was given from there no longer ago; NEVER: it is
    never enough."""

    words: str
    strength: Strength
    shown: bool = False
    clean: bool = False
    agreeing: bool = False
    proof_s: float = EVER

    def enough(self, evidence: Evidence) -> bool:
        """Whether the number alone says who calls."""
        return (
            evidence.strength >= self.strength > Strength.NOTHING
            and not (self.shown and evidence.hidden)
            and not (self.clean and evidence.wrong)
            and (evidence.agrees or not self.agreeing)
            and (self.proof_s == EVER or evidence.proof_age_s <= self.proof_s)
        )


_C, _A, _P = Strength.CLAIMED, Strength.ASSERTED, Strength.PROVEN
LEVELS: Final = (
    Level("the number that a trunk claims, or the PIN", _C),
    Level("as 0, unless the caller asked not to be shown", _C, shown=True),
    Level("as 1, unless a wrong PIN came from that number within the hour", _C, shown=True, clean=True),
    Level("as 2, and the trunk asserts the number (P-Asserted-Identity)", _A, shown=True, clean=True),
    Level("as 3, and From says the same number", _A, shown=True, clean=True, agreeing=True),
    Level("as 4, and the number is that of a telephone of this server that proved its password", _P, True, True, True),
    Level("as 5, and the PIN was given from there within 30 days", _P, True, True, True, 30 * DAY_S),
    Level("as 5, and the PIN was given from there within 7 days", _P, True, True, True, 7 * DAY_S),
    Level("as 5, and the PIN was given from there within a day", _P, True, True, True, DAY_S),
    Level("the PIN alone", _P, True, True, True, NEVER),
)
"""By the value of callingcardauth; with anumberhandling 0 every level is the last one."""


def number_is_enough(evidence: Evidence, callingcardauth: int, anumberhandling: int) -> bool:
    """Whether the settings let the caller in without a PIN."""
    return anumberhandling == 1 and LEVELS[callingcardauth].enough(evidence)


# -- guesses ----------------------------------------------------------------------------------------------------------

HOUR_S: Final = 3600.0
LONGEST_PAUSE_S: Final = 30.0
MOST_CALLERS: Final = 65_536


class Verdict(StrEnum):
    """Whether a PIN is looked at."""

    LOOK = "look"
    CALLER_LOCKED = "maxwrongpins"
    ALL_LOCKED = "maxwrongpinsall"


@dataclass(slots=True)
class _Wrong:
    count: int = 0
    since: float = 0.0
    locked_until: float = 0.0
    locks: int = 0
    pauses: int = 0  # wrong ones since the last right one


class Guesses:
    """Wrong PINs by caller and altogether, within hours. `now` is any clock in seconds that does not jump.

    A caller is who sends: an account, or a number together with the trunk that it comes over. One that reaches its
    limit is not looked at for an hour, the next time for two, and so on doubling up to a day. When all together reach
    theirs, only callers are looked at who have given a right PIN before; so whoever guesses cannot lock them out.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[str, _Wrong] = OrderedDict()
        self._all = _Wrong()
        self._right: OrderedDict[str, None] = OrderedDict()

    def verdict(self, caller: str, now: float, most: int, most_of_all: int) -> Verdict:
        """Whether a PIN of this caller may be looked at; 0 takes a limit away."""
        wrong = self._callers.get(caller)
        if most and wrong is not None and now < wrong.locked_until:
            return Verdict.CALLER_LOCKED
        spent = self._all.count if now - self._all.since < HOUR_S else 0
        if most_of_all and spent >= most_of_all and caller not in self._right:
            return Verdict.ALL_LOCKED
        return Verdict.LOOK

    def is_wrong(self, caller: str, now: float) -> bool:
        """Whether a wrong PIN came from this caller within the hour."""
        wrong = self._callers.get(caller)
        return wrong is not None and (now < wrong.locked_until or (wrong.count > 0 and now - wrong.since < HOUR_S))

    def pause_s(self, caller: str, now: float) -> float:
        """How long the answer to the next PIN is held back: nothing at first, then 1, 2, 4 s and so on."""
        wrong = self._callers.get(caller)
        if wrong is None or not wrong.pauses or now - wrong.since >= HOUR_S:
            return 0.0
        return min(LONGEST_PAUSE_S, 2.0 ** min(wrong.pauses - 1, 16))

    def wrong(self, caller: str, now: float, most: int) -> tuple[Verdict, int]:
        """A PIN was wrong: what that comes to for the caller, and how many wrong ones it has sent within the hour."""
        wrong = self._callers.pop(caller, None) or _Wrong(since=now)
        self._callers[caller] = wrong
        if len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        for each in (wrong, self._all):
            if now - each.since >= HOUR_S:
                each.count, each.since = 0, now
            each.count += 1
        wrong.pauses += 1
        count = wrong.count
        if not most or count < most:
            return Verdict.LOOK, count
        wrong.locked_until = now + min(DAY_S, HOUR_S * 2 ** min(wrong.locks, 5))
        wrong.locks, wrong.count = wrong.locks + 1, 0
        return Verdict.CALLER_LOCKED, count

    def right(self, caller: str) -> None:
        """A PIN was right: the caller is believed to be a customer and waits no longer. Its wrong ones of this hour
        still count, or whoever holds one card could try for others as often as he gives his own in between."""
        if (wrong := self._callers.get(caller)) is not None:
            wrong.pauses = 0
        self._right.pop(caller, None)
        self._right[caller] = None
        if len(self._right) > MOST_CALLERS:
            self._right.popitem(last=False)


# -- the page ---------------------------------------------------------------------------------------------------------


def render() -> str:
    """The levels as a part of docs/calls.md."""
    lines = [
        "## Who a caller on an access number is (`callingcardauth`)",
        "",
        "At every level the PIN is enough. The number alone is enough, with `anumberhandling` 1, where a card lists it",
        "and all of its row holds; each level accepts it in fewer cases than the level before.",
        "",
        "| level | in words | behind the number stands at least | shown | no wrong PIN within the hour | From agrees "
        "| PIN given from there within |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(number, level) for number, level in enumerate(LEVELS)), ""])


_BEHIND = {
    Strength.CLAIMED: "a trunk's From",
    Strength.ASSERTED: "a trunk's P-Asserted-Identity",
    Strength.PROVEN: "a telephone's password",
}


def _row(number: int, level: Level) -> str:
    if level.proof_s == NEVER:
        return f"| {number} | {level.words} | the number is never enough | | | | |"
    marks = ["yes" if each else "" for each in (level.shown, level.clean, level.agreeing)]
    days = "" if level.proof_s == EVER else f"{level.proof_s / DAY_S:g} d"
    return f"| {number} | {level.words} | {_BEHIND[level.strength]} | {' | '.join(marks)} | {days} |"
