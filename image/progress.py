"""Steps of a build: each is said when it begins and when it ends, with the seconds since the start, and kept."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class BuildError(Exception):
    """A step that failed; the message is one line that says what to do."""


class Progress:
    """`steps` become the report: names with their seconds, in the order in which they ended."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._began, self._logs = time.monotonic(), logs
        self.steps: list[tuple[str, float]] = []

    def say(self, text: str) -> None:
        """One line with the seconds since the start."""
        sys.stdout.write(f"[{time.monotonic() - self._began:5.0f} s] {text}\n")
        sys.stdout.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that it begins, and measure it. One that raises has no figure."""
        self.say(name)
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))

    def run(self, command: Sequence[str | Path], log: str = "", shown: str = "", **more: Any) -> str:
        """A program's output, which goes into the file `log` as well. Lines that begin with `shown` are said at once.

        Raises BuildError with its last words.
        """
        words, said = [str(word) for word in command], list[str]()
        where = self._logs / f"{log or Path(words[0]).name}.log"
        with (
            where.open("w") as kept,
            subprocess.Popen(  # noqa: S603 - the words are this package's own
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **more
            ) as running,
        ):
            assert running.stdout is not None
            try:
                for line in running.stdout:
                    kept.write(line)
                    said.append(line.rstrip())
                    if shown and shown in line:
                        self.say("  " + line.partition(shown)[2].strip())
            except BaseException:
                running.terminate()  # and is waited for: it may have mounts to take down
                raise
        if running.returncode:
            last = " / ".join([line for line in said if line][-3:])
            raise BuildError(f"{words[0]} ended with {running.returncode}: {last} (all of it: {where})")
        return "\n".join(said)
