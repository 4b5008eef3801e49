"""What a test machine says on its line, and the table of all machines.

Lines that begin with MARK carry a JSON object from `guest.py`; everything else is for people. Pure.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MARK = "@gate "


@dataclass(frozen=True, slots=True)
class Program:
    """One loaded program; `walked` is how many instructions the verifier walked of the million that it may."""

    name: str
    walked: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one machine."""

    release: str
    kernel: str = "?"
    bcc: str = "?"
    programs: tuple[Program, ...] = ()
    passed: int = 0
    failed: int = 0
    failures: tuple[str, ...] = ()
    ended: bool = False
    boot_s: float = 0.0
    whole_s: float = 0.0

    @property
    def passed_all(self) -> bool:
        """The gate was loaded, tests ran to their end, and none failed."""
        return self.ended and bool(self.programs) and self.passed > 0 and not self.failed


@dataclass(slots=True)
class Reader:
    """Gathers an Outcome line by line."""

    release: str
    boot_s: float = 0.0
    said: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)

    @property
    def begun(self) -> bool:
        """The guest has come as far as its first word."""
        return bool(self.said)

    def take(self, line: str) -> bool:
        """One line; True when it is for people."""
        self.last = [*self.last[-19:], line]
        if MARK not in line:
            return True
        word = json.loads(line.partition(MARK)[2])
        if "failure" in word:
            self.failures.append(word["failure"])
        self.said |= word
        return False

    def outcome(self, whole_s: float) -> Outcome:
        """Everything that was said."""
        ended = bool(self.said.get("ended"))
        silent = [] if ended else [f"stopped before its end; last: {line}" for line in self.last[-5:]]
        return Outcome(
            self.release,
            self.said.get("kernel", "?"),
            self.said.get("bcc", "?"),
            tuple(Program(**each) for each in self.said.get("programs", ())),
            self.said.get("passed", 0),
            self.said.get("failed", 0),
            (*self.failures, *silent),
            ended,
            self.boot_s,
            whole_s,
        )


def table(outcomes: Iterable[Outcome]) -> str:
    """One line for each machine, and below it what each program cost the verifier."""
    form = "{:9} {:28} {:8} {:>8} {:>12} {:>7} {:>7} {:>7} {:>8}"
    head = ("release", "kernel", "bcc", "programs", "most walked", "passed", "failed", "boot s", "whole s")
    lines = [form.format(*head)]
    for each in outcomes:
        most = max((program.walked for program in each.programs), default=0)
        times = (f"{each.boot_s:.0f}", f"{each.whole_s:.0f}")
        figures = (len(each.programs), f"{most:,}", each.passed, each.failed, *times)
        lines.append(form.format(each.release, each.kernel, each.bcc, *figures))
        lines += [f"{'':9} {program.name:28} walked {program.walked:>9,}" for program in each.programs]
    return "\n".join(lines)
