"""Generated talk: RTP between two hosts over sessions that real calls opened, and somebody who injects his own.

Every payload begins with a mark that says whose it is, so that what arrives can be told apart whatever its headers say.
The talkers run at real-time priority: a phone does not pause because a test machine is busy.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.lab.network import Host, Lab, entered

GOOD, EVIL = b"GOOD", b"EVIL"
PERIOD_S = 0.02
PAYLOAD_BYTES = 160
Where = tuple[str, int]


def rtp(mark: bytes, sequence: int, ssrc: int, payload_type: int = 0) -> bytes:
    """A G.711 packet of 20 ms that carries `mark`."""
    head = struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, sequence * PAYLOAD_BYTES & 0xFFFFFFFF, ssrc)
    return head + mark.ljust(PAYLOAD_BYTES, b"\xd5")


@dataclass(slots=True)
class Leg:
    """One phone's end of a stream: where it is, where it sends to, and the SSRC and first sequence of what it sends."""

    host: Host
    port: int
    relay: Where
    ssrc: int
    first: int


@dataclass(slots=True)
class Heard:
    """What arrived at all legs together, by mark, and how much the legs sent."""

    sent: int = 0
    marks: Counter[bytes] = field(default_factory=Counter)
    longest_gap_s: float = 0.0


class Talkers:
    """Sockets at every port from the start; `talk` sends and listens in a process of its own."""

    def __init__(self, lab: Lab, ports: Iterable[tuple[Host, int]]) -> None:
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        for host, port in ports:
            sock = lab.socket(host.namespace)
            sock.bind((host.address, port))
            sock.setblocking(False)
            self._sockets[host.address, port] = sock

    def heard(self) -> Counter[bytes]:
        """The marks of what lies in the sockets now."""
        return Counter(packet[12:16] for sock in self._sockets.values() for packet in _drained(sock))

    @contextlib.contextmanager
    def talk(self, legs: list[Leg], seconds: float) -> Iterator[Heard]:
        """While the context lasts the legs talk, `seconds` from now on; what was heard is there when it is left."""
        heard, (mine, theirs) = Heard(), multiprocessing.Pipe()
        process = multiprocessing.Process(target=self._run, args=(legs, seconds, theirs), daemon=True)
        process.start()
        assert mine.poll(10) and mine.recv() == "talking"
        try:
            yield heard
            assert mine.poll(seconds + 30)
            heard.sent, heard.marks, heard.longest_gap_s = mine.recv()
            process.join(5)
        finally:
            if process.is_alive():
                process.kill()
            process.join()

    def close(self) -> None:
        """Close every socket."""
        for sock in self._sockets.values():
            sock.close()

    def _run(self, legs: list[Leg], seconds: float, report: "multiprocessing.connection.Connection") -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        speaking = [(self._sockets[leg.host.address, leg.port], leg) for leg in legs]
        marks: Counter[bytes] = Counter()
        began = last = time.monotonic()
        gap_s, rounds = 0.0, round(seconds / PERIOD_S)
        for number in range(rounds):
            for sock, leg in speaking:
                sock.sendto(rtp(GOOD, leg.first + number, leg.ssrc), leg.relay)
            if not number:
                report.send("talking")
            marks.update(self.heard())
            gap_s, last = max(gap_s, time.monotonic() - last), time.monotonic()
            time.sleep(max(0.0, began + (number + 1) * PERIOD_S - time.monotonic()))  # the pace of speech
        time.sleep(0.2)  # what is under way arrives
        marks.update(self.heard())
        report.send((len(speaking) * rounds, marks, gap_s))


def _drained(sock: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield sock.recv(2048)
        except BlockingIOError:
            return


class Injector:
    """Sends UDP datagrams from one host in anybody's name."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.host = host
        with entered(host.namespace):
            self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.sent = 0

    def send(self, payload: bytes, source: Where, target: Where) -> None:
        """One datagram that says it comes from `source`; the UDP checksum is left out (RFC 768)."""
        total = 28 + len(payload)
        head = struct.pack("!BBHHHBBH", 0x45, 0, total, self.sent & 0xFFFF, 0, 64, socket.IPPROTO_UDP, 0)
        head += socket.inet_aton(source[0]) + socket.inet_aton(target[0])
        udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
        self._raw.sendto(head + udp + payload, (target[0], 0))
        self.sent += 1

    def close(self) -> None:
        """Close the socket."""
        self._raw.close()
