"""One connection to the keeper: requests out, replies matched in order, and a verdict when it is lost.

Knows the wire protocol's framing, no verb's meaning. A connection is lost when the keeper hangs up, talks nonsense,
answers nothing for `reply_timeout_s`, or lets requests pile up; whoever waits for a reply is then told so.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar, cast

from appliance import wire
from appliance.wire import WireError

MAX_UNSENT_BYTES: Final = 64 * 1024 * 1024

_T = TypeVar("_T")
Done = Callable[[dict[str, Any]], None]
Refused = Callable[[WireError], None]


class KeeperLine(asyncio.Protocol):
    """The protocol of one connection. `lost` ends with the reason."""

    LOST: ClassVar[str] = "keeper_lost"  # the code that waiting requests are refused with

    def __init__(self, reply_timeout_s: float) -> None:
        self._reply_timeout_s = reply_timeout_s
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self._waiting: deque[tuple[int, Done, Refused]] = deque()
        self._next_id = 0
        self._answers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()

    def ask(self, verb: str, args: Any, done: Done, refused: Refused) -> None:
        """Buffer one request. Exactly one of `done` and `refused` is called, later."""
        if self.lost.done():
            self._loop.call_soon(refused, self._loss())
            return
        self._next_id += 1
        self._waiting.append((self._next_id, done, refused))
        self._unsent.append(wire.request(self._next_id, verb, args))

    def flush(self) -> None:
        """Write what is buffered."""
        if self._transport is None or not self._unsent or self.lost.done():
            return
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort("the keeper does not read")
        elif self._timer is None:
            self._watch()

    def abort(self, reason: str) -> None:
        """Hang up; everyone who waits is refused with code LOST."""
        if self._transport is not None:
            self._transport.abort()
        self._end(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes arrived, any cut of lines."""
        self._received += data
        if b"\n" in data:
            *lines, rest = bytes(self._received).split(b"\n")
            self._received = bytearray(rest)
            self._take(lines)
        elif len(self._received) > wire.MAX_LINE_BYTES:
            self.abort("a reply without end")

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the other end is gone."""
        self._end(str(exc) if exc else "it hung up")

    def _take(self, lines: list[bytes]) -> None:
        try:
            for line in lines:
                self._answer(wire.decode(line))
        except WireError as error:
            self.abort(str(error))

    def _answer(self, message: dict[str, Any]) -> None:
        if "progress" in message or self.lost.done():
            self._answers += 1
            return
        if not self._waiting or self._waiting[0][0] != message.get("id"):
            raise WireError("bad_reply", f"a reply to nothing asked: id {message.get('id')!r:.20}")
        _, done, refused = self._waiting.popleft()
        self._answers += 1
        result, error = message.get("result"), message.get("error")
        if message.get("ok") is True and isinstance(result, dict):
            done(result)
        elif isinstance(error, dict):
            refused(WireError(*(str(error.get(key, "")) for key in ("code", "message", "hint"))))
        else:
            raise WireError("bad_reply", "a reply that is neither result nor error")

    def _watch(self) -> None:
        """Look again after one time-out: nothing answered meanwhile, although somebody waits, is a dead keeper."""
        answers = self._answers
        self._timer = self._loop.call_later(self._reply_timeout_s, self._look, answers)

    def _look(self, answers: int) -> None:
        self._timer = None
        if self._waiting and self._answers == answers:
            self.abort(f"no reply within {self._reply_timeout_s:g} s")
        elif self._waiting:
            self._watch()

    def _end(self, reason: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unsent.clear()
        waiting, self._waiting = list(self._waiting), deque()
        for _, _, refused in waiting:
            refused(self._loss())

    def _loss(self) -> WireError:
        return WireError(self.LOST, self.lost.result(), "the keeper will be asked again when it is back")


def soon(callback: Callable[..., None], *args: Any) -> None:
    """Call back from the running loop, as a reply would: never from inside the call that asked."""
    asyncio.get_running_loop().call_soon(callback, *args)


def rows(kind: type[_T], result: dict[str, Any], name: str) -> tuple[_T, ...]:
    """The rows that a reply has under `name`. Raises WireError for anything else."""
    found = result.get(name)
    if not isinstance(found, list):
        raise WireError("bad_args", f"a list of {name} was expected")
    return tuple(wire.from_dict(kind, row) for row in found)
