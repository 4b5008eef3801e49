"""A time server in a peer's namespace: SNTP (RFC 5905, section 14), with the host's clock as its reference."""

import socket
import struct
import threading
import time

PORT, EPOCH = 123, 2_208_988_800  # seconds from 1900 to 1970
_LEAP_VERSION_SERVER, _STRATUM, _PRECISION = 0x24, 1, -20
_REFERENCE = b"LOCL"


def answer(asked: bytes, came: float, left: float) -> bytes:
    """A server's packet to a client's of 48 bytes. Raises ValueError for a shorter one."""
    if len(asked) < 48:
        raise ValueError(f"{len(asked)} bytes are no NTP packet")
    head = struct.pack("!BBbb", _LEAP_VERSION_SERVER, _STRATUM, asked[2], _PRECISION)
    return (
        head + struct.pack("!II", 0, 1 << 12) + _REFERENCE + _stamp(came) + asked[40:48] + _stamp(came) + _stamp(left)
    )


def _stamp(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("!II", (whole + EPOCH) & 0xFFFF_FFFF, int((seconds - whole) * (1 << 32)))


class Hours:
    """Answers from `start` to `close`. `asking`: a datagram socket in the peer's namespace."""

    def __init__(self, asking: socket.socket, address: str) -> None:
        self._socket = asking
        self._socket.bind((address, PORT))
        self._socket.settimeout(0.5)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                asked, peer = self._socket.recvfrom(512)
                self._socket.sendto(answer(asked, time.time(), time.time()), peer)
            except (TimeoutError, ValueError):
                continue

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
