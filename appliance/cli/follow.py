"""`appliance update follow` and `appliance update look`: a source of updates that this machine asks by itself. Only on
the image, and only once somebody has chosen one."""

import contextlib
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import click

from appliance.backup.place import BackupError, Place
from appliance.cli.backups import size
from appliance.cli.exits import Exit, Failure
from appliance.cli.show import Answer, facts, line, moment
from appliance.cli.slots import slots_here
from appliance.cli.table import Command, Session, argument, option
from appliance.config.textual import is_zone
from appliance.following.choice import (
    DEED_WORDS,
    HOW,
    MOST_BYTES,
    Deed,
    FollowError,
    Last,
    Options,
    Room,
    check_visible,
    standing,
)
from appliance.following.deed import Following, seen
from appliance.slots import State, order

OFF: Final = "off"
OTHERS: Final = ("status", "install", "rollback", "confirm", "look")  # commands that a source is mistaken for
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+(?:[:/].*)?")
UNSAVED: Final = (
    "no backup is set up: a version that fails may leave a database that the one before does not read; "
    "'appliance backup init' sets one up"
)
BY_HAND: Final = "backups are made by hand alone, and a restart waits for one: 'appliance backup set --every-h 24'"
NOTHING: Final = "no source of updates is followed: 'appliance update follow SOURCE' chooses one"
SAY_S: Final = 0.2
MOST_CALLS: Final = 10_000_000


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """What is refused, as a command says it. Raises Failure."""
    try:
        yield
    except FollowError as error:
        raise Failure(Exit.REFUSED, error.message, error.hint, "follow") from None


def taken_back(session: Session, before: State) -> str:
    """After a rollback out of `before`: what is left then is not installed again by following, whoever installed it.
    What hinders that, in a line; empty: nothing."""
    left = before.other.version if before.other.next else before.running.version
    state = session.state.absolute()
    if not left or not state.is_dir():
        return ""
    try:
        Room(state).change(lambda last: last.having_taken_back(left))
    except FollowError as error:
        return f"a source that is followed may bring version {left} again, since nothing was noted: {error.message}"
    return ""


def followed(session: Session, found: State) -> tuple[str, dict[str, Any] | None]:
    """The choice in a line, and as JSON. Raises Failure."""
    runs = found.running.version
    with _refusals():
        room = Room(session.state.absolute())
        options, last = room.options(), seen(room.last(), found)
    if options is None:
        return NOTHING, None
    looked = f"looked at {moment(last.looked_at)}" if last.looked_at else "not looked at yet"
    there = order(last.found) > order(runs)
    newer = f", version {last.found} is there and {standing(options, last, runs)}" if there else ""
    trouble = f"; {last.problem}" if last.problem else ""
    return f"follows {options.source} ({options.deed}), {looked}{newer}{trouble}", _told(options, last)


def _told(options: Options, last: Last) -> dict[str, Any]:
    return asdict(options) | {"last": asdict(last)}


def _follow(
    session: Session, source: str | None, ca: Path | None, at_h: int | None, for_h: int | None, **given: bool
) -> Answer:
    slots_here()
    deeds = [Deed(name) for name, chosen in given.items() if chosen]
    if len(deeds) > 1:
        raise click.UsageError("one of " + ", ".join(f"--{each}" for each in deeds) + ", not more of them")
    changes = {"deed": deeds[0] if deeds else None, "at_h": at_h, "for_h": for_h}
    changes = {name: value for name, value in changes.items() if value is not None}
    with _refusals():
        room = Room(session.state.absolute())
        if source == OFF:
            if changes or ca is not None:
                raise click.UsageError("'follow off' takes no options")
            there = room.forget()
            return Answer({"followed": None}, (line("nothing is followed any more" if there else NOTHING),))
        if source is not None or changes or ca is not None:
            with room.alone():
                _choose(room, source, ca, changes | _zone(session))
        return _shown(room, _zone(session))


def _choose(room: Room, source: str | None, ca: Path | None, changes: dict[str, Any]) -> None:
    before = room.options() if source is None else _readable(room)
    if source is None and before is None:
        raise FollowError("nothing is followed", f"name the source as well: {HOW}")
    if source is not None:
        given = _source(source)
        same = before is not None and before.source == given
        before = replace(before, source=given, authority=before.authority if same else "") if before else Options(given)
    assert before is not None
    chosen = replace(before, **changes)
    if ca is not None:
        if not chosen.remote:
            raise FollowError("a directory has no certificate", "--ca goes with a source behind https")
        chosen = replace(chosen, authority=room.keep_authority(_bytes_of(ca)))
    if not chosen.remote and not Path(chosen.source).is_dir():
        raise FollowError(f"there is no directory {chosen.source}", "mount its disk first")
    room.choose(chosen)


def _zone(session: Session) -> dict[str, str]:
    """The setting `timezone`, as a part of the choice; empty where no office answers, or with what is no zone."""
    found: object = None
    with contextlib.suppress(Failure):
        found = session.link().running_office("settings.get", {"name": "timezone"}).get("value")
    return {"zone": found} if isinstance(found, str) and is_zone(found) else {}


def _source(text: str) -> str:
    """What was typed for a source. Raises FollowError for what only looks like one."""
    if text.startswith("/"):
        check_visible(Path(text))
        return str(Path(text))
    if "://" in text:
        return text
    hint = f"'appliance update {text}'" if text in OTHERS else f"https://{text}" if _HOST.fullmatch(text) else HOW
    raise FollowError(f"{text!r:.80} is no source of updates", hint)


