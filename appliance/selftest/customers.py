"""Those whom an attack must not hurt: calls with audio both ways, and registered phones that go on registering.

A process of its own, so that the attack on this one's CPU does not hold it up. The calls are relay sessions of the gate
under test; the requests come from a known address and port, and a socket in the middle stands for the service. Every
packet carries a mark, so that nothing of the attacker's is ever counted as theirs.
"""

import contextlib
import multiprocessing
import os
import selectors
import socket
import time
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from types import TracebackType
from typing import Final

from appliance import wire
from appliance.kernel.range import Range
from appliance.selftest.frames import request, rtp

CALLS: Final = 20
FIRST_PORT: Final = 20000
SIP_PORT: Final = 5060
PHONE_SIP_PORT: Final = 5062
SSRC: Final = 0x11223344
PACKET_S: Final = 0.02  # G.711 at the usual 20 ms
REQUEST_S: Final = 0.1
MARK: Final = b"legitimate"
FAR_FUTURE_NS: Final = 1 << 62
_RECEIVE_BYTES: Final = 4 << 20
_RECEIVE_BUFFER_FORCE: Final = 33  # SO_RCVBUFFORCE of asm-generic/socket.h, which Python does not name
SETTLE_S: Final = 0.2  # customers who are silent and have heard nothing for so long have heard all that will come
_PATIENCE_S: Final = 5.0  # ... and for a process that a busy machine does not run at once
_LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Kept:
    """What customers sent and what arrived of it; `others_arrived`: what else reached the service or a call's ear."""

    media_sent: int
    media_arrived: int
    requests_sent: int
    requests_arrived: int
    others_arrived: int

    def since(self, earlier: "Kept") -> "Kept":
        """The difference to an earlier count."""
        return Kept(*(getattr(self, name) - getattr(earlier, name) for name in Kept.__slots__))


def sessions(ground: Range) -> tuple[wire.RelaySession, ...]:
    """The relay sessions of the calls: one stream each way."""
    phone, trunk = ground.parties["phone"], ground.parties["trunk"]
    made = []
    for index in range(CALLS):
        port = FIRST_PORT + 2 * index
        near, far = (phone.gateway, port), (trunk.gateway, port)
        streams = (
            wire.RelayStream(near, far, (phone.address, port), learn=False, payload_types=(0,)),
            wire.RelayStream(far, near, (trunk.address, port), learn=False, payload_types=(0,)),
        )
        made.append(wire.RelaySession(index + 1, FAR_FUTURE_NS, streams))
    return tuple(made)


class Customers:
    """The traffic, from entering the context until leaving it, on the CPUs of `processors`."""

    def __init__(self, ground: Range, processors: set[int]) -> None:
        self._ground, self._processors = ground, processors
        self._counts: list[Synchronized[int]] = [multiprocessing.Value("q", 0) for _ in Kept.__slots__]
        self._ending, self._silence, self._silent = (multiprocessing.Event() for _ in range(3))
        self._process = multiprocessing.get_context("fork").Process(target=self._run, daemon=True)

    def __enter__(self) -> "Customers":
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    @property
    def process_id(self) -> int:
        """The process of their own that they are, while the context lasts."""
        assert self._process.pid is not None
        return self._process.pid

    def kept(self) -> Kept:
        """The counts so far, with nothing on its way: the customers are silent meanwhile, and talk again afterwards."""
        self._silence.set()
        self._silent.wait(_PATIENCE_S)
        counted, looked_until, quiet_until = self._read(), time.monotonic() + _PATIENCE_S, 0.0
        while (now := time.monotonic()) < looked_until:
            time.sleep(_LOOK_S)
            if (read := self._read()) != counted or not quiet_until:
                counted, quiet_until = read, now + SETTLE_S
            if now >= quiet_until:
                break
        self._silence.clear()
        self._heard_again(counted)
        return counted

    def _heard_again(self, counted: Kept) -> None:
        """Waits until every call has been heard again: an attack on a stream in its pause would be another one."""
        until = time.monotonic() + _PATIENCE_S
        while self._read().media_arrived < counted.media_arrived + 2 * CALLS and time.monotonic() < until:
            time.sleep(_LOOK_S)

    def _read(self) -> Kept:
        return Kept(*(int(count.value) for count in self._counts))

    def _run(self) -> None:
        os.sched_setaffinity(0, self._processors)
        with contextlib.suppress(KeyboardInterrupt):
            _Traffic(self._ground, self._counts).run(self._ending, self._silence, self._silent)


class _Traffic:
    """The loop of the customers' process."""

    def __init__(self, ground: Range, counts: list["Synchronized[int]"]) -> None:
        self._media_sent, self._media_arrived, self._sent, self._arrived, self._others = counts
        self._phone, self._trunk = ground.parties["phone"], ground.parties["trunk"]
        self._selector = selectors.DefaultSelector()
        self._service = self._bound(ground.socket(""), "0.0.0.0", SIP_PORT, self._at_service)  # noqa: S104
        self._asking = self._bound(ground.socket("phone"), self._phone.address, PHONE_SIP_PORT, self._at_phone)
        self._streams = [
            (self._bound(ground.socket(name), party.address, FIRST_PORT + 2 * i, self._at_ear), party, i)
            for name, party in (("phone", self._phone), ("trunk", self._trunk))
            for i in range(CALLS)
        ]

    def _bound(self, made: socket.socket, address: str, port: int, take: object) -> socket.socket:
        made.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, _RECEIVE_BYTES)
        made.bind((address, port))
        made.setblocking(False)
        self._selector.register(made, selectors.EVENT_READ, take)
        return made

    def run(self, ending: Event, silence: Event, silent: Event) -> None:
        """Talks until `ending`; while `silence` is set it only listens, and says so with `silent`."""
        spoken = asked = 0
        speak_at = ask_at = time.monotonic()
        while not ending.is_set():
            now = time.monotonic()
            if silence.is_set():
                silent.set()
                speak_at = ask_at = now + PACKET_S
            else:
                silent.clear()
            if now >= speak_at:
                self._speak(spoken)
                spoken, speak_at = spoken + 1, max(speak_at + PACKET_S, now)  # late is late: no burst makes up for it
            if now >= ask_at:
                self._ask(asked)
                asked, ask_at = asked + 1, max(ask_at + REQUEST_S, now)
            for key, _ in self._selector.select(max(0.0, min(speak_at, ask_at) - time.monotonic())):
                key.data(key.fileobj)

    def _speak(self, turn: int) -> None:
        for stream, party, index in self._streams:
            packet = rtp(turn, ssrc=SSRC + index, mark=MARK)
            with contextlib.suppress(OSError):
                stream.sendto(packet, (party.gateway, FIRST_PORT + 2 * index))
                self._media_sent.value += 1

    def _ask(self, number: int) -> None:
        packet = request("REGISTER", "100", self._phone.gateway, number, agent=MARK.decode())
        with contextlib.suppress(OSError):
            self._asking.sendto(packet, (self._phone.gateway, SIP_PORT))
            self._sent.value += 1

    def _at_ear(self, ear: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                (self._media_arrived if MARK in ear.recv(2048) else self._others).value += 1

    def _at_service(self, service: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(64):
                payload, source = service.recvfrom(2048)
                ours = source == (self._phone.address, PHONE_SIP_PORT) and MARK in payload
                (self._arrived if ours else self._others).value += 1

    def _at_phone(self, asking: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            asking.recv(2048)
