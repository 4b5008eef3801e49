"""What a source did is counted in windows, and the packet that passes a figure is reported: once."""

import pytest
from scapy.layers.inet import UDP

from appliance import wire
from appliance.kernel import layout
from tests.bpf.rig import Rig, frame

FROM, FROM6, TO6 = "198.51.100.7", "2001:db8:7::7", "fd77:1::1"
LONG = 10**15


@pytest.fixture(autouse=True)
def forgotten(rig: Rig) -> None:
    """Offences of other tests are fetched, and the service is as if it had never pulsed."""
    offences(rig)


def offences(rig: Rig) -> list[tuple[str, str, int]]:
    found = rig.gate.pulse(wire.Pulse()).offences
    rig.gate.tables.pulse(0, 0)
    return [(each.rule, each.address, each.count) for each in found]


def limits(**values: int) -> dict[str, wire.Limits]:
    return {"limits": wire.Limits(values)}


def send(rig: Rig, times: int, **changes: object) -> None:
    for _ in range(times):
        rig.send(frame(**changes))  # type: ignore[arg-type]


def row(rig: Rig, source: str) -> dict[str, int]:
    handle = rig.gate.maps["offenders"]
    leaf = rig.rows("offenders").lookup(layout.address(source))
    return {} if leaf is None else layout.Shape(handle.leaf).unpack(leaf)


def test_too_many_messages_are_reported_once_in_a_window(rig: Rig) -> None:
    rig.sync(**limits(messages_most=3, messages_window=LONG))
    send(rig, 3)
    assert offences(rig) == []
    send(rig, 5, sport=5077)
    assert offences(rig) == [("maxsubsmmsgcount", FROM, 4)], "an address counts over all its ports"
    assert row(rig, FROM)["messages"] == 8


def test_a_window_that_has_passed_begins_anew(rig: Rig) -> None:
    rig.sync(**limits(messages_most=1, messages_window=1))
    send(rig, 5)
    assert offences(rig) == []


def test_known_devices_count_and_an_allowed_source_does_not(rig: Rig) -> None:
    rig.sync(**limits(messages_most=2, messages_window=LONG), known_pairs=(wire.KnownPair(FROM, 5060, 0.0),))
    send(rig, 3)
    assert offences(rig) == [("maxsubsmmsgcount", FROM, 3)]
    assert row(rig, FROM)["unauthenticated"] == 0
    rig.sync(**limits(messages_most=2, messages_window=LONG), sources=(wire.Source(FROM),))
    send(rig, 5)
    assert offences(rig) == []


@pytest.mark.parametrize("payload", [b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)])
def test_meaningless_messages_are_reported(rig: Rig, payload: bytes) -> None:
    rig.sync(**limits(wrong_most=2, wrong_window=LONG))
    send(rig, 2, payload=payload)
    assert offences(rig) == []
    found = rig.send(frame(payload)).verdict
    (offence,) = rig.gate.pulse(wire.Pulse()).offences
    rig.gate.tables.pulse(0, 0)
    assert (offence.rule, offence.address, offence.port, offence.verdict) == ("maxwrongmsgallowed", FROM, 5060, found)
    assert offence.count == 3


def test_messages_without_proof_are_reported(rig: Rig) -> None:
    rig.sync(**limits(guard_burst=2, guard_window=LONG))
    send(rig, 4)
    assert offences(rig) == [("fastauthsubswrongusermsg", FROM, 3)]


def test_an_ip6_network_of_64_bits_is_one_offender(rig: Rig) -> None:
    rig.sync(**limits(messages_most=2, messages_window=LONG))
    for i in range(4):
        send(rig, 1, src=f"2001:db8:7::{i + 1}", dst=TO6)
    send(rig, 1, src="2001:db8:8::1", dst=TO6)
    assert offences(rig) == [("maxsubsmmsgcount", "2001:db8:7::3", 3)]
    assert row(rig, "2001:db8:7::")["messages"] == 4


def test_packets_over_a_rate_are_counted_with_their_source(rig: Rig) -> None:
    rig.sync(**limits(stranger_burst=1, stranger_interval=10**12, slip_every=0))
    send(rig, 5)
    assert (row(rig, FROM)["messages"], row(rig, FROM)["dropped"]) == (5, 4)


def test_a_banned_source_and_other_ports_cost_no_row(rig: Rig) -> None:
    rig.sync(bans=(wire.Ban(FROM),))
    send(rig, 3)
    packet = frame(src="198.51.100.9")
    packet[UDP].dport = 53
    rig.send(packet)
    assert row(rig, FROM) == row(rig, "198.51.100.9") == {}
