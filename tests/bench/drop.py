"""Dropping a banned source beside those whom the field would ask: xdp-filter, nftables at the device, iptables.

Every one of them gets the same frames from the same generator over the same virtual wire, with ten thousand banned
addresses in its set, and is measured twice: packets a CPU-second with generator and wire on the same CPU, and, where
it is an XDP program, nanoseconds of the program alone.
"""

import contextlib
import ctypes
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from appliance import wire
from appliance.kernel import link, syscall, testrun
from appliance.kernel.gate import Gate
from appliance.kernel.range import Range, entered
from appliance.selftest.frames import Wire, request
from appliance.selftest.generator import Generator
from tests.bench.processes import pinned_to, processors
from tests.bench.report import Row, compare, say

BANNED = [str(ipaddress.ip_address("198.18.0.0") + i) for i in range(10_000)]
PACKETS, ROUNDS, SERIES, REPEAT = 100_000, 5, 40, 20_000
FILTER = Path("/usr/lib/x86_64-linux-gnu/bpf/xdpfilt_alw_ip.o")
BPFFS = Path("/sys/fs/bpf")
SOURCE_BIT, DENY_BIT = 1, 32  # xdp-filter's flags of an address
_CLONE_NEWNS = 0x20000
_LIBC = ctypes.CDLL(None, use_errno=True)


