"""A firing range: network namespaces around one in the middle, on virtual wires, made here and gone afterwards.

What the self-test shoots at and what it shoots with must never touch an interface of the machine. Names carry the
process number; a range whose process was killed is removed by the next one. Must not know: the gate, SIP.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from pyroute2 import IPRoute, NetlinkError

from appliance.kernel.link import Attachment, attach, detach
from appliance.kernel.testrun import pass_program
from appliance.wire import WireError

_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_NAMESPACES: Final = Path("/run/netns")
FAR: Final = "eth0"


@dataclass(frozen=True, slots=True)
class Party:
    """One outer namespace: its address, the middle's address on the same wire, and both ends' link addresses."""

    name: str
    namespace: str
    address: str
    gateway: str
    middle_interface: str
    mac: bytes
    gateway_mac: bytes


class Range:
    """Use as a context. `middle` is the namespace in which the gate stands; `parties` are those around it by name."""

    def __init__(self, parties: Sequence[str], *, tag: str = "selftest") -> None:
        self._tag, self._names = tag, tuple(parties)
        self._prefix = f"{tag}{os.getpid()}-"
        self.middle = f"{self._prefix}gate"
        self.parties: dict[str, Party] = {}
        self._passing: list[Attachment] = []

    def __enter__(self) -> "Range":
        self._sweep()
        try:
            _create(self.middle)
            _up(self.middle, "lo")
            for index, name in enumerate(self._names, 1):
                self.parties[name] = self._wire(name, index)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError | NetlinkError):
                raise WireError("no_range", f"no virtual wires can be made: {error}", "run as root") from error
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Removes every namespace of this range, with the wires in them."""
        for attachment in self._passing:
            detach(attachment)
        self._passing.clear()
        for name in (self.middle, *(f"{self._prefix}{party}" for party in self._names)):
            _remove(name)
        self.parties.clear()

    def socket(self, party: str, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A socket of this process that lives at `party`; the empty name is the middle."""
        with entered(self.parties[party].namespace if party else self.middle):
            return socket.socket(socket.AF_INET, kind)

    def _sweep(self) -> None:
        """Removes ranges whose process is gone."""
        for path in _NAMESPACES.glob(f"{self._tag}[0-9]*-*") if _NAMESPACES.is_dir() else ():
            pid = path.name.removeprefix(self._tag).partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                _remove(path.name)

    def _wire(self, name: str, index: int) -> Party:
        namespace, near = f"{self._prefix}{name}", f"to-{name}"[:15]
        _create(namespace)
        address, gateway = f"10.78.{index}.2", f"10.78.{index}.1"
        with entered(namespace), IPRoute() as far_end:
            far_end.link("add", ifname=FAR, kind="veth", peer={"ifname": near, "net_ns_fd": self.middle})
        mac = _addressed(namespace, FAR, address)
        gateway_mac = _addressed(self.middle, near, gateway)
        with entered(namespace), IPRoute() as far_end:
            far_end.route("add", dst="default", gateway=gateway)
        with entered(namespace):  # a veth end takes sent and redirected frames only when it carries a program
            program = pass_program()
            self._passing.append(attach(program, FAR))
            os.close(program)
        return Party(name, namespace, address, gateway, near, mac, gateway_mac)


def _create(name: str) -> None:
    """ip(8), because pyroute2 makes namespaces in a child of this process, which not every caller can have."""
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise WireError("no_range", f"no network namespace can be made: {done.stderr.strip()}", "run as root")


def _remove(name: str) -> None:
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # noqa: S603, S607


def _addressed(namespace: str, interface: str, address: str) -> bytes:
    """Gives the interface its address and brings it up; returns its link address."""
    with entered(namespace), IPRoute() as routes:
        index = routes.link_lookup(ifname=interface)[0]
        routes.addr("add", index=index, address=address, prefixlen=24)
        routes.link("set", index=index, state="up")
        (shown,) = routes.get_links(index)
        return bytes.fromhex(shown.get_attr("IFLA_ADDRESS").replace(":", ""))


def _up(namespace: str, interface: str) -> None:
    with entered(namespace), IPRoute() as routes:
        routes.link("set", index=routes.link_lookup(ifname=interface)[0], state="up")


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """This thread inside another network namespace, for as long as the context lasts."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with (_NAMESPACES / namespace).open() as there:
            _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
