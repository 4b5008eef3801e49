"""A look at the source that was chosen, and what was chosen to be done about what it offers.

A version is installed once: one that is newer than what runs and than what waits for its first start, that following
has not installed before, and that neither failed its trial here nor was taken back. With restarts, nothing below such a
one either. The restart is tried within the window alone, not while a call is up or a backup is made, and, where backups
are set up, after one of this window: the first start of a newer version may leave a database that no older one reads.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from appliance import reset
from appliance.backup import making, record
from appliance.backup.place import BackupError, Place
from appliance.following.choice import Deed, FollowError, Last, Options, Room, is_due, standing
from appliance.following.source import Heard, Offer, Source, plain
from appliance.slots import SlotError, Slots, State, order

MOST_PROBLEM: Final = 1000  # characters: the record has to stay short enough to be read (choice.MOST_BYTES)
DAY_S: Final = 86_400.0
RESTART: Final = ("systemctl", "--no-block", "reboot")

Calls = Callable[[], int | None]
"""How many calls are up; None: nobody who knows it answers."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one look. `found`: the newest version of the source above the one that runs; `installed`: what was
    written by this run; `restarts`: whether the machine starts anew now; `words`: all of it in sentences."""

    looked: bool
    found: str = ""
    installed: str = ""
    restarts: bool = False
    words: tuple[str, ...] = ()


def waiting(found: State) -> str:
    """The version that the next restart tries; empty: none waits."""
    return found.other.version if found.other.next else ""


def failed(found: State) -> str:
    """The version that is in the other slot and failed its trial, or was taken back before it; empty: none."""
    return found.other.version if found.trial == found.other.name and not found.other.next else ""


def seen(last: Last, found: State) -> Last:
    """The record, after what the slots say."""
    return replace(last.having_failed(failed(found)), waits=waiting(found))


def goes_back(found: State) -> bool:
    """Whether the next restart starts an older version, as an operator chose."""
    return found.other.next and order(found.other.version) < order(found.running.version)


def unsaved(options: Options, last: Last, state: Path, now: float) -> str:
    """Why the backups speak against a restart now; empty: they do not, or none are set up."""
    place = Place(state)
    try:
        if not place.is_set_up:
            return ""
    except BackupError as error:
        return f"whether backups are set up cannot be read: {error.message}"
    since = min(options.turn(now), max(last.installed_at, now - DAY_S))
    fresh = since <= record.read(place).succeeded_at <= now
    return "" if fresh else f"no backup was made since {options.at_h}:00 ({options.clock}): 'appliance backup show'"


def newest(offered: Mapping[str, Offer], *above: str, without: tuple[str, ...] = ()) -> Offer | None:
    """The highest version above all of these; None: there is none."""
    fit = [each for each in offered.values() if each.version not in without]
    fit = [each for each in fit if all(order(each.version) > order(other) for other in above)]
    return max(fit, key=lambda each: order(each.version), default=None)


class Following:
    """Of one machine. Every method raises FollowError."""

    def __init__(
        self, state: Path, slots: Slots, calls: Calls, *, clock: Callable[[], float] = time.time,
        source: Callable[[Options, Path | None], Source] = Source,
    ) -> None:  # fmt: skip
        self.room = Room(state)
        self._slots, self._calls, self._clock, self._source = slots, calls, clock, source

    def look(self, heard: Heard, *, if_due: bool = False) -> Outcome:
        """Look, and do what was chosen. `if_due`: only when the schedule wants it."""
        with self.room.alone():
            options, now = self.room.options(), self._clock()
            if options is None:
                raise FollowError("nothing is followed", "'appliance update follow SOURCE' chooses a source")
            if reset.under_way(self.room.state):
                raise FollowError("a factory reset was begun", "'appliance reset' finishes it", again=True)
            due = not if_due or is_due(options, self.room.last(), now)
            acts = due or (options.deed is Deed.RESTART and options.within(now))
            if not acts and not self.room.last().waits:
                return Outcome(looked=False)
            try:
                return self._done(options, heard, now, look=due) if acts else self._seen()
            except SlotError as error:
                self._note_problem(FollowError(str(error)))
                raise FollowError(str(error), "the slot that runs is as it was") from None
            except FollowError as error:
                self._note_problem(error)
                raise
            except Exception as error:  # whatever a source can still bring about: the audit reads what is noted
                self._note_problem(FollowError(f"the look failed: {type(error).__name__}: {error}"))
                raise

    def _still_chosen(self, options: Options) -> None:
        """'follow off' waits for no look. Raises FollowError."""
        if self.room.options() != options:
            raise FollowError("the source was taken away meanwhile", "'appliance update follow' shows what is followed")

    def _note_problem(self, error: FollowError) -> None:
        problem = plain(error.message, MOST_PROBLEM)
        self.room.change(lambda last: replace(last, problem=problem, again=error.again))

    def _seen(self) -> Outcome:
        """What became of a version that waited: whoever reads the record knows it within the hour."""
        found = self._slots.look()
        self.room.change(lambda last: seen(last, found))
        return Outcome(looked=False)

    def _done(self, options: Options, heard: Heard, now: float, *, look: bool) -> Outcome:
        found = self._slots.look()
        last = self.room.change(lambda last: seen(last, found))
        if found.trial == found.running.name:
            return Outcome(
                looked=False, words=("the slot that runs is on trial: nothing is changed before that is over",)
            )
        done = self._looked(options, found, heard, now) if look else Outcome(looked=False)
        if done.installed:
            found = self._slots.look()
            last = self.room.last()
        waits = waiting(found)
        by_hand = waits != last.installed or waits in last.gone or goes_back(found)
        if options.deed is not Deed.RESTART or not waits or by_hand:
            return done
        why_not = self._against(options, last)
        if why_not:
            return replace(done, words=(*done.words, f"version {waits} waits for the restart: {why_not}"))
        self._still_chosen(options)
        self._slots.run(RESTART)
        return replace(done, restarts=True, words=(*done.words, f"the machine restarts now, to try version {waits}"))

    def _looked(self, options: Options, found: State, heard: Heard, now: float) -> Outcome:
        """The look alone, and the installation where one was chosen."""
        runs = found.running.version
        authority = self.room.directory / options.authority if options.authority else None
        source = self._source(options, authority)
        offered = source.offers()
        top = newest(offered, runs)
        newer = top.version if top else ""
        last = self.room.change(lambda last: replace(last, looked_at=now, found=newer, problem="", again=False))
        says = f"version {top.version} is offered; {runs} runs" if top else f"nothing newer than {runs} is offered"
        wanted = None if options.deed is Deed.TELL else _wanted(offered, found, last, options)
        if wanted is None:
            return Outcome(True, last.found, words=(says, *_why_not(last, found, options)))
        self._install(source, wanted, heard, options)
        self.room.change(lambda last: last.having_installed(wanted.version, self._clock()))
        filled = f"version {wanted.version} is in slot {found.other.name} and starts with the next restart, on trial"
        return Outcome(True, last.found, wanted.version, words=(says, filled))

    def _install(self, source: Source, offer: Offer, heard: Heard, options: Options) -> None:
        def here(done: int, total: int) -> None:
            if not self.room.options_file.exists():
                self._still_chosen(options)
            heard(done, total)

        file = source.fetch(offer, self.room.directory, self._slots.room(), here)
        try:
            signed = self._slots.contents(file)
            if signed != offer.version:
                words = f"{offer.name} of the source is version {signed or '(none)'} by what was signed"
                raise FollowError(words, "an update is named by its version")
            self._still_chosen(options)
            self._slots.install(file)
        finally:
            file.unlink(missing_ok=True)

    def _against(self, options: Options, last: Last) -> str:
        """What is against a restart now; empty: nothing."""
        now = self._clock()  # the download may have taken hours
        if not options.within(now):
            return f"it comes {options.window}"
        if making.under_way(self.room.state):
            return "a backup is made now"
        if missing := unsaved(options, last, self.room.state, now):
            return missing
        up = self._calls()
        if up is None:
            return "nobody says whether a call is up"
        return f"{up} {'calls are' if up > 1 else 'call is'} up" if up else ""


def _wanted(offered: Mapping[str, Offer], found: State, last: Last, options: Options) -> Offer | None:
    """What is to be installed; None: nothing."""
    if goes_back(found):
        return None
    runs = found.running.version
    bar = last.bar(runs) if options.deed is Deed.RESTART else ""
    return newest(offered, *filter(None, (runs, waiting(found), bar)), without=last.tried)


def _why_not(last: Last, found: State, options: Options) -> tuple[str, ...]:
    """Why nothing was installed, where something newer is offered."""
    if not last.found:
        return ()
    if goes_back(found):
        return (f"the next restart goes back to slot {found.other.name}: nothing is installed before",)
    if options.deed is Deed.TELL and not last.became(last.found):
        return ("nothing was installed: 'appliance update follow --install' would",)
    if last.found == last.waits:
        return (f"version {last.found} starts with the next restart",)
    stands = standing(options, last, found.running.version)
    return (f"version {last.found} {stands}: 'appliance update install' takes it",)
