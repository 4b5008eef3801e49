"""The voice menu of an access number: a table of steps and happenings, and what is to be done at each.

Pure: digits, verdicts and time come in, actions come out. Knows no SIP, no media, no cards and no money. A key of the
telephone means the same in every step: digits are collected, `*` begins anew, `#` ends what was keyed in, and so does
a pause of GAP_S.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

GAP_S: Final = 5.0  # after the last digit: it was the whole
SILENCE_S: Final = 10.0  # after a question without any digit
MOST_KEYS: Final = 32  # keyed in at once
SHORTEST_PIN, LONGEST_PIN = 10, 20
SHORTEST_NUMBER, LONGEST_NUMBER = 3, 15  # digits of what is dialled (E.164: 15)


class Step(StrEnum):
    """Where a caller stands."""

    PIN = "pin"
    CHECKING = "checking"
    NUMBER = "number"
    CONNECTING = "connecting"
    LEAVING = "leaving"


class Happening(StrEnum):
    """What moves a caller on."""

    STRANGER = "stranger"  # answered; the caller's number does not say who it is, or not surely enough
    KNOWN = "known"  # answered; it does
    ENTERED = "entered"  # digits are complete
    NOTHING = "nothing"  # a question was not answered
    RIGHT = "right"
    WRONG = "wrong"
    EXHAUSTED = "exhausted"  # wrong or nothing, and it was the last try
    ALLOWED = "allowed"
    REFUSED = "refused"
    FAILED = "failed"  # nobody answered, or the line was busy
    TIMEOUT = "timeout"  # the menu has taken too long


class Action(StrEnum):
    """What is to be done."""

    ASK_PIN = "ask for the PIN"
    CHECK_PIN = "look at the PIN"
    SAY_WRONG = "say that it was wrong"
    SAY_CREDIT = "say the credit"
    ASK_NUMBER = "ask for the number"
    PLACE_CALL = "let the number be decided on"
    SAY_REFUSED = "say that this number cannot be called"
    SAY_MINUTES = "say how long the credit lasts"
    SAY_RINGING = "play ringing"
    SAY_BUSY = "play busy"
    SAY_GOODBYE = "say goodbye"
    HANG_UP = "hang up once all is said"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: the next step, what is to be done in this order; whether it uses up a try, or gives all back."""

    then: Step
    actions: tuple[Action, ...]
    costs_try: bool = False
    anew: bool = False


_LEAVE = Rule(Step.LEAVING, (Action.SAY_GOODBYE, Action.HANG_UP))
_GIVEN_UP = Rule(Step.LEAVING, (Action.SAY_WRONG, Action.SAY_GOODBYE, Action.HANG_UP))
_WELCOME = Rule(Step.NUMBER, (Action.SAY_CREDIT, Action.ASK_NUMBER), anew=True)
TABLE: Final[dict[tuple[Step, Happening], Rule]] = {
    (Step.PIN, Happening.STRANGER): Rule(Step.PIN, (Action.ASK_PIN,)),
    (Step.PIN, Happening.KNOWN): _WELCOME,
    (Step.PIN, Happening.ENTERED): Rule(Step.CHECKING, (Action.CHECK_PIN,)),
    (Step.PIN, Happening.NOTHING): Rule(Step.PIN, (Action.ASK_PIN,), costs_try=True),
    (Step.PIN, Happening.EXHAUSTED): _LEAVE,
    (Step.PIN, Happening.TIMEOUT): _LEAVE,
    (Step.CHECKING, Happening.RIGHT): _WELCOME,
    (Step.CHECKING, Happening.WRONG): Rule(Step.PIN, (Action.SAY_WRONG, Action.ASK_PIN), costs_try=True),
    (Step.CHECKING, Happening.EXHAUSTED): _GIVEN_UP,
    (Step.CHECKING, Happening.TIMEOUT): _LEAVE,
    (Step.NUMBER, Happening.ENTERED): Rule(Step.NUMBER, (Action.PLACE_CALL,)),
    (Step.NUMBER, Happening.ALLOWED): Rule(Step.CONNECTING, (Action.SAY_MINUTES, Action.SAY_RINGING)),
    (Step.NUMBER, Happening.REFUSED): Rule(Step.NUMBER, (Action.SAY_REFUSED, Action.ASK_NUMBER), costs_try=True),
    (Step.NUMBER, Happening.NOTHING): Rule(Step.NUMBER, (Action.ASK_NUMBER,), costs_try=True),
    (Step.NUMBER, Happening.EXHAUSTED): _LEAVE,
    (Step.NUMBER, Happening.TIMEOUT): _LEAVE,
    (Step.CONNECTING, Happening.FAILED): Rule(Step.LEAVING, (Action.SAY_BUSY, Action.HANG_UP)),
}
"""Whatever is not in the table changes nothing: a key while it rings, a verdict on what was asked before."""


