"""Named counters of an nftables table, read over netlink: two messages, however much else the table holds.

libnftables reads all sets of a table before it lists its counters, which with 200,000 bans takes a second. Follows
include/uapi/linux/netfilter/nf_tables.h (NFT_MSG_GETOBJ) and nfnetlink.h.
"""

import socket
import struct
from typing import Final

from appliance.kernel.neighbour import attribute, attributes

_NETFILTER, _SUBSYSTEM, _GETOBJ = 12, 10, 19
_REQUEST_DUMP: Final = 0x301
_ERROR, _DONE = 2, 3
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER, _BYTES, _PACKETS = 1, 1, 2
_INET: Final = 1
_PATIENCE_S: Final = 2.0


def read(table: str) -> dict[str, tuple[int, int]]:
    """(packets, bytes) of every counter of the inet table, by name; empty when there is no such table."""
    body = struct.pack("=BBH", _INET, 0, 0) + attribute(_TABLE, table.encode() + b"\0")
    body += attribute(_TYPE, struct.pack(">I", _COUNTER))
    head = struct.pack("=IHHII", 16 + len(body), _SUBSYSTEM << 8 | _GETOBJ, _REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as asking:
        asking.settimeout(_PATIENCE_S)
        asking.send(head + body)
        found: dict[str, tuple[int, int]] = {}
        while not _take(asking.recv(1 << 17), table, found):
            pass
    return found


def _take(answer: bytes, table: str, found: dict[str, tuple[int, int]]) -> bool:
    """Reads one datagram into `found`; True when it was the last."""
    at = 0
    while at + 16 <= len(answer):
        length, kind = struct.unpack_from("=IH", answer, at)
        if kind in (_ERROR, _DONE) or length < 20:
            return True
        fields = attributes(answer[at + 20 : at + length])
        if fields.get(_TABLE, b"").rstrip(b"\0").decode() == table and _DATA in fields:
            counted = attributes(fields[_DATA])
            figures = (int.from_bytes(counted.get(part, b""), "big") for part in (_PACKETS, _BYTES))
            found[fields[_NAME].rstrip(b"\0").decode()] = (next(figures), next(figures))
        at += (length + 3) & ~3
    return False
