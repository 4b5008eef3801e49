"""Processor time and processors of other programs, read from /proc (proc(5)), down to nanoseconds where it can."""

import os
from collections.abc import Iterable
from pathlib import Path

FAVOURED = -10  # nice value


def processors() -> tuple[int, int]:
    """The processor for what is measured and the one for what loads it; the same one where there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pinned_to(cpu: int) -> None:
    """Keeps this process on one CPU: generator, gate and sink then share it."""
    os.sched_setaffinity(0, {cpu})


def family(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def pin(pids: Iterable[int], cpu: int) -> None:
    """Keep processes, all threads of them, on one processor."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {cpu})


def favour(pids: Iterable[int]) -> None:
    """Let processes go before whatever else the machine does, by the weight of their session too (sched(7))."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), FAVOURED)
        group = Path(f"/proc/{pid}/autogroup")
        if group.exists():
            group.write_text(str(FAVOURED))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor seconds that processes have used so far, the kernel's work for them included."""
    return sum(_nanoseconds(task) for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def _nanoseconds(task: Path) -> int:
    return int((task / "schedstat").read_text().split()[0])
