"""Reading a rate deck from CSV, in pieces: text in, rates out, errors that name line and column.

    prefix;destination;per_minute;connect_fee;initial_increment;next_increment;minimum
    49;Germany;0,02;0;60;60;0

The first line is the header, in any order; only `prefix` and `per_minute` are required. A byte order mark, `;` or tab
for `,`, quotes and Windows line ends are tolerated; with `;` or tab, a comma is a decimal point. An unknown column is
an error: a misspelt `conect_fee` must not become a free connection. A date in `valid_from` or `valid_until` is the
whole day in the reader's zone, from its beginning, until its end; an instant is meant to the second. Knows no file, no
store and no account.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache, partial
from typing import Any

from pysrv.billing import money
from pysrv.billing.number import prefix_digits
from pysrv.billing.tariff import Rate, Rounding, TariffError
from pysrv.billing.timeclass import TimeClass

MAX_PREFIX_DIGITS = 16
MAX_INCREMENT_S = 86_400
MAX_DESTINATION = 100


class RateError(Exception):
    """A deck that cannot be read. `line` counts from 1 over the whole file; `column` is the header's name or empty."""

    def __init__(self, line: int, column: str, message: str) -> None:
        where = f"line {line}, column {column}" if column else f"line {line}"
        super().__init__(f"{where}: {message}")
        self.line, self.column, self.message = line, column, message


class DateError(ValueError):
    """A text that is no date or time; the message says what one looks like."""


def _prefix(text: str) -> str:
    digits = prefix_digits(text)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > MAX_PREFIX_DIGITS:
        raise ValueError(f"{text!r} is not a prefix: 1 to {MAX_PREFIX_DIGITS} digits")
    return digits


@lru_cache(maxsize=4096)
def _amount(text: str) -> int:
    micro = money.parse(text) if text.strip() else 0
    if micro < 0:
        raise ValueError(f"{text!r} is negative: prices are not")
    return micro


@lru_cache(maxsize=4096)
def _price(text: str) -> int:
    if not text.strip():
        raise ValueError("is empty: write 0 for a free destination")
    return _amount(text)


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    digits = text.strip() or "0"
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 6 or int(digits) > MAX_INCREMENT_S:
        raise ValueError(f"{text!r} is not a number of seconds from 0 to {MAX_INCREMENT_S}")
    return int(digits)


@lru_cache(maxsize=1024)
def _increment(text: str) -> int:
    seconds = _seconds(text) if text.strip() else 1
    if seconds < 1:
        raise ValueError("0 is not an increment: at least 1 second")
    return seconds


@lru_cache(maxsize=64)
def _rounding(text: str) -> tuple[Rounding, int]:
    """`up`, `nearest`, and with the number of decimals: `up 2`, `nearest:4`."""
    rule, _, places = text.strip().lower().replace(":", " ").partition(" ")
    places = places.strip() or str(money.PLACES)
    if rule not in ("", *Rounding) or not places.isascii() or not places.isdigit() or int(places) > money.PLACES:
        raise ValueError(f"{text!r} is no rounding: up or nearest, with a number of decimals if wanted ('up 2')")
    return Rounding(rule or Rounding.UP), int(places)


@lru_cache(maxsize=64)
def _class(text: str) -> str:
    word = text.strip().lower().replace("-", "")
    if word in ("", "always"):
        return ""
    if word not in tuple(TimeClass):
        raise ValueError(f"{text!r} is no time class: {', '.join(TimeClass)}, or empty for always")
    return word


