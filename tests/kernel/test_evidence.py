"""The keeper's share of the evidence: bounded memory, nothing lost silently, and what a restart finds."""

import base64
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from appliance import wire
from appliance.kernel import layout, syscall, testrun
from appliance.kernel.evidence import (
    MOST_OFFENCES,
    MOST_SAMPLES,
    Evidence,
    Losses,
    MemoryWitness,
    OffenceRow,
    OffenderRow,
    SampleRow,
    frame_source,
)
from appliance.kernel.gate import Gate
from tests.lab.network import Lab

BOOT_NS = 1_700_000_000_000_000_000
SOURCE = layout.address("198.51.100.7")
FRAME = bytes(Ether() / IP(src="198.51.100.7", dst="192.0.2.1") / UDP(sport=5060, dport=5060))
NUMBERS = {row.name: row.number for row in layout.verdicts()}
RULES = {row.name: row.number for row in layout.rules()}


@pytest.fixture
def witness() -> MemoryWitness:
    return MemoryWitness()


@pytest.fixture
def evidence(witness: MemoryWitness) -> Evidence:
    return Evidence(witness, lambda: BOOT_NS)


def offences(count: int) -> list[OffenceRow]:
    rule, verdict = RULES["maxwrongmsgallowed"], NUMBERS["sip_garbage"]
    return [OffenceRow(rule, verdict, SOURCE, 5060, seen, 1_000_000_000, 2_000_000_000, FRAME) for seen in range(count)]


def samples(count: int, verdict: str = "banned", frame: bytes = FRAME) -> list[SampleRow]:
    return [SampleRow(NUMBERS[verdict], 1, 900, place, frame) for place in range(1, count + 1)]


def test_an_offence_is_told_once_in_words_and_unix_time(evidence: Evidence, witness: MemoryWitness) -> None:
    witness.seen = offences(1)
    (told,) = evidence.events().offences
    assert (told.rule, told.verdict) == ("maxwrongmsgallowed", "sip_garbage")
    assert (told.address, told.port) == ("198.51.100.7", 5060)
    assert (told.since_at, told.at) == (1_700_000_001.0, 1_700_000_002.0)
    assert base64.b64decode(told.sample) == FRAME
    assert evidence.events() == wire.Events()
    assert evidence.offences == 1


def test_a_service_that_does_not_pulse_misses_the_oldest_offences_and_is_told_how_many(
    evidence: Evidence, witness: MemoryWitness
) -> None:
    for _ in range(3):
        witness.seen = offences(MOST_OFFENCES)
        evidence.drain()
    events = evidence.events()
    assert (len(events.offences), events.lost) == (MOST_OFFENCES, 2 * MOST_OFFENCES)
    assert evidence.events().lost == 0


def test_what_the_kernel_lost_is_told_with_the_next_pulse_alone(evidence: Evidence, witness: MemoryWitness) -> None:
    witness.lost = Losses(offences=5, samples=9)
    assert evidence.events().lost == 5
    witness.lost = Losses(offences=7, samples=9)
    assert evidence.events().lost == 2
    assert evidence.losses() == Losses(7, 9)


def test_a_restarted_keeper_does_not_tell_of_old_losses(witness: MemoryWitness) -> None:
    witness.lost = Losses(offences=5)
    assert Evidence(witness, lambda: BOOT_NS).events().lost == 0


def test_the_newest_samples_are_kept_and_given_oldest_first(evidence: Evidence, witness: MemoryWitness) -> None:
    witness.dropped = samples(MOST_SAMPLES + 10)
    found = evidence.samples(wire.SampleQuery(limit=MOST_SAMPLES))
    assert [found[0].number, found[-1].number, len(found)] == [11, MOST_SAMPLES + 10, MOST_SAMPLES]
    assert [sample.number for sample in evidence.samples(wire.SampleQuery(limit=2))] == [4105, 4106]


