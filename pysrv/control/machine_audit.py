"""Verbs about audits of the machine: root makes them (`appliance audit --record`) and tells; here it is kept and shown.

The office sees nothing of the machine beside its own part: it judges nothing here, and believes root.
"""

import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, TypedDict

from appliance import wire
from appliance.wire import WireError
from pysrv.control.answer import Moment
from pysrv.control.audit_run import Begun
from pysrv.control.desk import Desk
from pysrv.store.machine_audits import MachineAudit

SCORES: Final = 90
MOST_FINDINGS, MOST_TEXT = 2000, 600
MOST_NAMED: Final = 6  # in a notice
_log = logging.getLogger("pysrv.audit")


class AuditGrade(StrEnum):
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
    grade: AuditGrade
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


class AuditShown(TypedDict):
    """One audit of the machine: so many checks `failed` and `warned`; `worse` names what had passed the time before."""

    at: Moment
    host: str
    score: int
    failed: int
    warned: int
    findings: list[Found]
    worse: tuple[str, ...]


class ScoreRow(TypedDict):
    """The score of an earlier audit."""

    at: Moment
    score: int


class AuditAnswer(TypedDict):
    """The newest audit of the machine, and the scores of all; `report` null: there was none. `running_since`: when the
    one that was asked for here began, null: none runs; `refusal`: why that one came to nothing."""

    report: AuditShown | None
    scores: list[ScoreRow]
    running_since: Moment | None
    refusal: str


class AuditBegunAnswer(TypedDict):
    """An audit was begun."""

    running_since: Moment | None


class ReportAnswer(TypedDict):
    """The checks that had passed the time before."""

    worse: list[str]


def show(desk: Desk, _: Any) -> AuditAnswer:
    """audit.show: the newest audit of the machine, what got worse since the one before, and the scores of earlier ones;
    `report` is null while there was none."""
    found = desk.store.machine_audit()
    scores: list[ScoreRow] = [{"at": at, "score": score} for at, score in desk.store.machine_audit_scores(SCORES)]
    asked = desk.memory.audit if desk.memory is not None else Begun()
    since = asked.since(desk.clock())  # may find that it came to nothing
    if found is None:
        return {"report": None, "scores": scores, "running_since": since, "refusal": asked.refusal}
    shown: AuditShown = {
        "at": found.at,
        "host": found.host,
        "score": found.score,
        "failed": found.failed,
        "warned": found.warned,
        "findings": [wire.from_dict(Found, each) for each in found.findings],
        "worse": found.worse,
    }
    return {"report": shown, "scores": scores, "running_since": since, "refusal": asked.refusal}


def make(desk: Desk, _: Any) -> AuditBegunAnswer:
    """audit.make: the keeper is asked, and root audits the machine and tells; `audit.show` says when it is done."""
    hint = "'appliance audit --record' makes one on the machine"
    if desk.live is None or desk.memory is None:
        raise WireError("not_running", "the appliance is not running", hint)
    asked, now = desk.memory.audit, desk.clock()
    if asked.since(now) is not None:
        raise WireError("conflict", "an audit of the machine runs already", "wait for it; its page shows what it found")
    if not desk.live.errand(wire.KeeperVerb.AUDIT, None, asked.ended):
        raise WireError("not_running", "the keeper is away, and it has audits made", hint)
    asked.begun(now)
    return {"running_since": asked.since(now)}


def report(desk: Desk, args: Report) -> ReportAnswer:
    """audit.report: kept with what got worse, which is also told to administrators."""
    _check(args)
    if desk.memory is not None:
        desk.memory.audit.ended()
    before = desk.store.machine_audit()
    passed = (
        {each["name"] for each in before.findings if each["grade"] == AuditGrade.PASS} if before is not None else set()
    )
    worse = tuple(each.name for each in args.findings if each.grade is AuditGrade.FAIL and each.name in passed)
    failed = sum(each.grade is AuditGrade.FAIL for each in args.findings)
    warned = sum(each.grade is AuditGrade.WARN for each in args.findings)
    told = tuple(asdict(each) | {"grade": str(each.grade)} for each in args.findings)
    desk.store.add_machine_audit(
        desk.who, MachineAudit(args.made_at, args.host, args.score, failed, warned, told, worse)
    )
    named = ", ".join(worse[:MOST_NAMED]) + (", ..." if len(worse) > MOST_NAMED else "")
    (_log.warning if worse else _log.info)("machine audited score=%d failed=%d worse=%s", args.score, failed, named)
    if worse:
        key = f"{args.made_at:.0f}"
        if desk.store.add_notice("audit_worse", "", {"count": len(worse), "checks": named, "score": args.score}, key):
            desk.after_commit(lambda live: live.notices_told())
    return {"worse": list(worse)}


def _check(args: Report) -> None:
    """Raises WireError for what no audit says."""
    if not 0 <= args.score <= 100 or len(args.findings) > MOST_FINDINGS:
        raise WireError("invalid", f"score {args.score} of {len(args.findings)} checks is no audit")
    for each in args.findings:
        if any(len(text) > MOST_TEXT for text in (each.name, each.area, each.what, each.why, each.value, each.fix)):
            raise WireError("invalid", f"the finding {each.name[:40]!r} is longer than {MOST_TEXT} characters")
