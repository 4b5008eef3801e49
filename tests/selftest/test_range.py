"""The firing range itself: it is made, frames cross it, and nothing of it is left."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.kernel import link, testrun
from appliance.kernel.range import Range, entered
from appliance.selftest.frames import Wire
from appliance.selftest.generator import MOST_BYTES, Generator, Sink
from appliance.wire import WireError
from tests.lab.waiting import until

OURS = f"rangetest{os.getpid()}"  # another run may be on the machine


def namespaces() -> set[str]:
    return {path.name for path in Path("/run/netns").glob("*")} if Path("/run/netns").is_dir() else set()


def test_a_range_wires_its_parties_and_leaves_nothing() -> None:
    with Range(["here", "there"], tag="rangetest") as ground:
        assert set(ground.parties) == {"here", "there"}
        here = ground.parties["here"]
        near = ground.socket("")
        near.bind((here.gateway, 5060))
        near.settimeout(5.0)
        ground.socket("here").sendto(b"hello", (here.gateway, 5060))
        assert near.recv(100) == b"hello"
        near.close()
        assert any(name.startswith(OURS) for name in namespaces())
    assert not any(name.startswith(OURS) for name in namespaces())


def test_a_range_whose_process_was_killed_is_removed_by_the_next() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = f"rangetest{gone.pid}-gate"
    subprocess.run(["ip", "netns", "add", left], check=True)
    with Range([], tag="rangetest"):
        assert left not in namespaces()


def test_a_range_that_cannot_be_finished_takes_away_what_it_had() -> None:
    with pytest.raises(WireError, match="no network namespace can be made"), Range(["x" * 300], tag="rangetest"):
        pass
    assert not any(name.startswith(OURS) for name in namespaces())


@contextmanager
def taken_in(ground: Range) -> Iterator[None]:
    """A virtual wire takes redirected frames only where a program sits: here one that passes everything."""
    with entered(ground.middle):
        attachment = link.attach(testrun.pass_program(), ground.parties["shooter"].middle_interface)
    yield
    link.detach(attachment)


def test_every_frame_that_is_generated_arrives_whole() -> None:
    with Range(["shooter"], tag="rangetest") as ground:
        party = ground.parties["shooter"]
        wire = Wire(party.mac, party.gateway_mac, party.address, party.gateway)
        frames = [wire.udp(4000 + i, 5060, bytes([i]) * 200) for i in range(4)]
        listener = ground.socket("")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.bind(("0.0.0.0", 5060))
        listener.settimeout(5.0)
        with taken_in(ground), Generator(party.namespace, frames) as generator:
            generator.run(100)
        got = [listener.recvfrom(2048) for _ in range(100)]
        listener.close()
        assert {(body[0], source[1]) for body, source in got} == {(i, 4000 + i) for i in range(4)}


def test_forged_sources_are_many_and_their_checksums_are_right() -> None:
    with Range(["shooter"], tag="rangetest") as ground:
        party = ground.parties["shooter"]
        wire = Wire(party.mac, party.gateway_mac, party.address, party.gateway)
        with entered(ground.middle):
            subprocess.run(["ip", "route", "add", "default", "via", party.address], check=True)
        listener = ground.socket("")
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.bind(("0.0.0.0", 5060))
        listener.settimeout(5.0)
        flood = Generator(party.namespace, [wire.udp(4000, 5060, bytes(100))], forge=True)
        with taken_in(ground), flood as generator:
            generator.run(100)
        sources = {listener.recvfrom(2048)[1] for _ in range(100)}  # the stack drops what has a wrong checksum
        listener.close()
        assert len(sources) > 95


def test_a_sink_counts_what_arrives() -> None:
    with Range(["shooter"], tag="rangetest") as ground:
        party = ground.parties["shooter"]
        wire = Wire(party.mac, party.gateway_mac, party.address, party.gateway)
        with (
            Sink(ground.middle, party.middle_interface) as sink,
            Generator(party.namespace, [wire.udp(4000, 5060, bytes(100))]) as generator,
        ):
            generator.run(1000)
            until(lambda: sink.packets() >= 1000)
            assert sink.packets() == 1000


def test_a_frame_that_is_too_long_is_refused() -> None:
    with pytest.raises(WireError, match=str(MOST_BYTES)):
        Generator("nowhere", [bytes(MOST_BYTES + 1)])
