"""What the gate costs: nanoseconds a packet by verdict, packets per CPU-second over veth, microseconds a session.

Test runs count the program alone; the relay over veth also pays for the generator, two veth crossings and the sink,
all on one CPU. Where there is a peer it is a budget, in the name's unit.
"""

import socket
import statistics
import struct
import time
from collections.abc import Callable, Iterator

from appliance import wire
from appliance.kernel import testrun
from appliance.kernel.gate import Gate
from appliance.selftest.frames import request
from appliance.selftest.generator import Generator, Sink
from tests.bench.processes import pinned_to, processors
from tests.bench.report import Row, compare
from tests.lab.network import Lab, entered

STREAMS = 1000
PACKETS = 1_000_000
SESSIONS = 2000
FAR_FUTURE = 1 << 62
FIRST = 20000
_rows: list[Row] = []
RTP_BYTES = 172


def report(name: str, ours: float, budget: float = 0.0, *, less: bool = False) -> None:
    _rows.append(compare(name, ours, budget or None, "budget" if budget else "", budget or None, less=less))


def udp4(src: tuple[str, int], dst: tuple[str, int], payload: bytes, ttl: int = 64, macs: bytes = bytes(12)) -> bytes:
    """An Ethernet frame with IPv4 and UDP; checksums left to the receiver."""
    addresses = socket.inet_aton(src[0]) + socket.inet_aton(dst[0])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, ttl, 17, 0) + addresses
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
    return macs + b"\x08\0" + head + struct.pack("!HHHH", src[1], dst[1], 8 + len(payload), 0) + payload


def mac_of(lab: Lab, namespace: str, interface: str) -> bytes:
    """An interface's link address."""
    shown = lab.run(namespace, ["ip", "-o", "link", "show", interface]).stdout
    return bytes.fromhex(shown.partition("link/ether ")[2].split()[0].replace(":", ""))


def rtp(number: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160, 7) + bytes(RTP_BYTES - 12)


def plan(*sessions: wire.RelaySession, **parts: object) -> wire.Plan:
    """No rate stands in the way of what is measured."""
    off = ("rtp_interval", "stranger_interval", "guard_burst", "budget_interval", "interface_interval")
    limits = wire.Limits(dict.fromkeys(off, 0))
    return wire.Plan(1, (("udp", 5060),), (20000, 29999), limits, sessions=sessions, **parts)  # type: ignore[arg-type]


def program_ns(gate: Gate, frame: bytes, ifindex: int, repeat: int) -> float:
    """Least mean of sixty series: the machine's noise only ever adds."""
    return min(testrun.run(gate.program_fd, frame, ifindex=ifindex, repeat=repeat).ns for _ in range(60))


def verdicts(gate: Gate, lab: Lab) -> None:
    """The program alone, on one hot packet."""
    local, ifindex = lab.hosts["phone"].gateway, socket.if_nametoindex("to-phone")
    options = b"OPTIONS sip:1 SIP/2.0\r\n".ljust(600, b"x")
    other = udp4(("198.51.100.7", 9), (local, 53), bytes(100))
    sip = udp4(("198.51.100.7", 5060), (local, 5060), options)
    gate.sync(plan())
    report("gate ns: other port", program_ns(gate, other, ifindex, 20000))
    report("gate ns: SIP request of a stranger", program_ns(gate, sip, ifindex, 20000))
    gate.sync(plan(bans=(wire.Ban("198.51.100.7"),)))
    report("gate ns: banned address dropped", program_ns(gate, sip, ifindex, 20000))
    gate.sync(plan(bans=(wire.Ban("198.51.100.0/24"),)))
    report("gate ns: banned network dropped", program_ns(gate, sip, ifindex, 20000))
    gate.sync(plan(known_pairs=(wire.KnownPair("198.51.100.7", 5060, time.time() + 3600),)))
    report("gate ns: SIP request of a known device", program_ns(gate, sip, ifindex, 20000))
    challenged(gate, local, ifindex)
    relayed(gate, ifindex)


def challenged(gate: Gate, local: str, ifindex: int) -> None:
    """What is answered comes out changed, so it runs once at a time: the median counts the clock's own time too."""
    keys = ("00112233445566778899aabbccddeeff",) * 4
    gate.sync(plan(challenge=wire.Challenge(enabled=True, realm="bench", keys=keys)))
    for method, code in (("REGISTER", 401), ("INVITE", 407)):
        frame = udp4(("198.51.100.8", 5060), (local, 5060), request(method, "100", local, 1, agent="bench"))
        runs = [testrun.run(gate.program_fd, frame, ifindex=ifindex) for _ in range(3000)]
        assert all(run.action is testrun.Action.TX for run in runs)
        report(f"gate ns: {method} of a stranger answered with {code}", statistics.median(run.ns for run in runs))


