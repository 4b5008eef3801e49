"""Longest prefix match over digit strings: one dict per length, tried from the longest that exists.

A lookup costs at most one hash per distinct length (about 15 for a world deck), whatever the number of prefixes.
"""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class PrefixTable(Generic[T]):
    """Maps prefixes to values. The empty prefix matches every number."""

    def __init__(self, items: Iterable[tuple[str, T]] = ()) -> None:
        self._by_length: dict[int, dict[str, T]] = {}
        self._lengths: tuple[int, ...] = ()
        for prefix, value in items:
            self.set(prefix, value)

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))

    def set(self, prefix: str, value: T) -> None:
        """Adds a prefix or replaces its value."""
        level = self._by_length.get(len(prefix))
        if level is None:
            level = self._by_length[len(prefix)] = {}
            self._lengths = tuple(sorted(self._by_length, reverse=True))
        level[prefix] = value

    def remove(self, prefix: str) -> None:
        """Takes a prefix out; one that is not there is no error."""
        level = self._by_length.get(len(prefix), {})
        level.pop(prefix, None)
        if not level and self._by_length.pop(len(prefix), None) is not None:
            self._lengths = tuple(sorted(self._by_length, reverse=True))

    def exact(self, prefix: str) -> T | None:
        """The value of exactly this prefix."""
        return self._by_length.get(len(prefix), {}).get(prefix)

    def longest(self, number: str) -> tuple[str, T] | None:
        """The longest prefix of `number` and its value."""
        return next(self.matches(number), None)

    def matches(self, number: str) -> Iterator[tuple[str, T]]:
        """Every prefix of `number`, longest first."""
        for length in self._lengths:
            prefix = number[:length]
            level = self._by_length[length]
            if len(prefix) == length and prefix in level:
                yield prefix, level[prefix]
