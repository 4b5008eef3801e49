"""Verbs about backups. Root makes them (`appliance backup`) and reports; who logs in sees what was reported."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, TypedDict

from appliance import wire
from appliance.wire import WireError
from pysrv.control.answer import Done
from pysrv.control.backup_run import Progress
from pysrv.control.desk import Desk
from pysrv.store.backups import BackupRow, BackupState

NOTICE_EVERY_S: Final = 86_400.0  # one notice a day, however often it is tried again
MOST_FAILURE: Final = 500  # characters of it that are kept
KINDS: Final = ("full", "incremental")


class Event(StrEnum):
    """What happened."""

    MADE = "made"
    FAILED = "failed"
    CHECKED = "checked"
    LISTED = "listed"
    RESTORED = "restored"
    PROGRESS = "progress"


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
    """What root tells: what happened to which backup, how far it is (`done` of `total` in `step`), and the repository
    as it is now (a `place` that is empty: it was not looked at)."""

    event: Event
    snapshot: str = ""
    kind: str = "full"
    size_bytes: int = 0
    added_bytes: int = 0
    made_at: float = 0.0
    step: str = ""
    done: int = 0
    total: int = 0
    failure: str = ""
    place: str = ""
    local: bool = False
    every_h: int = 0
    checked_at: float = 0.0
    snapshots: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done: `now` makes a backup, `check` looks whether the repository is whole."""

    work: wire.BackupWork = wire.BackupWork.NOW


class BackupsAnswer(TypedDict):
    """What root reported last. `running`: what is under way, null: nothing; `refusal`: why what was asked for was not
    begun."""

    backups: list[BackupRow]
    state: BackupState
    running: Progress | None
    refusal: str


class BegunAnswer(TypedDict):
    """What was begun."""

    running: Progress | None


def list_all(desk: Desk, _: Any) -> BackupsAnswer:
    """backups.list: what root reported last, and what is under way."""
    running = desk.memory.backup if desk.memory is not None else None
    return {
        "backups": desk.store.backups(),
        "state": desk.store.backup_state(),
        "running": running.shown(desk.clock()) if running is not None else None,
        "refusal": running.refusal if running is not None else "",
    }


def make(desk: Desk, args: Work) -> BegunAnswer:
    """backups.make: the keeper is asked, and root does it; `backups.list` tells how far it is."""
    if desk.live is None or desk.memory is None:
        raise WireError("not_running", "the appliance is not running", "'appliance backup now' makes one without it")
    running, now = desk.memory.backup, desk.clock()
    if running.shown(now) is not None:
        raise WireError("conflict", "a backup runs already", "wait for it; its page shows how far it is")
    if not desk.live.errand(wire.KeeperVerb.BACKUP, wire.BackupWanted(args.work), running.ended):
        hint = "'appliance backup now' makes one on the machine"
        raise WireError("not_running", "the keeper is away, and it has backups made", hint)
    running.begun(str(args.work), now)
    return {"running": running.shown(now)}


def report(desk: Desk, args: Report) -> Done:
    """backups.report"""
    if wrong := [each for each in (args.kind, *(held.kind for held in args.snapshots)) if each not in KINDS]:
        raise WireError("invalid", f"{wrong[0]!r:.40} is no kind of backup: {', '.join(KINDS)}")
    running = desk.memory.backup if desk.memory is not None else None
    if args.event is Event.PROGRESS:
        if running is not None:
            running.heard(args.step, args.done, args.total, desk.clock())
        return {}
    if running is not None:
        running.ended()
    _note(desk, args)
    return {}


def _note(desk: Desk, args: Report) -> None:
    store = desk.store
    if args.place and args.event is not Event.FAILED:
        rows = [BackupRow(**asdict(held)) for held in args.snapshots]
        store.backups_held(args.place, args.local, args.every_h, args.checked_at, rows)
    if args.event is Event.MADE:
        store.backup_made(desk.who, args.snapshot, args.kind, args.size_bytes, args.added_bytes)
    elif args.event is Event.FAILED:
        failure = args.failure[:MOST_FAILURE]
        store.backup_failed(desk.who, failure)
        key = f"{int(desk.clock() // NOTICE_EVERY_S)}"
        if store.add_notice("backup_failed", "", {"place": args.place, "why": failure}, key):
            desk.after_commit(lambda live: live.notices_told())
    elif args.event is Event.RESTORED:
        store.restored(desk.who, args.snapshot, args.made_at)
