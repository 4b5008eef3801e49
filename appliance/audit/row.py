"""One check of the audit and the words for how it ends. Pure: knows no file and no other check.

A check that cannot be read here ends as ABSENT and counts neither for nor against: only what was seen can pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from appliance.audit.machine import Machine


class Area(StrEnum):
    """What a check is about, in the order in which they are shown."""

    NETWORK = "network"
    KERNEL = "kernel"
    SYSTEM = "system"
    ACCESS = "access"
    FILES = "files"
    UNITS = "units"
    GATE = "gate"
    DATABASE = "database"
    SERVICE = "service"
    SETTINGS = "settings"


ABOUT: Final = {
    Area.NETWORK: "what the machine answers to, and whom it believes",
    Area.KERNEL: "what the kernel gives away, and what it lets be loaded",
    Area.SYSTEM: "mounts, packages, clock, journal",
    Area.ACCESS: "users, passwords, keys, SSH",
    Area.FILES: "owners and modes",
    Area.UNITS: "what holds keeper and office",
    Area.GATE: "the gate at the network card",
    Area.DATABASE: "the office's records and their copies",
    Area.SERVICE: "what the running service finds about itself",
    Area.SETTINGS: "settings, by their strict values",
}


class Grade(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - a grade
    WARN = "warn"
    FAIL = "fail"
    ABSENT = "not here"


CREDIT: Final = {Grade.PASS: 1.0, Grade.WARN: 0.5, Grade.FAIL: 0.0}


class Unreadable(Exception):
    """What a check asks for cannot be seen here; the message says why."""


class NotRunning(Unreadable):
    """What only a machine that runs can say, of one that does not."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen, judged: `value` is the current value in words."""

    grade: Grade
    value: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a fix does: what it changes, in words, and the deed. A deed raises OSError."""

    what: str
    do: Callable[[], None]


Judge = Callable[["Machine"], Reading]


@dataclass(frozen=True, slots=True)
class Check:
    """One row.

    `name` begins with its area and a dot. `reads` says where the value comes from, `fix` what to do in words. `mend`
    gives the steps of a fix that locks nobody out and can be taken back; None where there is no such fix. `weight` is
    what a gap is worth to an attacker: 3 opens the machine or the purse, 1 is good housekeeping.
    """

    name: str
    what: str
    why: str
    reads: str
    weight: int
    judge: Judge
    fix: str
    mend: Callable[[Machine], list[Step]] | None = None

    @property
    def area(self) -> Area:
        """The first word of its name."""
        return Area(self.name.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that was run. Shape of the result file and of what panel and API show."""

    name: str
    area: Area
    what: str
    why: str
    grade: Grade
    value: str
    weight: int
    fix: str
    mendable: bool


def passed(value: str) -> Reading:
    """As it should be."""
    return Reading(Grade.PASS, value)


def verdict(good: bool, value: str, otherwise: Grade = Grade.FAIL) -> Reading:
    """PASS, or `otherwise`."""
    return Reading(Grade.PASS if good else otherwise, value)


SHOWN: Final = 5


def none_of(found: list[str], otherwise: Grade = Grade.FAIL, nothing: str = "none") -> Reading:
    """PASS for an empty list; else `otherwise` with the first few of them."""
    if not found:
        return passed(nothing)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return Reading(otherwise, ", ".join(found[:SHOWN]) + more)


def score(findings: list[Finding]) -> int:
    """0 to 100: the weights of what passes and half of those of warnings, of all that could be read."""
    read = [each for each in findings if each.grade is not Grade.ABSENT]
    whole = sum(each.weight for each in read)
    return round(100 * sum(each.weight * CREDIT[each.grade] for each in read) / whole) if whole else 0
