"""Which digits numbers of a pattern begin with: `90(?:0[1-3]|1)\\d{6}` gives 9001, 9002, 9003, 901.

Numbering plans say how their numbers look by regular expressions over whole numbers. Whoever dials a digit too many
must not fall out of them, so they are taken apart into prefixes, whose length says nothing of the number's. Knows the
few signs that numbering plans use and no telephone number.
"""

import itertools
import re
from collections.abc import Iterable

ALL = frozenset("0123456789")
_SIGN = re.compile(r"\\d|\(\?:|[()|?0-9]|\[[0-9-]+\]|\{[0-9]+(?:,[0-9]+)?\}", re.ASCII)
Digits = frozenset[str]
Sequence = tuple[Digits, ...]


class UnreadablePattern(ValueError):
    """A sign that this reader does not know; says where."""


def prefixes_of(pattern: str, most: int = 10) -> frozenset[str]:
    """The shortest prefixes after which only any digits follow; cut at `most` digits, which makes them wider."""
    found: set[str] = set()
    for sequence in _Reader(pattern, most).read():
        fixed = len(sequence)
        while fixed and sequence[fixed - 1] == ALL:
            fixed -= 1
        found.update("".join(digits) for digits in itertools.product(*map(sorted, sequence[:fixed])))
    return shortest(found)


def shortest(prefixes: Iterable[str]) -> frozenset[str]:
    """Without those that a shorter one covers."""
    kept: set[str] = set()
    for prefix in sorted(prefixes, key=len):
        if not any(prefix[:length] in kept for length in range(len(prefix))):
            kept.add(prefix)
    return frozenset(kept)


class _Reader:
    """One pass over one pattern."""

    def __init__(self, pattern: str, most: int) -> None:
        self._signs = _signs(pattern)
        self._at, self._most = 0, most

    def read(self) -> set[Sequence]:
        """Every sequence of digit classes that the pattern stands for, cut."""
        found = self._choice()
        if self._at < len(self._signs):
            raise UnreadablePattern(f"unexpected {self._signs[self._at]!r}")
        return found

    def _choice(self) -> set[Sequence]:
        found = self._joined()
        while self._peek() == "|":
            self._at += 1
            found |= self._joined()
        return found

    def _joined(self) -> set[Sequence]:
        found: set[Sequence] = {()}
        while self._peek() not in ("", "|", ")"):
            part = self._repeated(self._atom())
            found = {(first + second)[: self._most] for first in found for second in part}
        return found

    def _atom(self) -> set[Sequence]:
        sign = self._peek()
        self._at += 1
        if sign in ("(", "(?:"):
            inside = self._choice()
            if self._peek() != ")":
                raise UnreadablePattern("a bracket is not closed")
            self._at += 1
            return inside
        return {(_digits(sign),)}

    def _repeated(self, part: set[Sequence]) -> set[Sequence]:
        sign = self._peek()
        if sign != "?" and not sign.startswith("{"):
            return part
        self._at += 1
        low, _, high = "0,1".partition(",") if sign == "?" else sign[1:-1].partition(",")
        found: set[Sequence] = set()
        power: set[Sequence] = {()}
        for times in range(min(int(high or low), self._most) + 1):
            if times >= min(int(low), self._most):
                found |= power
            power = {(first + second)[: self._most] for first in power for second in part}
        return found

    def _peek(self) -> str:
        return self._signs[self._at] if self._at < len(self._signs) else ""


def _signs(pattern: str) -> list[str]:
    signs, at = [], 0
    while at < len(pattern):
        match = _SIGN.match(pattern, at)
        if match is None:
            raise UnreadablePattern(f"{pattern[at : at + 10]!r} at {at} cannot be read")
        signs.append(match[0])
        at = match.end()
    return signs


def _digits(sign: str) -> Digits:
    if sign == r"\d":
        return ALL
    if sign.isdigit():
        return frozenset(sign)
    if not sign.startswith("["):
        raise UnreadablePattern(f"unexpected {sign!r}")
    found: set[str] = set()
    for first, last in re.findall(r"([0-9])(?:-([0-9]))?", sign):
        found.update(str(digit) for digit in range(int(first), int(last or first) + 1))
    return frozenset(found)
