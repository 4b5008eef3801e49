"""A document that comes in: its head is judged whole, with the place of everything that is wrong; rates and blacklist
follow in pieces.

What is read stands in the desk until it is carried out or given up. Decks lie in the store as imports that nobody sees.
"""

import csv
import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from appliance import wire
from appliance.config.document import FORMAT, FORMAT_VERSION
from appliance.config.settings import BadSettings, parse_all
from appliance.wire import WireError
from pysrv.billing import exchange
from pysrv.control import blacklists
from pysrv.control.configuration.sections import ENDING, SECTIONS, Section, seconds, stamp
from pysrv.control.configuration.shapes import Deck
from pysrv.control.desk import Desk, refusals
from pysrv.store.blacklists import BlacklistRow, EntryKey

SHOWN: Final = 20  # problems
FRAME: Final = ("note", "format", "format_version", "product_version", "secrets")
ENTRY_COLUMNS: Final = ("number", "match", "side", "account", "confidence", "reason")
MATCHES: Final = {"prefix": False, "number": True}
NOTHING: Final = "nothing was changed"


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry, and where it stands in the document."""

    path: str
    entry: Any


@dataclass(slots=True)
class DeckComing:
    """A deck: the import that it comes in as, the import at its place (0: none), and how they compare so far."""

    path: str
    deck: Deck
    import_id: int
    held_id: int
    rates: int = 0
    both: int = 0
    same: int = 0


@dataclass(slots=True)
class Coming:
    """What was read of a document; a section that it does not have is None, or not there."""

    secrets: bool
    product_version: str
    settings: dict[str, str] | None = None
    sections: dict[str, dict[tuple[Any, ...], Placed]] = field(default_factory=dict)
    decks: list[DeckComing] | None = None
    blacklist: dict[EntryKey, BlacklistRow] | None = None
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def wrong(self, path: str, words: str) -> None:
        """Notes what is wrong with a place."""
        self.problems.append(f"{path}: {words}")

    @contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Notes what is refused inside as wrong with this place."""
        try:
            with refusals():
                yield
        except WireError as error:
            self.wrong(path, error.message)
        except (TypeError, ValueError) as error:
            self.wrong(path, str(error))

    def refuse(self) -> None:
        """Raises WireError with what is wrong, if anything is."""
        if self.problems:
            more = len(self.problems) - SHOWN
            words = "; ".join(self.problems[:SHOWN]) + (f"; and {more} more faults" if more > 0 else "")
            raise WireError("bad_configuration", words, NOTHING)


def begin(desk: Desk, head: Mapping[str, Any]) -> Coming:
    """Judges everything but rates and blacklist, and begins the imports of decks. Raises WireError."""
    coming = _framed(head)
    known: Mapping[str, Callable[[Desk, Coming, Any], None]] = {
        "settings": _settings,
        **{section.name: _section(section) for section in SECTIONS},
        "decks": _decks,
        "blacklist": _blacklist,
    }
    for name, value in head.items():
        if name in known:
            known[name](desk, coming, value)
        elif name not in FRAME:
            coming.wrong(name[:60], f"there is no such section; there are {', '.join(known)}")
    coming.refuse()
    for each in coming.decks or ():
        deck = each.deck
        each.import_id = desk.store.import_begin(
            deck.deck, currency=deck.currency, tax=deck.tax, effective_at=seconds(deck.effective_at), zone=UTC
        )
    return coming


def _framed(head: Mapping[str, Any]) -> Coming:
    if head.get("format") != FORMAT:
        raise WireError("bad_configuration", f"no configuration of the appliance: format must be {FORMAT!r}", NOTHING)
    version = head.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        writer = head.get("product_version")
        made_by = f" (written by version {writer:.40})" if isinstance(writer, str) else ""
        words = f"format_version: {version!r:.40} cannot be read, only {FORMAT_VERSION}{made_by}"
        raise WireError("bad_configuration", words, "import it with the version that wrote it, or a newer one")
    return Coming(head.get("secrets") is True, str(head.get("product_version", ""))[:40])


def _settings(_: Desk, coming: Coming, value: Any) -> None:
    if not isinstance(value, dict):
        coming.wrong("settings", "must be an object of texts by name")
        return
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    for name, given in value.items():
        if name not in texts:
            coming.wrong(f"settings.{name[:60]}", f"must be text, in quotes, not {json.dumps(given):.60}")
    try:
        parse_all(texts)
    except BadSettings as error:
        for problem in error.problems:
            coming.wrong(f"settings.{problem.name[:60]}", problem.message)
    coming.settings = texts


def _section(section: Section) -> Callable[[Desk, Coming, Any], None]:
    def read(desk: Desk, coming: Coming, value: Any) -> None:
        found: dict[tuple[Any, ...], Placed] = {}
        for path, entry in _entries(coming, section.name, value, section.shape):
            with coming.at(path):
                tidy = section.tidy(entry)
                place = section.place(tidy)
                if place in found:
                    raise ValueError(f"{section.label(tidy)} stands there twice, also at {found[place].path}")
                if section in ENDING and tidy.expires_at and seconds(tidy.expires_at) <= desk.clock():
                    coming.warnings.append(f"{path}: {section.label(tidy)} has ended already and is left out")
                    continue
                found[place] = Placed(path, tidy)
        coming.sections[section.name] = found

    return read


