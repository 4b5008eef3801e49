"""One run of a test machine under qemu: emulated, without a network card, on its serial line, bounded in time.

The guest has no device but its memory, two processors and the line; what it prints is read here and nothing else comes
back. It is killed when it has not begun within BOOT_S, or is not done LIMIT_S later.
"""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.qemu.report import Outcome, Reader

QEMU = "qemu-system-x86_64"
MEMORY_MB = 3072
BOOT_S, LIMIT_S = 180.0, 1800.0


def missing() -> list[str]:
    """The programs that are needed here and not installed."""
    return [] if shutil.which(QEMU) else [QEMU]


def command(kernel: Path, disk: Path) -> list[str]:
    """qemu's: emulation, so that it is the same on every machine, and no way out of the guest but the line."""
    line = "console=ttyS0 quiet panic=-1 sysctl.kernel.panic_on_oops=1"
    return [
        QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none",
        "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "2", "-m", f"{MEMORY_MB}", "-serial", "stdio",
        "-kernel", str(kernel), "-initrd", str(disk), "-append", line,
    ]  # fmt: skip


def run(release: str, kernel: Path, disk: Path) -> Outcome:
    """Boot and read until the machine is off."""
    reader = Reader(release)
    started = time.monotonic()
    with subprocess.Popen(
        command(kernel, disk), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as guest:
        watch = threading.Timer(BOOT_S, guest.kill)
        watch.start()
        try:
            assert guest.stdout is not None
            for line in guest.stdout:
                if reader.take(line.rstrip()):
                    sys.stdout.write(line)
                    sys.stdout.flush()
                if reader.begun and watch.interval == BOOT_S:
                    reader.boot_s = time.monotonic() - started
                    watch.cancel()
                    watch = threading.Timer(LIMIT_S, guest.kill)
                    watch.start()
        finally:
            watch.cancel()
            guest.kill()
    return reader.outcome(time.monotonic() - started)
