"""What a relayed audio packet costs: the gate in the kernel, rtpengine in user space, our own relay in Python.

One generator and one sink serve all three: frames made by a live test run on a phone's veth, counted by an XDP program
on the trunk's. All of it runs on one processor, in bursts that are waited for, and the processor time of everybody is
added up (generator, soft interrupts, relay); what generator and sink need without a relay between them is subtracted.
Packets per CPU-second is the inverse of the rest. IPv4, RTP of 172 bytes, 100 streams.
"""

import itertools
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop

from appliance import wire
from appliance.kernel.gate import Gate
from appliance.selftest.generator import Generator, Sink
from pysrv.net.relay import UserRelay
from tests.bench.gate_bench import FAR_FUTURE, FIRST, mac_of, plan, rtp, udp4
from tests.bench.processes import cpu_seconds, family, processors
from tests.bench.report import Row, compare, say
from tests.lab.network import Lab, end, entered

STREAMS = 100
BURST = 24 * STREAMS  # what sockets can hold while the relay waits for its turn
BURSTS = 30
ROUNDS = 5
TIMES_BETTER = 10.0
DRAIN_S = 0.25
PHONE_PORT, TRUNK_PORT = 4000, 14000
CONTROL = ("127.0.0.1", 2223)


def run() -> Iterator[Row]:
    """Rows beside rtpengine and beside the relay in Python; the last one without any subtraction."""
    _, cpu = processors()
    home = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        with Lab(["phone", "trunk"], tag="brl", passing=False) as lab:
            empty = empty_ns(lab)
            with Sink(lab.hosts["trunk"].namespace) as sink:
                for host in lab.hosts.values():  # so that both ends know their neighbours
                    lab.run(lab.appliance, ["ping", "-c1", "-W1", host.address])
                ours = gate_ns(lab, sink)
                # With the gate gone, GRO is what lets redirected frames into this end (driver, veth_xdp_xmit()).
                lab.run(lab.appliance, ["ethtool", "-K", "to-phone", "gro", "on"])
                engine = rtpengine_ns(lab, sink, cpu)
                python = python_ns(lab, sink, cpu)
    finally:
        os.sched_setaffinity(0, home)
    name, engine_name = "relay: packets per CPU-second", "rtpengine, user space"
    yield _row(name, ours - empty, engine and engine - empty, engine_name)
    yield _row(name, ours - empty, python - empty, "our user relay, Python")
    yield _row("relay: the same with generator and sink", ours, engine, engine_name, 0.0)


def _row(name: str, ours_ns: float, peer_ns: float | None, peer_name: str, times: float = TIMES_BETTER) -> Row:
    peer = 1e9 / peer_ns if peer_ns else None
    return compare(name, 1e9 / ours_ns, peer, peer_name, times * peer if peer and times else None)


def empty_ns(lab: Lab) -> float:
    """Generator, wire and sink, with nothing between them."""
    with Sink(lab.appliance, lab.hosts["phone"].appliance_interface) as sink:
        cost = packet_ns(lab, sink, [FIRST] * STREAMS, [])
    say(f"relay: generator and sink {cost:.0f} ns a packet")
    return cost


def gate_ns(lab: Lab, sink: Sink) -> float:
    """The gate, in native XDP."""
    with entered(lab.appliance):
        gate = Gate.load()
    try:
        with entered(lab.appliance):
            for name in lab.interfaces:
                gate.attach(name)
            gate.sync(plan(*sessions(lab)))
        cost = packet_ns(lab, sink, [FIRST + 2 * index for index in range(STREAMS)], [])
    finally:
        gate.close()
    say(f"relay: with the gate {cost:.0f} ns a packet")
    return cost


def packet_ns(lab: Lab, sink: Sink, ports: Sequence[int], pids: Sequence[int]) -> float:
    """Least mean of the rounds: nanoseconds of processor time for each packet that arrived."""
    with Generator(lab.hosts["phone"].namespace, frames(lab, ports)) as source:
        _burst(source, sink)
        return min(_round_ns(source, sink, [*pids, *soft_interrupts()]) for _ in range(ROUNDS))


def _round_ns(source: Generator, sink: Sink, pids: Sequence[int]) -> float:
    others, arrived, ours = cpu_seconds(pids), sink.packets(), 0.0
    for _ in range(BURSTS):
        ours += _burst(source, sink)
    arrived = sink.packets() - arrived
    if arrived < 0.99 * BURSTS * BURST:
        say(f"relay: {arrived} of {BURSTS * BURST} packets arrived")
    return (ours + cpu_seconds(pids) - others) * 1e9 / max(1, arrived)


def _burst(source: Generator, sink: Sink) -> float:
    """Sends a burst and waits for it to arrive; the seconds of processor time that sending took."""
    wanted, until = sink.packets() + BURST, time.monotonic() + DRAIN_S
    start = time.thread_time()
    source.run(BURST)
    spent = time.thread_time() - start
    while sink.packets() < wanted and time.monotonic() < until:
        threading.Event().wait(0.001)
    return spent


