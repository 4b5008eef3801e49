"""How hard a password is to guess, as zxcvbn estimates it: its words, keyboard runs, dates and repetitions.

The only module that imports zxcvbn. Its dictionaries take a tenth of a second and some megabytes to load, so they are
loaded when the first password is looked at.
"""

from functools import cache
from typing import Any

from pysrv.passwords.policy import Estimate

LOOKED_AT = 32  # characters: a strong beginning makes a strong password, and the effort grows with the length
_LITTLE = 4  # characters around a single word of a dictionary
_WHY = {
    "repeat": "repeats itself",
    "sequence": "is a run such as abc or 4321",
    "regex": "is a year and little more",
    "date": "is a date and little more",
    "spatial": "follows keys that lie side by side",
    "bruteforce": "is too short for the kinds of characters it has",
}
_WHY_WORD = {
    "user_inputs": "contains a word or number of its owner",
    "passwords": "is, or is close to, one of the most used passwords",
}
_WHY_OTHER_WORD = "is a word or name with little around it"


def estimate(password: str, words: tuple[str, ...] = ()) -> Estimate:
    """The estimate for a password whose owner is known by these words. Takes some milliseconds."""
    from zxcvbn import zxcvbn

    found = zxcvbn(password[:LOOKED_AT], user_inputs=list(words))
    parts: list[dict[str, Any]] = found["sequence"]
    known = [part for part in parts if part["pattern"] == "dictionary"]
    rest = len(password) - len(known[0]["token"]) if len(known) == 1 else len(password)
    return Estimate(int(found["score"]), _why(parts), bool(known) and len(known[0]["token"]) > 2 and rest <= _LITTLE)


def _why(parts: list[dict[str, Any]]) -> str:
    """Words for the part of a password that helps a guesser most: the longest that is not chance."""
    telling = [part for part in parts if part["pattern"] != "bruteforce"] or parts
    if not telling:
        return ""
    part = max(telling, key=lambda each: len(each["token"]))
    if part["pattern"] == "dictionary":
        return _WHY_WORD.get(part["dictionary_name"], _WHY_OTHER_WORD)
    return _WHY.get(part["pattern"], "")


@cache
def common(most: int = 10_000) -> tuple[str, ...]:
    """The most used passwords, the most used first."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return tuple(FREQUENCY_LISTS["passwords"][:most])
