"""The kinds of value that a setting can have: how each is read, checked, written and described.

A kind turns text into a typed value and back (`parse(text(v)) == v`), says in words what it allows, and gives its
JSON Schema. It knows nothing of settings, files or clocks. Money is integer micro-units, time is seconds.
"""

import dataclasses
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")
MICRO = 1_000_000
MAX_UNITS = 10**12  # money and counts stay far inside SQLite's 64-bit integers, in micro-units too
MAX_TEXT = 4096


class BadValue(ValueError):
    """A text that its kind does not allow. The message starts with "must be"."""


class Kind(Generic[T]):
    """How one kind of value is read, written and described."""

    noun: ClassVar[str] = "value"
    secret: ClassVar[bool] = False

    @abstractmethod
    def parse(self, text: str) -> T:
        """The value that `text` stands for. Raises BadValue."""

    @abstractmethod
    def text(self, value: T) -> str:
        """The canonical text of `value`."""

    @abstractmethod
    def allowed(self) -> str:
        """What may be written, in words that follow "must be"."""

    @abstractmethod
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (draft 2020-12) of the value as it is written in the settings file."""

    def from_toml(self, value: object) -> T:
        """The value that a TOML value stands for. Raises BadValue."""
        if isinstance(value, bool):
            return self.parse("true" if value else "false")
        if isinstance(value, str | int | Decimal):
            return self.parse(str(value))
        raise self.refuse(value)

    def to_toml(self, value: T) -> str:
        """`value` as the right side of a line of the settings file."""
        return quoted(self.text(value))

    def shown(self, value: T) -> str:
        """`value` for people; secrets are masked."""
        return self.text(value)

    def refuse(self, value: object) -> BadValue:
        """The error that names what is allowed and what came instead."""
        return BadValue(f"must be {self.allowed()}, not {str(value)[:60]!r}")


def quoted(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda m: f"\\u{ord(m[0]):04x}", escaped) + '"'


@dataclass(frozen=True, slots=True)
class Int(Kind[int]):
    """A whole number. `special` names values that mean something else, such as {0: "off"}; it may be written too."""

    low: int = 0
    high: int = MAX_UNITS
    special: Mapping[int, str] = dataclasses.field(default_factory=dict)
    noun: ClassVar[str] = "whole number"

    def parse(self, text: str) -> int:
        word = text.strip().lower()
        for value, label in self.special.items():
            if word == label:
                return value
        if not re.fullmatch(r"[+-]?[0-9]{1,15}", word, re.ASCII) or not self.low <= int(word) <= self.high:
            raise self.refuse(text)
        return int(word)

    def text(self, value: int) -> str:
        return str(value)

    def to_toml(self, value: int) -> str:
        return str(value)

    def allowed(self) -> str:
        span = f"a whole number of at least {self.low}" if self.high >= MAX_UNITS else f"{self.low} to {self.high}"
        return span + "".join(f", {value} = {label}" for value, label in self.special.items())

    def json_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "integer", "minimum": self.low}
        return schema if self.high >= MAX_UNITS else schema | {"maximum": self.high}


@dataclass(frozen=True, slots=True)
class Port(Int):
    """A TCP or UDP port."""

    low: int = 1
    high: int = 65535
    noun: ClassVar[str] = "port"


_DECIMAL = re.compile(r"[+-]?[0-9]{1,15}(?:\.([0-9]+))?", re.ASCII)


def decimal_of(text: str, places: int) -> Decimal | None:
    """Plain decimal notation with at most `places` digits after the point, or None."""
    match = _DECIMAL.fullmatch(text.strip())
    return Decimal(match[0]) if match and len(match[1] or "") <= places else None


def plain(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


@dataclass(frozen=True, slots=True)
class Money(Kind[int]):
    """An amount in the account's currency, held as integer micro-units (1.25 is 1250000)."""

    low: int = 0
    special: Mapping[int, str] = dataclasses.field(default_factory=dict)
    noun: ClassVar[str] = "money"

    def parse(self, text: str) -> int:
        for value, label in self.special.items():
            if text.strip().lower() == label:
                return value
        number = decimal_of(text, 6)
        if number is None or not self.low * MICRO <= number * MICRO <= MAX_UNITS * MICRO:
            raise self.refuse(text)
        return int(number * MICRO)

    def text(self, value: int) -> str:
        return plain(Decimal(value) / MICRO)

    def to_toml(self, value: int) -> str:
        return self.text(value)

    def allowed(self) -> str:
        words = f"an amount of at least {self.low} with at most 6 decimals"
        return words + "".join(f", {value} = {label}" for value, label in self.special.items())

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low}


