"""The command's line to keeper and office: requests out, replies in, and the office run once when it is down.

Knows sockets and the launcher, but no verb's meaning. Every way that fails ends in a Failure with a hint.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import launch, wire
from appliance.cli.exits import Exit, Failure
from appliance.reset import under_way

TIMEOUT_S = 60.0
NO_REPLY = "no_reply"
KEEPER_SOCKET, OFFICE_SOCKET = "keeper.sock", "office.sock"

Request = tuple[str, Mapping[str, Any]]
Progress = Callable[[int, int], None]  # requests done, requests in all


class NotRunning(Exception):
    """Nobody listens at a socket."""


def _connect(path: Path, timeout_s: float) -> socket.socket:
    """A connected stream socket. Raises NotRunning or Failure."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        raise NotRunning from None
    except PermissionError:
        sock.close()
        raise Failure(Exit.NOT_PERMITTED, f"{path} is not yours to use", "run the command as root") from None
    except OSError as error:
        sock.close()
        raise Failure(Exit.REFUSED, f"cannot reach {path}: {error.strerror or error}", "see --runtime") from None
    return sock


def exchange(
    path: Path, requests: Sequence[Request], on_progress: Progress | None = None, timeout_s: float = TIMEOUT_S
) -> list[dict[str, Any]]:
    """The results of `requests`, sent one after the other over one connection.

    Raises NotRunning before anything was sent, WireError at the first refusal, Failure when the connection breaks.
    """
    results = []
    with _connect(path, timeout_s) as sock, _broken(path, timeout_s), sock.makefile("rb") as lines:
        for ident, (verb, args) in enumerate(requests, 1):
            sock.sendall(wire.request(ident, verb, args))
            results.append(_result(_replies(lines, path)))
            if on_progress is not None:
                on_progress(ident, len(requests))
    return results


