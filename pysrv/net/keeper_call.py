"""One question to the keeper whose answer is waited for: for what administrators do by hand, a few times a year.

Everything that calls and packets hang on goes through gate.py, which waits for nothing. Here the loop stands still for
as long as the keeper takes, which is milliseconds, and at most `patience_s`.
"""

import contextlib
import socket
from collections.abc import Mapping
from typing import Any, Final

from appliance import wire
from appliance.wire import KeeperVerb, WireError

PATIENCE_S: Final = 1.0


class KeeperCall:
    """`path` is the keeper's socket."""

    def __init__(self, path: str, patience_s: float = PATIENCE_S) -> None:
        self._path, self._patience_s = path, patience_s

    def __call__(self, verb: KeeperVerb, args: Any = None) -> Mapping[str, Any]:
        """What the keeper answers. Raises WireError: its refusal, or "not_running"."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(self._patience_s)
            try:
                sock.connect(self._path)
                sock.sendall(wire.request(1, verb, args))
                with sock.makefile("rb") as lines:
                    line = lines.readline(wire.MAX_LINE_BYTES)
            except OSError as error:
                words = f"the keeper does not answer: {error.strerror or error}"
                raise WireError("not_running", words, "see 'appliance status'") from None
        message = wire.decode(line)
        if message.get("ok"):
            return dict(message.get("result") or {})
        refusal = message.get("error") or {}
        code, words, hint = (str(refusal.get(name, "")) for name in ("code", "message", "hint"))
        raise WireError(code, words or "the keeper refuses without a reason", hint)
