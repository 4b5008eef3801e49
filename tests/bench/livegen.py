"""Frames at line rate without a network card: an XDP program run on live frames, and one that counts where they end.

BPF_F_TEST_XDP_LIVE_FRAMES (kernel 5.18) recycles its pages as the receiver left them, so the generator writes each
frame's headers anew, from templates that it takes in turn. All of it runs on the caller's CPU: generator, whatever
stands between, and sink: keep it on one CPU (`pinned_to`), and packets per CPU-second are one division.

    with Sink(lab, "trunk") as sink, Generator(lab, "phone", frames) as source:
        sent = source.run(2_000_000)
        print(sink.packets() / sent.seconds)
"""

import ctypes
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from appliance.kernel import headers, layout, link, syscall, testrun
from tests.lab.network import Lab, entered

HEADER_BYTES = 64
BATCH = 64

_GENERATOR = r"""
#include <uapi/linux/bpf.h>
struct frame_head { u64 word[8]; };
BPF_PERCPU_ARRAY(turn, u64, 1);
BPF_ARRAY(heads, struct frame_head, HEADS);
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 zero = 0, index;
	u64 *count = turn.lookup(&zero);
	struct frame_head *head;

	if (!count || data + sizeof(*head) > end)
		return XDP_ABORTED;
	index = (*count)++ % HEADS;
	head = heads.lookup(&index);
	if (!head)
		return XDP_ABORTED;
	__builtin_memcpy(data, head, sizeof(*head));
	return bpf_redirect(IFINDEX, 0);
}
"""

_SINK = r"""
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>
struct sunk { u64 packets; u64 bytes; };
BPF_PERCPU_ARRAY(sunk, struct sunk, 1);
int sink(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	u32 zero = 0;
	struct sunk *count;
	bool udp4, udp6;

	if (data + 62 > end)
		return XDP_PASS;
	udp4 = data[12] == 0x08 && data[13] == 0x00 && data[23] == 17;
	udp6 = data[12] == 0x86 && data[13] == 0xdd && data[20] == 17;
	count = sunk.lookup(&zero);
	if (!(udp4 || udp6) || !count)
		return XDP_PASS;
	count->packets++;
	count->bytes += end - data;
	return XDP_DROP;
}
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One run. Soft interrupts are charged to no process, so on one CPU `seconds` is what it cost."""

    packets: int
    seconds: float


def _compile(text: str) -> Any:
    headers.provide()
    from bcc import BPF

    return BPF(text=text.encode())


class Generator:
    """Sends frames from a peer's interface: `frames` in turn, all of one length, 64 bytes at least.

    What differs between the frames must lie in their first 64 bytes.
    """

    def __init__(self, lab: Lab, peer: str, frames: Sequence[bytes]) -> None:
        if len({len(frame) for frame in frames}) != 1 or len(frames[0]) < HEADER_BYTES:
            raise ValueError("frames must have one length, of 64 bytes or more")
        self._host = lab.hosts[peer]
        self._frame = frames[0]
        with entered(self._host.namespace):
            self._ifindex = socket.if_nametoindex(self._host.interface)
        text = _GENERATOR.replace("HEADS", str(len(frames))).replace("IFINDEX", str(self._ifindex))
        self._program = _compile(text)
        self._fd = self._program.load_func(b"generate", type(self._program).XDP).fd
        table = syscall.MapDescriptor(self._program[b"heads"].map_fd, 4, HEADER_BYTES)
        for index, frame in enumerate(frames):
            table.update(index.to_bytes(4, "little"), frame[:HEADER_BYTES])

    def __enter__(self) -> "Generator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.cleanup()

    def run(self, packets: int) -> Sent:
        """Sends `packets` frames as fast as it goes."""
        with entered(self._host.namespace):
            start = time.perf_counter()
            testrun.run_live(self._fd, self._frame, ifindex=self._ifindex, repeat=packets, batch=BATCH)
            return Sent(packets, time.perf_counter() - start)


class Sink:
    """Counts and drops every UDP datagram that reaches a peer. Being an XDP program, it also lets redirects in.

    `near`: it sits at the appliance's end of that peer's wire instead, and drops what the peer sends.
    """

    def __init__(self, lab: Lab, peer: str, *, near: bool = False) -> None:
        host = lab.hosts[peer]
        namespace, interface = host.namespace, host.interface
        if near:
            namespace, interface = lab.appliance, host.appliance_interface
        self._program = _compile(_SINK)
        fd = self._program.load_func(b"sink", type(self._program).XDP).fd
        with entered(namespace):
            self._attachment = link.attach(fd, interface)
        self._shape = layout.Shape(self._program[b"sunk"].sLeaf)
        table = self._program[b"sunk"]
        self._table = syscall.MapDescriptor(table.map_fd, 4, ctypes.sizeof(table.Leaf))

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        link.detach(self._attachment)
        self._program.cleanup()

    def packets(self) -> int:
        """Datagrams that arrived so far."""
        row = self._table.lookup(bytes(4)) or b""
        step = self._shape.bytes
        return sum(int(self._shape.unpack(row[at : at + step])["packets"]) for at in range(0, len(row), step))


def pinned_to(cpu: int) -> None:
    """Keeps this process on one CPU: generator, gate and sink then share it."""
    os.sched_setaffinity(0, {cpu})


def mac_of(lab: Lab, namespace: str, interface: str) -> bytes:
    """An interface's link address."""
    shown = lab.run(namespace, ["ip", "-o", "link", "show", interface]).stdout
    return bytes.fromhex(shown.partition("link/ether ")[2].split()[0].replace(":", ""))
