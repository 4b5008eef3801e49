"""Verbs about backups. Root makes them (`appliance backup`) and reports; who logs in sees what was reported."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from appliance.wire import WireError
from pysrv.control.answer import Done
from pysrv.control.desk import Desk
from pysrv.store.backups import BackupRow

MOST_FAILURE: Final = 500  # characters of it that are kept
KINDS: Final = ("full", "incremental")


class Event(StrEnum):
    """What happened."""

    MADE = "made"
    FAILED = "failed"
    CHECKED = "checked"
    LISTED = "listed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Held:
    """One backup of the repository."""

    ident: str
    at: float
    host: str
    kind: str
    size_bytes: int
    version: str


@dataclass(frozen=True, slots=True)
class Report:
    """What root tells: what happened to which backup, and the repository as it is now (a `place` that is empty: it was
    not looked at)."""

    event: Event
    snapshot: str = ""
    kind: str = "full"
    size_bytes: int = 0
    added_bytes: int = 0
    made_at: float = 0.0
    failure: str = ""
    place: str = ""
    local: bool = False
    every_h: int = 0
    checked_at: float = 0.0
    snapshots: tuple[Held, ...] = ()


def report(desk: Desk, args: Report) -> Done:
    """backups.report"""
    if wrong := [each for each in (args.kind, *(held.kind for held in args.snapshots)) if each not in KINDS]:
        raise WireError("invalid", f"{wrong[0]!r:.40} is no kind of backup: {', '.join(KINDS)}")
    store = desk.store
    if args.place and args.event is not Event.FAILED:
        rows = [BackupRow(**asdict(held)) for held in args.snapshots]
        store.backups_held(args.place, args.local, args.every_h, args.checked_at, rows)
    match args.event:
        case Event.MADE:
            store.backup_made(desk.who, args.snapshot, args.kind, args.size_bytes, args.added_bytes)
        case Event.FAILED:
            store.backup_failed(desk.who, args.failure[:MOST_FAILURE])
        case Event.RESTORED:
            store.restored(desk.who, args.snapshot, args.made_at)
        case Event.CHECKED | Event.LISTED:
            pass
    return {}
