"""What a document would change, found by changing it: everything is done in one transaction, which a trial takes back.

So a preview refuses what the import would refuse, and both say the same. In order: settings; taxes and currencies,
which decks name; decks, which trunks name; the rest; and last what may only go when nobody names it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from appliance.config.schema import ROWS
from appliance.config.settings import Settings, warnings
from appliance.wire import WireError
from pysrv.control.configuration import sections
from pysrv.control.configuration.reading import NOTHING, Coming, DeckComing, placed
from pysrv.control.configuration.sections import SECTIONS, Section, stamp
from pysrv.control.desk import Desk
from pysrv.control.passwords import follow
from pysrv.control.settings import check_decoys, realm_warning
from pysrv.control.trust import change_warnings, trust
from pysrv.service import changes
from pysrv.store.blacklists import BlacklistRow, EntryKey

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
MASKED: Final = "(secret)"
READ_AT_ONCE: Final = 5000
SETTINGS: Final = "settings"
DECKS: Final = "decks"
BLACKLIST: Final = "blacklist"


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One line of what is changed: in which section, how, what it is called, and its words before and after."""

    section: str
    what: str
    name: str
    before: str = ""
    after: str = ""


@dataclass(slots=True)
class Carried:
    """What was changed, what is to be thought of, and whom SSH answers then on the image, beside the tunnel."""

    changes: list[ConfigurationChange] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    administered_from: list[str] = field(default_factory=list)
    generation: int = 0

    @property
    def digest(self) -> str:
        """By which a preview is known again."""
        lines = json.dumps([dataclasses.astuple(change) for change in self.changes])
        return hashlib.sha256(lines.encode()).hexdigest()


class _Tried(Exception):
    """Takes a trial back."""


def tried(desk: Desk, coming: Coming) -> Carried:
    """What it would change. Raises WireError for what would be refused."""
    carried = None
    try:
        with desk.store.together():
            carried = _carry(desk, coming, trial=True)
            raise _Tried
    except _Tried:
        assert carried is not None
        return carried
    finally:
        desk.forget_told()


def carry_out(desk: Desk, coming: Coming, digest: str) -> Carried:
    """Changes it; the transaction is the caller's. Raises WireError, also when that is not what was shown (`digest`
    empty: nothing was)."""
    carried = _carry(desk, coming, trial=False)
    if digest and digest != carried.digest:
        words = "the machine has changed since that was shown"
        raise WireError("conflict", words, NOTHING)
    return carried


def _carry(desk: Desk, coming: Coming, *, trial: bool) -> Carried:
    changes.demand_none(desk.store)
    carried = Carried(warnings=list(coming.warnings))
    before, worth, trusted = desk.settings, set(desk.store.exchange_rates(desk.clock())), trust(desk)
    try:
        after = _settings(desk, coming, carried, before)
        desk.ahead = after
        steps = [_Step(desk, coming, carried, section) for section in SECTIONS if section.name in coming.sections]
        ordered = {step.section: step for step in steps}
        for section in (sections.TAXES, sections.CURRENCIES):
            if section in ordered:
                ordered[section].put()
        _decks(desk, coming, carried, trial=trial)
        for step in steps:
            if step.section not in (sections.TAXES, sections.CURRENCIES):
                step.drop()
                step.put()
        for section in (sections.CURRENCIES, sections.TAXES):
            if section in ordered:
                ordered[section].drop()
        _demand_worth(desk, worth)
        _blacklist(desk, coming, carried)
        trusting = trust(desk)
        carried.warnings += [*_thought_of(desk, coming, after), *change_warnings(trusted, trusting)]
        carried.administered_from = trusting.administered_from()
        if not trial:
            lost = follow(desk, before, after)
            carried.warnings += realm_warning(lost, after)
    finally:
        desk.ahead = None
    return carried


def _settings(desk: Desk, coming: Coming, carried: Carried, before: Settings) -> Settings:
    """The settings then. One without a word in the document is at its default; a secret stays where it holds none."""
    carried.generation = before.generation
    if coming.settings is None:
        return before
    below, wanted = Settings(dict(desk.file)), before.with_changes(coming.settings)
    texts: dict[str, str | None] = {}
    for name, row in ROWS.items():
        if name not in coming.settings:
            if row.kind.secret and not coming.secrets:
                continue
            text = row.kind.text(row.default)
        else:
            text = wanted.text(name)
        if text != before.text(name):
            texts[name] = None if text == below.text(name) else text
            value = row.kind.parse(text)
            what = CHANGED
            if text == row.kind.text(row.default):
                what = REMOVED
            elif before.text(name) == row.kind.text(row.default):
                what = ADDED
            carried.changes.append(ConfigurationChange(SETTINGS, what, name, before.shown(name), row.kind.shown(value)))
    if not texts:
        return before
    settings = before.with_changes(texts)
    with placed(SETTINGS):
        check_decoys(desk, settings)
    for name in texts:
        stored = settings.stored().get(name)
        carried.generation = desk.store.set_setting(name, stored, desk.who, secret=ROWS[name].kind.secret)
    settings = settings.with_changes({}, carried.generation)
    desk.after_commit(lambda live: live.apply_settings(settings))
    return settings


