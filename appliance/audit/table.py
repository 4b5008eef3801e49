"""Every check of the audit in one table, and the run that judges a machine by it."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from appliance.audit import (
    access,
    built,
    database,
    files,
    following,
    gate,
    kernel,
    network,
    service,
    settings,
    ssh,
    sysctls,
    system,
    units,
)
from appliance.audit.machine import Machine
from appliance.audit.row import Area, Check, Finding, Grade, Reading, Unreadable, score

ROOMS: Final = (
    network, sysctls, kernel, system, following, access, ssh, files, built, units, gate, database, service, settings,
)  # fmt: skip
CHECKS: Final[tuple[Check, ...]] = tuple(
    sorted((check for room in ROOMS for check in room.CHECKS), key=lambda check: list(Area).index(check.area))
)
BY_NAME: Final = {check.name: check for check in CHECKS}
ORDER: Final = (Grade.FAIL, Grade.WARN, Grade.PASS, Grade.ABSENT)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `made_at` is Unix seconds; `findings` stand in the table's order."""

    made_at: float
    host: str
    findings: tuple[Finding, ...]

    @property
    def score(self) -> int:
        """0 to 100, of what could be read."""
        return score(list(self.findings))

    def counted(self) -> dict[str, int]:
        """How many ended in each way."""
        return {str(grade): sum(each.grade is grade for each in self.findings) for grade in ORDER}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` reads them back."""
        return {
            "made_at": self.made_at,
            "host": self.host,
            "score": self.score,
            "counted": self.counted(),
            "findings": [asdict(each) | {"grade": str(each.grade), "area": str(each.area)} for each in self.findings],
        }

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Self:
        """Raises ValueError for what no run wrote."""
        try:
            found = tuple(
                Finding(**{**each, "grade": Grade(each["grade"]), "area": Area(each["area"])})
                for each in said["findings"]
            )
            return cls(float(said["made_at"]), str(said["host"]), found)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no result of an audit: {error}") from None


def judged(check: Check, machine: Machine) -> Finding:
    """One check. What it cannot read, or does not understand, is absent and says why: it never passes."""
    try:
        reading = check.judge(machine)
    except Unreadable as error:
        reading = Reading(Grade.ABSENT, str(error))
    except Exception as error:  # one file that nobody understands must not hide what all others say
        reading = Reading(Grade.ABSENT, f"what is there cannot be understood ({type(error).__name__}: {error})"[:200])
    return Finding(
        check.name, check.area, check.what, check.why, reading.grade, " ".join(reading.value.split())[:400],
        check.weight,
        check.fix,
        check.mend is not None,
    )  # fmt: skip


def run(machine: Machine, checks: Iterable[Check] = CHECKS, progress: Progress = lambda *_: None) -> Report:
    """Judge a machine. `progress` gets (done, total, what comes now)."""
    rows = list(checks)
    found = []
    for number, check in enumerate(rows):
        progress(number, len(rows), check.what)
        found.append(judged(check, machine))
    progress(len(rows), len(rows), "")
    try:
        host = machine.text("/proc/sys/kernel/hostname").strip()
    except Unreadable:
        host = ""
    return Report(machine.now, host, tuple(found))
