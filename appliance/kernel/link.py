"""Interfaces: attaching the program and detaching it, what an interface is, by what a packet may leave.

The program is held by a BPF link: when its last descriptor closes, for whatever reason, the interface is as it was,
unless the link is pinned. Native mode (in the driver) first, generic mode (in the stack) else, and which one is said.
pyroute2's synchronous calls fail inside a running event loop, so they run in a thread.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from pyroute2 import IPRoute

from appliance.kernel import syscall
from appliance.wire import Interface, WireError

_T = TypeVar("_T")

MODES: Final = {"xdp": "native", "xdpgeneric": "generic", "xdpoffload": "offload", "xdpmulti": "several"}
_SIOCETHTOOL, _GET_FLAGS, _SET_FLAGS, _RX_VLAN = 0x8946, 0x25, 0x26, 1 << 8
_REASONS: Final = {
    errno.EOPNOTSUPP: "its driver has no native XDP",
    errno.ENODEV: "its driver has no native XDP",
    errno.EINVAL: "its driver refuses native XDP as it is set up (an MTU above a page, or offloads)",
    errno.ERANGE: "its MTU is too large for native XDP",
    errno.ENOMEM: "its driver has no queues left for native XDP",
    errno.ENOSPC: "its driver has no queues left for native XDP",
}
# veth_xdp_xmit() and veth_xdp_flush(): without a program at the other end, what a native one sends is dropped unseen.
_VETH: Final = "the other end of a veth takes what native XDP sends only if it carries a program: then --mode native"


@dataclass(frozen=True, slots=True)
class Attachment:
    """The program on one interface. `link_fd` holds it there; `pin` does when the descriptor is closed."""

    interface: Interface
    ifindex: int
    link_fd: int
    pin: Path | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What the kernel says of an interface; `xdp_mode` "" means that no XDP program is attached."""

    name: str
    ifindex: int
    loopback: bool
    xdp_mode: str = ""
    program_id: int = 0
    lower: int = 0
    vlan: tuple[int, int] | None = None  # (EtherType, tag)
    kind: str = ""  # of a virtual interface: veth, vlan, bridge and so on


class Mode(StrEnum):
    """How to attach: natively if the driver can and else generic, or one of the two and nothing else.

    CAREFUL is AUTO where the other end is not ours to know: a veth, as containers have it, gets generic.
    """

    AUTO = "auto"
    CAREFUL = "careful"
    NATIVE = "native"
    GENERIC = "generic"


def attach(program_fd: int, ifname: str, pin: Path | None = None, mode: Mode = Mode.AUTO) -> Attachment:
    """Attaches the program as `mode` says.

    With `pin`, a program of an earlier run that is still attached there is replaced without a gap. Raises WireError:
    "no_interface", "xdp_busy" when somebody else's program is attached, "xdp_refused" when no mode asked for works.
    """
    device = _device(ifname)
    if pin is not None and (kept := _take_over(program_fd, device, pin)):
        return kept
    if device.xdp_mode:
        raise WireError(
            "xdp_busy",
            f"{ifname} already carries another XDP program (number {device.program_id}, {device.xdp_mode})",
            "a gate of ours that was pinned: start with --pin to take it over, or remove its pins below /sys/fs/bpf; "
            f"another program's, if it is not needed: ip link set dev {ifname} xdp off",
        )
    reason = "asked for" if mode is Mode.GENERIC else _VETH if mode is Mode.CAREFUL and device.kind == "veth" else ""
    if not reason:
        link_fd, reason = _attach_native(program_fd, device)
    if reason and mode is Mode.NATIVE:
        raise WireError("xdp_refused", f"{ifname} takes no native XDP program: {reason}", "let it be generic")
    if reason:
        link_fd = _attach_generic(program_fd, device)
    if pin is not None:
        pin.parent.mkdir(parents=True, exist_ok=True)
        syscall.pin(link_fd, pin)
    return Attachment(Interface(ifname, "generic" if reason else "native", reason), device.ifindex, link_fd, pin)


def _attach_native(program_fd: int, device: Device) -> tuple[int, str]:
    """The link, or why there is none."""
    try:
        return syscall.link_xdp(program_fd, device.ifindex, syscall.XDP_NATIVE), ""
    except OSError as refused:
        if refused.errno in (errno.EBUSY, errno.EPERM):
            raise _refusal(device.name, refused) from None
        code = refused.errno or 0
        return -1, "loopback has no driver" if device.loopback else _REASONS.get(code, os.strerror(code))


def _attach_generic(program_fd: int, device: Device) -> int:
    try:
        return syscall.link_xdp(program_fd, device.ifindex, syscall.XDP_GENERIC)
    except OSError as refused:
        raise _refusal(device.name, refused) from None


def _refusal(ifname: str, refused: OSError) -> WireError:
    if refused.errno == errno.EPERM:
        return WireError("xdp_refused", f"no right to attach an XDP program to {ifname}", "run as root")
    if refused.errno == errno.EBUSY:
        return WireError("xdp_busy", f"{ifname} already carries another XDP program", "detach that one first")
    return WireError("xdp_refused", f"{ifname} takes no XDP program: {os.strerror(refused.errno or 0)}")


