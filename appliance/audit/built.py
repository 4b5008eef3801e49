"""Whether the system's files are those that were built: aide(1) compares them with the list that the image carries.

The list lies in the slot, so an update brings its own. What a machine writes of itself below /etc is no part of it
(image/files/usr/local/share/appliance/aide.conf); whatever else lies there is an operator's, or somebody else's.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from appliance import slots
from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, NotRunning, Reading, Unreadable, none_of

LIST: Final = "/usr/local/share/appliance/built.db"
AIDE: Final = ("aide", "--config", "/usr/local/share/appliance/aide.conf", "--check")
ENDS: Final = range(8)  # aide(1): 1 for added, 2 for removed, 4 for changed files; from 14 on it could not compare
PATIENCE_S: Final = 300.0  # of the 600 that appliance-audit.service has for all of it
SETTINGS: Final = "/etc/"
KINDS: Final = {"added": "new", "removed": "gone", "changed": "changed"}
# SSH that was opened or closed: links of these names, and to nothing else.
_SSH: Final = re.compile(r"/etc/(rc[0-6]\.d/[SK]\d\dssh|systemd/system/(sshd|multi-user\.target\.wants/ssh)\.service)")
_SSH_TARGETS: Final = ("../init.d/ssh", "/usr/lib/systemd/system/ssh.service", "/lib/systemd/system/ssh.service")


class _Pairs(dict[str, Any]):
    """An object of JSON that still knows how many names stood in it: two that cannot be decoded become the same one."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.names = [name for name, _ in pairs]


def differences(said: str) -> list[tuple[str, str]]:
    """(path, what became of it), out of aide's report in JSON. Raises Unreadable."""
    try:
        report = json.loads(said, object_pairs_hook=_Pairs)
        count = report["number_of_entries"]
        found = {kind: report[kind].names if kind in report else [] for kind in KINDS}
        if any(len(found[kind]) != count.get(kind, 0) for kind in KINDS) or not count["total"]:
            raise ValueError
        return sorted((path, word) for kind, word in KINDS.items() for path in found[kind])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable("aide's report cannot be understood") from None


def demand_image(machine: Machine) -> None:
    """Raises Unreadable where no build has written anything down. One of its marks is enough: another may be gone."""
    there = machine.is_there("/etc/appliance/version") or machine.is_there(LIST)
    if not there and not (machine.live and slots.here()):
        raise Unreadable("no image, so nobody has written down what was built")


def _is_ssh(machine: Machine, path: str) -> bool:
    place = machine.at(path)
    if not _SSH.fullmatch(path):
        return False
    return str(place.readlink()) in _SSH_TARGETS if place.is_symlink() else not machine.is_there(path)


def _row(below_etc: bool, otherwise: Grade) -> Callable[[Machine], Reading]:
    def judge(machine: Machine) -> Reading:
        demand_image(machine)
        try:
            found = differences(machine.output(*AIDE, ends=ENDS, patience_s=PATIENCE_S))
        except NotRunning:
            raise
        except Unreadable as error:  # whoever hinders the comparison must not get by with that
            return Reading(Grade.FAIL, f"it cannot be compared: {error}")
        named = [
            f"{path} is {word}"
            for path, word in found
            if path.startswith(SETTINGS) is below_etc and not _is_ssh(machine, path)
        ]
        return none_of(named, otherwise, "all as built")

    return judge


def _listed(machine: Machine) -> Reading:
    """That the list is there: without it the others would see nothing."""
    demand_image(machine)
    gone = [path for path in (LIST, AIDE[2], "/usr/bin/aide") if not machine.is_there(path)]
    return none_of([f"{path} is gone" for path in gone], nothing=LIST)


CHECKS: Final = (
    Check(
        "files.listed", "There is a list of what was built", "Without it nobody notices a file that was exchanged.",
        LIST, 3, _listed, "install the running version again as an update, which writes the other slot whole",
    ),
    Check(
        "files.built", "Programs and libraries are those that were built",
        "A program that was exchanged is how an intruder stays, and how he is not seen.",
        f"'aide --check' against {LIST}", 3, _row(below_etc=False, otherwise=Grade.FAIL),
        "find out who did that; install the running version again as an update, which writes the other slot whole",
    ),
    Check(
        "files.configured", "The system's own settings are those that were built",
        "One file below /etc starts a program, or opens a door; and it hides what an update brings in its place.",
        f"'aide --check' against {LIST}", 1, _row(below_etc=True, otherwise=Grade.WARN),
        "'aide --check' says what is other; remove what nobody knows of",
    ),
)  # fmt: skip
