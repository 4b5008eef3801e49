"""Buckets by class, the strangers' shared budget and the pressure on it, the interface's ceiling, TCP and slip."""

import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from appliance import wire
from appliance.kernel import layout, syscall, testrun
from tests.bpf.rig import GATE_MAC, PHONE_MAC, Rig, frame

FROM, FROM6 = "198.51.100.7", "2001:db8:7::7"
NEVER = 10**12
KNOWN = {"known_pairs": (wire.KnownPair(FROM, 5060, 0.0),)}


def limits(**values: int) -> dict[str, wire.Limits]:
    return {"limits": wire.Limits(values)}


def spend(rig: Rig, packets: int, **changes: object) -> list[str]:
    return [rig.send(frame(**changes)).verdict for _ in range(packets)]  # type: ignore[arg-type]


def tcp(flags: str = "S", *, src: str = FROM, size: int = 0, dport: int = 5060) -> Packet:
    return (
        Ether(src=PHONE_MAC, dst=GATE_MAC)
        / IP(src=src, dst="10.77.1.1")
        / TCP(sport=4000, dport=dport, flags=flags)
        / Raw(bytes(size))
    )


def beat(rig: Rig, *, age_ns: int = 0, delay_ms: float = 0.0) -> None:
    """As if the service had pulsed `age_ns` ago."""
    rig.gate.tables.pulse(time.monotonic_ns() - age_ns, int(delay_ms * 1e6))


@pytest.fixture(autouse=True)
def quiet(rig: Rig) -> None:
    """No pulse yet, and every ceiling empty."""
    rig.gate.tables.pulse(0, 0)
    handle = rig.gate.maps["speeds"]
    speeds = syscall.MapDescriptor(handle.fd, 4, layout.Shape(handle.leaf).bytes)
    for key, _ in list(speeds.items()):
        speeds.update(key, bytes(speeds.leaf_bytes))


def test_a_known_device_has_a_bucket_of_its_own(rig: Rig) -> None:
    values = limits(pair_burst=3, pair_interval=NEVER, stranger_burst=1, stranger_interval=NEVER)
    rig.sync(**values, known_pairs=(wire.KnownPair(FROM, 5060, 0.0), wire.KnownPair(FROM, 5061, 0.0)))
    assert spend(rig, 4) == ["sip_request"] * 3 + ["over_rate_pair"]
    assert spend(rig, 4, sport=5061) == ["sip_request"] * 3 + ["over_rate_pair"]
    assert spend(rig, 2, sport=5062) == ["sip_request", "over_rate_stranger"]


def test_what_strangers_send_without_proof_is_guarded_by_source(rig: Rig) -> None:
    rig.sync(**limits(guard_burst=2, guard_window=NEVER))
    assert spend(rig, 3) == ["sip_request"] * 2 + ["over_guard"]
    assert spend(rig, 1, src="198.51.100.8") == ["sip_request"]


def test_all_strangers_together_share_a_budget(rig: Rig) -> None:
    rig.sync(**limits(budget_burst=5, budget_interval=NEVER), **KNOWN)
    verdicts = [spend(rig, 1, src=f"203.0.113.{i}")[0] for i in range(8)]
    assert verdicts == ["sip_request"] * 5 + ["over_budget"] * 3
    assert spend(rig, 20) == ["sip_request"] * 20, "known devices draw from none of it"


def test_sources_that_make_room_for_one_another_do_not_fill_the_shared_budget_again(rig: Rig) -> None:
    """A forged flood brings more new addresses than there are rows for single sources; so they are cleared here."""
    rig.sync(**limits(budget_burst=5, budget_interval=NEVER))
    assert [spend(rig, 1, src=f"203.0.113.{i}")[0] for i in range(6)][-1] == "over_budget"
    for key, _ in list(rig.buckets.items()):
        rig.buckets.delete(key)
    assert spend(rig, 1, src="203.0.113.99") == ["over_budget"]


@pytest.mark.parametrize(
    ("about", "age_ns", "delay_ms", "left"),
    [
        ("a service that keeps up", 0, 10.0, 16),
        ("datagrams that wait", 0, 51.0, 2),
        ("no sign of life", 300_000_000, 0.0, 2),
        ("a sign of life not long ago", 100_000_000, 0.0, 16),
    ],
)
def test_the_budget_tightens_under_pressure(rig: Rig, about: str, age_ns: int, delay_ms: float, left: int) -> None:
    """Under pressure it holds an eighth, and a packet costs eight times as much: of 128 packets there are two."""
    rig.sync(**limits(budget_burst=128, budget_interval=NEVER, pulse_patience=250_000_000, pressure_divisor=8))
    verdicts = []
    for i in range(16):
        beat(rig, age_ns=age_ns, delay_ms=delay_ms)
        verdicts += spend(rig, 1, src=f"203.0.113.{i}")
    assert verdicts.count("sip_request") == left, about


