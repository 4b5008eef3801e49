"""RTP and RTCP packets for tests, and sockets to send them from."""

import asyncio
import select
import socket
import struct

WHILE_S = 0.02  # what was sent on loopback lies there at once, or soon after, where ksoftirqd runs


def rtp(payload: bytes = b"x" * 160, *, payload_type: int = 0, sequence: int = 0, ssrc: int = 1) -> bytes:
    """One RTP packet (RFC 3550 section 5.1)."""
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, sequence * 160, ssrc) + payload


def rtcp(packet_type: int = 200, words: int = 6) -> bytes:
    """One RTCP packet of `words` 32-bit words after its first (RFC 3550 section 6.4)."""
    return struct.pack("!BBH", 0x80, packet_type, words) + b"\x01" * 4 * words


class Phone:
    """A UDP socket that remembers what came."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.sock.setblocking(False)

    @property
    def at(self) -> tuple[str, int]:
        """Its own address."""
        name = self.sock.getsockname()
        return name[0], name[1]

    def send(self, packet: bytes, to: tuple[str, int]) -> None:
        """Send one datagram."""
        self.sock.sendto(packet, to)

    async def receive(self, within_s: float = 30.0) -> bytes:
        """The next datagram."""
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 4096), within_s)

    def received(self) -> list[bytes]:
        """Everything that has come by now."""
        found = []
        while select.select([self.sock], [], [], WHILE_S)[0]:
            found.append(self.sock.recv(4096))
        return found

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()
