"""The tunnel's interface: the kernel's own WireGuard, or wireguard-go's where the kernel has none.

Both are brought to what is wanted by differences, so that peers whose row stays keep their sessions. pyroute2 speaks
netlink for the interface, its addresses and the kernel's WireGuard; uapi.py speaks to wireguard-go.
"""

import errno
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import Any, Final

from pyroute2 import IPRoute, NetlinkError, WireGuard

from appliance.kernel import uapi
from appliance.kernel.link import apart
from appliance.kernel.uapi import Heard, PeerRow
from appliance.wire import WireError

KERNEL, USER = "kernel", "wireguard-go"
MTU: Final = 1420  # what WireGuard leaves of 1500 bytes over IPv6
PATIENCE_S: Final = 3.0
POLL_S: Final = 0.02


class Interface:
    """One interface that is there. `kind` says who carries it."""

    def __init__(self, name: str, kind: str, program: "subprocess.Popen[bytes] | None" = None) -> None:
        self.name, self.kind, self._program = name, kind, program

    def become(
        self, private_key: str, port: int, peers: Sequence[PeerRow], addresses: Sequence[str]
    ) -> tuple[str, ...]:
        """Key, port, peers and addresses (each with its length); up. Returns the addresses that it has: a machine
        without IPv6 takes none of those. Raises WireError("no_tunnel"), "port_busy"."""
        gone = set(self.heard()) - {peer.public_key for peer in peers}
        if self.kind == USER:
            uapi.change(self.name, private_key, port, peers, gone)
        else:
            apart(lambda: _change(self.name, private_key, port, peers, gone))
        return apart(lambda: _dress(self.name, addresses, port))

    def heard(self) -> dict[str, Heard]:
        """Its peers by their public keys."""
        return uapi.heard(self.name) if self.kind == USER else apart(lambda: _heard(self.name))

    def stands(self) -> bool:
        """Whether it is still there."""
        if self._program is not None and self._program.poll() is not None:
            return False
        return name_exists(self.name)

    def remove(self) -> None:
        """It is gone; so is the program that carried it."""
        remove(self.name)
        if self._program is not None:
            self._program.terminate()
            try:
                self._program.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._program.kill()
                self._program.wait()


def raised(name: str, *, survive: bool) -> Interface:
    """The interface `name`, made or taken over. `survive`: it outlives this process. Raises WireError("no_tunnel")."""
    if name_exists(name):
        if apart(lambda: _kind(name)) == "wireguard":
            return Interface(name, KERNEL)
        if uapi.answers(name):
            return Interface(name, USER)
        remove(name)
    if apart(lambda: _made(name)):
        return Interface(name, KERNEL)
    return Interface(name, USER, _started(name, survive))


def remove(name: str) -> None:
    """No interface of that name is left; wireguard-go ends with its own."""
    if name_exists(name):
        apart(lambda: _removed(name))


def name_exists(name: str) -> bool:
    """Whether there is an interface of that name."""
    return any(each == name for _, each in socket.if_nameindex())


def all_networks() -> list[str]:
    """The IPv4 networks that this machine is in or has a route to, but for the default one."""

    def ask() -> list[str]:
        with IPRoute() as ipr:
            routes = [(each.get_attr("RTA_DST"), each["dst_len"]) for each in ipr.get_routes(family=socket.AF_INET)]
        return [f"{network}/{length}" for network, length in routes if network and length]

    return apart(ask)


