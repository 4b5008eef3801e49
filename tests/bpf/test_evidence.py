"""What the program keeps of the packets that it refuses: sampled drops and offences, out of the real rings."""

import base64
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.kernel import layout, syscall, testrun
from appliance.kernel.gate import Gate
from appliance.kernel.maps import possible_cpus
from tests.bpf.rig import Rig, frame

ALWAYS = wire.Limits({"sample_interval": 0})
SELDOM = wire.Limits({"sample_interval": 3_600_000_000_000})
BANNED = wire.Ban("198.51.100.66")
GARBAGE = b"\x00\x01\x02\x03 not SIP at all"
ACCUSER = """
int accuse(struct xdp_md *ctx)
{
	u32 zero = 0;
	struct packet *packet = packets.lookup(&zero);

	if (!packet)
		return XDP_ABORTED;
	packet->verdict = VERDICT_sip_garbage;
	offence(ctx, packet, RULE_maxwrongmsgallowed, 7, 5);
	return XDP_PASS;
}
"""


@pytest.fixture(autouse=True)
def one_cpu() -> Iterator[None]:
    """The kernel samples by CPU; on one of them the tests can count."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def fresh(rig: Rig) -> Rig:
    """Nothing has been sampled yet."""
    handle = rig.gate.maps["tallies"]
    width = possible_cpus() * layout.Shape(handle.leaf).bytes
    raw = syscall.MapDescriptor(handle.fd, 4, width)
    for verdict in layout.verdicts():
        raw.update(verdict.number.to_bytes(4, "little"), bytes(width))
    rig.gate.evidence.drain()
    return rig


class Since:
    """The samples that were taken since this was made."""

    def __init__(self, gate: Gate) -> None:
        gate.evidence.drain()
        self._gate, self._after = gate, gate.evidence.sampled

    def __call__(self, **query: str) -> list[wire.Sample]:
        return self._gate.samples(wire.SampleQuery(limit=4096, after=self._after, **query))


def bytes_of(sample: wire.Sample) -> bytes:
    return base64.b64decode(sample.frame)


def test_a_dropped_packet_is_kept_with_its_verdict_its_interface_and_its_time(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS, bans=(BANNED,))
    since, packet = Since(fresh.gate), frame(src="198.51.100.66")
    assert fresh.send(packet, "to-trunk").verdict == "banned"
    (sample,) = since()
    assert (sample.verdict, sample.interface, sample.bytes) == ("banned", "to-trunk", len(packet))
    assert bytes_of(sample) == bytes(packet)
    assert abs(sample.at - fresh.gate.boot_ns / 1e9 - time.monotonic()) < 5


def test_what_passes_is_not_kept(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    since = Since(fresh.gate)
    assert fresh.send(frame()).verdict == "sip_request"
    assert since() == []


def test_a_malformed_frame_is_kept_although_no_source_was_found_in_it(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    since, packet = Since(fresh.gate), bytes(frame())[:20]
    fresh.send(packet)
    assert [bytes_of(sample) for sample in since()] == [packet]


def test_of_a_long_frame_the_beginning_is_kept_and_the_length_is_told(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    since, packet = Since(fresh.gate), frame(GARBAGE + bytes(1200))
    assert fresh.send(packet).verdict == "sip_garbage"
    (sample,) = since()
    assert (bytes_of(sample), sample.bytes) == (bytes(packet)[:256], len(packet))


def test_an_interval_keeps_one_of_each_verdict_and_another_policy_another_interval(fresh: Rig) -> None:
    fresh.sync(limits=SELDOM, bans=(BANNED,))
    since = Since(fresh.gate)
    for _ in range(20):
        fresh.send(frame(src="198.51.100.66"))
        fresh.send(frame(GARBAGE))
    assert sorted(sample.verdict for sample in since()) == ["banned", "sip_garbage"]
    fresh.sync(limits=ALWAYS, bans=(BANNED,))
    for _ in range(3):
        fresh.send(frame(src="198.51.100.66"))
    assert len(since()) == 5


def test_samples_are_found_by_verdict_by_address_and_by_network(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    since = Since(fresh.gate)
    for source in ("198.51.100.7", "198.51.100.8", "2001:db8::7"):
        fresh.send(frame(GARBAGE, src=source, dst="2001:db8::1" if ":" in source else "10.77.1.1"))
    fresh.send(frame(b""))
    assert len(since(verdict="sip_garbage")) == 3
    assert len(since(verdict="sip_empty")) == 1
    assert len(since(address="198.51.100.8")) == 1
    assert len(since(address="198.51.100.0/24", verdict="sip_garbage")) == 2
    assert len(since(address="2001:db8::/64")) == 1


def test_a_full_ring_counts_what_it_loses_and_goes_on_when_it_is_read(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    since, lost = Since(fresh.gate), fresh.gate.status().lost_samples
    taken, flood = fresh.gate.evidence.sampled, 10_000
    packet = bytes(frame(GARBAGE))
    testrun.run(fresh.gate.program_fd, packet, ifindex=socket.if_nametoindex("to-phone"), repeat=flood)
    status = fresh.gate.status()
    fresh.gate.evidence.drain()
    kept = fresh.gate.evidence.sampled - taken
    assert 1000 < kept < flood
    assert kept + status.lost_samples - lost == flood
    before = len(since())
    fresh.send(frame(GARBAGE))
    assert len(since()) == min(before + 1, 4096)


def test_the_memory_for_samples_is_bounded(fresh: Rig) -> None:
    fresh.sync(limits=ALWAYS)
    for _ in range(3):
        testrun.run(fresh.gate.program_fd, bytes(frame(GARBAGE)), repeat=4000)
        fresh.gate.evidence.drain()
    assert len(fresh.gate.samples(wire.SampleQuery(limit=4096))) == 4096


@pytest.fixture
def accused(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Gate, int]]:
    """A gate with one more program, which calls every packet's source an offender."""
    text = layout.source() + ACCUSER
    monkeypatch.setattr(layout, "source", lambda: text)
    gate = Gate.load(header_cache=tmp_path)
    try:
        yield gate, gate._program.load("accuse")
    finally:
        gate.close()


def test_an_offence_carries_rule_source_figures_and_the_packet(accused: tuple[Gate, int]) -> None:
    gate, accuse = accused
    packet = bytes(frame(src="198.51.100.9", sport=5062))
    testrun.run(gate.program_fd, packet)
    testrun.run(accuse, packet)
    (seen,) = gate.pulse(wire.Pulse()).offences
    assert (seen.rule, seen.address, seen.port, seen.count) == ("maxwrongmsgallowed", "198.51.100.9", 5062, 7)
    assert (seen.verdict, base64.b64decode(seen.sample)) == ("sip_garbage", packet)
    assert seen.since_at < seen.at
    assert gate.pulse(wire.Pulse()) == wire.Events()


def test_offences_that_nobody_fetches_are_counted_as_lost(accused: tuple[Gate, int]) -> None:
    gate, accuse = accused
    testrun.run(gate.program_fd, bytes(frame()))
    testrun.run(accuse, bytes(frame()), repeat=5000)
    events = gate.pulse(wire.Pulse())
    assert len(events.offences) == 1024
    assert len(events.offences) + events.lost == 5000
    testrun.run(accuse, bytes(frame()))
    assert len(gate.pulse(wire.Pulse()).offences) == 1