def _take_over(program_fd: int, device: Device, pin: Path) -> Attachment | None:
    """Puts the program in the place of the pinned link's; None when there is none that still holds this interface."""
    try:
        link_fd = syscall.pinned(pin)
    except OSError:
        return None
    if syscall.link_ifindex(link_fd) != device.ifindex:  # the interface went and another one has its name
        os.close(link_fd)
        pin.unlink()
        return None
    syscall.link_replace(link_fd, program_fd)
    reason = "" if device.xdp_mode == "native" else "as it was attached before"
    return Attachment(Interface(device.name, device.xdp_mode or "generic", reason), device.ifindex, link_fd, pin)


def detach(attachment: Attachment) -> None:
    """Takes the program off; an interface that is gone already is no error."""
    if attachment.pin is not None:
        attachment.pin.unlink(missing_ok=True)
    os.close(attachment.link_fd)


def release(attachment: Attachment) -> None:
    """Closes the descriptor only: what is pinned stays attached."""
    os.close(attachment.link_fd)


def strip_tags(ifname: str, strip: bool) -> bool:
    """Whether the card takes VLAN tags off before the program sees a frame (it then cannot put them back on a reply).

    True when that was otherwise before; False when it is as asked already, or the driver does not let it be changed.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            flags = _ethtool(asking, ifname, _GET_FLAGS, 0)
            if bool(flags & _RX_VLAN) == strip:
                return False
            _ethtool(asking, ifname, _SET_FLAGS, flags ^ _RX_VLAN)
        except OSError:
            return False
    return True


def _ethtool(asking: socket.socket, ifname: str, command: int, value: int) -> int:
    """linux/ethtool.h, struct ethtool_value."""
    asked = ctypes.create_string_buffer(struct.pack("=II", command, value), 8)
    fcntl.ioctl(asking.fileno(), _SIOCETHTOOL, struct.pack("16sQ16x", ifname.encode(), ctypes.addressof(asked)))
    return int(struct.unpack("=II", asked.raw)[1])


def attached(ifname: str) -> tuple[str, int]:
    """(mode, program number) of what is attached to the interface; ("", 0): nothing."""
    device = _device(ifname)
    return device.xdp_mode, device.program_id


def addresses(ifname: str) -> list[str]:
    """The interface's addresses of global scope, as text."""
    ifindex = _device(ifname).ifindex
    found = _off_loop(lambda ipr: [a for a in ipr.get_addr(index=ifindex) if a["scope"] == 0])
    return [str(address.get_attr("IFA_LOCAL") or address.get_attr("IFA_ADDRESS")) for address in found]


def paths(ifnames: list[str]) -> dict[int, tuple[int, tuple[int, ...]]]:
    """By index, each interface and each VLAN interface on it: (index that sends, VLAN tags as a frame has them)."""
    by_index = {device.ifindex: device for device in _devices()}
    bases = {device.ifindex for device in by_index.values() if device.name in ifnames}
    found: dict[int, tuple[int, tuple[int, ...]]] = {}
    for device in by_index.values():
        tags: list[int] = []
        lower: Device | None = device
        while lower is not None and lower.vlan and lower.ifindex not in bases:
            tags.insert(0, _tag(*lower.vlan))
            lower = by_index.get(lower.lower)
        if lower is not None and lower.ifindex in bases and len(tags) <= 2:
            found[device.ifindex] = (lower.ifindex, tuple(tags))
    return found


def _tag(ethertype: int, number: int) -> int:
    return socket.htons(ethertype) | socket.htons(number) << 16


def _device(ifname: str) -> Device:
    try:
        ifindex = socket.if_nametoindex(ifname)
    except OSError:
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise WireError("no_interface", f"no interface {ifname!r}", f"there are: {names}") from None
    return next(iter(_off_loop(lambda ipr: [_read(message) for message in ipr.get_links(ifindex)])))


def _devices() -> list[Device]:
    return _off_loop(lambda ipr: [_read(message) for message in ipr.get_links()])


def _read(message: Any) -> Device:
    xdp = message.get_attr("IFLA_XDP")
    mode = xdp.get_attr("IFLA_XDP_ATTACHED") if xdp else None
    program_id = (xdp.get_attr("IFLA_XDP_PROG_ID") or 0) if xdp else 0
    info = message.get_attr("IFLA_LINKINFO")
    kind = str((info and info.get_attr("IFLA_INFO_KIND")) or "")
    vlan = None
    if info and kind == "vlan":
        about = info.get_attr("IFLA_INFO_DATA")
        vlan = (about.get_attr("IFLA_VLAN_PROTOCOL") or 0x8100, about.get_attr("IFLA_VLAN_ID"))
    return Device(
        name=message.get_attr("IFLA_IFNAME"),
        ifindex=message["index"],
        loopback=message["ifi_type"] == 772,  # ARPHRD_LOOPBACK
        xdp_mode=MODES.get(str(mode), ""),
        program_id=program_id,
        lower=message.get_attr("IFLA_LINK") or 0,
        vlan=vlan,
        kind=kind,
    )


def _off_loop(ask: Callable[[Any], _T]) -> _T:
    """`ask(IPRoute)`, apart."""

    def work() -> _T:
        with IPRoute() as ipr:
            return ask(ipr)

    return apart(work)


def apart(work: Callable[[], _T]) -> _T:
    """`work()` in a thread of its own, which has no event loop and is in this thread's network namespace."""
    answer: list[_T] = []
    failure: list[BaseException] = []

    def begin() -> None:
        try:
            answer.append(work())
        except BaseException as error:  # carried to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=begin, name="netlink")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return answer[0]
