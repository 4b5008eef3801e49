"""A laboratory of network namespaces: the appliance in the middle, its peers around it on veth pairs.

Everything that a whole-path test or the demonstration touches lives in namespaces that this module made; names carry
the process number, so runs side by side do not meet, and leaving the context removes all of it, after a failure too.
What a run leaves behind that was killed (SIGKILL), the next lab of the same tag takes away.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.kernel import syscall, testrun

CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Host:
    """One peer: its namespace, its own addresses and those of the appliance on the same wire."""

    name: str
    namespace: str
    interface: str
    address: str
    address6: str
    gateway: str
    gateway6: str
    appliance_interface: str


class Lab:
    """The appliance's namespace and one more for each named peer, wired by veth with native XDP in reach.

    `passing`: every peer carries an XDP program that passes everything; without it a test brings its own.
    """

    def __init__(self, peers: Sequence[str], *, tag: str = "lab", passing: bool = True) -> None:
        self._passing = passing
        self._tag, self.prefix = tag, f"{tag}{os.getpid()}"
        self.appliance = f"{self.prefix}-appliance"
        self.peers = tuple(peers)
        self.hosts: dict[str, Host] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._passes: list[int] = []  # a program that passes everything, and where it hangs

    def __enter__(self) -> Self:
        self._sweep()
        try:
            self._namespace(self.appliance)
            for index, peer in enumerate(self.peers, 1):
                self.hosts[peer] = self._wire(peer, index)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def interfaces(self) -> list[str]:
        """The appliance's interfaces, in the order of the peers."""
        return [host.appliance_interface for host in self.hosts.values()]

    def start(self, namespace: str, command: Sequence[str], **kwargs: object) -> "subprocess.Popen[bytes]":
        """Start a program inside a namespace; it is ended with the lab."""
        full = ["nsenter", f"--net=/run/netns/{namespace}", *command]
        process: subprocess.Popen[bytes] = subprocess.Popen(full, start_new_session=True, **kwargs)  # type: ignore[call-overload]
        self._processes.append(process)
        return process

    def run(self, namespace: str, command: Sequence[str], timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a program inside a namespace to its end."""
        full = ["nsenter", f"--net=/run/netns/{namespace}", *command]
        return subprocess.run(full, capture_output=True, text=True, timeout=timeout, check=False)

    def socket(self, namespace: str, kind: int = socket.SOCK_DGRAM, family: int = socket.AF_INET) -> socket.socket:
        """A socket of this process that lives in another namespace."""
        with entered(namespace):
            return socket.socket(family, kind)

    def close(self) -> None:
        """End the programs that were started here and remove the namespaces."""
        for process in reversed(self._processes):
            end(process)
        self._processes.clear()
        for descriptor in self._passes:
            os.close(descriptor)
        self._passes.clear()
        for name in [self.appliance, *(f"{self.prefix}-{peer}" for peer in self.peers)]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        self.hosts.clear()

    def _sweep(self) -> None:
        """Ends and removes what a run has left that was killed: a lab of this tag whose process is gone."""
        for path in NAMESPACES.glob(f"{self._tag}[0-9]*-*") if NAMESPACES.is_dir() else ():
            pid = path.name.removeprefix(self._tag).partition("-")[0]
            if pid.isdigit() and (int(pid) == os.getpid() or not Path(f"/proc/{pid}").exists()):
                inside = subprocess.run(["ip", "netns", "pids", path.name], capture_output=True, text=True, check=False)
                for left in inside.stdout.split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(left), signal.SIGKILL)
                subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)

    def _namespace(self, name: str) -> None:
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")

    def _wire(self, peer: str, index: int) -> Host:
        namespace, near, far = f"{self.prefix}-{peer}", f"to-{peer}"[:15], "eth0"
        self._namespace(namespace)
        _ip("-n", namespace, "link", "add", far, "type", "veth", "peer", "name", near, "netns", self.appliance)
        host = Host(
            peer, namespace, far, f"10.77.{index}.2", f"fd77:{index}::2", f"10.77.{index}.1", f"fd77:{index}::1", near
        )
        for space, link, four, six in (
            (namespace, far, host.address, host.address6),
            (self.appliance, near, host.gateway, host.gateway6),
        ):
            _ip("-n", space, "addr", "add", f"{four}/24", "dev", link)
            _ip("-n", space, "addr", "add", f"{six}/64", "dev", link, "nodad")
            _ip("-n", space, "link", "set", link, "up")
        _ip("-n", namespace, "route", "add", "default", "via", host.gateway)
        # A veth end receives redirected frames only with GRO or a program of its own (driver, veth_xdp_xmit()), and
        # frames that its other end turned round (XDP_TX) only with the latter (veth_xdp_flush()).
        subprocess.run(
            ["nsenter", f"--net=/run/netns/{namespace}", "ethtool", "-K", far, "gro", "on", "tx", "off"],
            capture_output=True,
            check=True,
        )
        if self._passing:
            with entered(namespace):
                self._passes.append(syscall.link_xdp(self._pass(), socket.if_nametoindex(far), syscall.XDP_NATIVE))
        return host

    def _pass(self) -> int:
        if not self._passes:
            self._passes.append(testrun.pass_program())
        return self._passes[0]


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """This thread inside another network namespace, for as long as the context lasts."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with Path(f"/run/netns/{namespace}").open() as there:
            _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def end(process: "subprocess.Popen[bytes]", patience: float = 5.0) -> int:
    """End one program of ours: TERM, then KILL. Returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def xdp_mode(namespace: str, interface: str) -> str:
    """`native`, `generic` or `none`: what is attached to an interface."""
    shown = subprocess.run(
        ["ip", "-n", namespace, "-j", "link", "show", "dev", interface], capture_output=True, text=True, check=True
    )
    mode = json.loads(shown.stdout)[0].get("xdp", {}).get("mode", 0)
    return {1: "native", 2: "generic"}.get(mode, "none")


def _setns(fd: int) -> None:
    if _LIBC.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
