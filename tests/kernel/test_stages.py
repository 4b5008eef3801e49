"""Programs that a packet is handed on to: installed by name, and at work when the keeper is gone."""

import socket
from pathlib import Path

from appliance import wire
from appliance.kernel import gate as gates
from appliance.kernel import layout, syscall
from appliance.kernel.gate import Gate
from tests.lab.network import Lab

OPTIONS = (
    b"OPTIONS sip:10.77.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.1.2:5099;branch=z9hG4bK1;rport\r\n"
    b"From: <sip:a@10.77.1.2>;tag=1\r\nTo: <sip:10.77.1.1>\r\nCall-ID: 1@10.77.1.2\r\nCSeq: 1 OPTIONS\r\n"
    b"Max-Forwards: 70\r\nUser-Agent: a phone of the test, whose name is long enough for an answer\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def places(fd: int) -> dict[int, int]:
    """Place in the map of stages to the number of its program."""
    stages = syscall.MapDescriptor(fd, 4, 4)
    return {int.from_bytes(key, "little"): int.from_bytes(row, "little") for key, row in stages.items()}


def test_every_stage_that_is_written_is_installed_in_its_place(gate: Gate) -> None:
    written = layout.programs(layout.source())
    installed = places(gate.maps["stages"].fd)
    assert installed.keys() == {place for name, place in gates.STAGES.items() if name in written}
    assert len(set(installed.values())) == len(installed), "each is a program of its own"
    assert installed.keys() >= {gates.STAGES["read"], gates.STAGES["answer"]}


def test_stages_go_on_when_the_keeper_is_gone(inside: Lab, header_cache: Path, pin_dir: Path) -> None:
    """A source over its rate is answered by a stage: that it answers shows that the hand-over still works."""
    first = Gate.load(pin_dir, header_cache)
    try:
        first.attach(inside.interfaces[0])
        limits = wire.Limits({"stranger_burst": 0, "stranger_interval": 10**12, "slip_every": 1})
        first.sync(wire.Plan(1, (("udp", 5060),), (20000, 29999), limits))
        before = places(first.maps["stages"].fd)
        first.close()
        held = syscall.pinned(pin_dir / layout.version() / "stages")
        assert places(held) == before
        phone = inside.hosts["phone"]
        with inside.socket(phone.namespace, socket.SOCK_DGRAM, socket.AF_INET) as asking:
            asking.settimeout(2.0)
            asking.bind((phone.address, 5099))
            asking.sendto(OPTIONS, (phone.gateway, 5060))
            assert asking.recv(2000).startswith(b"SIP/2.0 503 ")
    finally:
        Gate.load(pin_dir, header_cache).remove()
