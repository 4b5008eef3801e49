"""Asks the kernel to resolve the next hop of an address before the first packet needs it: two netlink messages.

rtnetlink(7): RTM_GETROUTE says by which interface and gateway, RTM_NEWNEIGH with NTF_USE starts resolution there as a
packet would, and sends none. An entry that is valid is left alone: NTF_USE would make a permanent one a passing one.
Spoken by hand because a call's media must not wait for a general-purpose library.
"""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Final

_GETROUTE, _NEWNEIGH, _GETNEIGH, _ERROR = 26, 28, 30, 2
_REQUEST, _ACK, _EXCL, _CREATE = 1, 4, 0x200, 0x400
_NTF_USE = 1
_USELESS: Final = 0x01 | 0x20  # NUD_INCOMPLETE, NUD_FAILED
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_NDA_DST = 1
_AGAIN_NS: Final = 15_000_000_000
_REMEMBERED = 8192


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | flags, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One netlink attribute, padded (netlink(7))."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(body: bytes) -> dict[int, bytes]:
    """The attributes of a message or of a nested attribute, by kind."""
    found, at = {}, 0
    while at + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, at)
        if size < 4:
            break
        found[kind & 0x3FFF] = body[at + 4 : at + size]
        at += (size + 3) & ~3
    return found


class Neighbours:
    """Next hops that are wanted. Remembers whom it asked for, so that asking again is free for a while."""

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._asked: dict[bytes, int] = {}
        self._socket: socket.socket | None = None

    def want(self, addresses: Iterable[bytes]) -> int:
        """Starts resolution for each address (4 or 16 bytes) not asked for lately; how many that were."""
        now_ns, asked = self._monotonic_ns(), 0
        if len(self._asked) > _REMEMBERED:
            self._asked.clear()
        for address in addresses:
            if now_ns - self._asked.get(address, -_AGAIN_NS) >= _AGAIN_NS:
                self._asked[address] = now_ns
                asked += self._resolve(address)
        return asked

    def forget(self) -> None:
        """Asks for everybody anew: interfaces have changed."""
        self._asked.clear()

    def close(self) -> None:
        """Closes the netlink socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _resolve(self, address: bytes) -> bool:
        try:
            route = self._ask(_message(_GETROUTE, 0, _route(address)))
            found = attributes(route[12:])
            if _RTA_OIF not in found:
                return False
            hop = found.get(_RTA_GATEWAY, address)
            (ifindex,) = struct.unpack("=I", found[_RTA_OIF])
            self._use(hop, ifindex)
        except OSError:
            return False  # the packets' own verdict says so too
        return True

    def _use(self, hop: bytes, ifindex: int) -> None:
        try:
            self._ask(_message(_NEWNEIGH, _ACK | _CREATE | _EXCL, _neighbour(hop, ifindex, _NTF_USE)))
        except FileExistsError:
            (state,) = struct.unpack_from("=H", self._ask(_message(_GETNEIGH, 0, _neighbour(hop, ifindex, 0))), 8)
            if not state & ~_USELESS:
                self._ask(_message(_NEWNEIGH, _ACK, _neighbour(hop, ifindex, _NTF_USE)))

    def _ask(self, request: bytes) -> bytes:
        """The body of the kernel's answer; OSError when it is an error."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.settimeout(0.2)
        self._socket.send(request)
        reply = self._socket.recv(8192)
        (kind,) = struct.unpack_from("=H", reply, 4)
        if kind == _ERROR and (code := struct.unpack_from("=i", reply, 16)[0]):
            raise OSError(-code, os.strerror(-code))
        return reply[16:]


def _family(address: bytes) -> int:
    return socket.AF_INET if len(address) == 4 else socket.AF_INET6


def _route(address: bytes) -> bytes:
    head = struct.pack("=BBBBBBBBI", _family(address), len(address) * 8, 0, 0, 0, 0, 0, 0, 0)
    return head + attribute(_RTA_DST, address)


def _neighbour(hop: bytes, ifindex: int, flags: int) -> bytes:
    head = struct.pack("=BBHIHBB", _family(hop), 0, 0, ifindex, 0, flags, 0)
    return head + attribute(_NDA_DST, hop)
