"""Blacklists in memory: which entry, if any, keeps a number out. Pure.

KINDS says what the three kinds are. The longest entry that blocks decides, an account's own before one for all; of two
kinds at one prefix the first in KINDS. A million entries are a dictionary from an integer to a small one (about 100
MB): a look-up asks once for each length that occurs, some microseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_DIGITS: Final = 18
SUREST: Final = 6  # confidence of a smart entry, from 0
MOST_DYNAMIC: Final = 50_000  # entries that counters have made; the next one takes the place of the oldest


class ListSide(StrEnum):
    """Whose number is meant."""

    DESTINATION = "destination"
    CALLER = "caller"


class ListKind(StrEnum):
    """Where an entry comes from."""

    FIXED = "fixed"
    DYNAMIC = "dynamic"
    SMART = "smart"


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: when an entry of the kind blocks, and the setting that its refusal names."""

    kind: ListKind
    setting: str
    sentence: str


KINDS: Final = (
    Kind(ListKind.FIXED, "blacklists", "entered or imported; blocks until it is removed"),
    Kind(ListKind.DYNAMIC, "blacklists", "filled by counters; blocks until it expires"),
    Kind(ListKind.SMART, "blacklistlevel", "carries a confidence from 0 to 6; blocks from blacklistlevel on"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: numbers that begin with `digits`, or with `whole` this number alone. `account` empty: for all."""

    side: ListSide
    kind: ListKind
    digits: str
    whole: bool = False
    account: str = ""
    confidence: int = 0
    expires_at: float = 0.0  # of dynamic ones, Unix seconds

    def fault(self) -> str:
        """What is wrong with it; empty: nothing."""
        if not (self.digits.isascii() and self.digits.isdigit()) or len(self.digits) > MOST_DIGITS:
            return f"{self.digits[:40]!r} is no number and no prefix: 1 to {MOST_DIGITS} digits"
        if not 0 <= self.confidence <= SUREST:
            return f"a confidence is 0 to {SUREST}, not {self.confidence}"
        if self.confidence and self.kind is not ListKind.SMART:
            return f"a {self.kind} entry has no confidence: it always blocks"
        return ""


@dataclass(frozen=True, slots=True)
class Hit:
    """The entry that blocks a number."""

    entry: Entry
    number: str

    @property
    def setting(self) -> str:
        """The setting that its refusal names."""
        return next(row.setting for row in KINDS if row.kind is self.entry.kind)

    @property
    def words(self) -> str:
        """The entry for people."""
        entry = self.entry
        what = f"{entry.kind} {entry.side} {'number' if entry.whole else 'prefix'} {entry.digits}"
        sure = f" (confidence {entry.confidence})" if entry.kind is ListKind.SMART else ""
        return what + sure + (f" of {entry.account}" if entry.account else "")


RawEntry = tuple[str, str, str, int, str, int, float]
"""Side, kind, digits, whole, account, confidence and end of an entry, as they are stored; each place once."""
_FIXED, _DYNAMIC, _SMART = 1, 2, 4  # bits of a code; a smart entry's confidence stands above them
_SHIFT = 3
_Key = tuple[ListSide, str]


@dataclass(slots=True)
class _Numbers:
    """The entries of one side and one account: key to code, and how many entries have each length."""

    codes: dict[int, int] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)

    def put(self, key: int, digits: int, code: int) -> None:
        if key not in self.codes:
            self.lengths[digits] = self.lengths.get(digits, 0) + 1
        self.codes[key] = code

    def drop(self, key: int, digits: int) -> None:
        if self.codes.pop(key, None) is not None:
            self.lengths[digits] -= 1
            if not self.lengths[digits]:
                del self.lengths[digits]


class Blacklists:
    """All entries; added and removed one by one, so that a change never costs a reload."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._numbers: dict[_Key, _Numbers] = {}
        self._expires: dict[tuple[ListSide, str, int], float] = {}
        for entry in entries:
            self.add(entry)

    def load(self, rows: Iterable[RawEntry]) -> None:
        """Takes many stored entries in; a million in two seconds."""
        names = {(side.value, kind.value): (side, kind) for side in ListSide for kind in ListKind}
        for side_name, kind_name, digits, whole, account, confidence, expires_at in rows:
            side, kind = names[side_name, kind_name]
            if kind is ListKind.DYNAMIC:
                self.add(Entry(side, kind, digits, bool(whole), account, 0, expires_at))
                continue
            numbers = self._numbers.get((side, account))
            if numbers is None:
                numbers = self._numbers[side, account] = _Numbers()
            key = int(("2" if whole else "1") + digits)
            code = numbers.codes.get(key, 0)
            more = _FIXED if kind is ListKind.FIXED else _SMART | confidence << _SHIFT
            numbers.put(key, len(digits), code | more)

    def __len__(self) -> int:
        return sum(len(numbers.codes) for numbers in self._numbers.values())

    def add(self, entry: Entry) -> None:
        """Takes one entry in, in the place of one of its kind at the same digits."""
        numbers = self._numbers.setdefault((entry.side, entry.account), _Numbers())
        key = _key(entry.digits, whole=entry.whole)
        if entry.kind is ListKind.DYNAMIC:
            self._expires.pop((entry.side, entry.account, key), None)
            self._expires[entry.side, entry.account, key] = entry.expires_at
            self._make_room()
        numbers.put(key, len(entry.digits), _with(numbers.codes.get(key, 0), entry))

    def remove(self, entry: Entry) -> None:
        """Forgets one entry; one that is not here is fine."""
        numbers = self._numbers.get((entry.side, entry.account))
        key = _key(entry.digits, whole=entry.whole)
        if numbers is None or key not in numbers.codes:
            return
        if entry.kind is ListKind.DYNAMIC:
            self._expires.pop((entry.side, entry.account, key), None)
        self._set(numbers, key, len(entry.digits), _without(numbers.codes[key], entry.kind))
        if not numbers.codes:
            del self._numbers[entry.side, entry.account]

    def find(self, side: ListSide, accounts: Sequence[str], number: str, level: int, now: float) -> Hit | None:
        """The entry that keeps `number` out, of these accounts' lists (the nearest first) and of everybody's.

        `level`: from which confidence on smart entries block; 0: never.
        """
        if not (number.isascii() and number.isdigit()):
            return None
        best: tuple[int, bool, Entry] | None = None
        for owner in (*accounts, ""):
            entry = self._longest(side, owner, number, level, now)
            if entry is not None:
                rank = (len(entry.digits), entry.whole)
                if best is None or rank > best[:2]:
                    best = (*rank, entry)
        return Hit(best[2], number) if best is not None else None

    def expire(self, now: float) -> list[Entry]:
        """Forgets the dynamic entries that ran out; returns them."""
        gone = [(where, at) for where, at in self._expires.items() if at <= now]
        found = []
        for (side, account, key), at in gone:
            digits, whole = _digits(key)
            found.append(Entry(side, ListKind.DYNAMIC, digits, whole, account, expires_at=at))
            self.remove(found[-1])
        return found

    def _longest(self, side: ListSide, owner: str, number: str, level: int, now: float) -> Entry | None:
        numbers = self._numbers.get((side, owner))
        if numbers is None:
            return None
        for length in range(min(len(number), MOST_DIGITS), 0, -1):
            if length not in numbers.lengths:
                continue
            digits = number[:length]
            for whole in (True, False) if length == len(number) else (False,):
                key = _key(digits, whole=whole)
                code = numbers.codes.get(key)
                if code and (entry := self._blocking(side, owner, key, code, level, now)):
                    return entry
        return None

    def _blocking(self, side: ListSide, owner: str, key: int, code: int, level: int, now: float) -> Entry | None:
        digits, whole = _digits(key)
        if code & _FIXED:
            return Entry(side, ListKind.FIXED, digits, whole, owner)
        if code & _DYNAMIC and (until := self._expires.get((side, owner, key), 0.0)) > now:
            return Entry(side, ListKind.DYNAMIC, digits, whole, owner, expires_at=until)
        if code & _SMART and 0 < level <= code >> _SHIFT:
            return Entry(side, ListKind.SMART, digits, whole, owner, code >> _SHIFT)
        return None

    def _make_room(self) -> None:
        while len(self._expires) > MOST_DYNAMIC:
            side, account, key = next(iter(self._expires))
            digits, whole = _digits(key)
            self.remove(Entry(side, ListKind.DYNAMIC, digits, whole, account))

    def _set(self, numbers: _Numbers, key: int, digits: int, code: int) -> None:
        if code & (_FIXED | _DYNAMIC | _SMART):
            numbers.codes[key] = code
        else:
            numbers.drop(key, digits)


def _key(digits: str, *, whole: bool) -> int:
    """Digits with a 1 before them, a whole number with a 2: leading zeros count."""
    return int(("2" if whole else "1") + digits)


def _digits(key: int) -> tuple[str, bool]:
    text = str(key)
    return text[1:], text[0] == "2"


def _with(code: int, entry: Entry) -> int:
    match entry.kind:
        case ListKind.FIXED:
            return code | _FIXED
        case ListKind.DYNAMIC:
            return code | _DYNAMIC
        case ListKind.SMART:
            return code & (_FIXED | _DYNAMIC) | _SMART | entry.confidence << _SHIFT


def _without(code: int, kind: ListKind) -> int:
    match kind:
        case ListKind.FIXED:
            return code & ~_FIXED
        case ListKind.DYNAMIC:
            return code & ~_DYNAMIC
        case ListKind.SMART:
            return code & (_FIXED | _DYNAMIC)
