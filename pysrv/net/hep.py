"""SIP messages to a Homer server, as HEP version 3 (EEP) over UDP.

HEP3: "HEP3", the length of the whole as 16 bits, then chunks of vendor, type and length (16 bits each; the length
counts these six bytes) and a value, all in network byte order. Vendor 0 has the generic types that are used here.
Source: HEP3 Network Protocol Specification (github.com/sipcapture/HEP).

Nothing waits for a Homer server: a message that cannot leave at once is counted and forgotten.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address
from typing import Final, Protocol

from pysrv.sip.scrub import Caught

MAGIC: Final = b"HEP3"
SIP: Final = 1  # chunk 11, protocol type
MOST_BYTES: Final = 65_507  # of a datagram over IPv4 (RFC 768, RFC 791)
_HEAD, _CHUNK = struct.Struct("!4sH"), struct.Struct("!HHH")
_PROTOCOLS: Final = {"udp": socket.IPPROTO_UDP}  # every other transport is a stream over TCP


class Chunk(IntEnum):
    """Generic chunk types."""

    FAMILY = 1  # u8: AF_INET 2, AF_INET6 10
    PROTOCOL = 2  # u8: of IP
    IPV4_SOURCE = 3
    IPV4_DESTINATION = 4
    IPV6_SOURCE = 5
    IPV6_DESTINATION = 6
    SOURCE_PORT = 7  # u16
    DESTINATION_PORT = 8  # u16
    SECONDS = 9  # u32, Unix time
    MICROSECONDS = 10  # u32, to be added
    TYPE = 11  # u8
    CAPTURE_ID = 12  # u32
    KEY = 14  # authentication key
    PAYLOAD = 15
    CORRELATION = 17


class HepSettings(Protocol):
    """What is asked of a snapshot of the settings."""

    @property
    def hepserver(self) -> str:
        """HOST:PORT or [IPV6]:PORT; empty: off."""

    @property
    def hepcaptureid(self) -> int:
        """This appliance's number, 0 to 2**32 - 1."""

    @property
    def heppassword(self) -> str:
        """The key; empty: none."""


@dataclass(frozen=True, slots=True)
class Sender:
    """How this appliance is known to the server: its number, and a key or nothing."""

    capture_id: int
    key: bytes = b""


def encode(caught: Caught, sender: Sender) -> bytes:
    """One message as a HEP3 packet. Raises ValueError when an address is none, OverflowError when it is too long."""
    ends = (caught.flow.local, caught.flow.remote) if caught.out else (caught.flow.remote, caught.flow.local)
    source, target = (ip_address(host.partition("%")[0]) for host, _ in ends)
    six = source.version == 6
    microseconds = round(caught.at * 1_000_000)
    chunks = [
        (Chunk.FAMILY, struct.pack("!B", socket.AF_INET6 if six else socket.AF_INET)),
        (Chunk.PROTOCOL, struct.pack("!B", _PROTOCOLS.get(caught.flow.transport, socket.IPPROTO_TCP))),
        (Chunk.IPV6_SOURCE if six else Chunk.IPV4_SOURCE, source.packed),
        (Chunk.IPV6_DESTINATION if six else Chunk.IPV4_DESTINATION, target.packed),
        (Chunk.SOURCE_PORT, struct.pack("!H", ends[0][1])),
        (Chunk.DESTINATION_PORT, struct.pack("!H", ends[1][1])),
        (Chunk.SECONDS, struct.pack("!I", microseconds // 1_000_000)),
        (Chunk.MICROSECONDS, struct.pack("!I", microseconds % 1_000_000)),
        (Chunk.TYPE, struct.pack("!B", SIP)),
        (Chunk.CAPTURE_ID, struct.pack("!I", sender.capture_id)),
        *([(Chunk.KEY, sender.key)] if sender.key else []),
        (Chunk.CORRELATION, caught.correlation),
        (Chunk.PAYLOAD, caught.text),
    ]
    body = b"".join(_CHUNK.pack(0, kind, _CHUNK.size + len(value) & 0xFFFF) + value for kind, value in chunks)
    if _HEAD.size + len(body) > MOST_BYTES:
        raise OverflowError(f"a HEP packet has at most {MOST_BYTES} bytes")
    return _HEAD.pack(MAGIC, _HEAD.size + len(body)) + body


class HepExport:
    """Sends what is caught to `hepserver`. `address` names a host's address, or None while it is not known."""

    def __init__(self, settings: Callable[[], HepSettings], address: Callable[[str], str | None]) -> None:
        self._settings, self._address = settings, address
        self._used: HepSettings | None = None
        self._host, self._port, self._sender = "", 0, Sender(0)
        self._sockets: dict[int, socket.socket] = {}
        self.sent = self.dropped = 0

    def send(self, caught: Caught) -> None:
        """One message on its way, or counted as dropped."""
        settings = self._settings()
        if settings is not self._used:
            self._use(settings)
        try:
            to = self._address(self._host) if self._host else None
            if to is None:
                raise OSError("the server's name has no address yet")
            self._socket(socket.AF_INET6 if ":" in to else socket.AF_INET).sendto(
                encode(caught, self._sender), (to, self._port)
            )
        except (OSError, ValueError, OverflowError, struct.error):
            self.dropped += 1
        else:
            self.sent += 1

    def close(self) -> None:
        """Send no more."""
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    def _use(self, settings: HepSettings) -> None:
        self._used = settings
        host, _, port = settings.hepserver.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port or 0)
        self._sender = Sender(settings.hepcaptureid, settings.heppassword.encode())

    def _socket(self, family: int) -> socket.socket:
        held = self._sockets.get(family)
        if held is None:
            held = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        return held