@dataclass(frozen=True, slots=True)
class Number(Kind[Decimal]):
    """A decimal number. With `above`, `low` itself is refused."""

    low: int = 0
    above: bool = False
    special: Mapping[int, str] = dataclasses.field(default_factory=dict)
    noun: ClassVar[str] = "number"

    def parse(self, text: str) -> Decimal:
        for value, label in self.special.items():
            if text.strip().lower() == label:
                return Decimal(value)
        number = decimal_of(text, 6)
        if number is None or number > MAX_UNITS or number < self.low or (self.above and number == self.low):
            raise self.refuse(text)
        return Decimal(plain(number))

    def text(self, value: Decimal) -> str:
        return plain(value)

    def to_toml(self, value: Decimal) -> str:
        return plain(value)

    def allowed(self) -> str:
        words = f"a number {'above' if self.above else 'of at least'} {self.low}"
        return words + "".join(f", {value} = {label}" for value, label in self.special.items())

    def json_schema(self) -> dict[str, Any]:
        return {"type": "number", "exclusiveMinimum" if self.above else "minimum": self.low}


@dataclass(frozen=True, slots=True)
class Bool(Kind[bool]):
    """Yes or no."""

    noun: ClassVar[str] = "switch"

    def parse(self, text: str) -> bool:
        word = text.strip().lower()
        if word in ("true", "yes", "on", "1"):
            return True
        if word in ("false", "no", "off", "0"):
            return False
        raise self.refuse(text)

    def text(self, value: bool) -> str:
        return "true" if value else "false"

    def to_toml(self, value: bool) -> str:
        return self.text(value)

    def allowed(self) -> str:
        return "true or false"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class AutoBool(Kind[bool | None]):
    """Yes, no, or None: the appliance decides by the rule `auto`."""

    auto: str
    noun: ClassVar[str] = "switch with auto"

    def parse(self, text: str) -> bool | None:
        try:
            return None if text.strip().lower() == "auto" else Bool().parse(text)
        except BadValue:
            raise self.refuse(text) from None

    def text(self, value: bool | None) -> str:
        return "auto" if value is None else Bool().text(value)

    def to_toml(self, value: bool | None) -> str:
        return '"auto"' if value is None else Bool().text(value)

    def allowed(self) -> str:
        return f"true, false or auto ({self.auto})"

    def json_schema(self) -> dict[str, Any]:
        return {"enum": [True, False, "auto"]}


@dataclass(frozen=True, slots=True)
class Enum(Kind[int]):
    """One of some numbered choices, each with its label."""

    labels: Mapping[int, str]
    noun: ClassVar[str] = "choice"

    def parse(self, text: str) -> int:
        word = text.strip()
        if not re.fullmatch(r"[0-9]{1,3}", word, re.ASCII) or int(word) not in self.labels:
            raise self.refuse(text)
        return int(word)

    def text(self, value: int) -> str:
        return str(value)

    def to_toml(self, value: int) -> str:
        return str(value)

    def allowed(self) -> str:
        return "one of " + ", ".join(f"{value} = {label}" for value, label in self.labels.items())

    def json_schema(self) -> dict[str, Any]:
        return {"oneOf": [{"const": value, "title": label} for value, label in self.labels.items()]}


@dataclass(frozen=True, slots=True)
class Choice(Kind[str]):
    """One of some words, each with its label."""

    labels: Mapping[str, str]
    noun: ClassVar[str] = "choice"

    def parse(self, text: str) -> str:
        word = text.strip().lower()
        if word not in self.labels:
            raise self.refuse(text)
        return word

    def text(self, value: str) -> str:
        return value

    def allowed(self) -> str:
        return "one of " + ", ".join(f"{value} ({label})" for value, label in self.labels.items())

    def json_schema(self) -> dict[str, Any]:
        return {"oneOf": [{"const": value, "title": label} for value, label in self.labels.items()]}
