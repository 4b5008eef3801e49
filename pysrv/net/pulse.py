"""The office's heartbeat: every 50 ms the gate hears how long datagrams wait, and tells what it has counted.

The delay is measured, not guessed: the kernel stamps each datagram as it arrives (SO_TIMESTAMPNS, socket(7)), and the
first of every drain is the one that waited longest; the lateness of the pulse itself is the event loop's. The larger
one is told. An office that hangs tells nothing, which the gate notices as well.
"""

import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from appliance import wire
from appliance.wire import KeeperVerb, WireError

PULSE_EVERY_S: Final = 0.05
MOST_DELAY_S: Final = 10.0  # what is beyond is a clock that was set, not a queue
SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h; also the type of its control message
ANCILLARY_BYTES: Final = socket.CMSG_SPACE(struct.calcsize("qq"))
_log = logging.getLogger("pysrv.gate")


class QueueDelay:
    """The longest wait in a SIP socket since it was last asked for."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns, self._longest_s, self._worst_s = clock_ns, 0.0, 0.0

    def watch(self, sock: socket.socket) -> None:
        """Have the kernel stamp what arrives at a socket."""
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def read(self, sock: socket.socket, most_bytes: int) -> tuple[bytes, Any]:
        """One datagram and its sender, with its wait noted. Raises OSError as recvmsg does."""
        payload, ancillary, _, remote = sock.recvmsg(most_bytes, ANCILLARY_BYTES)
        for level, kind, stamp in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", stamp[:16])
                self.note((self._clock_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e9)
        return payload, remote

    def note(self, delay_s: float) -> None:
        """A datagram has waited so long."""
        if delay_s <= MOST_DELAY_S:
            self._longest_s = max(self._longest_s, delay_s)
            self._worst_s = max(self._worst_s, delay_s)

    def take(self) -> float:
        """The longest wait since the last call, in seconds; 0 when nothing was read."""
        longest, self._longest_s = self._longest_s, 0.0
        return longest

    def take_worst(self) -> float:
        """The same for another listener, who asks less often: the longest wait since this was last called."""
        worst, self._worst_s = self._worst_s, 0.0
        return worst


class Keeper(Protocol):
    """Who is asked."""

    def ask_now(
        self, verb: KeeperVerb, args: Any, done: Callable[[dict[str, Any]], None], refused: Callable[[WireError], None]
    ) -> None:
        """Ask one thing at once."""


class Pulse:
    """Beats while the keeper is there. Without a `queue_delay_s` it never does."""

    def __init__(
        self,
        keeper: Keeper,
        queue_delay_s: Callable[[], float] | None,
        on_offences: Callable[[tuple[wire.Offence, ...]], None],
    ) -> None:
        self._keeper, self._queue_delay_s, self._on_offences = keeper, queue_delay_s, on_offences
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._waiting = False

    def start(self) -> None:
        """Beat from now on."""
        self.stop()
        if self._queue_delay_s is not None:
            self._arm(asyncio.get_running_loop().time())

    def stop(self) -> None:
        """Beat no more."""
        self._waiting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at: float) -> None:
        self._due_at = at
        self._timer = asyncio.get_running_loop().call_at(at, self._beat)

    def _beat(self) -> None:
        assert self._queue_delay_s is not None
        now = asyncio.get_running_loop().time()
        late_s = max(0.0, now - self._due_at)
        self._arm(now + PULSE_EVERY_S)
        if self._waiting:
            return  # a keeper that is busy is not asked twice
        self._waiting = True
        delay_ms = round(1000 * max(self._queue_delay_s(), late_s), 3)
        self._keeper.ask_now(KeeperVerb.PULSE, wire.Pulse(delay_ms), self._answered, self._refused)

    def _answered(self, result: dict[str, Any]) -> None:
        self._waiting = False
        events = wire.from_dict(wire.Events, result)
        if events.lost:
            _log.warning("the gate lost %d offences: more than it holds between two pulses", events.lost)
        if events.offences:
            self._on_offences(events.offences)

    def _refused(self, error: WireError) -> None:
        if self._timer is not None:
            _log.warning("the gate takes no pulses: %s", error)
        self.stop()
