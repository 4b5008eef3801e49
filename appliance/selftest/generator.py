"""Frames at line rate without a network card: an XDP program run on live frames, and one that counts where they end.

Generator, gate and sink run on the caller's CPU, in the kernel: kept on one CPU, packets per CPU-second are one
division. BPF_F_TEST_XDP_LIVE_FRAMES needs kernel 5.18.

    with Generator(party, frames) as source:
        sent = source.run(2_000_000)
"""

import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from appliance.kernel import layout, link, syscall, testrun
from appliance.kernel.compiler import compiled, kept
from appliance.kernel.maps import possible_cpus
from appliance.kernel.program import Program
from appliance.kernel.range import FAR, entered
from appliance.wire import WireError

RANGE_DIR: Final = layout.BPF_DIR / "range"
BATCH: Final = 64
SPARE_BYTES: Final = 8  # see bpf/range/generator.c
LEAST_BYTES: Final = 62
MOST_BYTES: Final = 1400


@dataclass(frozen=True, slots=True)
class Sent:
    """One run. Soft interrupts are charged to no process, so on one CPU `seconds` is what it cost."""

    packets: int
    seconds: float


class Generator:
    """Sends `frames` in turn from an interface of another namespace; shorter ones are padded to the longest.

    With `forge`, each frame gets an IPv4 source and port drawn at random.
    """

    def __init__(self, namespace: str, frames: Sequence[bytes], *, interface: str = FAR, forge: bool = False) -> None:
        longest = max(LEAST_BYTES, *map(len, frames))
        if longest > MOST_BYTES:
            raise WireError("bad_frame", f"a frame of {longest} bytes is more than {MOST_BYTES}")
        self._namespace, self._frame = namespace, frames[0].ljust(longest + SPARE_BYTES, b"\0")
        with entered(namespace):
            self._ifindex = socket.if_nametoindex(interface)
        flags = [f"-DFRAMES={len(frames)}", f"-DFRAME_BYTES={longest}", f"-DIFINDEX={self._ifindex}"]
        flags += ["-DFORGE_SOURCES"] * forge
        self._program = Program(compiled((RANGE_DIR / "generator.c").read_text(encoding="ascii"), flags))
        self._fd = self._program.load("generate")
        table = syscall.MapDescriptor(self._program.maps["templates"].fd, 4, longest)
        table.update_many([(i.to_bytes(4, "little"), frame.ljust(longest, b"\0")) for i, frame in enumerate(frames)])

    def __enter__(self) -> "Generator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.close()

    def run(self, packets: int) -> Sent:
        """Sends `packets` frames as fast as it goes."""
        with entered(self._namespace):
            start = time.perf_counter()
            testrun.run_live(self._fd, self._frame, ifindex=self._ifindex, repeat=packets, batch=BATCH)
            return Sent(packets, time.perf_counter() - start)

    def run_for(self, seconds: float, most: int, step: int = 20_000) -> Sent:
        """Sends until `seconds` have gone by or `most` frames are out."""
        began, sent = time.perf_counter(), 0
        while sent < most and time.perf_counter() - began < seconds:
            sent += self.run(min(step, most - sent)).packets
        return Sent(sent, time.perf_counter() - began)


class Sink:
    """Counts and drops every UDP datagram that arrives at an interface. Being a program, it also lets redirects in."""

    def __init__(self, namespace: str, interface: str = FAR) -> None:
        self._program = Program(kept("sink", (RANGE_DIR / "sink.c").read_text(encoding="ascii")))
        with entered(namespace):
            self._attachment = link.attach(self._program.load("sink"), interface)
        handle = self._program.maps["sunk"]
        self._shape = layout.Shape(handle.leaf)
        self._table = syscall.MapDescriptor(handle.fd, 4, possible_cpus() * self._shape.bytes)

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        link.detach(self._attachment)
        self._program.close()

    def packets(self) -> int:
        """Datagrams that arrived so far."""
        row = self._table.lookup(bytes(4)) or b""
        step = self._shape.bytes
        return sum(int(self._shape.unpack(row[at : at + step])["packets"]) for at in range(0, len(row), step))
