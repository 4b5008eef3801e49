"""The kinds of value made of time or text: durations, strings, secrets, links, lists and maps.

They continue `fields.py`, with the same rule: `parse(text(v)) == v`, and no knowledge of settings.
"""

import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from appliance.config.fields import MAX_TEXT, BadValue, Int, Kind, decimal_of, quoted

UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
MAX_DURATION_MS = 3650 * UNITS_MS["d"]
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,3})?)(ms|[wdhms])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration(Kind[float]):
    """A span of time, in seconds with millisecond steps. `zero` says what 0 means; without it 0 is refused."""

    zero: str = ""
    noun: ClassVar[str] = "duration"

    def parse(self, text: str) -> float:
        word = text.strip().lower().replace(" ", "")
        total = 0 if self.zero and word == self.zero else _milliseconds(word)
        if total is None or not (0 if self.zero else 1) <= total <= MAX_DURATION_MS:
            raise self.refuse(text)
        return total / 1000

    def text(self, value: float) -> str:
        left, parts = round(value * 1000), []
        for unit, size in UNITS_MS.items():
            if unit != "w" and left >= size:
                parts.append(f"{left // size}{unit}")
                left %= size
        return "".join(parts) or "0"

    def allowed(self) -> str:
        words = "a duration such as 90s, 3m, 6h, 1h30m or 7d (a bare number is seconds)"
        return f"{words}, 0 = {self.zero}" if self.zero else f"{words}, above 0"

    def json_schema(self) -> dict[str, Any]:
        limit: dict[str, Any] = {"minimum": 0} if self.zero else {"exclusiveMinimum": 0}
        return {"oneOf": [{"type": "string", "pattern": "^[0-9.wdhms ]+$"}, {"type": "number", **limit}]}


def _milliseconds(word: str) -> int | None:
    bare = decimal_of(word, 3)
    if bare is not None:
        return int(bare * 1000)
    if not word or _PART.sub("", word):
        return None
    return int(sum(Decimal(amount) * UNITS_MS[unit] for amount, unit in _PART.findall(word)))


def is_domain(text: str) -> bool:
    """Whether `text` is a DNS name in its letters-digits-hyphen form (RFC 1123 section 2.1)."""
    labels = text.removesuffix(".").split(".")
    fits = all(re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)", label, re.ASCII) for label in labels)
    return len(text) <= 253 and fits


def is_address(text: str) -> bool:
    """Whether `text` is an IP address or a network of which no host bits are set."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def is_endpoint(text: str) -> bool:
    """Whether `text` is an address, network or DNS name, with or without a port (`[v6]:port` for IPv6)."""
    if is_address(text):
        return True
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 1 <= int(match["port"] or 1) <= 65535:
        return False
    return is_address(match["six"]) if match["six"] else is_address(match["host"]) or is_domain(match["host"])


def is_digits(text: str) -> bool:
    """Whether `text` has decimal digits only."""
    return re.fullmatch(r"[0-9]+", text, re.ASCII) is not None


def is_dialable(text: str) -> bool:
    """Whether `text` can be dialled as a number: digits with an optional leading plus."""
    return re.fullmatch(r"\+?[0-9*#]{1,32}", text, re.ASCII) is not None


def is_email(text: str) -> bool:
    """Whether `text` is a mail address that needs no quoting (RFC 5321 section 4.1.2)."""
    local, _, domain = text.rpartition("@")
    return re.fullmatch(r"[^\s@<>\",;:\\]{1,64}", local, re.ASCII) is not None and is_domain(domain)


def is_phone(text: str) -> bool:
    """Whether `text` is an E.164 number, with or without its plus."""
    return re.fullmatch(r"\+?[0-9]{3,15}", text, re.ASCII) is not None


def is_country(text: str) -> bool:
    """Whether `text` has the form of an ISO 3166-1 alpha-2 code."""
    return re.fullmatch(r"[A-Z]{2}", text, re.ASCII) is not None


def is_zone(text: str) -> bool:
    """Whether `text` names a time zone of the machine's zone database."""
    try:
        zoneinfo.ZoneInfo(text)
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def is_line(text: str) -> bool:
    """Whether `text` is one printable line."""
    return text.isprintable()


@dataclass(frozen=True, slots=True)
class Form:
    """What one piece of text must look like, and how to say so."""

    accepts: Callable[[str], bool]
    words: str
    plural: str


TEXT = Form(is_line, "one line of text", "pieces of text without commas")
DOMAIN = Form(is_domain, "a DNS name", "DNS names")
DIGITS = Form(is_digits, "decimal digits", "runs of digits")
DIALABLE = Form(is_dialable, "a number", "numbers (digits, with an optional plus)")
EMAIL = Form(is_email, "a mail address", "mail addresses")
PHONE = Form(is_phone, "a telephone number", "telephone numbers")
COUNTRY = Form(is_country, "a country of two capital letters, such as DE", "countries of two capital letters")
ZONE = Form(is_zone, "a time zone such as Europe/Berlin", "time zones")
ADDRESS = Form(is_address, "an address or network", "addresses or networks")
ENDPOINT = Form(
    is_endpoint, "an address, network or DNS name", "addresses, networks or DNS names, with ports if wanted"
)


