"""What reaches a phone on the wire: RTP caught in its namespace, its moments and its decoded sound (G.711 mu-law).

A recording by the phone itself proves less than it seems: some phones stop recording when a call was on hold. The
moments are the kernel's: how soon this process reads a frame says nothing of when it came.
"""

import socket
import struct
import threading
import time

from tests.lab.network import Lab

ETH_P_ALL = 3
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; a struct timespec comes with each frame
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 16 * 1024 * 1024
RELAY_PORTS = range(20000, 30000, 2)


def _linear(code: int) -> int:
    """One mu-law code as a linear sample (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_LINEAR = [_linear(code) for code in range(256)]


class Ear:
    """Listens for RTP from the appliance's relay ports to one peer."""

    def __init__(self, lab: Lab, user: str) -> None:
        host = lab.hosts[user]
        self._socket = lab.socket(host.namespace, socket.SOCK_RAW, socket.AF_PACKET)
        self._socket.bind((host.interface, ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._socket.settimeout(0.2)
        self._gateway = socket.inet_aton(host.gateway)
        self._heard: list[tuple[float, bytes]] = []
        self._open = True
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def times(self) -> list[float]:
        """The moment (monotonic seconds) of each packet."""
        return [at for at, _ in list(self._heard)]

    def samples(self, since: float = 0.0) -> list[int]:
        """The sound that has come since a moment."""
        return [_LINEAR[code] for at, payload in list(self._heard) if at >= since for code in payload]

    def close(self) -> None:
        """Stop listening."""
        self._open = False
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while self._open:
            try:
                frame, marks, _, _ = self._socket.recvmsg(2048, 64)
            except TimeoutError:
                continue
            if self._is_rtp(frame):
                size = struct.unpack(">H", frame[38:40])[0] - 8
                self._heard.append((_arrived_at(marks), frame[54 : 42 + size]))

    def _is_rtp(self, frame: bytes) -> bool:
        udp = len(frame) > 54 and frame[12:14] == b"\x08\x00" and frame[23] == 17
        return udp and frame[26:30] == self._gateway and struct.unpack(">H", frame[34:36])[0] in RELAY_PORTS


def _arrived_at(marks: list[tuple[int, int, bytes]]) -> float:
    """When the kernel took a frame in, on the monotonic clock."""
    ((_, _, stamp),) = marks
    seconds, nanoseconds = map(int, struct.unpack("qq", stamp))
    age_s = time.time() - (seconds + nanoseconds / 1e9)
    return time.monotonic() - age_s