def _readable(room: Room) -> Options | None:
    """What was chosen before; a file that cannot be read is written anew."""
    try:
        return room.options()
    except FollowError:
        return None


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError as error:
        raise FollowError(f"{path}: {error.strerror}", "name a file with certificates in PEM") from None


def _shown(room: Room, zone: dict[str, str]) -> Answer:
    """What was chosen, and what came of it; `zone`: the one of the office, now."""
    options, last = room.options(), room.last()
    if options is None:
        return Answer({"followed": None}, (line(NOTHING),))
    installed = f"version {last.installed}, {moment(last.installed_at)}" if last.installed else ""
    shown = (
        ("source", options.source),
        ("a newer version is", DEED_WORDS[options.deed]),
        ("looked for", f"each day from {options.at_h}:00 ({options.clock})"),
        ("restarts", f"{options.window}, while no call is up" if options.deed is Deed.RESTART else ""),
        ("authority", options.authority),
        ("last looked at", moment(last.looked_at) or "never"),
        ("found", f"version {last.found} {last.became(last.found)}".strip() if last.found else ""),
        ("last installed", installed),
        ("problem", last.problem),
    )
    warnings = _warnings(room.state, options)
    if zone and zone["zone"] != options.clock:
        words = f"the setting timezone is {zone['zone']}, and the hours are those of {options.clock}"
        warnings.append(f"{words}: 'appliance update follow --at {options.at_h}' takes it over")
    told = {"followed": _told(options, last), "warnings": warnings}
    return Answer(told, (facts(shown), *(line(each, "yellow") for each in warnings)))


def _warnings(state: Path, options: Options) -> list[str]:
    """What a choice lacks, in sentences."""
    if options.deed is not Deed.RESTART:
        return []
    place = Place(state)
    try:
        return [UNSAVED] if not place.is_set_up else [] if place.options().every_h else [BY_HAND]
    except BackupError as error:
        return [f"whether backups are made cannot be read: {error.message}"]


class _Progress:
    """Says on a terminal how much has come; nothing elsewhere."""

    def __init__(self, session: Session) -> None:
        self._speaks = sys.stderr.isatty() and not session.json
        self._said_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        if self._speaks and time.monotonic() - self._said_at > SAY_S:
            self._said_at = time.monotonic()
            share = f" of {size(total)}, {100 * done // total} %" if total else ""
            sys.stderr.write(f"\r\033[Kfetches the update: {size(done)}{share}")
            sys.stderr.flush()

    def end(self) -> None:
        """Leave the line empty."""
        if self._speaks:
            sys.stderr.write("\r\033[K")


def _calls(session: Session) -> int | None:
    """How many calls are up: by the office, which counts those that ring as well, or by the keeper's relay. None too
    where the office answers with what is no number: it is believed nothing then, and nobody else counts what rings."""
    link = session.link()
    with contextlib.suppress(Failure):
        return _count(link.running_office("status"), "calls")
    with contextlib.suppress(Failure):
        return _count(link.keeper("status"), "sessions")
    return None


def _count(answer: object, name: str) -> int | None:
    found = answer.get(name) if isinstance(answer, dict) else None
    return found if type(found) is int and 0 <= found <= MOST_CALLS else None


def _look(session: Session, if_due: bool) -> Answer:
    slots = slots_here()
    progress = _Progress(session)
    with _refusals():
        try:
            found = Following(session.state.absolute(), slots, lambda: _calls(session)).look(progress, if_due=if_due)
        finally:
            progress.end()
    return Answer(asdict(found), tuple(line(each) for each in found.words))


def _deed(each: Deed, words: str) -> click.Option:
    return option(f"--{each}", each.value, is_flag=True, default=False, help=words, show_default=False)


def _hours(name: str, metavar: str, words: str) -> click.Option:
    return option(f"--{name}", f"{name}_h", type=int, default=None, metavar=metavar, help=words, show_default=False)


COMMANDS = (
    Command(
        "update follow",
        "Choose a source of updates that this machine asks by itself each day; 'off' ends that.",
        _follow,
        (
            argument("source", required=False),
            _deed(Deed.TELL, "Only say that there is a newer version."),
            _deed(Deed.INSTALL, "Write it into the other slot; the next restart tries it (so without a choice)."),
            _deed(Deed.RESTART, "Write it, and restart within the window, while no call is up."),
            _hours(
                "at",
                "HOUR",
                "The hour of the day (setting timezone) from which the look is due, and the window begins; 3.",
            ),
            _hours("for", "HOURS", "How many hours the window is long; 3."),
            option(
                "--ca",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Certificates (PEM) of an authority of your own, which alone vouches for the source then.",
            ),
        ),
        "Without words: what was chosen, and what came of it. SOURCE is https://HOST/PATH/ or a directory, with the "
        "files of a build: SHA256SUMS and the updates that it names. Nothing is fetched before one is chosen. What is "
        "installed has to be newer than what runs, and signed for this image as any other update: a source is not "
        "trusted, but it can keep a newer version back.",
    ),
    Command(
        "update look",
        "Look at the source that is followed now, and do what was chosen.",
        _look,
        (option("--if-due", is_flag=True, default=False, help="Only when the schedule wants it: for timers."),),
        "A version that was installed by following once, failed its trial here or was taken back is not installed "
        "again.",
    ),
)
