"""Runs the stages over the facts of one call: the first refusal decides; report-only rules are heard and passed by.

A challenge is never passed by: without an account the later stages would have nothing to judge.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum

from pysrv.limits.decision import Allow, Challenge, Decision, Refuse
from pysrv.limits.facts import CallFacts
from pysrv.limits.stages.stage import Stage
from pysrv.limits.stages.table import STAGES


class Mode(StrEnum):
    """Whether refusals count or are only reported.

    In `replay`, over calls of the past, they count as in `enforce`; what is in report-only is passed by unheard.
    """

    ENFORCE = "enforce"
    REPORT = "report"
    REPLAY = "replay"


def decide(
    facts: CallFacts,
    *,
    mode: Mode = Mode.ENFORCE,
    report_only: Collection[str] = (),
    stages: Sequence[Stage] = STAGES,
) -> Decision:
    """The decision on one call. `report_only` names settings whose refusals are reported and not enforced."""
    reports: list[Refuse] = []
    for stage in stages:
        match stage.check(facts):
            case None | Allow():
                continue
            case Challenge() as challenge:
                return challenge
            case Refuse() as refusal:
                if mode is not Mode.REPORT and refusal.setting not in report_only:
                    return replace(refusal, reports=tuple(reports)) if reports else refusal
                if mode is not Mode.REPLAY:
                    reports.append(refusal)
    return Allow(facts.emergency, tuple(reports))
