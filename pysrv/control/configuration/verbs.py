"""Verbs that write the configuration as one document, and read one: see what it would change, then change it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from appliance.wire import WireError
from pysrv.control.answer import Done
from pysrv.control.configuration import plan, reading, writing
from pysrv.control.configuration.plan import Carried, ConfigurationChange
from pysrv.control.desk import Desk

MOST_CHANGES: Final = 1000  # lines of one section that an answer has


@dataclass(frozen=True, slots=True)
class ExportConfiguration:
    """The piece behind `after`; without it the first. `secrets`: with passwords and keys, on the machine alone."""

    secrets: bool = False
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BeginConfiguration:
    """A document without its rates and its blacklist, which come in pieces."""

    document: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfigurationRows:
    """A piece of what is long: lines of CSV of `section` (rates of the deck of that number, or blacklist), the first of
    which is line `first` there."""

    section: str
    first: int
    rows: tuple[str, ...] = field(repr=False)
    deck: int = 0


@dataclass(frozen=True, slots=True)
class ApplyConfiguration:
    """The word for it. With `digest` only what was shown under it is done."""

    digest: str = ""


class ConfigurationPiece(TypedDict):
    """A piece of the text. `next` is what to ask for then, null: that was all."""

    text: str
    next: list[str] | None


class Counts(TypedDict):
    """How many entries are added, changed and removed."""

    added: int
    changed: int
    removed: int


class ConfigurationPlan(TypedDict):
    """What a document changes: counts by section, and the lines, of each section at most a thousand. Secrets are never
    shown. `administered_from`: networks that SSH answers then on the image, beside the tunnel. `digest` is what the
    word for it may name; `secrets` and `product_version` are the document's."""

    product_version: str
    secrets: bool
    counts: dict[str, Counts]
    changes: list[ConfigurationChange]
    warnings: list[str]
    administered_from: list[str]
    digest: str


class ConfigurationApplied(ConfigurationPlan):
    """What was changed; `live`: a running service acts by it."""

    generation: int
    live: bool


def export(desk: Desk, args: ExportConfiguration) -> ConfigurationPiece:
    """config.export"""
    if args.secrets and desk.powers is not None:
        words = "secrets are written on the machine alone"
        raise WireError("forbidden", words, "'appliance config export --with-secrets' there, as root")
    if args.after:
        text, place = writing.more(desk, args.after)
    else:
        text, place = writing.head(desk, secrets=args.secrets)
        desk.store.note(desk.who, "config.export", "configuration", "", "with secrets" if args.secrets else "")
    return {"text": text, "next": list(place) or None}


def begin(desk: Desk, args: BeginConfiguration) -> Done:
    """config.begin: one import at a time for each connection."""
    desk.close()
    desk.coming = reading.begin(desk, args.document)
    return {}


def rows(desk: Desk, args: ConfigurationRows) -> Done:
    """config.rows"""
    coming = _coming(desk)
    match args.section:
        case "rates":
            reading.take_rates(desk, coming, args.deck, args.first, args.rows)
        case "blacklist":
            reading.take_entries(coming, args.first, args.rows)
        case other:
            raise WireError("bad_args", f"{other[:40]!r} does not come in pieces", "rates and blacklist do")
    return {}


def show(desk: Desk, _: Any) -> ConfigurationPlan:
    """config.plan: what it would change. All of it is done and taken back, so what would be refused is refused here."""
    coming = _coming(desk)
    return _told(coming, plan.tried(desk, coming))


def apply(desk: Desk, args: ApplyConfiguration) -> ConfigurationApplied:
    """config.apply"""
    coming = _coming(desk)
    carried = plan.carry_out(desk, coming, args.digest)
    told = _told(coming, carried)
    if carried.changes:
        words = ", ".join(f"{name}: {_words(counts)}" for name, counts in told["counts"].items())
        desk.store.note(desk.who, "config.import", "configuration", "", words)
    unused = [each.import_id for each in coming.decks or ()]
    for import_id in unused:
        desk.store.import_abort(import_id)
    desk.coming = None
    return {**told, "generation": carried.generation, "live": desk.live is not None}


def _words(counts: Counts) -> str:
    return " ".join(f"{count} {name}" for name, count in counts.items() if count)


def _told(coming: reading.Coming, carried: Carried) -> ConfigurationPlan:
    counted = Counter((change.section, change.what) for change in carried.changes)
    names = dict.fromkeys(change.section for change in carried.changes)
    counts: dict[str, Counts] = {
        name: {
            "added": counted[name, plan.ADDED],
            "changed": counted[name, plan.CHANGED],
            "removed": counted[name, plan.REMOVED],
        }
        for name in names
    }
    seen, shown = Counter[str](), list[ConfigurationChange]()
    for change in carried.changes:
        seen[change.section] += 1
        if seen[change.section] <= MOST_CHANGES:
            shown.append(change)
    return {
        "product_version": coming.product_version,
        "secrets": coming.secrets,
        "counts": counts,
        "changes": shown,
        "warnings": carried.warnings,
        "administered_from": carried.administered_from,
        "digest": carried.digest,
    }


def _coming(desk: Desk) -> reading.Coming:
    if desk.coming is None:
        raise WireError("conflict", "no configuration is being imported", "begin with config.begin")
    return desk.coming
