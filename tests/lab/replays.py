"""Floods made with scapy, written to a file and sent by tcpreplay: two tools that know nothing of the appliance."""

import random
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw, fuzz
from scapy.utils import wrpcap

from tests.lab.network import Host, Lab, end

SIP_PORT = 5060
MOST_PORT = 65_000  # in a Via; what names a higher one is an odd form for the gate
MOST_LOOPS, MOST_SECONDS = 1_000_000, 20
_REQUEST = (
    "{method} sip:100@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {source}:{port};branch=z9hG4bK{mark:08x};rport\r\n"
    'Max-Forwards: 70\r\nFrom: "Extension 100" <sip:100@{target}>;tag={mark:08x}\r\nTo: <sip:100@{target}>\r\n'
    "Call-ID: {mark:08x}-call@{source}\r\nCSeq: 1 {method}\r\nContact: <sip:100@{source}:{port}>\r\n"
    "User-Agent: Yealink SIP-T46S 66.85.0.5\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, UPDATE\r\n"
    "Accept: application/sdp\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
)


class Forger:
    """Makes frames from one host's wire to the appliance that say they come from anywhere, or from `innocent` ones."""

    def __init__(self, lab: Lab, attacker: Host, innocent: Sequence[str], seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._innocent = innocent
        self._target, self._target6 = attacker.gateway, attacker.gateway6
        self._ether = Ether(
            src=link_address(lab, attacker.namespace, attacker.interface),
            dst=link_address(lab, lab.appliance, attacker.appliance_interface),
        )

    def requests(self, method: str, count: int) -> list[Packet]:
        """SIP requests, each from an address and port of its own; every fourth over IPv6."""
        return [self._request(method, six=not number % 4) for number in range(count)]

    def fragments(self, count: int) -> list[Packet]:
        """Long INVITEs in pieces and out of order; firsts and lasts that nothing follows; pieces that overlap."""
        frames: list[Packet] = []
        for number in range(count):
            whole = self._request("INVITE")
            whole[Raw].load += b"x" * 2000
            pieces = fragment(whole, fragsize=self._random.choice((576, 1200)))
            tiny = (
                self._ether / IP(src=whole[IP].src, dst=self._target, proto=17, flags="MF", id=number) / Raw(b"\0" * 4)
            )
            overlapping = pieces[1].copy()
            overlapping[IP].frag = 1
            frames += [*reversed(pieces), pieces[0], pieces[-1], tiny, overlapping]
        return frames

    def malformed(self, count: int) -> list[Packet]:
        """Headers that contradict themselves, sources that cannot be, and bytes that are no SIP."""
        frames: list[Packet] = []
        for _ in range(count):
            frames += [self._broken_header(), self._broken_message(), self._impossible_source(), self._fuzzed()]
        return frames

    def _request(self, method: str, *, six: bool = False) -> Packet:
        source, port = self._source(six=six), self._random.randrange(1024, MOST_PORT)
        host, target = (f"[{source}]", f"[{self._target6}]") if six else (source, self._target)
        mark = self._random.getrandbits(32)
        text = _REQUEST.format(method=method, target=target, source=host, port=port, mark=mark)
        layer = IPv6(src=source, dst=self._target6) if six else IP(src=source, dst=self._target)
        return self._ether / layer / UDP(sport=port, dport=SIP_PORT) / Raw(text.encode())

    def _source(self, *, six: bool) -> str:
        if six:
            return f"2001:db8:{self._random.getrandbits(16):x}:{self._random.getrandbits(16):x}::1"
        if self._innocent and self._random.random() < 0.1:
            return self._random.choice(self._innocent)
        return f"{self._random.randrange(11, 126)}.{'.'.join(str(self._random.randrange(1, 255)) for _ in range(3))}"

    def _broken_header(self) -> Packet:
        frame = self._request("REGISTER")
        which, value = self._random.choice(
            (("ihl", 4), ("ihl", 15), ("version", 6), ("len", 19), ("len", 60_000), ("udp", 3), ("udp", 60_000))
        )
        if which == "udp":
            frame[UDP].len = value
        else:
            setattr(frame[IP], which, value)
        return frame

    def _broken_message(self) -> Packet:
        frame = self._request(self._random.choice(("REGISTER", "INVITE", "OPTIONS")))
        text = frame[Raw].load
        frame[Raw].load = self._random.choice(
            (
                text[: self._random.randrange(len(text))],
                text.replace(b"\r\n", b"\n"),
                text.replace(b"SIP/2.0", b"SIP/9.9"),
                text.replace(b"Via", b"\0\xff\xfe"),
                b"A: b\r\n" * 200,
                text.replace(b"Via", b"Via" * 300),
                bytes(self._random.randrange(256) for _ in range(200)),
            )
        )
        return frame

    def _impossible_source(self) -> Packet:
        frame = self._request("INVITE")
        frame[IP].src = self._random.choice(("224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1", self._target))
        return frame

    def _fuzzed(self) -> Packet:
        source = self._source(six=False)
        return self._ether / IP(src=source, dst=self._target) / fuzz(UDP(dport=SIP_PORT, len=None, chksum=None))


class Replay:
    """tcpreplay, as fast as it can, over and over for a while; it ends by itself."""

    def __init__(self, lab: Lab, host: Host, file: Path, frames: Iterable[Packet], seconds: int) -> None:
        wrpcap(str(file), list(frames))
        self._seconds = min(seconds, MOST_SECONDS)
        self._command = ["tcpreplay", "--topspeed", "--preload-pcap", f"--loop={MOST_LOOPS}"]
        self._command += [f"--duration={self._seconds}", f"--intf1={host.interface}", str(file)]
        self._lab, self._host = lab, host
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Replay":
        self._process = self._lab.start(
            self._host.namespace, self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def sent(self) -> int:
        """Wait for its end; how many packets it sent."""
        assert self._process is not None
        said = self._process.communicate(timeout=self._seconds + 20)[0].decode()
        found = re.search(r"Actual: (\d+) packets", said)
        assert found, said
        return int(found[1])


def link_address(lab: Lab, namespace: str, interface: str) -> str:
    """An interface's link address."""
    shown = lab.run(namespace, ["ip", "-o", "link", "show", interface]).stdout
    return shown.partition("link/ether ")[2].split()[0]