class _Step:
    """One section: what of the machine's is not as the document has it."""

    def __init__(self, desk: Desk, coming: Coming, carried: Carried, section: Section) -> None:
        self.section, self._desk, self._carried = section, desk, carried
        self._wanted = coming.sections[section.name]
        self._held = {section.place(entry): entry for entry in section.held(desk)}

    def put(self) -> None:
        """Adds and changes. Raises WireError with the place."""
        wanted = ((each.path, self._fitted(place, each.entry), place) for place, each in self._wanted.items())
        both = ((path, entry, self._held.get(place)) for path, entry, place in wanted)
        new = [(path, entry, before) for path, entry, before in both if entry != before]
        if self.section is sections.TRUNKS:
            sections.free_networks(self._desk, [(entry, before) for _, entry, before in new])
        for path, entry, before in sorted(new, key=lambda each: self.section.place(each[1])):
            with placed(path):
                self.section.put(self._desk, entry, before)
            self._note(CHANGED if before is not None else ADDED, entry, before, entry)

    def drop(self) -> None:
        """Removes what the document does not have. Raises WireError."""
        for place in sorted(set(self._held) - set(self._wanted)):
            entry = self._held[place]
            with placed(f"{self.section.name}, without {self.section.label(entry)}"):
                self.section.drop(self._desk, entry)
            self._note(REMOVED, entry, entry, None)

    def _fitted(self, place: tuple[Any, ...], entry: Any) -> Any:
        """The entry; a password that the document does not hold stays what it is."""
        held = self._held.get(place)
        if self.section is sections.TRUNKS and entry.password is None:
            return replace(entry, password=held.password if held is not None else "")
        return entry

    def _note(self, what: str, entry: Any, before: Any | None, after: Any | None) -> None:
        label = self.section.label(entry)
        both = before is not None and after is not None
        words = [
            ""
            if each is None
            else ", ".join(
                f"{name}={_shown(name, getattr(each, name))}"
                for name in _fields(each)
                if name not in self.section.keys
                and (getattr(before, name) != getattr(after, name) if both else getattr(each, name))
            )
            for each in (before, after)
        ]
        self._carried.changes.append(ConfigurationChange(self.section.name, what, label, *words))


def _fields(entry: Any) -> list[str]:
    return [each.name for each in dataclasses.fields(entry)]


def _shown(name: str, value: Any) -> str:
    if name == "password":
        return MASKED if value else "(none)"
    if name == "routes":
        return " ".join(f"{each.prefix or 'all'}:{each.priority}:{each.strip}:{each.prepend}" for each in value)
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _decks(desk: Desk, coming: Coming, carried: Carried, *, trial: bool) -> None:
    if coming.decks is None:
        return
    now, held = desk.clock(), {ident: deck for deck, ident in desk.store.decks_held()}
    worth = desk.store.exchange_rates(now)
    for each in coming.decks:
        before = held.pop(each.held_id, None)
        if each.held_id and before is None:
            raise WireError("conflict", f"{each.path}: the deck in use has changed meanwhile", NOTHING)
        with placed(each.path):
            _check_deck(desk, each, worth)
        same = before is not None and (before.currency, before.tax) == (each.deck.currency, each.deck.tax)
        if before is not None and same and before.rates == each.rates == each.same:
            continue
        with placed(each.path):
            desk.store.import_commit(each.import_id, desk.who, tried=trial)
        words = _deck_words(before.currency, before.tax, before.rates) if before is not None else ""
        after = _deck_words(each.deck.currency, each.deck.tax, each.rates)
        if before is not None:
            added, changed, removed = each.rates - each.both, each.both - each.same, before.rates - each.both
            after += f" ({added} added, {changed} changed, {removed} removed)"
        carried.changes.append(
            ConfigurationChange(DECKS, CHANGED if before is not None else ADDED, _deck_name(each), words, after)
        )
    names = {each.deck.deck for each in coming.decks}
    for ident, deck in held.items():
        if deck.name not in names and (users := desk.store.accounts_using("deck", deck.name)):
            words = f"decks, without {deck.name}: it prices the calls of {', '.join(users)}"
            raise WireError(
                "conflict", words, "give them another deck first: 'appliance accounts set NAME --deck OTHER'"
            )
        desk.store.retire_import(ident, desk.who)
        later = stamp(deck.effective_at) if deck.effective_at > now else ""
        name = f"{deck.name} from {later}" if later else deck.name
        carried.changes.append(
            ConfigurationChange(DECKS, REMOVED, name, _deck_words(deck.currency, deck.tax, deck.rates))
        )


