"""Next hops are asked for once, through gateways, and valid entries are left as they are."""

from collections.abc import Iterator

import pytest

from appliance.kernel.neighbour import Neighbours
from tests.lab.network import Lab


class Clock:
    ns = 10**12

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def neighbours(inside: Lab, clock: Clock) -> Iterator[Neighbours]:
    inside.run(inside.appliance, ["ip", "neigh", "flush", "all", "nud", "all"])
    made = Neighbours(clock)
    yield made
    made.close()


def shown(lab: Lab, address: str) -> str:
    return lab.run(lab.appliance, ["ip", "neigh", "show", address]).stdout


def test_an_address_on_the_link_is_asked_for_once(inside: Lab, neighbours: Neighbours, clock: Clock) -> None:
    missing = bytes([10, 77, 1, 200])
    assert neighbours.want([missing]) == 1
    assert "10.77.1.200 dev to-phone" in shown(inside, "10.77.1.200")
    assert neighbours.want([missing]) == 0
    clock.ns += 16 * 10**9
    assert neighbours.want([missing]) == 1


def test_an_address_behind_a_gateway_makes_the_gateway_known(inside: Lab, neighbours: Neighbours) -> None:
    inside.run(inside.appliance, ["ip", "route", "replace", "192.0.2.0/24", "via", "10.77.2.2"])
    assert neighbours.want([bytes([192, 0, 2, 5])]) == 1
    assert "10.77.2.2 dev to-trunk" in shown(inside, "10.77.2.2")
    assert shown(inside, "192.0.2.5") == ""


def test_a_permanent_entry_stays_permanent(inside: Lab, neighbours: Neighbours) -> None:
    mac = "02:00:00:00:00:09"
    inside.run(
        inside.appliance, ["ip", "neigh", "replace", "10.77.1.9", "lladdr", mac, "dev", "to-phone", "nud", "permanent"]
    )
    neighbours.want([bytes([10, 77, 1, 9])])
    assert f"lladdr {mac} PERMANENT" in shown(inside, "10.77.1.9")


def test_an_address_without_a_route_is_no_error(neighbours: Neighbours) -> None:
    assert neighbours.want([bytes([203, 0, 113, 1])]) == 0
