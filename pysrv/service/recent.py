"""The newest lines of the log, in memory: what an operator reads in the panel without a shell on the machine.

Each line is what stands in the log: control characters made visible, no secrets. So many lines of so many characters
are kept, whatever is written.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pysrv.service.journal import visible

MOST_LINES: Final = 2000
MOST_CHARACTERS: Final = 1000  # of one line


@dataclass(frozen=True, slots=True)
class Line:
    """One line: Unix seconds, its level by Python's number and name, and who wrote it."""

    number: int
    at: float
    severity: int
    level: str
    logger: str
    text: str


class Recent(logging.Handler):
    """A handler that remembers the last MOST_LINES."""

    def __init__(self, most: int = MOST_LINES) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Line] = deque(maxlen=most)
        self._count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Remember a line; one that cannot be written is remembered as that."""
        try:
            text = record.getMessage()
        except Exception:  # a fault of whoever logged: the log must not raise into him
            text = str(record.msg)
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        self._count += 1
        line = visible(text)[:MOST_CHARACTERS]
        self._lines.append(Line(self._count, record.created, record.levelno, record.levelname, record.name, line))

    def lines(self, severity: int = 0, words: str = "", limit: int = MOST_LINES) -> list[Line]:
        """The newest lines of that severity and above with these words in them, newest first."""
        return list(islice(self._fitting(severity, words.lower()), limit))

    def _fitting(self, severity: int, words: str) -> Iterator[Line]:
        for line in reversed(self._lines):
            if line.severity >= severity and (not words or words in f"{line.logger} {line.text}".lower()):
                yield line
