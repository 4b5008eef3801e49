"""`make bench`: ratios to other programs, as JSON lines.

Arguments choose: parse relay gate drop challenge register calls replay pages.
`store` (budgets, no peers) and `month` (replay of a million calls: minutes) run only when they are named. Ends with 1
when one of them could not be measured; what falls short of its goal is reported and fails nothing, because machines
differ.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType

from tests.bench import calls, challenge, drop, gate_bench, pages, parse, register, relay, replay, store_bench
from tests.bench.report import Row, say, show

LIMIT_S = 75
STANDARD: dict[str, Callable[[], Iterator[Row]]] = {
    "parse": parse.run,
    "relay": relay.run,
    "gate": gate_bench.run,
    "drop": drop.run,
    "challenge": challenge.run,
    "register": register.run,
    "calls": calls.run,
    "replay": replay.run,
    "pages": pages.run,
}
NAMED: dict[str, Callable[[], Iterator[Row]]] = {"store": store_bench.run, "month": replay.whole}
LONGER_S = {"month": 1800}


class TooLong(Exception):
    """A benchmark did not end in time."""


def main(names: list[str]) -> int:
    """Run what is asked for; returns the exit status."""
    known = STANDARD | NAMED
    if unknown := [name for name in names if name not in known]:
        say(f"no benchmark named {', '.join(unknown)}; there are: {' '.join(known)}")
        return 2
    if os.geteuid() != 0:
        say("must be root: most benchmarks make network namespaces and load XDP programs")
        return 2
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGTERM, _stopped)
    done = [measured(name, known[name]) for name in names or STANDARD]
    return 0 if all(done) else 1


def measured(name: str, run: Callable[[], Iterator[Row]]) -> bool:
    """Run one; whether it came to its end. What it has started is gone afterwards, in any case."""
    began, home = time.monotonic(), os.sched_getaffinity(0)
    say(f"{name} ...")
    signal.alarm(LONGER_S.get(name, LIMIT_S))
    try:
        for row in run():
            show(row)
    except (TooLong, RuntimeError, OSError) as error:
        say(f"{name} FAILED: {error}")
        return False
    finally:
        signal.alarm(0)
        os.sched_setaffinity(0, home)
    say(f"{name} done after {time.monotonic() - began:.0f} s")
    return True


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong("not done in time")


def _stopped(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
