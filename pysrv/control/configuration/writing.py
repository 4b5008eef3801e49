"""The document as text, in pieces: the frame with everything short, then the blacklist and the decks' rates.

An entry a line, in an order that says nothing of when it was made: two machines that are configured alike write the
same text.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Iterable
from datetime import UTC
from typing import Any, Final

from appliance.config.document import FORMAT, FORMAT_VERSION, WITH, WITHOUT
from appliance.config.schema import ROWS
from appliance.release import version
from appliance.wire import WireError
from pysrv.billing import deck_text
from pysrv.control.configuration.plan import BLACKLIST, DECKS, SETTINGS
from pysrv.control.configuration.reading import ENTRY_COLUMNS, MATCHES
from pysrv.control.configuration.sections import SECTIONS, stamp
from pysrv.control.desk import Desk
from pysrv.store.blacklists import BlacklistRow, EntryKey
from pysrv.store.rows import Deck

AT_ONCE: Final = 2000
_ENTRIES, _RATES = "entries", "rates"  # where a piece goes on
Place = tuple[str, ...]


def head(desk: Desk, *, secrets: bool) -> tuple[str, Place]:
    """Everything before the blacklist, and where to go on."""
    frame = {
        "note": WITH if secrets else WITHOUT,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "product_version": version(),
        "secrets": secrets,
    }
    parts = [f"  {_json(name)}: {_json(value)}" for name, value in frame.items()]
    settings = desk.settings
    texts = [
        f"{_json(name)}: {_json(settings.text(name))}"
        for name, row in ROWS.items()
        if settings.text(name) != row.kind.text(row.default) and (secrets or not row.kind.secret)
    ]
    parts.append(_block(SETTINGS, texts, "{}"))
    for section in SECTIONS:
        entries = sorted(section.held(desk), key=section.place)
        parts.append(_block(section.name, [_json(_object(entry, secrets=secrets)) for entry in entries]))
    return "{\n" + ",\n".join(parts) + f',\n  "{BLACKLIST}": [\n    {_json(",".join(ENTRY_COLUMNS))}', (_ENTRIES,)


def more(desk: Desk, place: Place) -> tuple[str, Place]:
    """The piece at a place and where to go on; an empty place: that was all. Raises WireError."""
    try:
        if place[0] == _ENTRIES:
            return _entries(desk, place[1:])
        if place[0] == _RATES:
            return _rates(desk, int(place[1]), place[2:])
    except (IndexError, ValueError):
        pass
    raise WireError("bad_args", "after names no place of a configuration", "take what the piece before it said")


def _entries(desk: Desk, after: Place) -> tuple[str, Place]:
    key: EntryKey = (after[0], after[1], after[2], after[3], int(after[4])) if after else ("", "", "", "", 0)
    rows = desk.store.blacklist_entered(AT_ONCE, key)
    text = "".join(f",\n    {_json(_line(row))}" for row in rows)
    if len(rows) == AT_ONCE:
        return text, (_ENTRIES, *map(str, rows[-1].key))
    decks = desk.store.decks_held()
    if not decks:
        return text + f'\n  ],\n  "{DECKS}": []\n}}\n', ()
    return text + f'\n  ],\n  "{DECKS}": [\n', _opened(decks[0])


def _opened(each: tuple[Deck, int]) -> Place:
    return _RATES, str(each[1])


def _rates(desk: Desk, import_id: int, after: Place) -> tuple[str, Place]:
    decks = desk.store.decks_held()
    number = next((n for n, (_, ident) in enumerate(decks) if ident == import_id), None)
    if number is None:
        raise WireError("conflict", "a deck has changed while it was written", "begin again")
    text = ""
    if not after:
        deck = decks[number][0]
        effective_at = stamp(deck.effective_at) if deck.effective_at > desk.clock() else ""
        facts = {"deck": deck.name, "currency": deck.currency, "tax": deck.tax, "effective_at": effective_at}
        text = f"    {_json(facts)[:-1]}, {_json('rates')}: [\n      {_json(deck_text.header().rstrip())}"
    key = (after[0], after[1], float(after[2])) if after else ("", "", 0.0)
    rates = desk.store.rates_of(import_id, AT_ONCE, key)
    text += "".join(f",\n      {_json(line)}" for line in deck_text.lines(rates, UTC).splitlines())
    if len(rates) == AT_ONCE:
        last = rates[-1]
        return text, (_RATES, str(import_id), last.prefix, last.time_class, repr(last.valid_from))
    if number + 1 < len(decks):
        return text + "\n    ]},\n", _opened(decks[number + 1])
    return text + "\n    ]}\n  ]\n}\n", ()


def _object(entry: Any, *, secrets: bool) -> dict[str, Any]:
    made = dataclasses.asdict(entry)
    if not secrets:
        made.pop("password", None)
    return made


def _line(row: BlacklistRow) -> str:
    match = next(word for word, whole in MATCHES.items() if whole == row.whole)
    sure = row.confidence if row.kind == "smart" else ""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow((row.digits, match, row.side, row.account, sure, row.reason))
    return out.getvalue()


def _block(name: str, lines: Iterable[str], brackets: str = "[]") -> str:
    inside = ",\n".join(f"    {line}" for line in lines)
    return f"  {_json(name)}: {brackets[0]}" + (f"\n{inside}\n  " if inside else "") + brackets[1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
