"""`appliance backup`: made, listed, looked at. They need root."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType

from appliance import errands
from appliance.backup import record
from appliance.backup.making import Backups
from appliance.backup.place import KEPT, MOST_BYTES, NOT_TAKEN, NUMBERS, REMOTE, BackupError, NotPermitted, Options
from appliance.cli.exits import Exit, Failure
from appliance.cli.link import Link
from appliance.cli.passwords import password_of
from appliance.cli.show import Answer, Column, facts, line, moment, table
from appliance.cli.table import Command, Group, Session, argument, option
from appliance.release import version
from appliance.wire import BackupWork

COLUMNS = (
    Column("short", "backup"),
    Column("at", "made", moment),
    Column("kind", "kind"),
    Column("size_bytes", "holds", lambda count: size(count) if count else "", right=True),
    Column("host", "of"),
    Column("version", "version"),
)
STEP_WORDS = {"check": "checks", "copy": "copies the database", "save": "saves", "tidy": "forgets what is old"}
KEEP_IT = (
    "Keep this password somewhere else as well: without it no backup can be read, and where the machine is lost, so is "
    "the file that holds it."
)
IN_PLAIN = "It is reached without TLS: name and password in its address can be read on the way; https:// hides them."
ON_THIS_DISK = "It lies on this machine's own disk, which may fail: name a place elsewhere when you can."
BYTES_PER_STEP = 1024


def size(count: int) -> str:
    """Bytes for people."""
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= BYTES_PER_STEP and len(units) > 1:
        value, units = value / BYTES_PER_STEP, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"


class Office:
    """The office as a backup asks it: over its socket, or by a single run."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def copies(self, verb: str, state: Path, heard: Callable[[int, int], None]) -> dict[str, Any]:
        with _told():
            return self._link.copies(verb, state, heard)

    def tell(self, report: Mapping[str, Any]) -> None:
        with _told():
            self._link.office("backups.report", report)

    def progress(self, step: str, done: int, total: int) -> None:
        with contextlib.suppress(Failure):
            report = {"event": "progress", "step": step, "done": done, "total": total}
            self._link.running_office("backups.report", report)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        raise BackupError(failure.message, failure.hint) from None


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What backups refuse, as a command says it. Raises Failure."""
    try:
        yield
    except BackupError as error:
        code = Exit.NOT_PERMITTED if isinstance(error, NotPermitted) else Exit.REFUSED
        raise Failure(code, error.message, error.hint, "backup") from None


def backups_of(session: Session) -> Backups:
    """The backups of the appliance that a command is about."""
    return Backups(session.state.absolute(), version())


def office_of(session: Session) -> Office:
    """The office as backups ask it."""
    return Office(session.link())


class _Progress:
    """Says on a terminal how far a run is; nothing elsewhere."""

    def __init__(self, session: Session) -> None:
        self._speaks = sys.stderr.isatty() and not session.json
        self._said_at = 0.0

    def __call__(self, step: str, done: int, total: int) -> None:
        if self._speaks and (done >= total or time.monotonic() - self._said_at > 0.2):
            self._said_at = time.monotonic()
            share = f" {100 * done // total} %" if total else ""
            sys.stderr.write(f"\r\033[K{STEP_WORDS[step]}{share}")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line empty."""
        if self._speaks:
            sys.stderr.write("\r\033[K")


def _now(session: Session, full: bool, if_due: bool) -> Answer:
    with refusals():
        backups = backups_of(session)
        options = backups.place.options()
        wanted = errands.take(session.runtime) if if_due else None
        if wanted is BackupWork.CHECK:
            return _check(session, data=False)
        if if_due and wanted is None and not _due(backups, options):
            return Answer({"made": None, "due": False}, (line("no backup is due", "dim"),))
        first = [] if backups.place.is_set_up else _set_up_words(backups, options)
        progress = _Progress(session)
        try:
            made = backups.make(office_of(session), progress, full=full)
        finally:
            progress.end()
    words = f"backup {made.snapshot[:8]}: {size(made.size_bytes)}, of which {size(made.added_bytes)} were new"
    return Answer({"made": asdict(made), "due": True}, (*first, line(words)))


def _due(backups: Backups, options: Options) -> bool:
    return backups.place.is_set_up and record.is_due(options, record.read(backups.place), time.time())