def test_the_budget_recovers_with_the_service(rig: Rig) -> None:
    rig.sync(**limits(budget_burst=128, budget_interval=NEVER, pressure_divisor=8, pulse_patience=NEVER))
    beat(rig, delay_ms=80.0)
    assert spend(rig, 4) == ["sip_request"] * 2 + ["over_budget"] * 2
    beat(rig, delay_ms=1.0)
    assert spend(rig, 4) == ["sip_request"] * 4


def test_a_service_that_never_pulsed_puts_no_pressure_on_anybody(rig: Rig) -> None:
    rig.sync(**limits(budget_burst=16, budget_interval=NEVER))
    assert spend(rig, 16) == ["sip_request"] * 16


def test_strangers_are_cut_off_first_when_an_interface_takes_in_too_much(rig: Rig) -> None:
    size = len(bytes(frame()))
    # eight frames deep, and none comes back within the test
    rig.sync(**limits(interface_interval=NEVER, interface_depth=8 * (size * NEVER // 1000)), **KNOWN)
    assert spend(rig, 5, sport=9999) == ["sip_request"] * 4 + ["over_speed"]
    assert spend(rig, 1, dport=53, sport=9999) == ["over_speed"], "nor has a stranger's other UDP more"
    assert rig.send(tcp(dport=22)).verdict == "other_port", "ssh still gets through"
    assert spend(rig, 3) == ["sip_request"] * 3, "and those who are known have all of it"
    assert spend(rig, 1, src="203.0.113.9") == ["over_speed"]


def test_each_interface_has_a_ceiling_of_its_own(rig: Rig) -> None:
    size = len(bytes(frame()))
    rig.sync(**limits(interface_interval=NEVER, interface_depth=2 * (size * NEVER // 1000)))
    assert spend(rig, 2) == ["sip_request", "over_speed"]
    assert rig.send(frame(), "to-trunk").verdict == "sip_request"


def test_no_ceiling_when_it_is_off(rig: Rig) -> None:
    rig.sync(**limits(interface_interval=0, interface_depth=0))
    assert spend(rig, 3) == ["sip_request"] * 3


def test_connections_are_counted_by_source_and_their_packets_are_not(rig: Rig) -> None:
    rig.sync(**limits(connect_burst=2, connect_interval=NEVER))
    assert [rig.send(tcp()).verdict for _ in range(3)] == ["tcp_service", "tcp_service", "tcp_connections"]
    assert rig.send(tcp("A")).verdict == "tcp_service"
    assert rig.send(tcp(src="198.51.100.8")).verdict == "tcp_service"
    assert rig.send(tcp(dport=22)).verdict == "other_port"


def test_bytes_over_tcp_are_counted_by_source(rig: Rig) -> None:
    packet = tcp("PA", size=1000)
    rig.sync(**limits(tcp_burst=2 * len(bytes(packet)), tcp_interval=NEVER))
    assert [rig.send(packet).verdict for _ in range(3)] == ["tcp_service", "tcp_service", "tcp_bytes"]


def test_an_allowed_source_has_no_limit_at_all(rig: Rig) -> None:
    tight = limits(stranger_burst=1, stranger_interval=NEVER, connect_burst=1, connect_interval=NEVER)
    rig.sync(**tight, sources=(wire.Source(FROM),))
    assert spend(rig, 3) == ["source_allowed"] * 3
    assert [rig.send(tcp()).verdict for _ in range(3)] == ["source_allowed"] * 3


def test_every_so_manieth_request_over_the_rate_is_handed_on_to_be_answered(rig: Rig) -> None:
    """The stage that reads requests is another program here: what it does shows that it was called."""
    rig.sync(**limits(stranger_burst=1, stranger_interval=NEVER, slip_every=3))
    before = {t.verdict: t.packets for t in rig.gate.tallies()}
    rig.gate.kernel.set_stage(layout.stages()["read"], testrun.pass_program())
    try:
        actions = [testrun.run(rig.gate.program_fd, bytes(frame()), ifindex=1).action.name for _ in range(10)]
    finally:
        rig.gate._install_stages()
    assert actions[0] == "PASS"
    assert actions[1:] == ["DROP", "DROP", "PASS"] * 3
    after = {t.verdict: t.packets for t in rig.gate.tallies()}
    assert after["over_rate_stranger"] - before["over_rate_stranger"] == 6


def test_nothing_but_a_request_slips(rig: Rig) -> None:
    rig.sync(**limits(stranger_burst=1, stranger_interval=NEVER, slip_every=1))
    for payload in (b"SIP/2.0 200 OK\r\n\r\n", b"\r\n\r\n", b"x" * 40):
        spend(rig, 1, payload=payload)
        assert spend(rig, 2, payload=payload) == ["over_rate_stranger"] * 2