@dataclass(frozen=True, slots=True)
class Str(Kind[str]):
    """A piece of text; empty means not set."""

    form: Form = TEXT
    noun: ClassVar[str] = "text"

    def parse(self, text: str) -> str:
        word = text.strip()
        if len(word) > MAX_TEXT or (word and not self.form.accepts(word)):
            raise self.refuse(text)
        return word

    def text(self, value: str) -> str:
        return value

    def allowed(self) -> str:
        return f"{self.form.words}, or empty"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": MAX_TEXT}


@dataclass(frozen=True, slots=True)
class Secret(Kind[str]):
    """A piece of text that is never shown; empty means not set."""

    form: Form = TEXT
    noun: ClassVar[str] = "secret"
    secret: ClassVar[bool] = True

    def parse(self, text: str) -> str:
        if len(text) > MAX_TEXT or (text and not self.form.accepts(text)):
            raise self.refuse(text)
        return text

    def text(self, value: str) -> str:
        return value

    def shown(self, value: str) -> str:
        return "(set)" if value else ""

    def refuse(self, value: object) -> BadValue:
        """The value itself stays out of the message."""
        del value
        return BadValue(f"must be {self.allowed()}")

    def allowed(self) -> str:
        return f"{self.form.words}, or empty"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": MAX_TEXT, "writeOnly": True}


@dataclass(frozen=True, slots=True)
class Url(Kind[str]):
    """An https address; empty means not set."""

    noun: ClassVar[str] = "https URL"

    def parse(self, text: str) -> str:
        word = text.strip()
        if word and not is_https(word):
            raise self.refuse(text)
        return word

    def text(self, value: str) -> str:
        return value

    def allowed(self) -> str:
        return "an https:// URL, or empty"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uri", "pattern": "^(https://.*)?$"}


def is_https(word: str, schemes: tuple[str, ...] = ("https",)) -> bool:
    """Whether `word` is an https address with a host, or one of other `schemes`."""
    try:
        parts = urlsplit(word)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        return False
    named = host is not None and (is_domain(host) or is_address(host))
    return parts.scheme in schemes and named and word.isprintable() and " " not in word and len(word) <= MAX_TEXT


@dataclass(frozen=True, slots=True)
class ListOf(Kind[tuple[str, ...]]):
    """Several pieces of text, separated by commas where a list is written as one text."""

    form: Form = TEXT
    noun: ClassVar[str] = "list"

    def parse(self, text: str) -> tuple[str, ...]:
        return self._checked([item.strip() for item in text.split(",")] if text.strip() else [])

    def from_toml(self, value: object) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
            return self._checked([str(item).strip() for item in value])
        if isinstance(value, str):
            return self.parse(value)
        raise self.refuse(value)

    def _checked(self, items: list[str]) -> tuple[str, ...]:
        for item in items:
            if not item or "," in item or len(item) > MAX_TEXT or not self.form.accepts(item):
                raise self.refuse(item)
        return tuple(dict.fromkeys(items))

    def text(self, value: tuple[str, ...]) -> str:
        return ",".join(value)

    def to_toml(self, value: tuple[str, ...]) -> str:
        return "[" + ", ".join(quoted(item) for item in value) + "]"

    def allowed(self) -> str:
        return f"{self.form.plural}, separated by commas"

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class Map(Kind[Mapping[str, int]]):
    """Whole numbers by name, written `name=1,other=2`; a name that is missing has no limit."""

    names: tuple[str, ...]
    noun: ClassVar[str] = "map"

    def parse(self, text: str) -> Mapping[str, int]:
        pairs = [item.partition("=") for item in text.split(",")] if text.strip() else []
        return self._checked([(name.strip().lower(), number) for name, _, number in pairs], text)

    def from_toml(self, value: object) -> Mapping[str, int]:
        if isinstance(value, dict):
            return self._checked([(str(name).lower(), str(number)) for name, number in value.items()], value)
        return self.parse(value) if isinstance(value, str) else self._checked([("", "")], value)

    def _checked(self, pairs: list[tuple[str, str]], whole: object) -> Mapping[str, int]:
        values: dict[str, int] = {}
        for name, number in pairs:
            if name not in self.names or name in values:
                raise self.refuse(whole)
            try:
                values[name] = Int().parse(number)
            except BadValue:
                raise self.refuse(whole) from None
        return MappingProxyType({name: values[name] for name in self.names if name in values})

    def text(self, value: Mapping[str, int]) -> str:
        return ",".join(f"{name}={number}" for name, number in value.items())

    def to_toml(self, value: Mapping[str, int]) -> str:
        return "{" + ", ".join(f"{name} = {number}" for name, number in value.items()) + "}"

    def allowed(self) -> str:
        return f"name=number pairs separated by commas, of the names {', '.join(self.names)}"

    def json_schema(self) -> dict[str, Any]:
        whole = {"type": "integer", "minimum": 0}
        return {"type": "object", "properties": dict.fromkeys(self.names, whole), "additionalProperties": False}