def test_who_asks_again_gets_only_what_is_new(evidence: Evidence, witness: MemoryWitness) -> None:
    witness.dropped = samples(3)
    assert [each.number for each in evidence.samples(wire.SampleQuery(after=1))] == [2, 3]
    assert evidence.samples(wire.SampleQuery(after=3)) == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (wire.SampleQuery(limit=0), "bad_args"),
        (wire.SampleQuery(limit=MOST_SAMPLES + 1), "bad_args"),
        (wire.SampleQuery(verdict="nonsense"), "no_verdict"),
        (wire.SampleQuery(address="nowhere"), "bad_prefix"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(evidence: Evidence, query: wire.SampleQuery, code: str) -> None:
    with pytest.raises(wire.WireError) as refused:
        evidence.samples(query)
    assert refused.value.code == code


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_offenders_are_named_within_bounds(evidence: Evidence, limit: int) -> None:
    with pytest.raises(wire.WireError, match="limit must be 1 to 1000"):
        evidence.offenders(wire.Top(limit))


def test_an_offender_is_told_in_words(evidence: Evidence, witness: MemoryWitness) -> None:
    witness.sources = [OffenderRow(SOURCE, 9, 3, 2, 1, 1_000_000_000, 0)]
    assert evidence.offenders(wire.Top()) == [wire.Offender("198.51.100.7", 9, 3, 2, 1, 1_700_000_001.0, 0.0)]


@pytest.mark.parametrize(
    ("frame", "source"),
    [
        (Ether() / IP(src="192.0.2.1"), "192.0.2.1"),
        (Ether() / Dot1Q(vlan=7) / IP(src="192.0.2.2"), "192.0.2.2"),
        (Ether() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / IPv6(src="2001:db8::3"), "2001:db8::3"),
        (Ether() / Dot1Q(vlan=7) / Dot1Q(vlan=8) / Dot1Q(vlan=9) / IP(src="192.0.2.4"), None),
        (Ether(type=0x806), None),
    ],
)
def test_the_source_of_a_frame_is_found_behind_its_tags(frame: Packet, source: str | None) -> None:
    found = frame_source(bytes(frame))
    assert found == (layout.address(source) if source else None)


def test_a_frame_that_was_cut_has_no_source() -> None:
    for length in range(34):
        assert frame_source(FRAME[:length]) is None


def test_the_worst_of_many_sources_are_found_in_the_kernels_map(gate: Gate) -> None:
    handle = gate.maps["offenders"]
    shape = layout.Shape(handle.leaf)
    raw = syscall.MapDescriptor(handle.fd, 16, shape.bytes)
    rows = [
        (layout.address(f"10.0.{n >> 8}.{n & 255}"), shape.pack({"dropped": n, "wrong": 5000 if n == 17 else 0}))
        for n in range(5000)
    ]
    raw.update_many(rows)
    try:
        worst = gate.offenders(wire.Top(3))
        assert [row.address for row in worst] == ["10.0.0.17", "10.0.19.135", "10.0.19.134"]
        assert (worst[0].dropped, worst[0].wrong) == (17, 5000)
    finally:
        raw.delete_many([key for key, _ in rows])
    assert gate.offenders(wire.Top()) == []


def test_what_was_dropped_while_no_keeper_ran_is_found_by_the_next_one(
    inside: Lab, header_cache: Path, pin_dir: Path
) -> None:
    plan = wire.Plan(1, (("udp", 5060),), (0, 0), wire.Limits({"sample_interval": 0}), bans=(wire.Ban("198.51.100.7"),))
    first = Gate.load(pin_dir, header_cache)
    first.sync(plan)
    testrun.run(first.program_fd, FRAME)
    assert len(first.samples(wire.SampleQuery())) == 1
    testrun.run(first.program_fd, FRAME)
    first.close()
    second = Gate.load(pin_dir, header_cache)
    try:
        found = second.samples(wire.SampleQuery())
        assert [(each.verdict, base64.b64decode(each.frame)) for each in found] == [("banned", FRAME)]
        testrun.run(second.program_fd, FRAME)
        assert second.tick() == 0
        assert second.status().samples == 2
    finally:
        second.remove()
