"""One call between a phone and a trunk, as the packets that reach the gate and the rows that await them."""

from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import wire
from tests.bpf.rig import FAR_FUTURE, GATE_MAC, PHONE_MAC, TRUNK_MAC

Where = tuple[str, int]

PHONE: Where = ("10.77.1.2", 4000)
TRUNK: Where = ("10.77.2.2", 40000)
PHONE_LOCAL: Where = ("10.77.1.1", 20000)
TRUNK_LOCAL: Where = ("10.77.2.1", 20002)
PHONE6: Where = ("fd77:1::2", 4000)
TRUNK6: Where = ("fd77:2::2", 40000)
PHONE_LOCAL6: Where = ("fd77:1::1", 20000)
TRUNK_LOCAL6: Where = ("fd77:2::1", 20002)


def after(where: Where | None) -> Where | None:
    """The RTCP endpoint beside an RTP endpoint."""
    return where and (where[0], where[1] + 1)


def session(
    number: int = 7,
    *,
    deadline_ns: int | None = None,
    phone_remote: Where | None = PHONE,
    trunk_remote: Where | None = TRUNK,
    phone_local: Where = PHONE_LOCAL,
    trunk_local: Where = TRUNK_LOCAL,
    learn: bool = True,
    payload_types: tuple[int, ...] = (0, 8, 101),
    **checks: Any,
) -> wire.RelaySession:
    """Four streams: RTP and RTCP on each side; `checks` are further fields of the RTP rows."""
    streams = []
    for local, peer, remote in ((phone_local, trunk_local, phone_remote), (trunk_local, phone_local, trunk_remote)):
        rtcp_local, rtcp_peer = (local[0], local[1] + 1), (peer[0], peer[1] + 1)
        streams.append(wire.RelayStream(local, peer, remote, learn, False, payload_types, **checks))
        streams.append(wire.RelayStream(rtcp_local, rtcp_peer, after(remote), learn, rtcp=True))
    return wire.RelaySession(number, FAR_FUTURE if deadline_ns is None else deadline_ns, tuple(streams))


def datagram(payload: bytes, source: Where, target: Where, mac: str, **ip: object) -> Packet:
    network = IPv6(src=source[0], dst=target[0]) if ":" in source[0] else IP(src=source[0], dst=target[0], **ip)
    return Ether(src=mac, dst=GATE_MAC) / network / UDP(sport=source[1], dport=target[1]) / Raw(payload)


def from_phone(
    payload: bytes,
    *,
    sport: int = PHONE[1],
    dport: int = PHONE_LOCAL[1],
    src: str = PHONE[0],
    dst: str = PHONE_LOCAL[0],
    **ip: object,
) -> Packet:
    return datagram(payload, (src, sport), (dst, dport), PHONE_MAC, **ip)


def from_trunk(
    payload: bytes,
    *,
    sport: int = TRUNK[1],
    dport: int = TRUNK_LOCAL[1],
    src: str = TRUNK[0],
    dst: str = TRUNK_LOCAL[0],
    **ip: object,
) -> Packet:
    return datagram(payload, (src, sport), (dst, dport), TRUNK_MAC, **ip)


def control_from_phone(payload: bytes) -> Packet:
    return from_phone(payload, sport=PHONE[1] + 1, dport=PHONE_LOCAL[1] + 1)
