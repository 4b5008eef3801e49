"""What the gate is told of devices behind one socket, as an exchange of a company has them."""

from types import SimpleNamespace
from typing import Any, cast

from appliance import wire
from pysrv.calls.bindings import Binding
from pysrv.calls.registrar import Removed, Saved
from pysrv.service.pairs import SLACK_S, KnownPairs
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import Flow
from pysrv.sip.uri import Uri

NOW = 1_000_000.0
FLOW = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5062))


class Told:
    """A gate that writes down what it is told."""

    def __init__(self) -> None:
        self.known: list[wire.KnownPair] = []
        self.forgotten: list[wire.Pair] = []

    def know_pair(self, pair: wire.KnownPair) -> None:
        self.known.append(pair)

    def forget_pair(self, pair: wire.Pair) -> None:
        self.forgotten.append(pair)


def made() -> tuple[KnownPairs, Told]:
    told = Told()
    world: Any = SimpleNamespace(gate=told, clock=SimpleNamespace(wall=lambda: NOW))
    return KnownPairs(cast(Surroundings, world)), told


def device(number: int, expires_in: float) -> Binding:
    contact = Uri.parse(b"sip:u%d@198.51.100.7:5062" % number)
    return Binding(f"u{number}", contact, FLOW, NOW + expires_in, b"call", 1)


def test_a_thousand_devices_behind_one_socket_are_one_pair_that_is_told_once() -> None:
    pairs, told = made()
    for number in range(1000):
        pairs.change([Saved(device(number, 600.0))])
    assert [(pair.address, pair.port, pair.expires_at) for pair in told.known] == [("198.51.100.7", 5062, NOW + 600.0)]
    assert pairs.holds(("198.51.100.7", 5062))


def test_an_expiry_that_is_much_later_is_told() -> None:
    pairs, told = made()
    for expires_in in (600.0, 600.0 + SLACK_S, 601.0 + SLACK_S):
        pairs.change([Saved(device(1, expires_in))])
    assert [pair.expires_at - NOW for pair in told.known] == [600.0, 601.0 + SLACK_S]


def test_the_pair_is_forgotten_with_its_last_device_and_told_anew_with_the_next() -> None:
    pairs, told = made()
    first, second = device(1, 600.0), device(2, 600.0)
    pairs.change([Saved(first), Saved(second), Removed(first)])
    assert not told.forgotten
    pairs.change([Removed(second)])
    assert told.forgotten == [wire.Pair("198.51.100.7", 5062)]
    assert not pairs.holds(("198.51.100.7", 5062))
    pairs.change([Saved(first)])
    assert len(told.known) == 2