def _entries(coming: Coming, name: str, value: Any, shape: type[Any]) -> Iterator[tuple[str, Any]]:
    """Path and entry of everything in a section that has its shape; the rest is noted."""
    if not isinstance(value, list):
        coming.wrong(name, "must be a list")
        return
    for number, item in enumerate(value):
        path = f"{name}[{number}]"
        missing = _missing(shape, item)
        if missing:
            coming.wrong(f"{path}.{missing}", "is missing")
            continue
        try:
            entry = wire.from_dict(shape, item)
        except WireError as error:
            inside = error.message.removeprefix(shape.__name__)
            coming.problems.append(path + (inside if inside != error.message else f": {inside}"))
            continue
        yield path, entry


def _missing(shape: type[Any], item: Any) -> str:
    needed = (each for each in dataclasses.fields(shape) if each.default is dataclasses.MISSING)
    return next((each.name for each in needed if isinstance(item, dict) and each.name not in item), "")


def _decks(desk: Desk, coming: Coming, value: Any) -> None:
    now, found = desk.clock(), dict[tuple[str, str], DeckComing]()
    held = {(deck.name, stamp(_later(deck.effective_at, now))): ident for deck, ident in desk.store.decks_held()}
    for path, entry in _entries(coming, "decks", value, Deck):
        with coming.at(path):
            effective_at = seconds(entry.effective_at)
            code = exchange.currency(entry.currency)
            deck = dataclasses.replace(entry, currency=code, effective_at=stamp(effective_at))
            place = deck.deck, stamp(_later(effective_at, now))
            other = found.get(place)
            if other is not None and not (other.deck.effective_at or deck.effective_at):
                raise ValueError(f"{deck.deck} stands there twice, also at {other.path}")
            if other is not None and seconds(other.deck.effective_at) > effective_at:
                continue  # its successor's day has come by now
            found[place] = DeckComing(path, deck, 0, held.get(place, 0))
    coming.decks = list(found.values())


def _later(effective_at: float, now: float) -> float:
    return effective_at if effective_at > now else 0.0


def _blacklist(_: Desk, coming: Coming, value: Any) -> None:
    if value != []:
        coming.wrong("blacklist", "must be a list of lines of CSV")
    coming.blacklist = {}


def take_rates(desk: Desk, coming: Coming, number: int, first: int, rows: tuple[str, ...]) -> None:
    """One piece of a deck. Raises WireError with its place."""
    path = f"decks[{number}]"
    deck = next((each for each in coming.decks or () if each.path == path), None)
    if deck is None:
        return
    if any("\n" in row or "\r" in row for row in rows):
        raise WireError("bad_configuration", f"{path}.rates: an entry is one line of CSV", NOTHING)
    text = "".join(f"{row}\n" for row in rows)
    with placed(f"{path}.rates"):
        rates, both, same = desk.store.import_rows_beside(deck.import_id, deck.held_id, first, text)
    deck.rates, deck.both, deck.same = deck.rates + rates, deck.both + both, deck.same + same


def take_entries(coming: Coming, first: int, rows: tuple[str, ...]) -> None:
    """One piece of the blacklist. Raises WireError with its place."""
    if coming.blacklist is None:
        raise WireError("bad_configuration", "blacklist: is not in the head of this document", NOTHING)
    for number, row in enumerate(rows, first):
        with coming.at(f"blacklist, line {number}"):
            cells = next(csv.reader([row], strict=True), [])
            if number == 1:
                if tuple(cells) != ENTRY_COLUMNS:
                    raise ValueError(f"the first line must be {','.join(ENTRY_COLUMNS)}")
                continue
            entry = _entry(cells)
            if entry.key in coming.blacklist:
                raise ValueError(f"{entry.digits} stands there twice")
            coming.blacklist[entry.key] = entry
    coming.refuse()


def _entry(cells: list[str]) -> BlacklistRow:
    if len(cells) != len(ENTRY_COLUMNS) or cells[1] not in MATCHES:
        raise ValueError(f"{len(cells)} cells: {','.join(ENTRY_COLUMNS)}, match is prefix or number")
    if not (cells[4] or "0").isascii() or not (cells[4] or "0").isdigit():
        raise ValueError(f"{cells[4][:20]!r} is no confidence: 0 to 6, or empty")
    sure = int(cells[4][:4]) if cells[4] else None
    return blacklists.checked(blacklists.NewEntry(cells[0], cells[2], MATCHES[cells[1]], cells[3], sure, cells[5]))


@contextmanager
def placed(path: str) -> Iterator[None]:
    """What is refused inside is refused with its place."""
    try:
        with refusals():
            yield
    except WireError as error:
        raise WireError(error.code, f"{path}: {error.message}", error.hint) from None
