"""Sentences that come to a page as they are, with figures and names in them, in the reader's language.

Rooms that know no language say "there is no account 'x'"; the catalogue has "there is no account %(a)s". A sentence is
taken apart along the words between the places, from left to right and without going back, so that no text however made
takes long. What stands in a place is said in the language too where it is a sentence itself. A place's letter says
what it may hold: n, o, p figures alone, v, w words of ours, all others anything.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

FIGURES: Final = frozenset("nop")  # places that hold a figure and nothing else
SAID: Final = frozenset("vw")  # places that hold words of ours, be it one word
DEEPEST: Final = 8  # sentences within a sentence
LONGEST: Final = 2000  # characters; no room says more
_PLACE: Final = re.compile(r"%\(([a-z])\)s")
_FIGURE: Final = re.compile(r"[-+]?[0-9][0-9.,]*", re.ASCII)
_LETTER: Final = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words around places: one more of `words` than of `places`. `said`: the translation."""

    words: tuple[str, ...]
    places: tuple[str, ...]
    said: str

    @property
    def weight(self) -> int:
        """How much of it is fixed: of two that fit, the one that says more is meant."""
        return sum(map(len, self.words))

    def match(self, text: str) -> dict[str, str] | None:
        """What stands in the places of this text; None: it is another sentence."""
        first, *rest = self.words
        last = rest.pop()
        if not text.startswith(first) or not text.endswith(last) or len(text) < self.weight + len(self.places):
            return None
        at, end, found = len(first), len(text) - len(last), []
        for words in rest:
            ahead = text.find(words, at + 1, end)
            if ahead < 0:
                return None
            found.append(text[at:ahead])
            at = ahead + len(words)
        if at >= end:
            return None
        filled = dict(zip(self.places, (*found, text[at:end]), strict=True))
        good = all(_FIGURE.fullmatch(filled[each]) for each in FIGURES.intersection(filled))
        return filled if good else None


class Sentences:
    """The sentences of a language, out of its catalogue's entries with places by letters."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        whole: dict[str, str] = {}
        parted: list[Sentence] = []
        for words, said in entries:
            parts = _PLACE.split(words)
            if len(parts) == 1:
                whole[words.replace("%%", "%")] = said.replace("%%", "%")
            elif any(_LETTER.search(part) for part in parts[::2]) or (FIGURES | SAID).intersection(parts[1::2]):
                plain = tuple(part.replace("%%", "%") for part in parts[::2])
                parted.append(Sentence(plain, tuple(parts[1::2]), said))
        self._whole: Mapping[str, str] = whole
        self._parted = sorted(parted, key=lambda each: -each.weight)

    def say(self, text: str, depth: int = 0) -> str:
        """The text in the language; what is no known sentence stays."""
        if text in self._whole:
            return self._whole[text]
        if len(text) > LONGEST or depth > DEEPEST or not _LETTER.search(text):
            return text
        for each in self._parted:
            found = each.match(text)
            if found is not None:
                inner = {
                    name: self.say(part, depth + 1) if " " in part or name in SAID else part
                    for name, part in found.items()
                }
                return _PLACE.sub(lambda place, inner=inner: inner[place[1]], each.said).replace("%%", "%")  # type: ignore[misc]
        return text
