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
SETTLE_S: Final = 0.2  # what is on its way when a count ends may still arrive


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
        self._ending = multiprocessing.Event()
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

    def kept(self) -> Kept:
        """The counts so far."""
        return Kept(*(int(count.value) for count in self._counts))

    def _run(self) -> None:
        os.sched_setaffinity(0, self._processors)
        with contextlib.suppress(KeyboardInterrupt):
            _Traffic(self._ground, self._counts).run(self._ending.is_set)


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

    def run(self, ended: "object") -> None:
        assert callable(ended)
        began = time.monotonic()
        turns = requests = 0
        while not ended():
            now = time.monotonic() - began
            if now >= turns * PACKET_S:
                self._speak(turns)
                turns += 1
            if now >= requests * REQUEST_S:
                self._ask(requests)
                requests += 1
            until = min(turns * PACKET_S, requests * REQUEST_S) - (time.monotonic() - began)
            for key, _ in self._selector.select(max(0.0, until)):
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
