"""What goes into the log: one line for each record, whatever a peer has put into a name or a number.

Control characters would forge lines or steer the terminal of whoever reads them (CWE-117, CWE-150). A line is text or
one JSON object, as `logformat` says; in front of it stands its priority where the journal reads (sd-daemon(3)). What a
message says as `name=value` is a field; FIELDS is the table of all names.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

_UNSEEN = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
TEXT: Final = "%(levelname)s %(name)s: %(message)s"
JOURNAL_VARIABLE: Final = "JOURNAL_STREAM"  # systemd.exec(5): device and inode of the stream that the journal reads
_PLACE: Final = re.compile(r"(?:\b([a-z][a-z_0-9]*)=)?%[-#0 +]*\d*(?:\.\d+)?[diouxXeEfFgGcrsa]")

FIELDS: Final[Mapping[str, str]] = {
    "account": "account, by name",
    "accounts": "how many accounts",
    "address": "address that the tunnel gave to the appliance",
    "authority": "address of the ACME directory at which a certificate is ordered",
    "by": "account that forwards a call, by name",
    "call": "call, by the product's name for it",
    "callee": "number or address that was called",
    "caller": "number or name that calls",
    "calls_resumed": "calls that an earlier process began and this one goes on with",
    "calls_settled": "calls that an earlier process began and that were charged now",
    "cause": "cause of the end, Q.850",
    "channel": "mail, sms or webhook",
    "charge": "what the payer paid, in millionths of his currency",
    "contact": "where a device is reached",
    "count": "how often it happened",
    "event": "message of a payment gateway, by its name for it",
    "facts": "how many things a gateway said",
    "failed": "how many checks of the machine fail",
    "first": "call of a callback that rings first, by the product's name for it",
    "for_s": "for how long, seconds",
    "gateway": "payment gateway",
    "id": "call, by the product's name for it",
    "key": "what makes a notice the same as another",
    "kind": "kind of a notice or of a gateway's message",
    "limit": "what is allowed",
    "message": "message to an administrator or owner, by number",
    "name": "name of a list",
    "neighbours": "accounts that are registered from the same address",
    "networks": "how many networks",
    "notices": "how many notices",
    "outcome": "how it went",
    "priority": "how serious, 1 is most",
    "registrations": "how many bindings",
    "relay": "who forwards audio: kernel or user",
    "repetition": "how often that source was banned before",
    "rule": "rule of the gate or of the defence",
    "scope": "what was banned: an address, or one port of it",
    "score": "score of the audit of the machine, 0 to 100",
    "seconds": "talk time",
    "securepasswords": "level at which secrets are kept",
    "setting": "setting that decided",
    "severity": "how serious, in words",
    "sha256": "fingerprint of a certificate",
    "source": "address that it came from",
    "stage": "stage of the policy",
    "status": "SIP status",
    "target": "trunk or device",
    "to": "number of a transfer's or a forward's target",
    "user": "user name that was claimed",
    "window_s": "time over which was counted, seconds",
    "worse": "checks of the machine that passed the time before and fail now",
}


def visible(text: str) -> str:
    """`text` with control, line-breaking and direction-changing characters written as escapes."""
    return text if text.isprintable() else text.translate(_UNSEEN)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The record's `name=value` pairs, taken from its format and arguments and not from the text."""
    given = record.args if isinstance(record.args, tuple) else ()
    places = _PLACE.finditer(str(record.msg).replace("%%", ""))
    named = {place[1]: value for place, value in zip(places, given, strict=False) if place[1]}
    return {name: value if isinstance(value, bool | int | float) else str(value) for name, value in named.items()}


class Formatter(logging.Formatter):
    """A record on one line; only the traceback of a fault of our own takes more, each of its lines made visible."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = super().format(record)
        if record.exc_info is None:
            return visible(text)
        return "\n    ".join(visible(line) for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """A record as one JSON object, a traceback within it; all but ASCII is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, Any] = {
            "at": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "fields": fields_of(record),
        }
        if record.exc_info is not None:
            told["fault"] = self.formatException(record.exc_info)
        return json.dumps(told, allow_nan=False, default=str)


class Chosen(logging.Formatter):
    """Text or JSON, as `style()` says for each record; with priorities for the journal."""

    def __init__(self, style: Callable[[], str], *, journal: bool) -> None:
        super().__init__()
        self.style, self._journal = style, journal
        self._formatters = {"text": Formatter(TEXT), "json": JsonFormatter()}

    def format(self, record: logging.LogRecord) -> str:
        """The line; each line of a traceback has the priority of its record."""
        line = self._formatters[self.style()].format(record)
        return line if not self._journal else prefixed(record.levelno, line)


def prefixed(level: int, text: str) -> str:
    """`text` with a priority before each line (sd-daemon(3), syslog(3)). Below DEBUG counts as DEBUG."""
    priority = 2 if level >= 50 else 3 if level >= 40 else 4 if level >= 30 else 6 if level >= 20 else 7
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the journal reads `stream` (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        device, _, inode = environment.get(JOURNAL_VARIABLE, "").partition(":")
        found = os.fstat(stream.fileno())
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    except (ValueError, OSError):
        return False


def to_stderr() -> Chosen:
    """Let every logger of this process write to standard error, from INFO up; returns where the style is chosen."""
    # No line tells of threads, processes or source lines, so nothing looks for them (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    chosen = Chosen(lambda: "text", journal=is_journal(sys.stderr, os.environ))
    handler.setFormatter(chosen)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return chosen


def render() -> str:
    """docs/logs.md."""
    head = ["# The log", "", "Generated by `appliance docs`; do not edit.", ""]
    head += [
        "The office writes one line for each event to standard error. Where the journal reads it, each line begins",
        "with its priority (`journalctl -u appliance -p warning`). With `logformat json` a line is one object: `at`",
        "(Unix time), `level`, `logger`, `message` (the text), `fields` (below) and `fault` for a fault of the office.",
        "No line holds a password, a PIN or an answer to a challenge.",
        "",
        "| field | what it says |",
        "|---|---|",
    ]
    return "\n".join([*head, *(f"| `{name}` | {text} |" for name, text in FIELDS.items())]) + "\n"
