"""The port of the administrators' tunnel: WireGuard's four messages pass, and nothing else does."""

from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, UDP

from appliance import wire
from tests.bpf.rig import Rig, frame

PORT = 51820
WHOLE = [(1, 148), (2, 92), (3, 64), (4, 32), (4, 96), (4, 1452)]
BROKEN = [
    (1, 147), (1, 149), (1, 92), (2, 91), (2, 148), (3, 63), (3, 65), (4, 31), (4, 4), (0, 148), (5, 148), (255, 64),
]  # fmt: skip


def message(kind: int, size: int) -> bytes:
    return (bytes((kind, 0, 0, 0)) + bytes(size))[:size]


@pytest.fixture
def guarded(rig: Rig) -> Iterator[Rig]:
    rig.sync()
    rig.gate.guard_tunnel(PORT)
    yield rig
    rig.gate.guard_tunnel(0)


@pytest.mark.parametrize("source", ["198.51.100.7", "2001:db8:7::7"])
def test_messages_of_wireguard_pass_and_others_are_dropped(guarded: Rig, source: str) -> None:
    there = {"dport": PORT, "src": source, "dst": "fd77:1::1" if ":" in source else "10.77.1.1"}
    for kind, size in WHOLE:
        out = guarded.send(frame(message(kind, size), **there))
        assert (out.verdict, out.action.name) == ("tunnel_message", "PASS"), (kind, size)
    broken = [message(kind, size) for kind, size in BROKEN]
    broken += [b"", b"\1", b"\1\0\0", *(bytes((1, *reserved)) + bytes(144) for reserved in ((1, 0, 0), (0, 0, 9)))]
    for payload in broken:
        out = guarded.send(frame(payload, **there))
        assert (out.verdict, out.action.name) == ("tunnel_malformed", "DROP"), payload[:8]


def test_a_first_fragment_of_data_passes_by_the_length_that_it_names(guarded: Rig) -> None:
    whole = frame(message(4, 1400), dport=PORT)
    whole[IP].flags = "MF"
    whole[UDP].len = 3008
    assert guarded.send(whole).verdict == "tunnel_message"


def test_other_ports_and_a_gate_without_a_tunnel_are_as_before(guarded: Rig) -> None:
    assert guarded.send(frame(b"anything", dport=PORT + 1)).verdict == "other_port"
    guarded.sync(generation=2)
    assert guarded.send(frame(b"anything", dport=PORT)).verdict == "tunnel_malformed", "no plan takes it away"
    guarded.gate.guard_tunnel(0)
    assert guarded.send(frame(b"anything", dport=PORT)).verdict == "other_port"


def test_a_ban_holds_there_and_the_allow_list_spares_the_look(guarded: Rig) -> None:
    good = frame(message(1, 148), dport=PORT)
    guarded.sync(bans=(wire.Ban("198.51.100.7"),))
    assert guarded.send(good).verdict == "banned"
    guarded.sync(sources=(wire.Source("198.51.100.7", wire.SourceClass.ALLOW),))
    assert guarded.send(good).verdict == "source_allowed"
