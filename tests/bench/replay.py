"""A month of synthetic call records: made and rated, limited, and replayed under two sets of limits; and what one
decision of the pipeline costs.

`limited` is one course of the records under limits: what `rules replay` does. `replayed` is two, compared: `rules try`.
Records are made while they are used, as from a database, so the memory is that of the courses. It has no peers; goals
are for a million records within a minute for each course. CPU time is measured, because machines are shared.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from appliance.config.settings import Settings
from pysrv.billing.calendar import Days
from pysrv.limits import pipeline
from pysrv.limits.replay.course import Course
from pysrv.limits.replay.difference import Difference
from pysrv.limits.replay.outcome import Outcome
from pysrv.limits.replay.past import PastCall, Start
from pysrv.limits.replay.standing import Standing
from tests.bench.month import BEGIN_DAY, MICRO, Month
from tests.bench.report import Row, compare, say
from tests.limits.calls import OUTGOING

SAMPLE, WHOLE = 50_000, 1_000_000
GOAL = 1_000_000 / 60  # records a second
DECISIONS = 20_000
LIMITS = {"maxdailycreditforenduser": "20.00", "maxdailycreditforts": "400.00"}
TRIED = {"checkmaxdyndailycredit": "2", "maxdyndailycreditforenduser_min": "3.00", "maxcallperip": "3000"}


def run() -> Iterator[Row]:
    """A sample of the month: as many accounts and days, fewer calls."""
    return _measured(SAMPLE)


def whole() -> Iterator[Row]:
    """The month of a million calls: minutes."""
    return _measured(WHOLE)


def _measured(count: int) -> Iterator[Row]:
    """Records a second by what is done with them, decisions a second, and the memory at its highest."""
    month, goal = Month(count), GOAL
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # as python -m pysrv replay
    made_s = _timed(lambda: sum(1 for _ in month.calls()))
    yield _row("made and rated", count / made_s, None)
    settings = Settings().with_changes(LIMITS)
    limited_s = _timed(lambda: _limited(month, settings)) - made_s
    yield _row("limited", count / limited_s, goal)
    replayed_s = _timed(lambda: _replayed(month, settings, settings.with_changes(TRIED))) - made_s
    yield _row("replayed, two courses compared", count / replayed_s, goal / 2)
    decided_s = _timed(_decisions)
    yield _row("the whole pipeline asked", DECISIONS / decided_s, None)
    yield compare(f"replay: peak memory, MB, {count} records", _peak_mb(), None, "none", 512.0, less=True)


def _row(what: str, rate: float, goal: float | None) -> Row:
    return compare(f"replay: {what}, records/s", rate, None, "none", goal)


def _peak_mb() -> float:
    """VmHWM of proc(5): getrusage would count what this process was before it became Python."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _standings(month: Month, settings: Settings) -> dict[int, Standing]:
    start = Start(BEGIN_DAY, 5_000 * MICRO)
    return {account.id: Standing(account, settings, start) for account in month.accounts}


def _limited(month: Month, settings: Settings) -> None:
    seen: dict[str, int] = {}

    def ended(_call: PastCall, outcome: Outcome) -> None:
        seen[outcome.ending] = seen.get(outcome.ending, 0) + 1

    course = Course(settings, _standings(month, settings), Days(), ended)
    _feed(month.calls(), course)
    say(f"replay: limited {seen}")


def _replayed(month: Month, settings: Settings, tried: Settings) -> None:
    accounts = _standings(month, tried)
    difference = Difference(accounts, Days())
    before = Course(settings, _standings(month, settings), Days(), difference.before)
    after = Course(tried, accounts, Days(), difference.after, blocked=difference.blocked)
    _feed(month.calls(), before, after)
    total = difference.total
    say(f"replay: {total.refused} refused, {total.cut} cut, {difference.blocks_in_all} days blocked")


def _feed(calls: Iterable[PastCall], *courses: Course) -> None:
    for call in calls:
        for course in courses:
            course.attempt(call)
    for course in courses:
        course.finish()


def _decisions() -> None:
    for number in range(DECISIONS):
        pipeline.decide(replace(OUTGOING, call_id=f"c{number}"))
