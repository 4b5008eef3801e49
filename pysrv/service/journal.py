"""What goes into the log: one line for each record, whatever a peer has put into a name or a number.

Control characters would forge lines or steer the terminal of whoever reads them (CWE-117, CWE-150).
"""

import logging
import sys

_UNSEEN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


def visible(text: str) -> str:
    """`text` with control, line-breaking and direction-changing characters written as escapes."""
    return text if text.isprintable() else text.translate(_UNSEEN)


class Formatter(logging.Formatter):
    """A record on one line; only the traceback of a fault of our own takes more, each of its lines made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = super().format(record)
        if record.exc_info is None:
            return visible(text)
        return "\n    ".join(visible(line) for line in text.split("\n"))


def to_stderr() -> None:
    """Let every logger of this process write to standard error, from INFO up."""
    # No line tells of threads, processes or source lines, so nothing looks for them (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
