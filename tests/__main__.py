"""`python -m tests [STAGE...]`: all tests, stage by stage, cheapest first, with a line of progress for each.

Tests of all stages but the one of floods run side by side, a process for each CPU, the tests of a file in one of them.
A stage that fails does not stop the ones after it; the last line counts all of them. A skipped test counts as failed:
every test of this project can run where `make test` runs, so a skip would only hide a machine without root,
namespaces or XDP. When it is interrupted it waits for the stage that runs: that has namespaces to take down.
"""

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from tests.interrupt import INTERRUPTED, interruptible

HERE = Path(__file__).parent
NO_TESTS = 5  # pytest's exit status when nothing was collected
STAGES: dict[str, tuple[str, ...]] = {
    "pure": ("sip", "calls", "media", "limits", "billing"),
    "shell": ("store", "net", "control", "panel", "appliance"),
    "office": ("service", "notify", "passwords"),
    "kernel": ("kernel", "bpf"),
    "whole": ("lab", "demo", "bench", "e2e", "selftest", "browser"),
    "load": ("e2e", "selftest", "browser"),
}
REST = "rest"  # whatever no stage names, so that a new directory is never left out
LOAD = "load"  # floods and crowds want the machine for themselves: files that are marked so run in this stage alone
MOST_PROCESSES = 4
SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", str(MOST_PROCESSES), "--dist", "loadfile")
NOT_TESTS = frozenset({"__pycache__"})


@dataclass(frozen=True, slots=True)
class Tally:
    """What one stage's tests came to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def paths_of(stage: str) -> list[str]:
    """The test paths of a stage that exist."""
    if stage != REST:
        return [str(HERE / name) for name in STAGES[stage] if (HERE / name).is_dir()]
    named = {name for names in STAGES.values() for name in names} | NOT_TESTS
    rooms = [path for path in sorted(HERE.iterdir()) if path.is_dir() and path.name not in named]
    return [str(path) for path in [*sorted(HERE.glob("test_*.py")), *rooms]]


def read_tally(report: Path) -> Tally:
    """The counts of a JUnit report; zeros when pytest did not get as far as writing one."""
    if not report.exists() or not report.stat().st_size:
        return Tally()
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    count = {
        key: sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    }
    failed = count["failures"] + count["errors"]
    return Tally(count["tests"] - failed - count["skipped"], failed, count["skipped"])


def run_stage(stage: str) -> Tally:
    """Run one stage in a pytest of its own."""
    paths = paths_of(stage)
    if not paths:
        return Tally()
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-o",
            "tmp_path_retention_policy=failed",
            "--continue-on-collection-errors",
            f"--junitxml={report}",
            *(("-m", LOAD) if stage == LOAD else ("-m", f"not {LOAD}", *SIDE_BY_SIDE)),
            *paths,
        ]
        status = run_pytest(command)
        tally = read_tally(report)
    if status not in (0, NO_TESTS) and not tally.failed:
        return tally + Tally(failed=1)  # a crash, or an error of collection
    return tally


def run_pytest(command: list[str]) -> int:
    """Run one pytest; returns its exit status. An interrupt goes on to it and is raised when it has ended."""
    with subprocess.Popen(command, cwd=HERE.parent) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise


def main(wanted: list[str]) -> int:
    """Run the wanted stages, or all of them. Returns the exit status."""
    stages = wanted or [*STAGES, REST]
    unknown = [name for name in stages if name not in STAGES and name != REST]
    if unknown:
        sys.stderr.write(f"no stage {unknown[0]!r}: choose from {', '.join([*STAGES, REST])}\n")
        return 2
    total = Tally()
    for number, stage in enumerate(stages, 1):
        print(f"== tests {number}/{len(stages)}: {stage}", flush=True)
        started = time.monotonic()
        tally = run_stage(stage)
        print(
            f"== {stage}: {tally.passed} passed, {tally.failed} failed in {time.monotonic() - started:.0f} s",
            flush=True,
        )
        total += tally
    if total.skipped:
        print(f"{total.skipped} skipped tests count as failed: they must run here")
    failed = total.failed + total.skipped
    print(f"{total.passed} passed, {failed} failed", flush=True)
    return 1 if failed or not total.passed else 0


if __name__ == "__main__":
    interruptible()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("== interrupted", flush=True)
        sys.exit(INTERRUPTED)