def soft_interrupts() -> list[int]:
    """The kernel's threads for soft interrupts that nobody else had time for."""
    found = (path.parent for path in Path("/proc").glob("[0-9]*/comm") if path.read_text().startswith("ksoftirqd/"))
    return [int(path.name) for path in found]


def sessions(lab: Lab) -> list[wire.RelaySession]:
    """One-way streams, phone to trunk."""
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    made = []
    for index in range(STREAMS):
        near, far = (phone.gateway, FIRST + 2 * index), (trunk.gateway, FIRST + 2 * index)
        streams = (
            wire.RelayStream(near, far, (phone.address, PHONE_PORT + index)),
            wire.RelayStream(far, near, (trunk.address, TRUNK_PORT + index)),
        )
        made.append(wire.RelaySession(1 + index, FAR_FUTURE, streams))
    return made


def frames(lab: Lab, ports: Sequence[int]) -> list[bytes]:
    """A packet of each stream, from the phone to `ports` of the appliance."""
    phone = lab.hosts["phone"]
    macs = mac_of(lab, lab.appliance, "to-phone") + mac_of(lab, phone.namespace, phone.interface)
    return [
        udp4((phone.address, PHONE_PORT + index), (phone.gateway, port), rtp(index), macs=macs)
        for index, port in enumerate(ports)
    ]


def rtpengine_ns(lab: Lab, sink: Sink, cpu: int) -> float | None:
    """rtpengine without its kernel module, one thread on one processor."""
    program = shutil.which("rtpengine")
    if program is None:
        say("rtpengine is not installed: no comparison with it")
        return None
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    command = [
        "taskset", "-c", str(cpu), program, "--table=-1", "--foreground", "--log-stderr", "--log-level=3",
        f"--interface=phone/{phone.gateway}", f"--interface=trunk/{trunk.gateway}", "--num-threads=1",
        f"--listen-ng={CONTROL[0]}:{CONTROL[1]}", "--port-min=20000", "--port-max=29999", "--delete-delay=0",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = lab.start(lab.appliance, command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder)
        try:
            with lab.socket(lab.appliance) as control:
                control.settimeout(0.5)
                ports = [_anchored(control, lab, index) for index in range(STREAMS)]
            cost = packet_ns(lab, sink, ports, family(process.pid))
        finally:
            end(process)
    say(f"relay: with rtpengine {cost:.0f} ns a packet")
    return cost


def _anchored(control: socket.socket, lab: Lab, index: int) -> int:
    """Offer and answer of one call over rtpengine's NG protocol; returns the port that faces the phone."""
    call: dict[str, object] = {"call-id": f"bench{index}", "from-tag": "a", "replace": ["origin"]}
    phone, trunk = lab.hosts["phone"], lab.hosts["trunk"]
    offer = call | {"command": "offer", "sdp": _sdp(phone.address, PHONE_PORT + index), "direction": ["phone", "trunk"]}
    answer = call | {"command": "answer", "to-tag": "b", "sdp": _sdp(trunk.address, TRUNK_PORT + index)}
    _ask(control, offer)
    return int(_ask(control, answer).partition(b"m=audio ")[2].split()[0])


def _sdp(address: str, port: int) -> str:
    return f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"


_cookies = itertools.count()


def _ask(control: socket.socket, request: dict[str, object]) -> bytes:
    cookie = b"%d " % next(_cookies)
    for _ in range(10):  # it may still be starting
        try:
            control.sendto(cookie + bencode(request), CONTROL)
            reply = control.recv(65_535)
        except (TimeoutError, ConnectionRefusedError):
            threading.Event().wait(0.2)
            continue
        if b"6:result2:ok" not in reply:
            raise RuntimeError(f"rtpengine refused: {reply!r}")
        return reply
    raise RuntimeError("rtpengine does not answer")


def bencode(value: object) -> bytes:
    """BitTorrent's encoding (BEP 3), which the NG protocol uses."""
    match value:
        case str():
            return b"%d:%b" % (len(value.encode()), value.encode())
        case list():
            return b"l%be" % b"".join(map(bencode, value))
        case dict():
            return b"d%be" % b"".join(bencode(key) + bencode(item) for key, item in sorted(value.items()))
    raise TypeError(type(value))


def python_ns(lab: Lab, sink: Sink, cpu: int) -> float:
    """The relay that takes over where XDP cannot relay, in a process of its own."""
    rows = sessions(lab)
    with _child(lambda: _user_relay(lab.appliance, rows, cpu)) as pid:
        cost = packet_ns(lab, sink, [FIRST + 2 * index for index in range(STREAMS)], [pid])
    say(f"relay: with the user relay {cost:.0f} ns a packet")
    return cost


@contextmanager
def _child(work: Callable[[], None]) -> Iterator[int]:
    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    assert process.pid is not None
    threading.Event().wait(1.0)  # its sockets
    try:
        yield process.pid
    finally:
        process.kill()
        process.join()


def _user_relay(namespace: str, rows: list[wire.RelaySession], cpu: int) -> None:
    os.sched_setaffinity(0, {cpu})
    with entered(namespace):
        loop = uvloop.new_event_loop()
        relay = UserRelay(loop)
        relay.limit({"rtp_interval": 0})
        for row in rows:
            relay.open(row)
        loop.run_forever()