def pin_of(keys: str, *, validated: bool) -> str | None:
    """The PIN in what was keyed in; None: it cannot be one, which is not looked up and no guess.

    `validated` (ivrvalidatedtmf): digits alone, 10 to 20 of them. Otherwise other keys are left out, and what is too
    long is cut off.
    """
    if validated:
        return keys if keys.isdigit() and SHORTEST_PIN <= len(keys) <= LONGEST_PIN else None
    return "".join(filter(str.isdigit, keys))[:LONGEST_PIN] or None


def number_of(keys: str, short: frozenset[str], *, validated: bool) -> str | None:
    """The number in what was keyed in; None: it cannot be one. `short` are numbers that any length may have.

    `validated`: digits alone, 3 to 15 of them. Otherwise other keys are left out, and what is too long is cut off.
    """
    if keys in short:
        return keys
    if validated:
        return keys if keys.isdigit() and SHORTEST_NUMBER <= len(keys) <= LONGEST_NUMBER else None
    return "".join(filter(str.isdigit, keys))[:LONGEST_NUMBER] or None


@dataclass(slots=True)
class Menu:
    """One caller in the menu. `tries`: how often a step may go wrong before it is the last time."""

    tries: int
    step: Step = Step.PIN
    keys: str = ""
    used: int = 0
    alarm_at: float | None = None  # when `alarm` wants to be called
    _entered: str = field(default="", repr=False)

    @property
    def entered(self) -> str:
        """What was keyed in when the last ENTERED happened."""
        return self._entered

    @property
    def asks(self) -> bool:
        """Whether keys mean anything now."""
        return self.step in (Step.PIN, Step.NUMBER)

    def key(self, key: str, now: float) -> tuple[Action, ...]:
        """A key was pressed."""
        if not self.asks:
            return ()
        if key == "#":
            return self.happen(Happening.ENTERED if self.keys else Happening.NOTHING)
        if key == "*":
            self.keys = ""
        elif len(self.keys) < MOST_KEYS:
            self.keys += key
        self.alarm_at = now + (GAP_S if self.keys else SILENCE_S)
        return ()

    def asked(self, at: float) -> None:
        """A question has been put; it is over at `at`."""
        self.alarm_at = at + SILENCE_S

    def alarm(self, now: float) -> tuple[Action, ...]:
        """Time has passed without a key."""
        if self.alarm_at is None or now < self.alarm_at:
            return ()
        return self.happen(Happening.ENTERED if self.keys else Happening.NOTHING)

    def happen(self, what: Happening) -> tuple[Action, ...]:
        """Something happened: what is to be done."""
        rule = TABLE.get((self.step, what))
        if rule is None:
            return ()
        if rule.costs_try:
            self.used += 1
            if self.used >= self.tries:
                rule = TABLE[self.step, Happening.EXHAUSTED]
        if rule.anew:
            self.used = 0
        self._entered, self.keys, self.alarm_at = (self.keys, "", None)
        self.step = rule.then
        return rule.actions
