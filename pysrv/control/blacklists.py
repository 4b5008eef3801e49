"""Verbs about blacklists: entries one by one and in bulk, and what is known of a number."""

from dataclasses import dataclass
from typing import TypedDict

from appliance.wire import WireError
from pysrv.billing import number as numbers
from pysrv.control.desk import Desk, not_found
from pysrv.limits.blacklist import Entry, ListKind, ListSide
from pysrv.service import numbering
from pysrv.store.blacklists import BlacklistFilter, BlacklistRow

MOST_AT_ONCE = 2000
MOST_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry: with a confidence a smart one, without a fixed one. `whole`: this number alone, not what begins so."""

    digits: str
    side: str = "destination"
    whole: bool = False
    account: str = ""
    confidence: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PutEntries:
    """Entries that are added, or replace those at the same place; all of them or none. `dry_run`: they are checked and
    compared, and nothing is put."""

    entries: tuple[NewEntry, ...]
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class EntriesOf:
    """Which entries; what is left out does not matter. `holds`: those that this number meets."""

    side: str | None = None
    kind: str | None = None
    account: str | None = None
    digits: str = ""
    holds: str = ""
    limit: int = 100
    after_id: int = 0


@dataclass(frozen=True, slots=True)
class EntryIds:
    """Entries by their numbers."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskNumber:
    """A number as it is dialled, and by whom; without an account, by nobody in particular."""

    number: str
    account: str = ""


class BlacklistAnswer(TypedDict):
    """Entries of the blacklists in the order of their numbers; `counts` by kind, of all there are."""

    entries: list[BlacklistRow]
    counts: dict[str, int]


class EntryAnswer(TypedDict):
    """The entry as it is stored."""

    entry: BlacklistRow


class EntriesPut(TypedDict):
    """How many entries were put there, or with `dry_run` would be; so many of them are new (`added`), and so many say
    something else than the one that they replace (`changed`)."""

    entries: int
    added: int
    changed: int
    dry_run: bool


class EntriesRemoved(TypedDict):
    """The entries that are there no more."""

    removed: list[BlacklistRow]


class NumberAnswer(TypedDict):
    """What is known of a number, and the `entries` that it meets. `home`: the country by which it was understood;
    `countries` are ISO-2, several when it can be understood in several ways; `foreign` null: not known, which is taken
    as foreign; `premium` and `shared_cost` have the prefix that says so, `satellite` the network's name; `judged` is
    the number with its country code."""

    number: str
    home: str
    blacklistlevel: int
    countries: tuple[str, ...]
    foreign: bool | None
    premium: str
    shared_cost: str
    satellite: str
    judged: str
    entries: list[BlacklistRow]


def list_some(desk: Desk, args: EntriesOf) -> BlacklistAnswer:
    """blacklist.list"""
    holds = _dialled(args.holds) if args.holds else ""
    wanted = BlacklistFilter(args.side, args.kind, args.account, args.digits, holds, args.after_id)
    rows = desk.store.blacklist(wanted, max(1, min(args.limit, MOST_LISTED)))
    return {"entries": rows, "counts": desk.store.blacklist_counts()}


def add(desk: Desk, args: NewEntry) -> EntryAnswer:
    """blacklist.add"""
    if args.account and desk.store.account(args.account) is None:
        raise not_found("account", args.account)
    row = desk.store.add_blacklist(checked(args), desk.who)
    desk.after_commit(lambda live: live.blacklist_changed([row], []))
    return {"entry": row}


def put(desk: Desk, args: PutEntries) -> EntriesPut:
    """blacklist.put"""
    if len(args.entries) > MOST_AT_ONCE:
        raise WireError("invalid", f"at most {MOST_AT_ONCE} entries at once")
    given = [checked(entry) for entry in args.entries]
    rows = list({row.key: row for row in given}.values())
    added, changed = desk.store.blacklist_changes(rows)
    if not args.dry_run:
        desk.store.put_blacklist(rows, desk.who)
        desk.after_commit(lambda live: live.blacklist_changed(rows, []))
    return {"entries": len(rows), "added": added, "changed": changed, "dry_run": args.dry_run}


def remove(desk: Desk, args: EntryIds) -> EntriesRemoved:
    """blacklist.remove"""
    gone = [desk.store.remove_blacklist(entry_id, desk.who) for entry_id in args.ids]
    desk.after_commit(lambda live: live.blacklist_changed([], gone))
    return {"removed": gone}


def test(desk: Desk, args: AskNumber) -> NumberAnswer:
    """blacklist.test"""
    account = desk.store.account(args.account) if args.account else None
    if args.account and account is None:
        raise not_found("account", args.account)
    number = _dialled(args.number)
    home = (account.country if account is not None else "") or desk.settings.homecountry
    facts = numbering.facts(number, home)
    level = (account.blacklistlevel if account is not None else 0) or desk.settings.blacklistlevel
    found: dict[int, BlacklistRow] = {}
    for digits in dict.fromkeys((number, facts.judged or number)):
        for row in desk.store.blacklist(BlacklistFilter(holds=digits), MOST_LISTED):
            found[row.id] = row
    return {
        "number": number,
        "home": home,
        "blacklistlevel": level,
        "countries": facts.countries,
        "foreign": facts.foreign,
        "premium": facts.premium,
        "shared_cost": facts.shared_cost,
        "satellite": facts.satellite,
        "judged": facts.judged,
        "entries": [row for row in found.values() if row.account in ("", args.account)],
    }


def _dialled(text: str) -> str:
    number = numbers.normalise(text)
    if number is None:
        raise WireError("invalid", f"{text[:40]!r} is no number")
    return number


def checked(args: NewEntry) -> BlacklistRow:
    """The entry as it is stored. Raises WireError for what is none."""
    kind = ListKind.FIXED if args.confidence is None else ListKind.SMART
    try:
        side = ListSide(args.side)
    except ValueError:
        raise WireError("invalid", f"{args.side[:40]!r} must be destination or caller") from None
    entry = Entry(side, kind, args.digits, args.whole, args.account, args.confidence or 0)
    if fault := entry.fault():
        raise WireError("invalid", fault)
    if not args.reason.isprintable() or not args.account.isprintable() or len(args.account) > 64:
        raise WireError("invalid", "account and reason must be printable, an account of at most 64 characters")
    return BlacklistRow(
        0, side.value, kind.value, args.digits, args.whole, args.account, entry.confidence, reason=args.reason[:200]
    )
