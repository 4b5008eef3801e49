"""The wire that a booted image stands on: a bridge in a namespace, its tap, and a veth for each peer.

Nothing leads out of it. The machine has four queues, as a hypervisor gives a guest of two processors that runs XDP.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.image import machine
from tests.lab.network import Host, Lab, end

MACHINE, MASK = "10.78.0.1", 24
TAP, BRIDGE = "tap0", "br0"
NETWORK = (
    "-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no,queues=4",
    "-device", "virtio-net-pci,netdev=net,mq=on,vectors=10",
)  # fmt: skip
SHOWN_S = 120.0


class GuestError(Exception):
    """The machine did not do what was asked; the message says what it did."""


class Yard(Lab):
    """Peers and the machine on one wire; the appliance of a Lab is the machine here."""

    def _wire(self, peer: str, index: int) -> Host:
        if index == 1:
            self._bridge()
        namespace, near = f"{self.prefix}-{peer}", f"to-{peer}"[:15]
        self._namespace(namespace)
        address = f"10.78.0.{10 + index}"
        self._ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", near, "netns", self.appliance)
        self._ip("-n", self.appliance, "link", "set", near, "master", BRIDGE, "up")
        self._ip("-n", namespace, "addr", "add", f"{address}/{MASK}", "dev", "eth0")
        self._ip("-n", namespace, "link", "set", "eth0", "up")
        whole = ["nsenter", f"--net=/run/netns/{namespace}", "ethtool", "-K", "eth0", "tx", "off"]
        subprocess.run(whole, capture_output=True, check=True)  # every packet with the checksum that it will keep
        return Host(peer, namespace, "eth0", address, "", MACHINE, "", near)

    def _bridge(self) -> None:
        self._ip("-n", self.appliance, "link", "add", BRIDGE, "type", "bridge")
        self._ip("-n", self.appliance, "tuntap", "add", "dev", TAP, "mode", "tap", "multi_queue")
        for name in (BRIDGE, TAP):
            self._ip("-n", self.appliance, "link", "set", name, "up")
        self._ip("-n", self.appliance, "link", "set", TAP, "master", BRIDGE)

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)


class Guest:
    """One booted image in a yard, reached by its operator over HTTPS and SSH."""

    def __init__(self, yard: Yard, operator: Host, image: Path, place: Path, firmware: str, size_mib: int) -> None:
        self.yard, self.operator, self.place, self.firmware = yard, operator, place, firmware
        self.image = image
        disk = machine.overlay(image, firmware, size_mib, place)
        machine.hand_in(place, {"addresses": [f"{MACHINE}/{MASK}"]})
        self._words = machine.command(disk, firmware, place, NETWORK, {})
        self.extra: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Guest":
        log = (self.place / "qemu.log").open("wb")
        with log:
            self._process = self.yard.start(
                self.yard.appliance, [*self._words, *self.extra], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._process is not None:
            end(self._process, 1.0)

    def wait(self, what: str, asked: Callable[[], Any], limit_s: float) -> float:
        """Seconds until `asked` is true. Raises GuestError when it never is."""
        began = time.monotonic()
        while time.monotonic() - began < limit_s:
            if asked():
                return time.monotonic() - began
            if self._process is None or self._process.poll() is not None:
                raise GuestError(f"the machine ended: {(self.place / 'qemu.log').read_text()[-400:]}")
            time.sleep(0.5)
        raise GuestError(f"{what}: not within {limit_s:.0f} s")

    def ready(self) -> bool:
        """Whether /readyz says that calls can be taken."""
        command = ["curl", "-skf", "--max-time", "20", f"https://{MACHINE}:8443/readyz"]
        return self.yard.run(self.operator.namespace, command).returncode == 0

    def console(self) -> str:
        """The first serial line."""
        return (self.place / "console").read_text(errors="replace")

    def password(self, former: str = "") -> str:
        """The first administrator's, as the console shows it soon after calls can be taken, and not the `former` one.
        Raises GuestError."""
        found: list[str] = []

        def shown() -> bool:
            found[:] = re.findall(r"administrator: user 'admin', password '([^']+)'", self.console())
            return bool(found) and found[-1] != former

        self.wait("the first password on the console", shown, SHOWN_S)
        return found[-1]

    def forget(self) -> None:
        """That this machine was known: its next host key is a new one."""
        (self.place / "known").unlink(missing_ok=True)

    def shell(self, text: str, timeout: float = 300, stdin: str = "") -> str:
        """What root's shell says. Raises GuestError."""
        command = [
            "ssh",
            "-i",
            str(self.place / "key"),
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            "BatchMode=yes",
        ]
        command += [
            "-o",
            f"UserKnownHostsFile={self.place / 'known'}",
            "-o",
            "ConnectTimeout=60",
            f"root@{MACHINE}",
            text,
        ]
        full = ["nsenter", f"--net=/run/netns/{self.operator.namespace}", *command]
        done = subprocess.run(full, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode:
            raise GuestError(f"{text!r} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-600:]}")
        return done.stdout

    def command(self, words: str) -> Any:
        """An `appliance` command's answer. Raises GuestError."""
        return self.commands(words)[0]

    def commands(self, *words: str) -> list[Any]:
        """Answers of several commands, over one connection: each takes an emulated machine seconds."""
        script = [f"appliance --json {each} | tr '\\n' ' '; echo" for each in words]
        return [json.loads(line) for line in self.shell("set -e -o pipefail; " + "; ".join(script)).splitlines()]
