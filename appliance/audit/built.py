"""Whether the system's files are those that were built: aide(1) compares them with the list that the image carries.

The list lies in the slot, so an update brings its own. What a machine writes of itself below /etc is no part of it
(image/files/usr/local/share/appliance/aide.conf); whatever else lies there is an operator's, or somebody else's.
"""

import json
from collections.abc import Callable
from typing import Final

from appliance.audit.machine import Machine
from appliance.audit.row import Check, Grade, Reading, Unreadable, none_of

LIST: Final = "/usr/local/share/appliance/built.db"
AIDE: Final = ("aide", "--config", "/usr/local/share/appliance/aide.conf", "--check")
ENDS: Final = range(8)  # aide(1): 1 for added, 2 for removed, 4 for changed files; from 14 on it could not compare
PATIENCE_S: Final = 900.0
SETTINGS: Final = "/etc/"
KINDS: Final = {"added": "new", "removed": "gone", "changed": "changed"}


def differences(said: str) -> list[str]:
    """Paths with what became of them, out of aide's report in JSON. Raises Unreadable."""
    try:
        report = json.loads(said)
        count, found = report["number_of_entries"], {kind: report.get(kind, {}) for kind in KINDS}
        if any(len(found[kind]) != count.get(kind, 0) for kind in KINDS) or not count["total"]:
            raise ValueError
        return sorted(f"{path} is {word}" for kind, word in KINDS.items() for path in found[kind])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable("aide's report cannot be understood") from None


def _found(machine: Machine) -> list[str]:
    if not machine.is_there("/etc/appliance/version"):
        raise Unreadable("no image, so nobody has written down what was built")
    return differences(machine.output(*AIDE, ends=ENDS, patience_s=PATIENCE_S))


def _row(below_etc: bool, otherwise: Grade, nothing: str) -> Callable[[Machine], Reading]:
    def judge(machine: Machine) -> Reading:
        found = [each for each in _found(machine) if each.startswith(SETTINGS) is below_etc]
        return none_of(found, otherwise, nothing)

    return judge


def _listed(machine: Machine) -> Reading:
    """That the list is there: without it the others would see nothing."""
    if not machine.is_there("/etc/appliance/version"):
        raise Unreadable("no image, so nobody has written down what was built")
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
        f"'aide --check' against {LIST}", 3, _row(below_etc=False, otherwise=Grade.FAIL, nothing="all as built"),
        "find out who did that; install the running version again as an update, which writes the other slot whole",
    ),
    Check(
        "files.configured", "The system's own settings are those that were built",
        "One file below /etc starts a program, or opens a door; and it hides what an update brings in its place.",
        f"'aide --check' against {LIST}", 1, _row(below_etc=True, otherwise=Grade.WARN, nothing="all as built"),
        "'aide --check' says what is other; remove what nobody knows of",
    ),
)  # fmt: skip
