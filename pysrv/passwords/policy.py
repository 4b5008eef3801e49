"""What a password must be to be taken (`validatepassword`, `minpwdlength`), and what of it is written down for the
sweep. Pure: the estimate comes from outside.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MOST_LENGTH: Final = 128
GOOD: Final = 3  # of zxcvbn's 0 to 4: more than 10^8 guesses
WEAK: Final = 1  # up to here a password is replaced: fewer than 10^6 guesses
UNKNOWN_SCORE: Final = -1
LENGTHS: Final = (3, 5, 7, 9, 11, 15, 19, 63, MOST_LENGTH)
"""Upper ends of the classes of length that are written down: enough for the sweep, less than the length itself."""
_LEAST_WORD, _LEAST_NUMBER = 3, 4  # characters from which a word of its owner may not stand in a password
HINT: Final = "several words that have nothing to do with each other, or 'generated', are good ones"


class Check(IntEnum):
    """The values of validatepassword."""

    NONE = 0
    LENGTH = 1
    STRENGTH = 2


@dataclass(frozen=True, slots=True)
class Strength:
    """What is kept of a password's quality: the estimator's score and the upper end of its class of length."""

    score: int = UNKNOWN_SCORE
    most_length: int = MOST_LENGTH


UNKNOWN: Final = Strength()
GENERATED: Final = Strength(4)
"""Of a password that a machine has made up."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose password it is: what a guesser would try first."""

    name: str
    numbers: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """What each is, and the word."""
        found = [("user name", self.name)]
        found += [("number", number.lstrip("+")) for number in self.numbers]
        found += [("name", word) for word in self.display_name.split()]
        found += [("mail address", part) for part in (self.email, self.email.partition("@")[0]) if part]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Estimate:
    """How hard a password is to guess: 0 (at once) to 4; and why, in words that follow "it"."""

    score: int
    why: str = ""
    dictionary: bool = False  # a single word of a dictionary with little around it


Estimator = Callable[[str, tuple[str, ...]], Estimate]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`refusal` is empty for a password that is taken; `setting` says which one refuses it."""

    setting: str = ""
    refusal: str = ""
    strength: Strength = UNKNOWN


def length_class(length: int) -> int:
    """The upper end of a length's class."""
    return next((most for most in LENGTHS if length <= most), MOST_LENGTH)


def judge(password: str, owner: Owner, check: int, least: int, estimate: Estimator) -> Judgement:
    """Whether a password may be set, and what is written down of it."""
    if not password or len(password) > MOST_LENGTH or not password.isprintable():
        return Judgement("validatepassword", f"a password has 1 to {MOST_LENGTH} printable characters")
    if check >= Check.LENGTH and len(password) < least:
        return Judgement("minpwdlength", f"the password is shorter than minpwdlength ({least} characters)")
    if check >= Check.LENGTH and password == owner.name:
        return Judgement("validatepassword", "the password is the user name (validatepassword)")
    found = estimate(password, tuple(word for _, word in owner.words))
    strength = Strength(found.score, length_class(len(password)))
    why = _weakness(password, owner, found) if check >= Check.STRENGTH else ""
    if why:
        return Judgement("validatepassword", f"the password is weak: it {why} (validatepassword)", strength)
    return Judgement(strength=strength)


def _weakness(password: str, owner: Owner, found: Estimate) -> str:
    lower = password.lower()
    for what, word in owner.words:
        least = _LEAST_NUMBER if word.isdigit() else _LEAST_WORD
        if len(word) >= least and word.lower() in lower:
            return f"contains the {what} of its owner"
    if found.dictionary or found.score < GOOD:
        return found.why or "is easy to guess"
    return ""


def standing_weakness(strength: Strength, least: int) -> str:
    """Why a password that was set earlier is weak, by what was written down of it; empty: it is not, or unknown."""
    if strength.most_length < least:
        return f"is shorter than minpwdlength ({least} characters)"
    if 0 <= strength.score <= WEAK:
        return "is easy to guess"
    return ""
