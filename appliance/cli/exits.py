"""Exit codes of the command, and the one exception that carries a failure to the user.

A closed list: scripts rely on it. It knows neither sockets nor click.
"""

from enum import IntEnum

from appliance.wire import WireError


class Exit(IntEnum):
    """What the command's exit code says."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_RUNNING = 3
    NOT_PERMITTED = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done",
    Exit.REFUSED: "refused or failed; the message says why",
    Exit.USAGE: "wrong usage: an unknown command, option or kind of value",
    Exit.NOT_RUNNING: "the appliance is not running, and the command needs it",
    Exit.NOT_PERMITTED: "not permitted: the command needs root",
    Exit.NOT_FOUND: "what was named does not exist",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
}

OF_CODE = {
    "not_found": Exit.NOT_FOUND,
    "unknown_setting": Exit.NOT_FOUND,
    "forbidden": Exit.NOT_PERMITTED,
    "not_running": Exit.NOT_RUNNING,
    "bad_args": Exit.USAGE,
    "bad_line": Exit.USAGE,
    "unknown_verb": Exit.USAGE,
}


class Failure(Exception):
    """A command that did not do what was asked: one line, a hint, an exit code."""

    def __init__(self, exit_code: Exit, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.exit_code, self.message, self.hint = exit_code, message, hint
        self.code = code or exit_code.name.lower()

    @classmethod
    def of(cls, error: WireError) -> "Failure":
        """The failure that a refusal over the wire stands for."""
        return cls(OF_CODE.get(error.code, Exit.REFUSED), error.message, error.hint, error.code)
