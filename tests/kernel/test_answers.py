"""The verbs about registrations that the kernel answers for, over tables in memory: every way in which one ends."""

from collections.abc import Callable

import pytest

from appliance import wire
from appliance.kernel.fake import FakeGate
from appliance.kernel.plan import MapName
from appliance.wire import WireError
from tests.kernel.test_surface import Clock, whole

AOR = "<sip:anna@pbx.example>"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> FakeGate:
    return FakeGate(monotonic_ns=clock.monotonic, unix_ns=clock.unix)


def refresh(clock: Clock, **parts: object) -> wire.Refresh:
    given = {"address": "192.0.2.7", "port": 5062, "address_of_record": AOR, "contact": "<sip:anna@192.0.2.7>"}
    times = {"expires_at": clock.at(600), "until": clock.at(300)}
    return wire.Refresh(**{**given, **times, **parts})  # type: ignore[arg-type]


def held(gate: FakeGate) -> int:
    return len(gate.tables.rows(MapName.REFRESHES))


def test_a_registration_is_remembered_once_for_each_device(gate: FakeGate, clock: Clock) -> None:
    gate.remember(refresh(clock))
    gate.remember(refresh(clock, until=clock.at(290)))
    gate.remember(refresh(clock, contact="<sip:anna@192.0.2.7:5070>"))
    assert held(gate) == 1
    gate.remember(refresh(clock, port=5063))
    assert held(gate) == 2


ENDS: dict[str, Callable[[FakeGate, Clock], object]] = {
    "the office forgets its address of record": lambda gate, clock: gate.forget(wire.RefreshRef(AOR)),
    "the office forgets its source": lambda gate, clock: gate.forget(wire.RefreshRef(address="192.0.2.7")),
    "its address is banned": lambda gate, clock: gate.ban(wire.Ban("192.0.2.7")),
    "its network is banned": lambda gate, clock: gate.ban(wire.Ban("192.0.2.0/24")),
    "a ban spares known devices": lambda gate, clock: gate.ban(wire.Ban("192.0.2.7", spares_known=True)),
    "its socket is banned": lambda gate, clock: gate.ban_pair(wire.PairBan("192.0.2.7", 5062)),
    "a new plan comes": lambda gate, clock: gate.sync(whole()),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_registration_is_forgotten_when(end: str, gate: FakeGate, clock: Clock) -> None:
    gate.remember(refresh(clock))
    ENDS[end](gate, clock)
    assert held(gate) == 0


def test_a_registration_is_forgotten_when_its_time_has_come(gate: FakeGate, clock: Clock) -> None:
    gate.remember(refresh(clock))
    clock.ns += 299 * 10**9
    gate.tick()
    assert held(gate) == 1
    clock.ns += 2 * 10**9
    assert gate.tick() == 1
    assert held(gate) == 0


def test_a_keeper_that_starts_again_answers_for_nobody(gate: FakeGate, clock: Clock) -> None:
    gate.sync(whole())
    gate.remember(refresh(clock))
    again = FakeGate(monotonic_ns=clock.monotonic, unix_ns=clock.unix)
    again.memory, again.tables = gate.memory, gate.memory
    again._adopt()
    assert held(again) == 0


@pytest.mark.parametrize(
    "other",
    [wire.Ban("192.0.2.8"), wire.PairBan("192.0.2.7", 5063), wire.RefreshRef("<sip:bert@pbx.example>")],
)
def test_what_happens_to_others_changes_nothing(gate: FakeGate, clock: Clock, other: object) -> None:
    gate.remember(refresh(clock))
    match other:
        case wire.Ban():
            gate.ban(other)
        case wire.PairBan():
            gate.ban_pair(other)
        case wire.RefreshRef():
            gate.forget(other)
    assert held(gate) == 1


@pytest.mark.parametrize("parts", [{"until": 1.0}, {"contact": "sip:anna@192.0.2.7"}, {"expires_at": 1.0}])
def test_what_cannot_be_answered_is_refused_and_not_held(gate: FakeGate, clock: Clock, parts: dict[str, float]) -> None:
    with pytest.raises(WireError):
        gate.remember(refresh(clock, **parts))
    assert held(gate) == 0
