"""A flood that saturates a CPU: frames made in the kernel, in a process of its own, bounded in packets and time."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType

from appliance.selftest.generator import Generator

MOST_PACKETS, MOST_SECONDS = 300_000_000, 120.0
STEP = 20_000


class Storm:
    """Runs from entering the context to leaving it, on one CPU, from an interface of another namespace."""

    def __init__(
        self, namespace: str, frames: Sequence[bytes], *, forge: bool, cpu: int, interface: str = "eth0"
    ) -> None:
        self._namespace, self._frames, self._forge, self._cpu = namespace, frames, forge, cpu
        self._interface = interface
        self._sent: Synchronized[int] = multiprocessing.Value("q", 0)
        self._ending, self._blowing = multiprocessing.Event(), multiprocessing.Event()
        self._began = 0.0
        self._process = multiprocessing.get_context("fork").Process(target=self._run, daemon=True)

    @property
    def sent(self) -> int:
        """Packets so far."""
        return int(self._sent.value)

    def __enter__(self) -> "Storm":
        self._process.start()
        if not self._blowing.wait(20):
            raise RuntimeError("the flood did not begin")
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def rate(self) -> float:
        """Packets a second since it began."""
        return self.sent / (time.monotonic() - self._began)

    def _run(self) -> None:
        os.sched_setaffinity(0, {self._cpu})
        until = time.monotonic() + MOST_SECONDS
        with Generator(self._namespace, self._frames, interface=self._interface, forge=self._forge) as generator:
            while not self._ending.is_set() and self.sent < MOST_PACKETS and time.monotonic() < until:
                self._sent.value += generator.run(STEP).packets
                self._blowing.set()
