"""`python -m tests` runs everything there is, and counts rightly."""

from pathlib import Path

import pytest

from tests.__main__ import HERE, LOAD, NOT_TESTS, REST, STAGES, Tally, main, paths_of, read_tally

REPORT = """<?xml version="1.0"?><testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}"
skipped="{skipped}"></testsuite></testsuites>"""


def test_every_test_file_is_in_exactly_one_stage() -> None:
    roots = [Path(path) for stage in [*STAGES, REST] if stage != LOAD for path in paths_of(stage)]
    for file in HERE.rglob("test_*.py"):
        if file.relative_to(HERE).parts[0] not in NOT_TESTS:
            assert sum(file == root or root in file.parents for root in roots) == 1, file


def test_what_is_marked_as_load_is_in_the_stage_of_load() -> None:
    mark = "pytest" + ".mark.load"
    marked = [file for file in HERE.rglob("test_*.py") if mark in file.read_text()]
    assert len(marked) > 5
    assert all(any(Path(root) in file.parents for root in paths_of(LOAD)) for file in marked)


def test_a_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT.format(tests=10, failures=2, errors=1, skipped=3))
    assert read_tally(tmp_path / "report.xml") == Tally(passed=4, failed=3, skipped=3)


def test_no_report_counts_nothing(tmp_path: Path) -> None:
    assert read_tally(tmp_path / "report.xml") == Tally()


@pytest.mark.parametrize(
    ("tally", "status", "words"),
    [
        (Tally(passed=5), 0, "5 passed, 0 failed"),
        (Tally(passed=5, failed=1), 1, "5 passed, 1 failed"),
        (Tally(passed=5, skipped=2), 1, "5 passed, 2 failed"),
        (Tally(), 1, "0 passed, 0 failed"),
    ],
)
def test_a_failure_a_skip_and_no_test_at_all_fail_the_run(
    tally: Tally, status: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.__main__.run_stage", lambda _stage: tally)
    assert main(["pure"]) == status
    assert words in capsys.readouterr().out.splitlines()


def test_an_unknown_stage_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["everything"]) == 2
    assert "no stage 'everything'" in capsys.readouterr().err
