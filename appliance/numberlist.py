"""Reading entries of blacklists from CSV: text in, entries out; the first cell that cannot be read is named.

    number,match,side,account,confidence,reason
    +881,prefix,destination,,,satellites
    4915112345678,number,caller,alice,,pesters
    252,prefix,destination,,5,from a feed

The first line is the header, in any order; only `number` is required. With a confidence an entry is a smart one,
without it a fixed one. `;` or a tab may stand for the comma, a byte order mark and Windows line ends are tolerated; an
unknown column is an error. Knows no file and no office.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")
MOST_DIGITS: Final = 18
SUREST: Final = 6
MOST_REASON: Final = 200
MOST_ENTRIES: Final = 1_000_000
_DIGITS = re.compile(rf"[0-9]{{1,{MOST_DIGITS}}}", re.ASCII)
_VISUAL = str.maketrans("", "", " -./()")


class BadCell(ValueError):
    """A list that cannot be read. `line` counts from 1; `column` is the header's name, or empty for the whole line."""

    def __init__(self, line: int, column: str, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}" if column else f"line {line}: {message}")
        self.line, self.column = line, column


def digits(text: str) -> str:
    """The digits of a number or prefix, without plus, 00 and separators. Raises ValueError."""
    bare = text.strip().translate(_VISUAL).removeprefix("+")
    bare = bare[2:] if re.match(r"00[1-9]", bare) else bare
    if not _DIGITS.fullmatch(bare):
        raise ValueError(f"{text[:40]!r} is no number and no prefix: 1 to {MOST_DIGITS} digits")
    return bare


def _match(text: str) -> bool:
    return _one_of(text, {"": False, "prefix": False, "number": True})


def _side(text: str) -> str:
    return _one_of(text, {"": "destination", "destination": "destination", "caller": "caller"})


def _one_of(text: str, words: Mapping[str, T]) -> T:
    word = text.strip().lower()
    if word not in words:
        raise ValueError(f"{text[:40]!r} must be {' or '.join(filter(None, words))}")
    return words[word]


def confidence(text: str) -> int | None:
    """A confidence; None: there is none. Raises ValueError."""
    word = text.strip()
    if not word:
        return None
    if not re.fullmatch("[0-9]", word, re.ASCII) or int(word) > SUREST:
        raise ValueError(f"{text[:40]!r} is no confidence: 0 to {SUREST}, or empty for a fixed entry")
    return int(word)


def _line(text: str) -> str:
    if len(text) > MOST_REASON or not text.isprintable():
        raise ValueError(f"must be at most {MOST_REASON} printable characters")
    return text.strip()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its names in a header (the first is ours) and how its cells are read."""

    names: tuple[str, ...]
    read: Callable[[str], Any]
    key: str


COLUMNS: Final = (
    Column(("number", "prefix", "digits"), digits, "digits"),
    Column(("match",), _match, "whole"),
    Column(("side", "direction"), _side, "side"),
    Column(("account", "user"), _line, "account"),
    Column(("confidence", "level", "score"), confidence, "confidence"),
    Column(("reason", "note", "comment"), _line, "reason"),
)
_EVERY: Final = 20_000


def place(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """Where an entry stands: of two at one place the office keeps one."""
    smart = entry.get("confidence") is not None
    return (
        entry["digits"], entry.get("side", "destination"), entry.get("whole", False), entry.get("account", ""), smart,
    )  # fmt: skip


def read(text: str, progress: Callable[[int], None] = lambda _: None) -> list[dict[str, Any]]:
    """The entries as the office takes them; `progress` hears the lines done. Raises BadCell."""
    lines = text.removeprefix("\ufeff").splitlines()
    header = lines[0] if lines else ""
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        places = _places(next(reader, []))
        return list(_entries(reader, places, progress))
    except csv.Error as error:
        raise BadCell(reader.line_num, "", f"not CSV: {error}") from None


def _places(header: list[str]) -> list[Column]:
    known = {name: column for column in COLUMNS for name in column.names}
    places: list[Column] = []
    for cell in header:
        name = cell.strip().lower()
        if name not in known:
            ours = ", ".join(column.names[0] for column in COLUMNS)
            raise BadCell(1, name[:40], f"unknown column; the header may have {ours}")
        if known[name] in places:
            raise BadCell(1, name, "the column appears twice")
        places.append(known[name])
    if COLUMNS[0] not in places:
        raise BadCell(1, COLUMNS[0].names[0], "the column is missing from the header (the first line)")
    return places


def _entries(reader: Any, places: list[Column], progress: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    count = 0
    for cells in reader:
        number = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(places):
            raise BadCell(number, "", f"{len(cells)} columns, the header has {len(places)}")
        count += 1
        if count > MOST_ENTRIES:
            raise BadCell(number, "", f"more than {MOST_ENTRIES} entries")
        if not count % _EVERY:
            progress(number)
        yield _entry(cells, places, number)


def _entry(cells: list[str], places: list[Column], line: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, cell in zip(places, cells, strict=True):
        try:
            found[column.key] = column.read(cell)
        except ValueError as error:
            raise BadCell(line, column.names[0], str(error)) from None
    return found
