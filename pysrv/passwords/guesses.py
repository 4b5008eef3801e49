"""What a guesser would try against one account, and whether any of it is the password: hashes of guesses compared with
HA1 (RFC 7616, 3.4.2), so many at a time. Pure.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

PIN_DIGITS: Final = 6
_YEARS: Final = tuple(str(year) for year in range(1970, 2031))
_ENDINGS: Final = (
    "", *map(str, range(10)), *(f"{n:02d}" for n in range(100)), "123", "1234", "12345", "123456", "!", "1!", "123!",
    *_YEARS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guesses:
    """Some guesses, and why a password among them is weak, in words that follow "it"."""

    why: str
    words: Iterable[str]


def own(words: Iterable[str]) -> Iterator[str]:
    """What can be made of an account's own words: their cases, backwards, with digits and years behind them."""
    for word in dict.fromkeys(word for word in words if word):
        for form in dict.fromkeys((word, word.lower(), word.upper(), word.capitalize(), word[::-1], word * 2)):
            for ending in _ENDINGS:
                yield form + ending


def pins(most_digits: int = PIN_DIGITS) -> Iterator[str]:
    """Every run of digits up to that length."""
    for digits in range(1, most_digits + 1):
        for number in range(10**digits):
            yield f"{number:0{digits}d}"


def cheap(words: Iterable[str]) -> tuple[Guesses, ...]:
    """What is tried at every sweep: an account's words change while its password stays."""
    return (Guesses("is made of its owner's name or number", own(words)),)


def thorough(words: Iterable[str], common: Iterable[str]) -> tuple[Guesses, ...]:
    """What is tried once for a password of which nothing is known: some million guesses."""
    return (
        *cheap(words),
        Guesses("is one of the most used passwords", common),
        Guesses(f"has at most {PIN_DIGITS} digits and nothing else", pins()),
    )


class Search:
    """The guesses against one HA1 (MD5, which is the cheaper one), resumed where it was left."""

    def __init__(self, name: str, realm: str, ha1_md5: str, groups: Iterable[Guesses]) -> None:
        self._start = hashlib.md5(f"{name}:{realm}:".encode(), usedforsecurity=False)
        self._wanted = bytes.fromhex(ha1_md5)
        self._guesses = chain.from_iterable(((group.why, word) for word in group.words) for group in groups)
        self.done = False
        self.found = ""
        """Why the password is weak; empty while no guess was right."""

    def step(self, count: int) -> bool:
        """Tries so many guesses more; True: it is over."""
        tried = 0
        for why, word in islice(self._guesses, count):
            tried += 1
            made = self._start.copy()
            made.update(word.encode())
            if made.digest() == self._wanted:
                self.found, self.done = why, True
                return True
        self.done = tried < count
        return self.done
