"""What the machine answers to: its sockets, whose they are, and the packet filter behind the gate."""

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from appliance.audit.admitting import Admission, Filter, beyond, everybody
from appliance.audit.machine import Machine, demand_systemd
from appliance.audit.row import Check, Grade, Judge, Reading, Unreadable, none_of, passed, verdict
from appliance.config.private import PRIVATE

OFFICE_USER: Final = "pysrv"
LISTENING: Final = {"tcp": "0A", "udp": "07"}  # net/tcp_states.h
LEGACY: Final = {
    ("tcp", 7): "echo", ("tcp", 13): "daytime", ("tcp", 19): "chargen", ("udp", 19): "chargen", ("tcp", 21): "FTP",
    ("tcp", 23): "telnet", ("udp", 69): "TFTP", ("tcp", 79): "finger", ("tcp", 111): "portmapper",
    ("udp", 111): "portmapper", ("udp", 137): "NetBIOS", ("udp", 138): "NetBIOS", ("tcp", 139): "NetBIOS",
    ("udp", 161): "SNMP", ("tcp", 445): "SMB", ("tcp", 512): "rexec", ("tcp", 513): "rlogin", ("tcp", 514): "rsh",
    ("tcp", 631): "printing", ("udp", 631): "printing", ("tcp", 873): "rsync", ("udp", 1900): "UPnP",
    ("tcp", 2049): "NFS", ("udp", 5353): "mDNS", ("udp", 5355): "LLMNR", ("tcp", 5355): "LLMNR",
    ("tcp", 6000): "X11",
}  # fmt: skip
DESKTOPS: Final = {3389: "RDP", 5900: "VNC", 5901: "VNC", 5938: "TeamViewer", 10000: "Webmin"}
DATABASES: Final = {
    1433: "SQL Server", 1521: "Oracle", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 9200: "Elasticsearch",
    11211: "memcached", 27017: "MongoDB", 5984: "CouchDB", 2375: "Docker", 2379: "etcd",
}  # fmt: skip
# What may listen besides the office: program and port. A client of DHCP waits for its answers.
MEANT: Final = frozenset(
    {("sshd", "tcp", 22), ("systemd-network", "udp", 68), ("systemd-network", "udp", 546), ("dhclient", "udp", 68),
     ("dhcpcd", "udp", 68), ("dhcpcd", "udp", 546)}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket that waits for whoever comes."""

    protocol: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int
    uid: int
    inode: int
    program: str = ""

    @property
    def outside(self) -> bool:
        """Whether others than this machine reach it."""
        mapped = getattr(self.address, "ipv4_mapped", None)
        return not (mapped or self.address).is_loopback

    def __str__(self) -> str:
        return f"{self.protocol} {self.port} ({self.program or f'user {self.uid}'})"


def sockets(machine: Machine) -> list[Socket]:
    """All that listen. Raises Unreadable."""
    return cast(list[Socket], machine.once("network.sockets", lambda: _listening(machine)))


def _listening(machine: Machine) -> list[Socket]:
    programs = _programs(machine)
    found = []
    for protocol in LISTENING:
        for name in (protocol, f"{protocol}6"):
            rows = machine.text(f"/proc/net/{name}").splitlines()[1:] if machine.is_there(f"/proc/net/{name}") else []
            found += list(_of_table(protocol, rows, programs))
    if not found and not machine.is_there("/proc/net/tcp"):
        raise Unreadable("there is no /proc/net/tcp")
    return found


def _of_table(protocol: str, rows: list[str], programs: dict[int, str]) -> Iterator[Socket]:
    for row in rows:
        words = row.split()
        if len(words) > 9 and words[3] == LISTENING[protocol]:
            address, _, port = words[1].partition(":")
            inode = int(words[9])
            yield Socket(protocol, _address(address), int(port, 16), int(words[7]), inode, programs.get(inode, ""))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as proc writes it: words of four bytes, each turned around (fs: net/ipv6/tcp_ipv6.c)."""
    raw = bytes.fromhex(text)
    return ipaddress.ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)))


