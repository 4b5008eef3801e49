"""Ethernet frames for the firing range, made by hand: IPv4 with UDP, TCP or nothing but a fragment behind it.

Pure. RFC 791 (IPv4), 768 (UDP), 9293 (TCP), 3550 5.1 (RTP). UDP checksums are 0: not computed.
"""

import socket
import struct
from dataclasses import dataclass

_UDP, _TCP = 17, 6
_MORE = 0x2000


@dataclass(frozen=True, slots=True)
class Wire:
    """Where frames go in and who they say they are: link addresses (6 bytes each) and IPv4 addresses as text."""

    from_mac: bytes
    to_mac: bytes
    source: str
    target: str

    def udp(self, source_port: int, target_port: int, payload: bytes) -> bytes:
        """A whole UDP datagram."""
        return self.ip4(_UDP, struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload)

    def syn(self, source_port: int, target_port: int) -> bytes:
        """The first segment of a TCP connection."""
        return self.ip4(_TCP, struct.pack("!HHIIBBHHH", source_port, target_port, 1, 0, 0x50, 0x02, 65535, 0, 0))

    def fragment(self, ident: int, offset: int, payload: bytes, *, more: bool) -> bytes:
        """A part of a UDP datagram; `offset` in bytes, a multiple of 8."""
        return self.ip4(_UDP, payload, ident=ident, flags=offset // 8 | _MORE * more)

    def ip4(self, protocol: int, payload: bytes, *, ident: int = 0, flags: int = 0) -> bytes:
        """An IPv4 packet with `payload` behind its header."""
        addresses = socket.inet_aton(self.source) + socket.inet_aton(self.target)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), ident, flags, 64, protocol, 0) + addresses
        checksum = struct.pack("!H", _checksum(head))
        return self.to_mac + self.from_mac + b"\x08\x00" + head[:10] + checksum + head[12:] + payload


def rtp(sequence: int, *, ssrc: int, payload_type: int = 0, mark: bytes = b"", size: int = 160) -> bytes:
    """An RTP packet of G.711 length; `mark` begins its payload."""
    head = struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc)
    return head + mark.ljust(size, b"\xff")


def request(method: str, user: str, host: str, number: int, *, agent: str, extra: str = "") -> bytes:
    """A SIP request (RFC 3261 8.1.1) whose branch, tag and Call-ID carry `number`; `extra` is whole header lines.

    As long as phones' requests are: an answer may not be much longer than what it answers.
    """
    lines = (
        f"{method} sip:{host if method in ('REGISTER', 'OPTIONS') else f'{user}@{host}'} SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx{number:08x};rport",
        "Max-Forwards: 70",
        f"From: <sip:{user}@{host}>;tag=t{number:08x}",
        f"To: <sip:{user}@{host}>",
        f"Call-ID: c{number:08x}@192.0.2.1",
        f"CSeq: 1 {method}",
        f"Contact: <sip:{user}@192.0.2.1:5060>",
        "Expires: 3600",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY, MESSAGE",
        "Supported: replaces, timer, path, outbound",
        f"User-Agent: {agent}",
    )
    return ("\r\n".join(lines) + "\r\n" + extra + "Content-Length: 0\r\n\r\n").encode("ascii")


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
