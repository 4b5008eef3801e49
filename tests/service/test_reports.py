"""Limits in report-only: the call goes on; what would have refused or cut it is counted and kept with its record."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pysrv.billing.cdr import Cdr
from tests.service.bench import Bench, opened
from tests.service.test_limits import refusal, rings, talks, use


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def only_reports(bench: Bench, *settings: str) -> None:
    for name in settings:
        bench.store.set_report_only(name, True)
    bench.service.operators.policy_changed()


def counted(bench: Bench) -> dict[str, int]:
    return bench.store.reported_on(bench.store.today())


def record(bench: Bench) -> Cdr:
    """The newest one."""
    return bench.store.cdrs(limit=1)[0]


def test_a_limit_of_lines_that_only_reports_lets_the_call_go(bench: Bench) -> None:
    bench.store.set_account("alice", maxlines=1, maxlinesoffpeak=1)
    rings(bench)
    assert refusal(bench) == "maxlines"
    only_reports(bench, "maxlines")
    assert refusal(bench) == ""
    assert counted(bench) == {"maxlines": 1}


def test_a_daily_limit_that_only_reports_counts_the_call_that_it_would_have_refused(bench: Bench) -> None:
    use(bench, {"maxdailycreditforenduser": "0.20"})
    talks(bench, 20)
    only_reports(bench, "maxdailycreditforenduser")
    talks(bench, 10)
    assert record(bench).duration_s >= 10
    assert record(bench).reports == ("maxdailycreditforenduser",)
    assert counted(bench) == {"maxdailycreditforenduser": 1}


def test_a_call_that_a_limit_would_have_cut_says_so_once(bench: Bench) -> None:
    use(bench, {"maxdailycreditforenduser": "1.00"})
    only_reports(bench, "maxdailycreditforenduser")
    talks(bench, 250)
    assert record(bench).duration_s >= 250
    assert record(bench).refused_by == ""
    assert record(bench).reports == ("maxdailycreditforenduser",)
    assert counted(bench) == {"maxdailycreditforenduser": 1}


def test_a_call_within_every_limit_reports_nothing(bench: Bench) -> None:
    use(bench, {"maxdailycreditforenduser": "5.00"})
    only_reports(bench, "maxdailycreditforenduser", "maxcostperip")
    talks(bench, 100)
    assert record(bench).reports == ()
    assert counted(bench) == {}


def test_a_refused_call_keeps_what_reported_before(bench: Bench) -> None:
    bench.store.set_account("alice", maxlines=1, maxlinesoffpeak=1, onlylocalaccess=False)
    rings(bench)
    bench.store.set_account("alice", onlylocalaccess=True)
    only_reports(bench, "maxlines")
    assert refusal(bench) == "onlylocalaccess"
    assert record(bench).reports == ("maxlines",)


def test_counts_of_long_ago_are_forgotten(bench: Bench) -> None:
    bench.store.note_reported("maxlines", 1)
    bench.store.note_reported("maxlines", bench.store.today())
    bench.store.drop_old_reports(bench.store.today())
    assert (bench.store.reported_on(1), counted(bench)) == ({}, {"maxlines": 1})