def _programs(machine: Machine) -> dict[int, str]:
    """Names of programs by the inodes of their sockets."""
    found = {}
    for process in machine.processes:
        for place in machine.many(f"/proc/{process.pid}/fd/*"):
            try:
                target = str(machine.at(place).readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found[int(target[8:-1])] = process.status.get("Name", "")
    return found


def office_uid(machine: Machine) -> int:
    """The office's user. Raises Unreadable."""
    for line in machine.lines("/etc/passwd"):
        name, _, uid, *_ = line.split(":")
        if name == OFFICE_USER:
            return int(uid)
    raise Unreadable(f"there is no user {OFFICE_USER}")


def tunnel_port(machine: Machine) -> int:
    """The UDP port of the administrators' tunnel; 0: it is off. No program holds it, but the kernel's WireGuard."""
    place = machine.state / "tunnel" / "tunnel.json"
    try:
        said = json.loads(machine.text(place)) if machine.is_there(place) else {}
        return int(said["port"]) if said.get("on") else 0
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0


def _strange(machine: Machine) -> Reading:
    ours, tunnel = office_uid(machine), ("", "udp", tunnel_port(machine))
    strange = {
        str(each)
        for each in sockets(machine)
        if each.outside and each.uid != ours and (each.program, each.protocol, each.port) not in (*MEANT, tunnel)
    }
    return none_of(sorted(strange), nothing="the appliance's own alone")


def _legacy(machine: Machine) -> Reading:
    found = {
        f"{LEGACY[each.protocol, each.port]} ({each.protocol} {each.port})"
        for each in sockets(machine)
        if each.outside and (each.protocol, each.port) in LEGACY
    }
    return none_of(sorted(found))


def _ports(table: dict[int, str], inside: bool) -> Judge:
    def judge(machine: Machine) -> Reading:
        found = {
            f"{table[each.port]} (tcp {each.port})"
            for each in sockets(machine)
            if each.protocol == "tcp" and each.port in table and (inside or each.outside)
        }
        return none_of(sorted(found))

    return judge


def _interfaces(machine: Machine, bit: int) -> list[str]:
    found = []
    for place in machine.many("/sys/class/net/*/flags"):
        if int(machine.text(place), 16) & bit:
            found.append(place.parent.name)
    if not machine.is_there("/sys/class/net"):
        raise Unreadable("there is no /sys/class/net")
    return found


def _promiscuous(machine: Machine) -> Reading:
    return none_of(_interfaces(machine, 0x100), Grade.WARN)  # IFF_PROMISC of linux/if.h


def _wireless(machine: Machine) -> Reading:
    if not machine.is_there("/sys/class/net"):
        raise Unreadable("there is no /sys/class/net")
    return none_of([place.parent.name for place in machine.many("/sys/class/net/*/wireless")], Grade.WARN)


def _chains(machine: Machine) -> list[dict[str, Any]]:
    """The base chains of the packet filter that is loaded. Raises Unreadable."""
    return [row["chain"] for row in _ruleset(machine) if "hook" in row.get("chain", {})]


def _ruleset(machine: Machine) -> list[dict[str, Any]]:
    try:
        return list(json.loads(machine.output("nft", "--json", "list", "ruleset"))["nftables"])
    except (ValueError, KeyError):
        raise Unreadable("nft says nothing that can be read") from None


def _drops(hook: str) -> Judge:
    def judge(machine: Machine) -> Reading:
        chains = [each for each in _chains(machine) if each["hook"] == hook and each["type"] == "filter"]
        closed = [each for each in chains if each.get("policy") == "drop"]
        names = ", ".join(f"{each['family']} {each['table']} {each['name']}" for each in closed)
        return verdict(bool(closed), names or "nothing is dropped by itself")

    return judge


def _wide(machine: Machine) -> Reading:
    """Rules of input chains that accept whatever comes."""
    inputs = {(each["family"], each["table"], each["name"]) for each in _chains(machine) if each["hook"] == "input"}
    if not inputs:
        raise Unreadable("no chain judges what comes in")
    found = []
    for row in (each["rule"] for each in _ruleset(machine) if "rule" in each):
        matches = [part for part in row.get("expr", ()) if "counter" not in part]
        if (row["family"], row["table"], row["chain"]) in inputs and matches == [{"accept": None}]:
            found.append(f"{row['table']} {row['chain']} handle {row['handle']}")
    return none_of(found)


def _kept(machine: Machine) -> Reading:
    """Whether the file drops by itself, and is loaded at the start."""
    demand_systemd(machine)
    text = machine.text("/etc/nftables.conf")
    if not re.search(r"hook\s+input\b[^}]*policy\s+drop", text):
        return Reading(Grade.FAIL, "the file drops nothing by itself")
    started = machine.many("/etc/systemd/system/*.wants/nftables.service")
    return verdict(bool(started), "loaded at the start" if started else "nobody loads it at the start")


def _resolver(machine: Machine) -> Reading:
    """Whether names are asked of everybody on the network: resolved.conf(5)."""
    files = machine.many("/etc/systemd/resolved.conf", "/etc/systemd/resolved.conf.d/*.conf")
    if not files:
        raise Unreadable("systemd-resolved is not set up")
    said = {name: value for path in files for name, _, value in (line.partition("=") for line in machine.lines(path))}
    loose = [name for name in ("LLMNR", "MulticastDNS") if said.get(name, "yes").lower() not in ("no", "false", "0")]
    return none_of(loose, Grade.WARN, "servers alone are asked")


def _hosts(machine: Machine) -> Reading:
    homes = [f"{home}/{name}" for home in ("/root", "/home/*") for name in (".rhosts", ".shosts")]
    found = [str(place) for place in machine.many("/etc/hosts.equiv", "/etc/ssh/shosts.equiv", *homes)]
    return none_of(found)


def _ip6(machine: Machine) -> Reading:
    """A packet filter that knows one family only leaves the other open."""
    if not machine.is_there("/proc/net"):
        raise Unreadable("there is no /proc/net")
    if not machine.is_there("/proc/net/if_inet6") or not machine.text("/proc/net/if_inet6").strip():
        return passed("there is no IPv6 here")
    closed = {each["family"] for each in _chains(machine) if each["hook"] == "input" and each.get("policy") == "drop"}
    return verdict(bool(closed & {"inet", "ip6"}), ", ".join(sorted(closed)) or "no family")


def _ssh(machine: Machine) -> Reading:
    """Whom SSH answers, by the image's packet filter: each rule that lets in must ask from where one comes, and let in
    nobody but whom the office names."""
    found = [each for each in sockets(machine) if (each.outside, each.program, each.protocol) == (True, "sshd", "tcp")]
    if not found:
        return passed("it is closed")
    rules = Filter(_ruleset(machine))
    if not rules.drops:
        return Reading(Grade.WARN, "everybody, unless another packet filter keeps it")
    admitted = [each for port in sorted({each.port for each in found}) for each in rules.admitted(port)]
    unasked = dict.fromkeys(each.place for each in admitted if each.networks is None)
    if unasked:
        return Reading(Grade.FAIL, f"everybody, by {', '.join(unasked)}")
    let_in = [network for each in admitted for network in each.networks or ()]
    four = ipaddress.collapse_addresses(each for each in let_in if isinstance(each, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(each for each in let_in if isinstance(each, ipaddress.IPv6Network))
    if everybody(let_in):
        return Reading(Grade.WARN, "everybody")
    return _besides(machine, rules, admitted) or passed(", ".join([*INSIDE, *map(str, (*four, *six))]))


def _besides(machine: Machine, rules: Filter, admitted: list[Admission]) -> Reading | None:
    """WARN for networks from which nobody is to administer; None: there is none. An office that does not run says
    nothing against what the keeper was told last."""
    try:
        named = [ipaddress.ip_network(each) for each in machine.office("allows.list")["administered_from"]]
        whom = "others than the office names"
    except Unreadable:
        named, whom = [*PRIVATE, *rules.kept()], "the office does not say who administers, and others may"
    found = dict.fromkeys(
        f"{network} by {each.place}" for each in admitted for network in beyond(each.networks or (), named)
    )
    return Reading(Grade.WARN, f"{whom}: {none_of(list(found)).value}") if found else None


INSIDE: Final = ("the tunnel",)
SOCKETS: Final = "/proc/net/tcp, tcp6, udp, udp6 and who holds them"
NFT: Final = "nft --json list ruleset"
CHECKS: Final = (
    Check(
        "network.listeners", "Nothing listens but what is meant",
        "Each further service is a further door, with its own holes and passwords.", SOCKETS, 3, _strange,
        "stop and disable the service ('ss -lntup' names it), or bind it to 127.0.0.1",
    ),
    Check(
        "network.legacy_services", "No service of old times listens",
        "NetBIOS, FTP, telnet and their like know no encryption, or answer to floods.", SOCKETS, 3, _legacy,
        "remove the package",
    ),
    Check(
        "network.desktops", "No desktop is shared", "Remote desktops are tried first, and this machine needs none.",
        SOCKETS, 3, _ports(DESKTOPS, inside=False), "remove the package",
    ),
    Check(
        "network.databases", "No database server listens",
        "The appliance keeps its records in a file that nobody reaches over a network.", SOCKETS, 2,
        _ports(DATABASES, inside=True), "move it to another machine",
    ),
    Check(
        "network.filter_input", "The packet filter drops what nobody allowed",
        "What a program opens by mistake is closed all the same.", NFT, 3, _drops("input"),
        "load a ruleset whose input chain has 'policy drop', such as /etc/nftables.conf of the image",
    ),
    Check(
        "network.filter_forward", "And forwards nothing",
        "A machine that forwards is a bridge into its other networks.", NFT, 2, _drops("forward"),
        "a forward chain with 'policy drop'",
    ),
    Check(
        "network.filter_wide", "No rule accepts everything", "One such line makes all others useless.", NFT, 3, _wide,
        "nft delete rule inet TABLE CHAIN handle NUMBER",
    ),
    Check(
        "network.filter_ipv6", "IPv6 is filtered as IPv4 is", "What is closed on one way is often open on the other.",
        NFT, 2, _ip6, "use a table of the family inet",
    ),
    Check(
        "network.filter_kept", "The packet filter is there after a restart",
        "A ruleset that was typed is gone with the power.", "/etc/nftables.conf and what systemd starts", 2, _kept,
        "systemctl enable nftables",
    ),
    Check(
        "network.ssh_sources", "SSH answers administrators alone",
        "A lost key, or a hole in sshd, is worth nothing to whom it does not answer.", f"{SOCKETS}; {NFT}", 2,
        _ssh, "'appliance settings set remoteadmin 1', 'appliance allow ADDRESS' for who comes from one, 'appliance "
        "tunnel on' for the others; no rule of your own in /etc/nftables.conf that lets in others: what accepts has to "
        "ask itself from where, because a rule before it that drops is not counted",
    ),
    Check(
        "network.promiscuous", "No interface hears what is for others",
        "Somebody listens: a capture that was forgotten, or a thief.", "/sys/class/net/*/flags", 2, _promiscuous,
        "find the program that captures; ip link set DEV promisc off",
    ),
    Check(
        "network.wireless", "There is no wireless interface", "A door that nobody sees.", "/sys/class/net/*/wireless",
        1, _wireless, "remove or block the device",
    ),
    Check(
        "network.names_by_shout", "Names are not asked of everybody nearby",
        "With LLMNR and mDNS anybody on the network answers, and gets the connection.", "resolved.conf(5)", 1,
        _resolver, "LLMNR=no and MulticastDNS=no in /etc/systemd/resolved.conf.d",
    ),
    Check(
        "network.trusted_hosts", "No file trusts other hosts by their address", "Addresses can be forged.",
        "hosts.equiv, .rhosts, .shosts", 3, _hosts, "remove the files",
    ),
)  # fmt: skip
