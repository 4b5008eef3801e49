"""The configuration as one file: its frame, how its text is read, and the requests that carry it to the office.

    {
      "note": "...", "format": "appliance configuration", "format_version": 1, "product_version": "...",
      "secrets": false,
      "settings": {"calltimeout": "3600"},
      "taxes": [{"name": "vat", "percent": "19%", "note": ""}],
      ...
      "decks": [{"deck": "retail", "currency": "EUR", "tax": "", "effective_at": "", "rates": ["prefix,...", "49,..."]}]
    }

JSON (RFC 8259), an entry a line. What is long, rates and blacklist, is CSV inside of it, line by line as 'rates export'
and 'blacklist import' have it, and travels in pieces, so that calls go between them. What an entry means is the
office's to know (pysrv.control.configuration); here is nothing but its place. Pure.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from appliance.config import json_slices

FORMAT: Final = "appliance configuration"
FORMAT_VERSION: Final = 1
PIECE_ROWS: Final = 1000
MOST_BYTES: Final = 128 * 1024 * 1024
WITHOUT: Final = "Without secrets: an import keeps those that the machine has."
WITH: Final = "THIS FILE HOLDS PASSWORDS AND KEYS IN CLEAR. Keep it where nobody else can read it."

Request = tuple[str, dict[str, Any]]


class BadDocument(ValueError):
    """A text that is no configuration; the message says where and what."""


def read(data: bytes) -> dict[str, Any]:
    """The document. Raises BadDocument with line and column, or with the name that stands there twice."""
    reading = slices(data)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            found: dict[str, Any] = done.value
            return found


def slices(data: bytes) -> json_slices.Slices:
    """As `read`, for whoever has others to serve meanwhile: yields every few milliseconds, and returns the document."""
    if len(data) > MOST_BYTES:
        raise BadDocument(f"larger than {MOST_BYTES // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadDocument(f"line {line}: not UTF-8 text at byte {error.start}") from None
    try:
        document = yield from json_slices.slices(text)
    except json.JSONDecodeError as error:
        raise BadDocument(f"line {error.lineno}, column {error.colno}: {_small(error.msg)}") from None
    except ValueError as error:
        raise BadDocument(str(error)) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadDocument(f'no configuration of the appliance: "format" must be {FORMAT!r}')
    return document


def _small(words: str) -> str:
    return words[:1].lower() + words[1:]


def requests(document: Mapping[str, Any]) -> Iterator[Request]:
    """What the office is told: the head, then rates and blacklist in pieces. What has another shape than it should
    stays in the head, where the office refuses it by name."""
    head, long = dict(document), list[tuple[dict[str, Any], Sequence[str]]]()
    decks = head.get("decks")
    if isinstance(decks, list):
        shortened: list[Any] = []
        for number, deck in enumerate(decks):
            rows = deck.get("rates") if isinstance(deck, dict) else None
            if rows is not None and _are_rows(rows):
                deck = {name: value for name, value in deck.items() if name != "rates"}
                long.append(({"section": "rates", "deck": number}, rows))
            shortened.append(deck)
        head["decks"] = shortened
    if _are_rows(head.get("blacklist")):
        long.append(({"section": "blacklist"}, head["blacklist"]))
        head["blacklist"] = []
    yield "config.begin", {"document": head}
    for place, rows in long:
        yield from _pieces(place, rows)


def _are_rows(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, str) for row in rows)


def _pieces(place: Mapping[str, Any], rows: Sequence[str]) -> Iterator[Request]:
    for start in range(0, len(rows), PIECE_ROWS):
        yield "config.rows", {**place, "first": start + 1, "rows": list(rows[start : start + PIECE_ROWS])}
