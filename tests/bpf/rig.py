"""The gate on a bench: packets in by BPF_PROG_TEST_RUN, verdict and packet out. No frame leaves the namespace."""

import socket
import subprocess
import time
from dataclasses import dataclass

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import wire
from appliance.kernel import layout, syscall, testrun
from appliance.kernel.gate import Gate
from appliance.kernel.testrun import Action
from tests.lab.network import Lab

SERVICE = (("udp", 5060), ("tcp", 5060))
MEDIA = (20000, 29999)
GATE_MAC = "02:00:00:00:00:01"
PHONE_MAC = "02:00:00:00:00:0a"
TRUNK_MAC = "02:00:00:00:00:0b"
OPTIONS = b"OPTIONS sip:192.0.2.1 SIP/2.0\r\n\r\n"
FAR_FUTURE = 1 << 62


@dataclass(frozen=True)
class Out:
    """What became of one packet."""

    verdict: str
    action: Action
    packet: bytes
    notes: tuple[str, ...] = ()

    @property
    def ether(self) -> Packet:
        return Ether(self.packet)


class Rig:
    """One loaded gate, attached to two interfaces `to-phone` and `to-trunk` of a namespace."""

    def __init__(self, gate: Gate, lab: Lab) -> None:
        self.gate, self.lab = gate, lab
        self.phone, self.trunk = lab.hosts["phone"], lab.hosts["trunk"]

    def sync(self, *, keep_lists: bool = False, **parts: object) -> wire.Applied:
        """The base plan, with `parts` of it different; buckets are full, nobody has a past, no list is in force."""
        for status in () if keep_lists else self.gate.lists():
            self.gate.drop_list(wire.ListRef(status.name))
        for name in ("buckets", "offenders", "fragments"):
            rows = self.rows(name)
            for key, _ in list(rows.items()):
                rows.delete(key)
        shared = self.rows("shared_buckets")
        for key, _ in list(shared.items()):
            shared.update(key, bytes(shared.leaf_bytes))
        plan = {"generation": 1, "service_ports": SERVICE, "relay_ports": MEDIA, **parts}
        return self.gate.sync(wire.Plan(**plan))  # type: ignore[arg-type]

    @property
    def buckets(self) -> syscall.MapDescriptor:
        return self.rows("buckets")

    def rows(self, name: str) -> syscall.MapDescriptor:
        """One map, as bytes."""
        handle = self.gate.maps[name]
        return syscall.MapDescriptor(handle.fd, layout.Shape(handle.key).bytes, layout.Shape(handle.leaf).bytes)

    def counts(self) -> dict[str, tuple[int, int]]:
        return {t.verdict: (t.packets, t.bytes) for t in self.gate.tallies()}

    def send(self, packet: Packet | bytes, interface: str = "to-phone") -> Out:
        """One packet in; exactly one verdict must end it, and be counted with the frame's length."""
        frame = bytes(packet)
        before = self.counts()
        run = testrun.run(self.gate.program_fd, frame, ifindex=socket.if_nametoindex(interface))
        after = self.counts()
        moved = {
            name: (after[name][0] - p, after[name][1] - b) for name, (p, b) in before.items() if after[name][0] > p
        }
        actions = {v.name: v.action for v in layout.verdicts()}
        ends = [name for name in moved if actions[name] != "NOTE"]
        assert len(ends) == 1, f"one packet, ended as {ends}"
        assert moved[ends[0]] == (1, len(frame))
        return Out(ends[0], run.action, run.packet, tuple(name for name in moved if name not in ends))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def frame(
    payload: bytes = OPTIONS, *, src: str = "198.51.100.7", dst: str = "10.77.1.1", sport: int = 5060, dport: int = 5060
) -> Packet:
    """A UDP datagram to the gate, of either IP version by the look of its addresses."""
    network = IPv6(src=src, dst=dst) if ":" in src else IP(src=src, dst=dst)
    return Ether(src=PHONE_MAC, dst=GATE_MAC) / network / UDP(sport=sport, dport=dport) / Raw(payload)


def rtp(payload_type: int = 0, size: int = 160, *, sequence: int = 1, version: int = 2, marker: int = 0) -> bytes:
    """An RTP packet (RFC 3550 5.1) with `size` bytes of payload that say where they are."""
    head = bytes([version << 6, marker << 7 | payload_type]) + sequence.to_bytes(2, "big") + bytes(4) + b"SSRC"
    return head + bytes(i * 7 & 255 for i in range(size))


def rtcp(kind: int = 200, words: int = 6) -> bytes:
    """A sender report's header (RFC 3550 6.4.1) and zeros."""
    return bytes([0x80, kind]) + words.to_bytes(2, "big") + bytes(words * 4)


def soon(seconds: float = 60.0) -> int:
    """A deadline of CLOCK_MONOTONIC."""
    return time.monotonic_ns() + int(seconds * 1e9)