def _started(name: str, survive: bool) -> "subprocess.Popen[bytes]":
    """wireguard-go, answering. Without `survive` it ends with this process, however that ends."""
    program = shutil.which("wireguard-go")
    if program is None:
        hint = "load the module 'wireguard', or apt-get install wireguard-go"
        raise WireError("no_tunnel", "this kernel has no WireGuard", hint)
    held = () if survive else ("setpriv", "--pdeathsig", "TERM")
    process = subprocess.Popen(  # noqa: S603 - fixed words
        [*held, program, "-f", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LOG_LEVEL": "silent", "WG_PROCESS_FOREGROUND": "1"},
        start_new_session=survive,
    )
    until = time.monotonic() + PATIENCE_S
    while not (name_exists(name) and uapi.answers(name)):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            process.wait()
            raise WireError("no_tunnel", "wireguard-go does not start", "is there a /dev/net/tun?")
        time.sleep(POLL_S)
    return process


# Through netlink, each in a thread without an event loop


def _kind(name: str) -> str:
    with IPRoute() as ipr:
        info = ipr.link("get", index=socket.if_nametoindex(name))[0].get_attr("IFLA_LINKINFO")
        return str((info and info.get_attr("IFLA_INFO_KIND")) or "")


def _made(name: str) -> bool:
    """False: this kernel knows no such kind."""
    with IPRoute() as ipr:
        try:
            ipr.link("add", ifname=name, kind="wireguard")
        except NetlinkError as error:
            if error.code in (errno.EOPNOTSUPP, errno.ENODEV):
                return False
            raise _refused(f"the interface {name} cannot be made", error) from None
    return True


def _removed(name: str) -> None:
    with IPRoute() as ipr:
        try:
            ipr.link("del", index=socket.if_nametoindex(name))
        except (NetlinkError, OSError) as error:
            if name_exists(name):
                raise _refused(f"the interface {name} cannot be removed", error) from None


def _change(name: str, private_key: str, port: int, peers: Sequence[PeerRow], gone: set[str]) -> None:
    with WireGuard() as wg:
        try:
            wg.set(name, listen_port=port, private_key=private_key)
            for key in gone:
                wg.set(name, peer={"public_key": key, "remove": True})
            for peer in peers:
                row: dict[str, Any] = {
                    "public_key": peer.public_key,
                    "preshared_key": peer.shared_secret,
                    "replace_allowed_ips": True,
                    "allowed_ips": list(peer.allowed),
                }
                if peer.endpoint is not None:
                    row |= {"endpoint_addr": peer.endpoint[0], "endpoint_port": peer.endpoint[1]}
                wg.set(name, peer=row)
        except NetlinkError as error:
            raise _refused(f"the kernel does not take the configuration of {name}", error) from None


def _heard(name: str) -> dict[str, Heard]:
    found: dict[str, Heard] = {}
    with WireGuard() as wg:
        for message in wg.info(name):
            for peer in message.get_attr("WGDEVICE_A_PEERS") or ():
                found[_key_text(peer.get_attr("WGPEER_A_PUBLIC_KEY"))] = _heard_row(peer)
    return found


def _heard_row(peer: Any) -> Heard:
    when = peer.get_attr("WGPEER_A_LAST_HANDSHAKE_TIME") or {}
    place = peer.get_attr("WGPEER_A_ENDPOINT") or {}
    host = str(place.get("addr", ""))
    endpoint = f"{f'[{host}]' if ':' in host else host}:{place.get('port', 0)}" if host else ""
    return Heard(
        endpoint,
        float(when.get("tv_sec", 0)) + float(when.get("tv_nsec", 0)) / 1e9,
        int(peer.get_attr("WGPEER_A_RX_BYTES") or 0),
        int(peer.get_attr("WGPEER_A_TX_BYTES") or 0),
    )


def _key_text(key: Any) -> str:
    return key.decode("ascii") if isinstance(key, bytes) else str(key)


def _dress(name: str, addresses: Sequence[str], port: int) -> tuple[str, ...]:
    index = socket.if_nametoindex(name)
    with IPRoute() as ipr:
        had = {f"{each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}" for each in ipr.get_addr(index=index)}
        for text in had - set(addresses):
            if not text.startswith("fe80:"):
                host, _, length = text.partition("/")
                ipr.addr("del", index=index, address=host, prefixlen=int(length))
        taken = []
        for text in addresses:
            host, _, length = text.partition("/")
            try:
                if text not in had:
                    ipr.addr("add", index=index, address=host, prefixlen=int(length))
            except NetlinkError as error:
                if ":" in text:
                    continue  # no IPv6 here
                raise _refused(f"{name} does not take {text}", error) from None
            taken.append(host)
        try:
            ipr.link("set", index=index, mtu=MTU, state="up")
        except NetlinkError as error:
            if error.code == errno.EADDRINUSE:
                hint = "choose another one: appliance tunnel on --port"
                raise WireError("port_busy", f"udp port {port} is taken", hint) from None
            raise _refused(f"{name} does not come up", error) from None
    return tuple(taken)


def _refused(what: str, error: OSError | NetlinkError) -> WireError:
    reason = error.args[1] if len(error.args) > 1 else str(error)
    return WireError("no_tunnel", f"{what}: {reason}", "see the keeper's log")
