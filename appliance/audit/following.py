"""Whether the source of updates that root chose answers, and whether its newest version is the one that runs.

It asks nobody: it reads what the last look wrote down. A source that holds versions back looks like one that has none,
so a look that is long ago is no good sign either.
"""

from typing import Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Unreadable, passed
from appliance.following.choice import DIRECTORY, LAST, OPTIONS, FollowError, parsed, remembered, standing
from appliance.slots import VERSION, order

OLD_S: Final = 3 * 86_400.0
HOUR_S: Final = 3600.0


def _followed(machine: Machine) -> Reading:
    place = machine.state / DIRECTORY
    if not machine.is_there(VERSION):
        raise Unreadable("no image, so it has no slots")
    if not machine.is_there(place / OPTIONS):
        raise Unreadable("no source of updates was chosen")
    try:
        options = parsed(machine.text(place / OPTIONS))
    except FollowError as error:
        return Reading(Grade.WARN, f"{place / OPTIONS}: {error.message}")
    if options is None:
        raise Unreadable("no source of updates was chosen")
    last = remembered(machine.text(place / LAST) if machine.is_there(place / LAST) else "")
    runs, ago_s = machine.text(VERSION).strip(), max(0.0, machine.now - last.looked_at)
    if last.problem:
        return Reading(Grade.WARN, last.problem)
    if not last.looked_at:
        return Reading(Grade.WARN, f"{options.source} was not looked at yet")
    if ago_s > OLD_S:
        return Reading(Grade.WARN, f"{options.source} was last looked at {ago_s / 86_400:.0f} days ago")
    if order(last.found) <= order(runs):
        return passed(f"{runs} is the newest of {options.source}, {ago_s / HOUR_S:.0f} hours ago")
    return Reading(Grade.WARN, f"{runs} runs, and version {last.found} {standing(options, last, runs)}")


CHECKS: Final = (
    Check(
        "system.updates_followed", "The source of updates answers, and its newest version runs",
        "What an update mends is known to everybody; and who holds updates back keeps old holes open.",
        f"STATE/{DIRECTORY}", 2, _followed,
        "'appliance update look' says why, 'appliance update follow' shows the choice; a restart tries what waits for "
        "it; what failed or was taken back: a newer version, or 'appliance update install'",
    ),
)  # fmt: skip