def _set_up_words(backups: Backups, options: Options, password: str = "") -> list[RenderableType]:
    """Set up, and what is to be said of it: a new password is shown this once."""
    done = backups.set_up(options, password)
    where = "made" if done.made else "was there, and opens"
    said: list[RenderableType] = [line(f"repository {done.options.shown} {where}")]
    if done.password:
        said += [facts((("password", done.password),)), line(KEEP_IT, "yellow")]
    if done.options.is_local:
        said.append(line(ON_THIS_DISK, "yellow"))
    if done.options.repository.startswith("rest:http://") and "@" in done.options.repository:
        said.append(line(IN_PLAIN, "yellow"))
    return said


def _init(
    session: Session, repository: str | None, password: str | None, env: tuple[str, ...], ca: Path | None
) -> Answer:
    with refusals():
        backups = backups_of(session)
        if repository == "-":
            repository = password_of("-").text
        before = backups.place.options()
        chosen = replace(before, **_named(repository, env, before))
        if ca is not None:
            chosen = replace(chosen, authority=backups.place.keep_authority(_bytes_of(ca)))
        elif chosen.repository != before.repository:
            chosen = replace(chosen, authority="")
        typed = password_of(password).text if password is not None else ""
        words = _set_up_words(backups, chosen, typed)
        shown = backups.place.options()
    return Answer({"repository": shown.shown, "local": shown.is_local}, tuple(words))


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}", "name a file with certificates in PEM") from None


def _named(repository: str | None, env: tuple[str, ...], before: Options) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if repository is not None:
        if not repository.strip():  # it would be the directory that one happens to stand in
            raise BackupError(f"{repository!r} names no place", "name a directory, or sftp:, s3:, rest: and its place")
        local = not repository.startswith((*REMOTE, *NOT_TAKEN))
        changes["repository"] = str(Path(repository).absolute()) if local else repository
    if env:
        given = dict(before.environment)
        for name, equals, value in (each.partition("=") for each in env):
            if equals and value == "-":
                value = password_of("-").text
            given |= {name: value} if equals else {}
            if not equals:
                given.pop(name, None)
        changes["environment"] = given
    return changes


def _set(session: Session, env: tuple[str, ...], **numbers: int | None) -> Answer:
    with refusals():
        backups = backups_of(session)
        before = backups.place.options()
        changes = {name: value for name, value in numbers.items() if value is not None} | _named(None, env, before)
        backups.place.choose(replace(before, **changes))
    return _show(session)


def _show(session: Session) -> Answer:
    with refusals():
        backups = backups_of(session)
        options, last = backups.place.options(), record.read(backups.place)
    schedule = "none by themselves"
    if options.every_h:
        schedule = f"every {options.every_h} h" + (f", from {options.at_h}:00" if options.every_h >= 24 else "")
    kept = ", ".join(f"{getattr(options, name)} {name.removeprefix('keep_')}" for name in KEPT)
    shown = (
        ("repository", options.shown),
        ("set up", "yes" if backups.place.is_set_up else "no: 'appliance backup init', or 'appliance backup now'"),
        ("schedule", schedule),
        ("kept", kept),
        ("credentials", ", ".join(options.environment)),
        ("authority", options.authority),
        ("last made", moment(last.succeeded_at) or "never"),
        ("last checked", moment(last.checked_at) or "never"),
        ("last failure", f"{moment(last.failed_at)}: {last.failure}" if last.failed_at else ""),
    )
    hidden = {"repository": options.shown, "environment": sorted(options.environment)}
    value = asdict(options) | hidden | {"set_up": backups.place.is_set_up}
    return Answer(value | {"last": asdict(last)}, (facts(shown),))


def _list(session: Session) -> Answer:
    with refusals():
        backups = backups_of(session)
        if not backups.place.is_set_up:
            return Answer({"repository": "", "backups": []}, (line("no backups are set up: 'appliance backup init'"),))
        options, repository = backups.repository()
        found = [asdict(each) | {"short": each.short} for each in reversed(repository.snapshots())]
    human = (table(COLUMNS, found, "no backup yet: 'appliance backup now'"), line(options.shown, "dim"))
    return Answer({"repository": options.shown, "backups": found}, human)