@lru_cache(maxsize=4096)
def instant(text: str, zone: tzinfo, *, end: bool = False) -> float:
    """Unix seconds of a date (its beginning, or its end) or of an instant; empty is 0. Raises DateError."""
    word = text.strip()
    if not word:
        return 0.0
    try:
        if len(word) <= len("2026-12-31"):
            day = date.fromisoformat(word) + timedelta(days=end)
            return datetime.combine(day, time(), zone).timestamp()
        when = datetime.fromisoformat(word)
        return (when if when.tzinfo is not None else when.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise DateError(f"{text!r} is no date or time: 2026-12-31, or 2026-12-31T18:00:00+01:00") from None


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > MAX_DESTINATION or not name.isprintable():
        raise ValueError(f"a destination has at most {MAX_DESTINATION} printable characters")
    return name


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its names in a header (the first is ours), how its cells are read, whether it must be there.

    `dated` columns are read in the reader's zone. A default that is a tuple fills several fields of the rate.
    """

    names: tuple[str, ...]
    read: Callable[..., Any]
    default: Any
    required: bool = False
    money: bool = False
    dated: bool = False
    words: str = ""


COLUMNS = (
    Column(("prefix", "code", "dialcode"), _prefix, "", required=True, words="digits that its numbers begin with"),
    Column(("per_minute", "rate", "price"), _price, 0, required=True, money=True, words="price of a minute; 0 is free"),
    Column(("connect_fee", "setup_fee"), _amount, 0, money=True, words="due with the answer"),
    Column(("initial_increment", "initial_increment_s"), _increment, 1, words="seconds of the first step"),
    Column(("next_increment", "next_increment_s"), _increment, 1, words="seconds of every further step"),
    Column(("minimum", "minimum_s", "minimum_seconds"), _seconds, 0, words="seconds that are paid at least"),
    Column(("destination", "name", "country"), _name, "", words="what people call it"),
    Column(("free_seconds", "free"), _seconds, 0, words="a first block of seconds that costs nothing"),
    Column(
        ("rounding",),
        _rounding,
        (Rounding.UP, money.PLACES),
        words="up or nearest, to so many decimals: up 2",
    ),
    Column(("time_class", "class"), _class, "", words="peak, offpeak, weekend or holiday; empty is always"),
    Column(("valid_from", "from"), partial(instant, end=False), 0.0, dated=True, words="first day or instant"),
    Column(
        ("valid_until", "until"), partial(instant, end=True), 0.0, dated=True, words="last day, or instant of the end"
    ),
)
"""In the order of Rate's fields."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a column's cells stand in this file and which field of the rate they begin at."""

    place: int
    field: int
    column: Column
    read: Callable[[str], Any]


class DeckReader:
    """Reads one deck, fed in pieces that end at line ends; the first piece starts with the header."""

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._delimiter = ","
        self._cells: tuple[_Cell, ...] | None = None
        self._defaults: list[Any] = []
        self._width = 0

    @property
    def dated(self) -> bool:
        """Whether the file has dates, so that rows of one prefix may overlap."""
        return any(cell.column.dated for cell in self._cells or ())

    def feed(self, text: str, first_line: int) -> list[tuple[int, Rate]]:
        """The rates of one piece with their line numbers; `first_line` is the number of its first line in the file.

        Raises RateError at the first line that cannot be read; nothing of the piece is then to be used.
        """
        lines = text.removeprefix("\ufeff").split("\n")
        if self._cells is None:
            self._header(lines[0], first_line)
            lines[0] = ""
        return list(self._rates(lines, first_line))

    def _header(self, line: str, number: int) -> None:
        self._delimiter = max(",;\t", key=line.count)
        cells = next(csv.reader([line.strip("\r")], delimiter=self._delimiter), [])
        names = [cell.strip().lower().replace(" ", "_") for cell in cells]
        known = {name: column for column in COLUMNS for name in column.names}
        for name in names:
            if name not in known:
                ours = ", ".join(column.names[0] for column in COLUMNS)
                raise RateError(number, name, f"unknown column; the header may have {ours}")
        found: list[_Cell] = []
        defaults: list[Any] = []
        for column in COLUMNS:
            places = [index for index, name in enumerate(names) if name in column.names]
            if len(places) > 1:
                raise RateError(number, column.names[0], "the column appears twice")
            if column.required and not places:
                raise RateError(number, column.names[0], "the column is missing from the header (the first line)")
            read = partial(column.read, zone=self._zone) if column.dated else column.read
            found += [_Cell(place, len(defaults), column, read) for place in places]
            defaults += column.default if isinstance(column.default, tuple) else (column.default,)
        self._cells, self._defaults, self._width = tuple(found), defaults, len(names)

    def _rates(self, lines: list[str], first_line: int) -> Iterator[tuple[int, Rate]]:
        reader = csv.reader((line.rstrip("\r") for line in lines), delimiter=self._delimiter, strict=True)
        line = first_line  # where the record starts: an open quote runs on to the end of the piece
        try:
            for cells in reader:
                if any(cells):
                    yield line, self._rate(cells, line)
                line = first_line + reader.line_num
        except csv.Error as error:
            raise RateError(line, "", f"not CSV: {error}") from None

    def _rate(self, cells: list[str], line: int) -> Rate:
        if len(cells) != self._width:
            raise RateError(line, "", f"{len(cells)} columns, the header has {self._width}")
        fields = self._defaults.copy()
        for cell in self._cells or ():
            try:
                value = cell.read(self._written(cells[cell.place], cell.column))
            except ValueError as error:
                raise RateError(line, cell.column.names[0], str(error)) from None
            if isinstance(value, tuple):
                fields[cell.field : cell.field + len(value)] = value
            else:
                fields[cell.field] = value
        try:
            return Rate(*fields)
        except TariffError as error:
            raise RateError(line, "", str(error)) from None

    def _written(self, cell: str, column: Column) -> str:
        if column.money and self._delimiter != "," and "." not in cell:
            return cell.replace(",", ".")
        return cell
