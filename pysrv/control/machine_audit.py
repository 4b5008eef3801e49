"""Verbs about audits of the machine: root makes them (`appliance audit --record`) and tells; here it is kept and shown.

The office sees nothing of the machine beside its own part: it judges nothing here, and believes root.
"""

import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.store.machine_audits import MachineAudit

SCORES: Final = 90
MOST_FINDINGS, MOST_TEXT = 2000, 600
MOST_NAMED: Final = 6  # in a notice
_log = logging.getLogger("pysrv.audit")


class Grade(StrEnum):
    """How a check of the machine ended."""

    PASS = "pass"  # noqa: S105 - a grade
    WARN = "warn"
    FAIL = "fail"
    ABSENT = "not here"


@dataclass(frozen=True, slots=True)
class Found:
    """One check that was run: what it asks and why, how it ended and by which value, what mends it."""

    name: str
    area: str
    what: str
    why: str
    grade: Grade
    value: str
    weight: int
    fix: str
    mendable: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One audit of the machine, as root tells it. `made_at` is Unix seconds, `score` 0 to 100."""

    made_at: float
    host: str
    score: int
    findings: tuple[Found, ...]


def show(desk: Desk, _: Any) -> dict[str, Any]:
    """audit.show: the newest audit of the machine, what got worse since the one before, and the scores of earlier ones;
    `report` is null while there was none."""
    found = desk.store.machine_audit()
    scores = [{"at": at, "score": score} for at, score in desk.store.machine_audit_scores(SCORES)]
    if found is None:
        return {"report": None, "scores": scores}
    return {"report": asdict(found) | {"findings": list(found.findings), "worse": list(found.worse)}, "scores": scores}


def report(desk: Desk, args: Report) -> dict[str, Any]:
    """audit.report: kept with what got worse, which is also told to administrators."""
    _check(args)
    before = desk.store.machine_audit()
    passed = {each["name"] for each in before.findings if each["grade"] == Grade.PASS} if before is not None else set()
    worse = tuple(each.name for each in args.findings if each.grade is Grade.FAIL and each.name in passed)
    failed = sum(each.grade is Grade.FAIL for each in args.findings)
    warned = sum(each.grade is Grade.WARN for each in args.findings)
    told = tuple(asdict(each) | {"grade": str(each.grade)} for each in args.findings)
    desk.store.add_machine_audit(
        desk.who, MachineAudit(args.made_at, args.host, args.score, failed, warned, told, worse)
    )
    named = ", ".join(worse[:MOST_NAMED]) + (", ..." if len(worse) > MOST_NAMED else "")
    (_log.warning if worse else _log.info)("machine audited score=%d failed=%d worse=%s", args.score, failed, named)
    if worse:
        figures: dict[str, str | int] = {"count": len(worse), "checks": named, "score": args.score}
        if desk.store.add_notice("audit_worse", "", figures, f"{args.made_at:.0f}"):
            desk.after_commit(lambda live: live.notices_told())
    return {"worse": list(worse)}


def _check(args: Report) -> None:
    """Raises WireError for what no audit says."""
    if not 0 <= args.score <= 100 or len(args.findings) > MOST_FINDINGS:
        raise WireError("invalid", f"score {args.score} of {len(args.findings)} checks is no audit")
    for each in args.findings:
        if any(len(text) > MOST_TEXT for text in (each.name, each.area, each.what, each.why, each.value, each.fix)):
            raise WireError("invalid", f"the finding {each.name[:40]!r} is longer than {MOST_TEXT} characters")
