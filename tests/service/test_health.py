"""Ready or not, part by part, in words that a stranger may read."""

import pytest

from pysrv.service.health import SERVES_S, Checkup, Health, health


def test_an_appliance_whose_parts_all_work_is_ready() -> None:
    found = health(store="", sip="", keeper=True)
    assert (found.ready, found.status, found.text()) == (True, 200, "store: ok\nsip: ok\nkeeper: ok\n")
    assert found.to_dict() == {"ready": True, "parts": {"store": True, "sip": True, "keeper": True}}


@pytest.mark.parametrize(
    ("store", "sip", "keeper", "line"),
    [
        ("disk_full", "", True, "store: disk_full"),
        ("", "not listening", True, "sip: not listening"),
        ("", "", False, "keeper: not connected"),
    ],
)
def test_one_part_that_fails_is_named_and_makes_it_unavailable(store: str, sip: str, keeper: bool, line: str) -> None:
    found = health(store=store, sip=sip, keeper=keeper)
    assert (found.ready, found.status) == (False, 503)
    assert line in found.text().splitlines()
    assert found.text().count(": ok\n") == 2


def test_a_flood_of_probes_looks_at_the_parts_once() -> None:
    looked: list[Health] = []
    now = [5.0]

    def look() -> Health:
        looked.append(health(store="", sip="", keeper=True))
        return looked[-1]

    checkup = Checkup(look, lambda: now[0])
    assert checkup() is checkup() is looked[0]
    now[0] += SERVES_S - 0.01
    assert checkup() is looked[0]
    now[0] += 0.01
    assert checkup() is looked[1]
