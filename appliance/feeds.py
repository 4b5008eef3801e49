"""Ban lists as others publish them: one address or network a line, or JSON. Text in, packed networks out.

Understood: plain addresses, CIDR, ranges (`first - last`), comments after `#`, `;` or `//` (Spamhaus DROP), JSON arrays
and objects, and one JSON object a line. A line that cannot be used is named with its number and the reason.
"""

import ipaddress
import json
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from appliance import networks

KEYS: Final = ("ip", "cidr", "prefix", "network", "address", "ip_address", "ipaddress", "subnet", "range", "ip_range",
               "ip_prefix", "ipv6_prefix", "ipv4prefix", "ipv6prefix", "host")  # fmt: skip
WIDEST_IP4, WIDEST_IP6 = 8, 16  # a list that holds more at once is a mistake, or an attack on whoever loads it
REPORT_EVERY: Final = 10_000
_MAPPED: Final = bytes(10) + b"\xff\xff"
_COMMENT: Final = re.compile(r"[#;]|//|\s")

Progress = Callable[[int], None]  # lines or entries read so far


class Format(StrEnum):
    """How a list is written."""

    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or the entry of a JSON document, that was not taken."""

    line: int
    text: str
    reason: str


@dataclass(slots=True)
class Feed:
    """What was read. `rows` may hold doubles; `total` counts lines or entries that said something."""

    rows: list[bytes] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    total: int = 0

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Write one down that is not taken."""
        self.bad.append(BadLine(line, text[:80], reason))


def format_of(text: str) -> Format:
    """How `text` looks: JSON begins with a bracket, and one object a line ends its first line with a brace."""
    begin = text.lstrip("\ufeff \t\r\n")[:100_000]
    if not begin.startswith(("[", "{")):
        return Format.PLAIN
    first = begin.partition("\n")[0].strip()
    if first.startswith("{") and first.endswith("}") and len(first) < len(begin.rstrip()):
        return Format.JSONL
    return Format.JSON


def read(text: str, form: Format = Format.AUTO, progress: Progress = lambda _: None) -> Feed:
    """Every network that `text` names. Raises ValueError when a JSON document is not JSON at all."""
    text = text.removeprefix("\ufeff")
    match format_of(text) if form is Format.AUTO else form:
        case Format.JSON:
            return _read_json(json.loads(text), progress)
        case Format.JSONL:
            return _read_lines(text, _jsonl_rows, progress)
        case _:
            return _read_lines(text, _plain_rows, progress)


def _read_lines(text: str, rows_of: Callable[[str], list[bytes]], progress: Progress) -> Feed:
    feed = Feed()
    rows, pton, single = feed.rows, socket.inet_pton, networks.SINGLE
    for number, line in enumerate(text.split("\n"), 1):
        if not number % REPORT_EVERY:
            progress(number)
        try:
            rows.append(_MAPPED + pton(socket.AF_INET, line) + single)
            feed.total += 1
            continue
        except (OSError, ValueError):
            pass
        try:
            found = rows_of(line)
            rows += found
            feed.total += bool(found)
        except ValueError as error:
            feed.total += 1
            feed.refuse(number, line.strip(), str(error))
    return feed


def _plain_rows(line: str) -> list[bytes]:
    """The networks of one line; none for an empty line or a comment. Raises ValueError."""
    words = line.strip()
    if not words or words[0] in "#;" or words.startswith("//"):
        return []
    first, _, rest = words.partition("-")
    if rest and ("." in rest or ":" in rest) and "/" not in first:
        return _range(first.strip(), _COMMENT.split(rest.strip(), maxsplit=1)[0])
    return [_network(_COMMENT.split(words, maxsplit=1)[0].strip(",\"'"))]


def _range(first: str, last: str) -> list[bytes]:
    try:
        ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError:
        raise ValueError("no range from an address to an address") from None
    try:
        return [_bounded(networks.row(each)) for each in ipaddress.summarize_address_range(*ends)]
    except TypeError:
        raise ValueError(f"{first} and {last} are not of one kind") from None


def _network(text: str) -> bytes:
    """The row of an address or a network. Raises ValueError with the reason."""
    try:
        return _bounded(networks.parsed(text))
    except ValueError as error:
        if "has host bits set" in str(error):
            raise ValueError(f"host bits set; the network is {ipaddress.ip_network(text, strict=False)}") from None
        if "does not appear to be" in str(error):
            raise ValueError("neither an address nor a network") from None
        raise


def _bounded(row: bytes) -> bytes:
    ip4 = row[:12] == _MAPPED and row[16] >= 96
    if row[16] < (WIDEST_IP4 + 96 if ip4 else WIDEST_IP6) or (
        not ip4 and networks.overlap(row, _MAPPED + bytes(4) + b"\x60")
    ):
        raise ValueError(f"too wide: the widest network taken is /{WIDEST_IP4} of IPv4 and /{WIDEST_IP6} of IPv6")
    return row


def _jsonl_rows(line: str) -> list[bytes]:
    if not line.strip():
        return []
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    found = [_entry(each) for each in _entries(value)]
    if not found and not (isinstance(value, dict) and value.get("type") == "metadata"):
        raise ValueError(f"no address under any of {', '.join(KEYS[:4])}")
    return found


def _read_json(value: Any, progress: Progress) -> Feed:
    feed = Feed()
    for number, entry in enumerate(_entries(value), 1):
        if not number % REPORT_EVERY:
            progress(number)
        feed.total += 1
        try:
            feed.rows.append(_entry(entry))
        except ValueError as error:
            feed.refuse(number, str(entry), str(error))
    return feed


def _entries(value: Any) -> Iterator[Any]:
    """Every address in a JSON document: texts in arrays, and what objects hold under a key of KEYS."""
    if isinstance(value, list):
        for each in value:
            if isinstance(each, dict | list):
                yield from _entries(each)
            else:
                yield each
    elif isinstance(value, dict):
        named = [each for key, each in value.items() if key.lower() in KEYS and isinstance(each, str)]
        yield from named
        for each in value.values():
            if isinstance(each, dict | list):
                yield from _entries(each)


def _entry(entry: Any) -> bytes:
    if not isinstance(entry, str):
        raise ValueError("not text")
    return _network(entry.strip())


def pieces(rows: Iterable[bytes]) -> Iterator[bytes]:
    """The rows in pieces of networks.CHUNK_ROWS."""
    ordered = list(rows)
    for at in range(0, len(ordered), networks.CHUNK_ROWS):
        yield b"".join(ordered[at : at + networks.CHUNK_ROWS])