@contextlib.contextmanager
def _broken(path: Path, timeout_s: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Failure(
            Exit.REFUSED, f"no reply from {path} within {timeout_s:.0f} s", "see 'appliance status'", NO_REPLY
        ) from None
    except OSError as error:
        raise Failure(Exit.REFUSED, f"lost the connection to {path}: {error.strerror}", "see its log") from None


def _replies(lines: Any, path: Path) -> dict[str, Any]:
    while line := lines.readline(wire.MAX_LINE_BYTES):
        message = wire.decode(line)
        if "progress" not in message:
            return message
    raise Failure(Exit.REFUSED, f"{path} hung up", "it serves root alone; see its log")


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a reply. Raises WireError for a refusal."""
    kept = message.get("result" if message.get("ok") else "error") or {}
    if not isinstance(kept, dict):
        raise wire.WireError("bad_line", "a reply must hold an object")
    if message.get("ok"):
        return kept
    error = kept
    code, words, hint = (str(error.get(name, "")) for name in ("code", "message", "hint"))
    raise wire.WireError(code, words or "refused without a reason", hint)


@dataclass(slots=True)
class Link:
    """Where one appliance is reached.

    `file` reads the settings file's values, which a single run must know too; one that cannot be used is in the way
    of nothing while the office runs. It raises Failure.
    """

    state: Path
    runtime: Path
    file: Callable[[], Mapping[str, str]] = dict
    timeout_s: float = TIMEOUT_S
    before: Callable[[], Sequence[Request]] = tuple  # what the office is told first, each time

    def keeper(self, verb: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the keeper. Raises Failure."""
        try:
            return exchange(self.runtime / KEEPER_SOCKET, [(verb, args or {})], None, self.timeout_s)[0]
        except NotRunning:
            raise self.down() from None
        except wire.WireError as error:
            raise Failure.of(error) from None

    def office(self, verb: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the office, or run it once when it is down. Raises Failure."""
        return self.office_all([(verb, args or {})])[0]

    def office_all(self, requests: Sequence[Request], on_progress: Progress | None = None) -> list[dict[str, Any]]:
        """Several requests that belong together (one connection, or one run). Raises Failure at the first refusal."""
        try:
            return self._running(requests, on_progress)
        except NotRunning:
            return self._once(requests, on_progress)

    def running_office(self, verb: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the office only if it runs: for what exists in its memory alone. Raises Failure."""
        try:
            return self._running([(verb, args or {})], None)[0]
        except NotRunning:
            raise self.down() from None

    def _running(self, requests: Sequence[Request], on_progress: Progress | None) -> list[dict[str, Any]]:
        first = self.before()
        progress = None if on_progress is None else _beyond(len(first), on_progress)
        try:
            everything = [*first, *requests]
            return exchange(self.runtime / OFFICE_SOCKET, everything, progress, self.timeout_s)[len(first) :]
        except wire.WireError as error:
            raise Failure.of(error) from None

    def _once(self, requests: Sequence[Request], on_progress: Progress | None) -> list[dict[str, Any]]:
        if os.geteuid() != 0:
            raise Failure(Exit.NOT_PERMITTED, "only root can do this while the appliance is down", "run it as root")
        first = self.before()
        everything = [("context", {"file": dict(self.file())}), *first, *requests]
        lines = b"".join(wire.request(ident, verb, args) for ident, (verb, args) in enumerate(everything))
        progress = None if on_progress is None else _beyond(len(first), on_progress)
        return _Once(len(first) + len(requests), progress).run(self.state, self.runtime, lines)[len(first) :]

    def replay(self, args: Mapping[str, Any], on_progress: Progress) -> dict[str, Any]:
        """Ask a process of its own, whether or not the office runs; progress as it says it. Raises Failure."""
        if os.geteuid() != 0:
            raise Failure(Exit.NOT_PERMITTED, "only root can read the office's records", "run it as root")
        everything = [("context", {"file": dict(self.file())}), ("replay", args)]
        lines = b"".join(wire.request(ident, verb, each) for ident, (verb, each) in enumerate(everything))
        return _Once(1, None, on_progress).run(self.state, self.runtime, lines, launch.replay)[0]

    def copies(self, verb: str, state: Path, on_progress: Progress) -> dict[str, Any]:
        """Ask a process beside the office for a copy of the database below `state`, or for its verdict. Raises
        Failure."""
        if os.geteuid() != 0:
            raise Failure(Exit.NOT_PERMITTED, "only root can take or judge a backup", "run it as root")
        line = wire.request(1, verb)
        return _Once(1, None, on_progress).run(state, self.runtime, line, launch.copies)[0]

    def records(self) -> dict[str, Any]:
        """Walk through the database in a process of its own, whether or not the office runs. Raises Failure."""
        if os.geteuid() != 0:
            raise Failure(Exit.NOT_PERMITTED, "only root can read the office's records", "run it as root")
        return _Once(1, None).run(self.state, self.runtime, b"", launch.records)[0]

    def down(self) -> Failure:
        """Nobody listens."""
        words = f"the appliance is not running (nothing listens in {self.runtime})"
        return Failure(Exit.NOT_RUNNING, words, "start it with 'appliance run', or name another --runtime")


def _beyond(first: int, on_progress: Progress) -> Progress:
    """Progress of what was asked for, without what was told before."""
    return lambda done, total: on_progress(done - first, total - first) if done > first else None


class _Once:
    """One run of the office for some requests; the reply with id 0 belongs to the context and is no result."""

    def __init__(self, total: int, on_progress: Progress | None, said: Progress | None = None) -> None:
        """`on_progress` counts replies; `said` hears of the progress that the run itself speaks of."""
        self._total, self._on_progress, self._said = total, on_progress, said
        self._results: list[dict[str, Any]] = []
        self._error: wire.WireError | None = None

    def run(
        self, state: Path, runtime: Path, lines: bytes, start: Callable[..., int] | None = None
    ) -> list[dict[str, Any]]:
        """The results. Raises Failure."""
        if under_way(state):
            hint = "'appliance reset' finishes it, and so does a start of the appliance"
            raise Failure(Exit.REFUSED, f"a reset of {state} is under way", hint)
        try:
            status = (start or launch.once)(state, runtime, lines, self._take)
        except launch.LaunchError as error:
            raise Failure(Exit.REFUSED, str(error)) from None
        if self._error is not None:
            raise Failure.of(self._error)
        if len(self._results) != self._total:
            words = f"the office ended with status {status} before it had answered"
            raise Failure(Exit.REFUSED, words, "the lines above say why")
        return self._results

    def _take(self, line: bytes) -> None:
        if self._error is not None:
            return
        try:
            message = wire.decode(line)
            if "progress" in message:
                if self._said is not None:
                    self._said(*message["progress"])
                return
            result = _result(message)
        except wire.WireError as error:
            self._error = error
            return
        if message.get("id"):
            self._results.append(result)
            if self._on_progress is not None:
                self._on_progress(len(self._results), self._total)
