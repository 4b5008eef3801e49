"""JSON (RFC 8259) read in slices: a generator that pauses every so many values, so that a large text holds up nobody.

Python's own reader takes a text in one piece, and no thread helps, because it lets no other one go on meanwhile. This
one takes the same texts and finds the same faults at the same places; single values are still Python's. Beyond that it
refuses a name that stands twice in an object, numbers that JSON does not have (NaN), and brackets nested too deeply.
Pure.
"""

import json
import re
from collections.abc import Generator
from typing import Any, Final, Never

SLICE_VALUES: Final = 2000  # about two milliseconds
DEEPEST: Final = 40  # brackets within brackets; what anybody writes has five

Slices = Generator[None, None, Any]
_SPACE: Final = re.compile(r"[ \t\n\r]*").match


class BadText(ValueError):
    """A text that is refused by what it says, and not by its grammar (json.JSONDecodeError)."""


def slices(text: str) -> Slices:
    """Yields between the slices, and returns the value. Raises json.JSONDecodeError, BadText."""
    reading = _Reading(text)
    value, end = yield from reading.value(_after_space(text, 0), 0)
    end = _after_space(text, end)
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def _no_number(word: str) -> Never:
    raise BadText(f"{word} is no number of JSON")


def _after_space(text: str, at: int) -> int:
    found = _SPACE(text, at)
    assert found is not None  # it fits nothing, too
    return found.end()


class _Reading:
    """One text. Each method begins at a place and returns what stands there and the place behind it."""

    def __init__(self, text: str) -> None:
        self._text, self._count = text, 0
        self._single = json.JSONDecoder(parse_constant=_no_number).raw_decode

    def value(self, at: int, depth: int) -> Generator[None, None, tuple[Any, int]]:
        """Whatever stands there."""
        self._count += 1
        if self._count % SLICE_VALUES == 0:
            yield
        first = self._text[at : at + 1]
        if first not in ("[", "{"):
            return self._single(self._text, at)
        if depth == DEEPEST:
            raise BadText("brackets are nested too deeply")
        found: tuple[Any, int] = yield from (self._list if first == "[" else self._object)(at + 1, depth + 1)
        return found

    def _list(self, at: int, depth: int) -> Generator[None, None, tuple[list[Any], int]]:
        made: list[Any] = []
        at = _after_space(self._text, at)
        if self._text[at : at + 1] == "]":
            return made, at + 1
        while True:
            each, at = yield from self.value(at, depth)
            made.append(each)
            at = _after_space(self._text, at)
            if self._text[at : at + 1] == "]":
                return made, at + 1
            at = self._beyond(at, ",")

    def _object(self, at: int, depth: int) -> Generator[None, None, tuple[dict[str, Any], int]]:
        made: dict[str, Any] = {}
        at = _after_space(self._text, at)
        if self._text[at : at + 1] == "}":
            return made, at + 1
        while True:
            if self._text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", self._text, at)
            name, at = self._single(self._text, at)
            at = self._beyond(_after_space(self._text, at), ":")
            if name in made:
                raise BadText(f"{name[:60]!r} stands twice in one object")
            made[name], at = yield from self.value(at, depth)
            at = _after_space(self._text, at)
            if self._text[at : at + 1] == "}":
                return made, at + 1
            at = self._beyond(at, ",")

    def _beyond(self, at: int, sign: str) -> int:
        """Past a sign that has to stand there, and the space behind it."""
        if self._text[at : at + 1] != sign:
            raise json.JSONDecodeError(f"Expecting '{sign}' delimiter", self._text, at)
        return _after_space(self._text, at + 1)