def _check_deck(desk: Desk, each: DeckComing, worth: Any) -> None:
    deck = each.deck
    sections.demand(each.rates > 0, f"{deck.deck} has no rates")
    base = desk.settings.basecurrency
    sections.demand(
        deck.currency == base or deck.currency in worth,
        f"there is no exchange rate of {deck.currency} to {base}",
        "add it to currencies: without it no number of the deck has a price",
    )
    sections.demand(deck.tax in ("", "none") or desk.store.tax(deck.tax) is not None, f"there is no tax {deck.tax!r}")


def _demand_worth(desk: Desk, before: set[str]) -> None:
    """Raises WireError where a currency goes in which a deck has its prices."""
    lost = before - set(desk.store.exchange_rates(desk.clock())) - {desk.settings.basecurrency}
    for deck, _ in desk.store.decks_held():
        if deck.currency in lost:
            raise WireError(
                "conflict", f"currencies, without {deck.currency}: deck {deck.name} is priced in it", NOTHING
            )


def _deck_name(each: DeckComing) -> str:
    return f"{each.deck.deck} from {each.deck.effective_at}" if each.deck.effective_at else each.deck.deck


def _deck_words(currency: str, tax: str, rates: int) -> str:
    return f"{rates} rates, {currency}" + (f", tax {tax}" if tax else "")


def _blacklist(desk: Desk, coming: Coming, carried: Carried) -> None:
    if coming.blacklist is None:
        return
    wanted, put, gone = dict(coming.blacklist), list[BlacklistRow](), list[BlacklistRow]()
    for held in entered(desk):
        entry = wanted.pop(held.key, None)
        if entry is None:
            gone.append(held)
            carried.changes.append(ConfigurationChange(BLACKLIST, REMOVED, _entry_name(held), _entry_words(held)))
        elif (entry.confidence, entry.reason) != (held.confidence, held.reason):
            put.append(entry)
            carried.changes.append(
                ConfigurationChange(BLACKLIST, CHANGED, _entry_name(held), _entry_words(held), _entry_words(entry))
            )
    for _, entry in sorted(wanted.items()):
        put.append(entry)
        carried.changes.append(ConfigurationChange(BLACKLIST, ADDED, _entry_name(entry), "", _entry_words(entry)))
    for each in gone:
        desk.store.remove_blacklist(each.id, desk.who)
    if put:
        desk.store.put_blacklist(put, desk.who)
    if put or gone:
        desk.after_commit(lambda live: live.blacklist_changed(put, gone))


def entered(desk: Desk) -> Iterator[BlacklistRow]:
    """Every entry of the blacklist that no counter has made, in the order of places."""
    after: EntryKey = ("", "", "", "", 0)
    while rows := desk.store.blacklist_entered(READ_AT_ONCE, after):
        yield from rows
        after = rows[-1].key


def _entry_name(entry: BlacklistRow) -> str:
    match = "number" if entry.whole else "prefix"
    return " ".join(filter(None, (entry.digits, match, entry.side, entry.kind, entry.account)))


def _entry_words(entry: BlacklistRow) -> str:
    sure = f"confidence={entry.confidence}" if entry.kind == "smart" else ""
    return ", ".join(filter(None, (sure, f"reason={entry.reason}" if entry.reason else "")))


def _thought_of(desk: Desk, coming: Coming, after: Settings) -> Iterator[str]:
    changed = set(coming.settings or ())
    yield from (problem.message for problem in warnings(after) if problem.name in changed)
    known = {row.name for row in desk.store.lists("country")}
    for country in sorted({rule.country for rule in desk.store.firewall_rules() if rule.country} - known):
        words = f"firewall: the networks of {country} are not known, so its rule does nothing"
        yield f"{words}: 'appliance firewall countries'"
    if not coming.secrets:
        for placed_ in coming.sections.get(sections.TRUNKS.name, {}).values():
            trunk = desk.store.trunk(placed_.entry.name)
            if trunk is not None and trunk.user and not trunk.password:
                yield f"trunks: {trunk.name} has no password here: 'appliance trunks set {trunk.name} --password -'"