def _check(session: Session, data: bool) -> Answer:
    with refusals():
        count = backups_of(session).check(office_of(session), data=data)
    how = "every byte of them" if data else "the structure; --data reads every byte"
    return Answer({"backups": count, "data": data}, (line(f"{count} backups are whole ({how})"),))


def _forget(session: Session, named: tuple[str, ...]) -> Answer:
    with refusals():
        gone = backups_of(session).forget(office_of(session), named)
    words = f"{len(gone)} forgotten" if gone else "nothing to forget"
    return Answer({"forgotten": [each.ident for each in gone]}, (line(words),))


def _unlock(session: Session, everybodys: bool) -> Answer:
    with refusals():
        backups = backups_of(session)
        with backups.alone():
            backups.repository()[1].unlock(everybodys=everybodys)
    words = "all locks are gone" if everybodys else "locks of runs of this machine that were killed are gone"
    return Answer({}, (line(words),))


def _password(session: Session) -> Answer:
    with refusals():
        found = backups_of(session).place.password()
    return Answer({"password": found}, (found, line(KEEP_IT, "yellow")))


def _number(name: str, words: str) -> click.Option:
    return option(f"--{name.replace('_', '-')}", name, type=int, default=None, help=words, show_default=False)


NUMBER_WORDS = {
    "every_h": "Hours between backups; 0: none by themselves.",
    "at_h": "The hour of the day, where there is one a day or fewer.",
    "keep_last": "How many of the newest are kept.",
    "keep_daily": "And the last one of so many days,",
    "keep_weekly": "of so many weeks,",
    "keep_monthly": "and of so many months.",
}
ENV = option(
    "--env",
    multiple=True,
    metavar="NAME=VALUE",
    help="A credential of the repository, such as AWS_ACCESS_KEY_ID; NAME=- reads it, NAME alone drops it.",
)
GROUP = Group("backup", "Backups: encrypted, deduplicated, made while everything runs.", "show")
COMMANDS = (
    Command(
        "backup now",
        "Make a backup.",
        _now,
        (
            option("--full", is_flag=True, default=False, help="Read everything anew, whatever earlier ones hold."),
            option(
                "--if-due",
                is_flag=True,
                default=False,
                help="Only when schedule or panel want one: for timers.",
            ),
        ),
        "The first one is full, later ones save what has changed; each can be restored by itself. Where no place was "
        "chosen it makes a repository in STATE/backup/repository.",
    ),
    Command("backup show", "Show where backups lie, when they are made, how the last one ended.", _show),
    Command("backup list", "List the backups.", _list),
    Command(
        "backup init",
        "Choose where backups lie: a directory, or a place elsewhere as restic names it.",
        _init,
        (
            argument("repository", required=False),
            option("--password", metavar="-", default=None, help="Of a repository that is there: '-' reads it."),
            ENV,
            option(
                "--ca",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Certificates (PEM) of an authority of your own, for s3: and rest: behind https.",
            ),
        ),
        "Examples: 'appliance backup init /mnt/disk/backup', 'appliance backup init "
        "sftp:backup@198.51.100.9:/srv/pbx', 'appliance backup init s3:https://s3.example.com/pbx "
        "--env AWS_ACCESS_KEY_ID=... --env AWS_SECRET_ACCESS_KEY=-'. '-' reads the place, for one whose address has a "
        "password: 'rest:https://USER:PASSWORD@HOST/pbx/'. A new repository gets a password, which is shown this once. "
        "What SFTP needs first: 'appliance backup key' and 'appliance backup trust'.",
    ),
    Command(
        "backup set",
        "Choose when backups are made and how long they are kept.",
        _set,
        (*(_number(name, NUMBER_WORDS[name]) for name in NUMBERS), ENV),
    ),
    Command(
        "backup check",
        "Look whether the repository is whole.",
        _check,
        (option("--data", is_flag=True, default=False, help="Read every byte, not the structure alone."),),
    ),
    Command(
        "backup forget",
        "Remove the named backups, or those that are not to be kept.",
        _forget,
        (argument("named", nargs=-1, metavar="[BACKUP]..."),),
    ),
    Command(
        "backup unlock",
        "Take away locks of runs that were killed.",
        _unlock,
        (
            option(
                "--all",
                "everybodys",
                is_flag=True,
                default=False,
                help="Those of other machines too: only when none of them uses the repository.",
            ),
        ),
    ),
    Command("backup password", "Show the repository's password.", _password),
)
