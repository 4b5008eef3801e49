"""SIPp as a closed loop: a fixed number of dialogs under way, a new one for each that ends, for a few seconds.

So the rate is what the server can do, without a search for it: nothing is offered that it has not asked for. What
fails still counts, and a figure with 0.1 % failures or more is none. Best of the runs: noise only ever takes away.
"""

import csv
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import cpu_seconds, favour
from tests.bench.report import say
from tests.lab.network import Host, Lab, end

MOST_FAILED = 0.001
PROBE_S, RUN_S, RUNS = 1.0, 3.0, 3
TIMEOUT_S = 15
PORT = 5070


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    succeeded: int
    failed: int
    retransmissions: int
    seconds: float
    cpu_seconds: float

    @property
    def valid(self) -> bool:
        """Whether few enough failed."""
        return self.succeeded > 0 and self.failed < MOST_FAILED * (self.succeeded + self.failed)

    @property
    def per_second(self) -> float:
        """Successes a second."""
        return self.succeeded / self.seconds

    @property
    def cpu_per_1000(self) -> float:
        """Processor seconds of the server for 1,000 successes."""
        return 1000 * self.cpu_seconds / max(1, self.succeeded)


@dataclass(frozen=True, slots=True)
class Load:
    """What SIPp does, and from where. `at_once`: dialogs under way at any time."""

    lab: Lab
    host: Host
    directory: Path
    scenario: str
    table: Path
    server: str
    at_once: int
    cpu: int
    expected: float  # per second: a first guess, for the length of the first run
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Best:
    """The best figures of several runs: they need not come from the same one."""

    per_second: float
    cpu_per_1000: float


def best(name: str, load: Load, server: Callable[[], Sequence[int]]) -> Best:
    """A short run to find the pace, then several of RUN_S. `server`: the processes whose time counts."""
    favour(server())
    pace = once(load, server(), int(load.expected * PROBE_S)).per_second
    runs = []
    for _ in range(RUNS):
        run = once(load, server(), max(100, int(pace * RUN_S)))
        say(
            f"{name}: {run.per_second:,.0f}/s, {run.cpu_per_1000:.3f} CPU-s per 1,000, failed {run.failed}, "
            f"retransmitted {run.retransmissions}"
        )
        runs += [run] if run.valid else []
        pace = max(pace, run.per_second)
    if not runs:
        raise RuntimeError(f"{name}: no run with less than {MOST_FAILED:.1%} failures")
    return Best(max(run.per_second for run in runs), min(run.cpu_per_1000 for run in runs))


def once(load: Load, pids: Sequence[int], dialogs: int) -> Measured:
    """Run SIPp for a number of dialogs."""
    load.directory.mkdir(parents=True, exist_ok=True)
    (load.directory / "load.xml").write_text(load.scenario)
    statistics = load.directory / "load.csv"
    statistics.unlink(missing_ok=True)
    command = [
        "taskset", "-c", str(load.cpu), "sipp", "-sf", "load.xml", "-inf", str(load.table), "-i", load.host.address,
        "-p", str(PORT), "-m", str(dialogs), "-r", str(int(load.expected * 10)), "-l", str(load.at_once), "-nostdin",
        "-trace_stat", "-stf", str(statistics), "-fd", "1", "-timeout", f"{TIMEOUT_S}s", "-timeout_error",
        "-recv_timeout", "8000", "-buff_size", "4000000", *load.options, f"{load.server}:5060",
    ]  # fmt: skip
    before = cpu_seconds(pids)
    with (load.directory / "load.log").open("wb") as log:
        process = load.lab.start(
            load.host.namespace, command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=str(load.directory)
        )
        try:
            favour([process.pid])
            process.wait(TIMEOUT_S + 5)
        except subprocess.TimeoutExpired:
            end(process, 1.0)
    return _measured(statistics, cpu_seconds(pids) - before)


def _measured(statistics: Path, spent: float) -> Measured:
    with statistics.open() as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    start, now = (float(last[name].split()[-1]) for name in ("StartTime", "CurrentTime"))  # its ElapsedTime is cut off
    succeeded, failed, repeated = (
        int(last[f"{name}(C)"]) for name in ("SuccessfulCall", "FailedCall", "Retransmissions")
    )
    return Measured(succeeded, failed, repeated, now - start, spent)
