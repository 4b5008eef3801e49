"""How long a machine takes to its first answer: the image to SIP, and the plain Debian that it is made of to SSH.

Both boot at the same time, each with a disk that was never started: an emulated machine's seconds mean nothing by
themselves, and whatever else the host does befalls both. Neither is stopped before both have answered.
"""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.image import machine

LIMIT_S, SIZE_MIB = 1500.0, 4096
PLAIN_SSH = 10023
PLAIN_NETWORK = (
    "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{PLAIN_SSH}-:22", "-device", "virtio-net-pci,netdev=net",
)  # fmt: skip


def first_answers(image: Path, base: Path) -> tuple[float, float]:
    """Seconds from power on until the image answers SIP and until `base` greets over SSH; -1: never."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        _started(stack, image, machine.FORWARDED)
        _started(stack, base, PLAIN_NETWORK)
        asks: dict[Callable[[], bool], float] = {machine.sip: -1.0, plain_ssh: -1.0}
        while min(asks.values()) < 0 and time.monotonic() - began < LIMIT_S:
            for ask, at in asks.items():
                if at < 0 and ask():
                    asks[ask] = time.monotonic() - began
            time.sleep(0.1)
    return asks[machine.sip], asks[plain_ssh]


def _started(stack: contextlib.ExitStack, disk: Path, network: tuple[str, ...]) -> None:
    place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    made = machine.overlay(disk, "bios", SIZE_MIB, place)
    words = machine.command(made, "bios", place, network, {})
    guest = stack.enter_context(subprocess.Popen(words, stdin=subprocess.DEVNULL))
    stack.callback(guest.kill)


def plain_ssh() -> bool:
    """Whether the plain machine's SSH greets."""
    try:
        with socket.create_connection(("127.0.0.1", PLAIN_SSH), timeout=2) as asking:
            asking.settimeout(2)
            return asking.recv(64).startswith(b"SSH-2.0-")
    except OSError:
        return False
