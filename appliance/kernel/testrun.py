"""Runs the loaded program on a packet without a network: BPF_PROG_TEST_RUN.

A run may leave the packet rewritten; `ifindex` makes it arrive on that interface of this network namespace.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from appliance.kernel import syscall


class Action(IntEnum):
    """What an XDP program may return (include/uapi/linux/bpf.h, enum xdp_action)."""

    ABORTED = 0
    DROP = 1
    PASS = 2
    TX = 3
    REDIRECT = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One run: the action, the packet as it came out, nanoseconds (with `repeat`, the mean)."""

    action: Action
    packet: bytes
    ns: int


def run(program_fd: int, packet: bytes, *, ifindex: int = 0, repeat: int = 1) -> Run:
    """The program's answer to `packet`; 14 bytes at least, as the kernel wants them."""
    context = struct.pack("=IIIIII", 0, len(packet), 0, ifindex, 0, 0) if ifindex else b""
    action, ns, out = syscall.run(program_fd, packet, context, repeat)
    return Run(Action(action), out, ns)


def run_live(program_fd: int, packet: bytes, *, ifindex: int, repeat: int, batch: int = 64) -> None:
    """Runs the program `repeat` times on real frames: what it sends or redirects really goes out (kernel 5.18)."""
    context = struct.pack("=IIIIII", 0, len(packet), 0, ifindex, 0, 0)
    syscall.run(program_fd, packet, context, repeat, syscall.LIVE_FRAMES, batch)


def pass_program() -> int:
    """A program that passes everything. A veth peer takes redirected frames when it carries one (veth_xdp_xmit)."""
    move, leave = struct.pack("=BBhi", 0xB7, 0, 0, Action.PASS), struct.pack("=BBhi", 0x95, 0, 0, 0)
    return syscall.load_xdp(move + leave)
