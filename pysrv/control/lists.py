"""Verbs about imported lists: a list comes in packed pieces, and is put in force when the last one has been checked."""

import base64
import binascii
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from appliance import networks
from appliance.wire import WireError
from pysrv.control.answer import Done, Removed
from pysrv.control.desk import Desk, ListImport
from pysrv.service.firewall import COUNTRIES
from pysrv.store.lists import StoredList

KINDS = ("ban", "country")


@dataclass(frozen=True, slots=True)
class BeginList:
    """`source` says where it came from, `skipped` how many of its lines were not taken."""

    name: str
    kind: str = "ban"
    source: str = ""
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ListRows:
    """Base64 of appliance.networks' rows: in order, disjoint, and all after those of the piece before."""

    packed: str


@dataclass(frozen=True, slots=True)
class ListNamed:
    """A list by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListRow(StoredList):
    """A list that is in use; `in_force`: the gate has it."""

    in_force: bool = False


class ListPiece(TypedDict):
    """How many rows were taken of this piece."""

    rows: int


class ListComparison(TypedDict):
    """One bite of what the list being imported would change of the one in use: so many of its networks are `added`, and
    so many of those in use `removed`. `held`: in use, of all; `new`: in the list, of all; `done`: this was the end."""

    name: str
    held: int
    new: int
    added: int
    removed: int
    done: bool


class ListAnswer(TypedDict):
    """The list that was imported; `live`: a running service gives it to the gate."""

    list: ListRow
    live: bool


class ListsAnswer(TypedDict):
    """Imported lists of networks, and the networks of countries."""

    lists: list[ListRow]
    countries: list[ListRow]


def begin(desk: Desk, args: BeginList) -> Done:
    """lists.begin"""
    if args.kind not in KINDS or args.name in COUNTRIES.values():
        raise WireError("invalid", f"{args.name[:80]!r} of kind {args.kind[:20]!r} cannot be imported")
    if args.kind == "ban" and len(args.name) == 2 and args.name.isupper():
        raise WireError("invalid", f"{args.name} is the name of a country", "name the list with three letters or more")
    desk.close()
    list_id = desk.store.list_begin(args.name, args.kind, args.source, args.skipped, desk.who)
    desk.list_import = ListImport(list_id, args.name, args.kind)
    return {}


def rows(desk: Desk, args: ListRows) -> ListPiece:
    """lists.rows"""
    under_way = _under_way(desk)
    try:
        packed = base64.b64decode(args.packed, validate=True)
    except (binascii.Error, ValueError):
        raise WireError("bad_list", "a piece must be base64") from None
    if wrong := networks.fault(packed, under_way.end):
        raise WireError("bad_list", wrong)
    if under_way.kind == "ban":
        _spare(desk, packed)
    desk.store.list_rows_add(under_way.list_id, packed)
    under_way.compared = None
    under_way.end = networks.last_address(packed[-networks.ROW_BYTES :])
    return {"rows": len(packed) // networks.ROW_BYTES}


def _spare(desk: Desk, packed: bytes) -> None:
    guarded = {networks.parsed(prefix): why for prefix, why in desk.protected().items()}
    for row, protected in networks.clashes(networks.rows(packed), guarded):
        words = f"{networks.text(row)} would cut off {networks.text(protected)}: {guarded[protected]}"
        raise WireError("protected", words, "leave it out")


def compare(desk: Desk, _: Any) -> ListComparison:
    """lists.compare: the next bite; a list that has been compared to its end begins anew."""
    under_way = _under_way(desk)
    held = desk.store.list_named(under_way.name)
    pieces = desk.store.list_rows(held.id) if held is not None else ()
    if under_way.compared is None:
        under_way.compared = networks.differences(pieces, desk.store.list_rows(under_way.list_id))
    bite = next(under_way.compared, None)
    if bite is None:
        under_way.compared = None
    added, removed = bite or (0, 0)
    return {
        "name": under_way.name,
        "held": held.entries if held is not None else 0,
        "new": desk.store.list_entries(under_way.list_id),
        "added": added,
        "removed": removed,
        "done": bite is None,
    }


def commit(desk: Desk, _: Any) -> ListAnswer:
    """lists.commit"""
    under_way = _under_way(desk)
    stored = desk.store.list_commit(under_way.list_id)
    desk.list_import = None
    desk.after_commit(lambda live: live.lists_changed())
    return {"list": _shown(desk, stored), "live": desk.live is not None}


def remove(desk: Desk, args: ListNamed) -> Removed:
    """lists.remove"""
    if not desk.store.remove_list(args.name, desk.who):
        raise WireError("not_found", f"there is no list {args.name[:80]!r}", "'appliance lists show' shows all")
    desk.after_commit(lambda live: live.lists_changed())
    return {"removed": args.name}


def list_all(desk: Desk, _: Any) -> ListsAnswer:
    """lists.list"""
    return {
        "lists": [_shown(desk, row) for row in desk.store.lists()],
        "countries": [_shown(desk, row) for row in desk.store.lists("country")],
    }


def _shown(desk: Desk, row: StoredList) -> ListRow:
    held = desk.live.lists_held() if desk.live is not None else {}
    in_force = (
        held.get(row.name) == row.digest if row.kind == "ban" else any(name in held for name in COUNTRIES.values())
    )
    return ListRow(**asdict(row), in_force=in_force)


def _under_way(desk: Desk) -> ListImport:
    if desk.list_import is None:
        raise WireError("invalid", "no list is being imported", "begin with lists.begin")
    return desk.list_import