def relayed(gate: Gate, ifindex: int) -> None:
    """A stream that is its own other side, so that the rewritten packet is the same packet one hop on."""
    here, there = ("10.77.1.1", 20000), ("10.77.1.2", 20002)
    session = wire.RelaySession(
        1, FAR_FUTURE, (wire.RelayStream(here, there, there), wire.RelayStream(there, here, here))
    )
    gate.sync(plan(session))
    testrun.run(gate.program_fd, udp4(here, there, rtp()), ifindex=ifindex)
    report("gate ns: RTP relayed", program_ns(gate, udp4(there, here, rtp(), ttl=255), ifindex, 200))


def sessions(lab: Lab, count: int) -> list[wire.RelaySession]:
    """One-way streams, phone to trunk, whose far side is known by announcement."""
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    made = []
    for index in range(count):
        near, far = (phone.gateway, FIRST + 2 * index), (trunk.gateway, FIRST + 2 * index)
        streams = (
            wire.RelayStream(near, far, (phone.address, 4000 + index)),
            wire.RelayStream(far, near, (trunk.address, 4000 + index)),
        )
        made.append(wire.RelaySession(1 + index, FAR_FUTURE, streams))
    return made


def frames(lab: Lab) -> list[bytes]:
    phone = lab.hosts["phone"]
    macs = mac_of(lab, lab.appliance, "to-phone") + mac_of(lab, phone.namespace, phone.interface)
    return [
        udp4((phone.address, 4000 + index), (phone.gateway, FIRST + 2 * index), rtp(index), macs=macs)
        for index in range(STREAMS)
    ]


def over_veth(gate: Gate, lab: Lab) -> None:
    """Relay and drop with everything else on the same CPU."""
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    lab.run(lab.appliance, ["ping", "-c1", "-W1", trunk.address])
    gate.sync(plan(*sessions(lab, STREAMS)))
    with Sink(trunk.namespace) as sink, Generator(phone.namespace, frames(lab)) as source:
        source.run(10_000)
        rates = []
        for _ in range(5):
            before, sent = sink.packets(), source.run(PACKETS // 5)
            rates.append((sink.packets() - before) / sent.seconds)
        report("relay packets a CPU-second, veth", max(rates))
        gate.sync(plan(bans=(wire.Ban(phone.address),)))
        rates = [(run := source.run(PACKETS // 5)).packets / run.seconds for _ in range(5)]
        report("dropped packets a CPU-second, veth", max(rates))


def timed(step: Callable[[wire.RelaySession], object], over: list[wire.RelaySession]) -> float:
    """Median microseconds of one step."""
    spent = []
    for session in over:
        start = time.perf_counter_ns()
        step(session)
        spent.append(time.perf_counter_ns() - start)
    return statistics.median(spent) / 1000


def session_verbs(gate: Gate) -> None:
    """Sessions of four streams."""
    made = []
    for index in range(SESSIONS):
        ports = range(FIRST + 4 * index, FIRST + 4 * index + 2)
        pairs = [(("10.77.1.1", p), ("10.77.2.1", p), ("10.77.1.2", p)) for p in ports]
        streams = [wire.RelayStream(a, b, c, payload_types=(0, 8, 101)) for a, b, c in pairs]
        streams += [wire.RelayStream(b, a, ("10.77.2.2", a[1])) for a, b, _ in pairs]
        made.append(wire.RelaySession(index, FAR_FUTURE, tuple(streams)))
    gate.sync(plan())
    opened = timed(gate.open_session, made)
    renewed = timed(lambda s: gate.renew_lease(s.session, FAR_FUTURE), made)
    start = time.perf_counter()
    gate.counters()
    read_us = (time.perf_counter() - start) * 1e6 / SESSIONS
    closed = timed(lambda s: gate.close_session(s.session), made)
    report("session opened and closed, us", opened + closed, 200.0, less=True)
    report("lease renewed, us", renewed, 20.0, less=True)
    report("counters of a session read, us", read_us, 100.0, less=True)


def run() -> Iterator[Row]:
    """One row a figure."""
    _rows.clear()
    pinned_to(processors()[1])
    with Lab(["phone", "trunk"], tag="gbe", passing=False) as lab, entered(lab.appliance):
        gate = Gate.load()
        try:
            for name in lab.interfaces:
                gate.attach(name)
            verdicts(gate, lab)
            session_verbs(gate)
            over_veth(gate, lab)
        finally:
            gate.close()
    yield from _rows
