"""Reading a rate deck from CSV, in pieces: text in, rates out, errors that name line and column.

    prefix;destination;per_minute;connect_fee;initial_increment;next_increment;minimum
    49;Germany;0,02;0;60;60;0

The first line is the header, in any order; only `prefix` and `per_minute` are required. A byte order mark, `;` or tab
for `,`, quotes and Windows line ends are tolerated; with `;` or tab, a comma is a decimal point. An unknown column is
an error: a misspelt `conect_fee` must not become a free connection. Knows no file, no store and no account.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pysrv.billing import money
from pysrv.billing.number import prefix_digits
from pysrv.billing.tariff import Rate, TariffError

MAX_PREFIX_DIGITS = 16
MAX_INCREMENT_S = 86_400
MAX_DESTINATION = 100


class RateError(Exception):
    """A deck that cannot be read. `line` counts from 1 over the whole file; `column` is the header's name or empty."""

    def __init__(self, line: int, column: str, message: str) -> None:
        where = f"line {line}, column {column}" if column else f"line {line}"
        super().__init__(f"{where}: {message}")
        self.line, self.column, self.message = line, column, message


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


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > MAX_DESTINATION or not name.isprintable():
        raise ValueError(f"a destination has at most {MAX_DESTINATION} printable characters")
    return name


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its names in a header (the first is ours), how its cells are read, whether it must be there."""

    names: tuple[str, ...]
    read: Callable[[str], str | int]
    default: str | int
    required: bool = False
    money: bool = False


COLUMNS = (
    Column(("prefix", "code", "dialcode"), _prefix, "", required=True),
    Column(("per_minute", "rate", "price"), _price, 0, required=True, money=True),
    Column(("connect_fee", "setup_fee"), _amount, 0, money=True),
    Column(("initial_increment", "initial_increment_s"), _increment, 1),
    Column(("next_increment", "next_increment_s"), _increment, 1),
    Column(("minimum", "minimum_s", "minimum_seconds"), _seconds, 0),
    Column(("destination", "name", "country"), _name, ""),
)
"""In the order of Rate's fields."""


class DeckReader:
    """Reads one deck, fed in pieces that end at line ends; the first piece starts with the header."""

    def __init__(self) -> None:
        self._delimiter = ","
        self._places: list[int | None] | None = None
        self._width = 0

    def feed(self, text: str, first_line: int) -> list[tuple[int, Rate]]:
        """The rates of one piece with their line numbers; `first_line` is the number of its first line in the file.

        Raises RateError at the first line that cannot be read; nothing of the piece is then to be used.
        """
        lines = text.removeprefix("\ufeff").split("\n")
        if self._places is None:
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
        places = []
        for column in COLUMNS:
            found = [index for index, name in enumerate(names) if name in column.names]
            if len(found) > 1:
                raise RateError(number, column.names[0], "the column appears twice")
            if column.required and not found:
                raise RateError(number, column.names[0], "the column is missing from the header (the first line)")
            places.append(found[0] if found else None)
        self._places, self._width = places, len(names)

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
        fields = []
        for column, place in zip(COLUMNS, self._places or (), strict=True):
            if place is None:
                fields.append(column.default)
                continue
            try:
                fields.append(column.read(self._cell(cells[place], column)))
            except ValueError as error:
                raise RateError(line, column.names[0], str(error)) from None
        try:
            return Rate(*fields)  # type: ignore[arg-type]  # COLUMNS is in the order of Rate's fields
        except TariffError as error:
            raise RateError(line, "", str(error)) from None

    def _cell(self, cell: str, column: Column) -> str:
        if column.money and self._delimiter != "," and "." not in cell:
            return cell.replace(",", ".")
        return cell