def frames(ground: Range) -> list[bytes]:
    """A request from each of 500 banned addresses."""
    party = ground.parties["attacker"]
    made = []
    for index, source in enumerate(BANNED[:: len(BANNED) // 500]):
        wired = Wire(party.mac, party.gateway_mac, source, party.gateway)
        made.append(wired.udp(5060, 5060, request("REGISTER", "100", party.gateway, index, agent="x")))
    return made


def rate(ground: Range, sent: list[bytes]) -> float:
    """The best of a few runs, in packets a CPU-second: noise only ever takes away."""
    with Generator(ground.parties["attacker"].namespace, sent) as source:
        source.run(5_000)
        return max((run := source.run(PACKETS)).packets / run.seconds for _ in range(ROUNDS))


def program_ns(program_fd: int, frame: bytes, ifindex: int = 0) -> float:
    """The least mean of a few series."""
    runs = (testrun.run(program_fd, frame, ifindex=ifindex, repeat=REPEAT).ns for _ in range(SERIES))
    return float(min(runs))


def ours(ground: Range, sent: list[bytes]) -> tuple[float, float]:
    """The gate with its bans: (packets a CPU-second, ns)."""
    near = ground.parties["attacker"].middle_interface
    with entered(ground.middle):
        gate = Gate.load()
        try:
            gate.attach(near)
            bans = tuple(wire.Ban(address) for address in BANNED)
            gate.sync(wire.Plan(1, (("udp", 5060),), (20000, 29999), bans=bans))
            return rate(ground, sent), program_ns(gate.program_fd, sent[0], socket.if_nametoindex(near))
        finally:
            gate.close()


def xdp_filter(ground: Range, sent: list[bytes]) -> tuple[float, float]:
    """xdp-tools' filter by source address; loaded by bpftool, because its own dispatcher does not load everywhere."""
    with _private_bpffs(), entered(ground.middle):
        pin = BPFFS / "xdp-filter"
        _done(["bpftool", "--legacy", "prog", "load", str(FILTER), str(pin), "type", "xdp"])
        program = syscall.pinned(pin)
        _deny(_map_of(pin, "filter_ipv4"))
        attachment = link.attach(program, ground.parties["attacker"].middle_interface)
        try:
            return rate(ground, sent), program_ns(program, sent[0])
        finally:
            link.detach(attachment)
            os.close(program)


def _map_of(program: Path, name: str) -> Path:
    """Pins a map of a pinned program by its name."""
    pin = program.with_name(name)
    for ident in json.loads(_done(["bpftool", "-j", "prog", "show", "pinned", str(program)]))["map_ids"]:
        if json.loads(_done(["bpftool", "-j", "map", "show", "id", str(ident)]))["name"] == name:
            if not pin.exists():  # some versions pin their maps themselves
                _done(["bpftool", "map", "pin", "id", str(ident), str(pin)])
            return pin
    raise RuntimeError(f"xdp-filter has no map {name}")


def _deny(path: Path) -> None:
    cpus = int(Path("/sys/devices/system/cpu/possible").read_text().strip().rpartition("-")[2]) + 1
    table = syscall.MapDescriptor(syscall.pinned(path), 4, 8 * cpus)
    value = struct.pack("=Q", SOURCE_BIT | DENY_BIT) * cpus
    for address in BANNED:
        table.update(socket.inet_aton(address), value)


def nftables(ground: Range, sent: list[bytes]) -> float:
    """A set at the device's ingress hook: the earliest that nftables can be asked."""
    near = ground.parties["attacker"].middle_interface
    rules = (
        "table netdev bench { set banned { type ipv4_addr; elements = { " + ", ".join(BANNED) + " } }\n"
        f"chain ingress {{ type filter hook ingress device {near} priority 0; ip saddr @banned counter drop\n}}\n}}\n"
    )
    with _gro(ground, near):
        _inside(ground, ["nft", "-f", "-"], rules)
        try:
            return rate(ground, sent)
        finally:
            _inside(ground, ["nft", "flush", "ruleset"])


def iptables(ground: Range, sent: list[bytes]) -> float:
    """A hundred rules in the raw table, before connection tracking: what scripts write."""
    near = ground.parties["attacker"].middle_interface
    rules = "".join(f"-A PREROUTING -s {address} -j DROP\n" for address in BANNED[:: len(BANNED) // 100])
    with _gro(ground, near):
        _inside(ground, ["iptables-restore"], f"*raw\n:PREROUTING ACCEPT [0:0]\n{rules}COMMIT\n")
        try:
            return rate(ground, sent[::5])
        finally:
            _inside(ground, ["iptables", "-t", "raw", "-F"])


@contextlib.contextmanager
def _gro(ground: Range, near: str) -> Iterator[None]:
    """Without an XDP program a virtual wire takes redirected frames only where GRO is on (veth_xdp_xmit)."""
    _inside(ground, ["ethtool", "-K", near, "gro", "on"])
    yield
    _inside(ground, ["ethtool", "-K", near, "gro", "off"])


@contextlib.contextmanager
def _private_bpffs() -> Iterator[None]:
    """A bpf file system where bpftool looks for one, that nobody else sees."""
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        _checked(_LIBC.unshare(_CLONE_NEWNS))
        _done(["mount", "--make-rprivate", "/"])
        _done(["mount", "-t", "bpf", "bpf", str(BPFFS)])
        yield
    finally:
        _checked(_LIBC.setns(home, _CLONE_NEWNS))
        os.close(home)


def _checked(status: int) -> None:
    if status:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _inside(ground: Range, command: list[str], text: str = "") -> None:
    _done(["nsenter", f"--net=/run/netns/{ground.middle}", *command], text)


def _done(command: list[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip()[-300:]}")
    return done.stdout


def run() -> Iterator[Row]:
    """One row for each peer."""
    pinned_to(processors()[1])
    with Range(["attacker"], tag="dropbench") as ground:
        sent = frames(ground)
        mine, mine_ns = ours(ground, sent)
        if FILTER.exists() and shutil.which("bpftool"):
            theirs, theirs_ns = xdp_filter(ground, sent)
            yield compare("banned packets dropped a CPU-second, veth", mine, theirs, "xdp-filter")
            yield compare("ns of the program, banned packet", mine_ns, theirs_ns, "xdp-filter", less=True)
        else:
            say("xdp-filter is not here: xdp-tools and bpftool")
        for name, peer in (("nft, set at netdev ingress", nftables), ("iptables, 100 rules in raw", iptables)):
            reached = peer(ground, sent) if shutil.which(name.partition(",")[0]) else None
            yield compare("banned packets dropped a CPU-second, veth", mine, reached, name)
