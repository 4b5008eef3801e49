"""A trunk that takes no calls is told of once a day; one that is busy or does not know a number is not."""

from pathlib import Path

import pytest

from appliance.config.settings import Settings
from pysrv.calls.plan import Target, TargetKind
from pysrv.service.trunk_watch import TrunkHealth, TrunkWatch
from pysrv.sip.events import Flow
from pysrv.sip.uri import Uri
from tests.service.bench import Bench
from tests.service.fraud_bench import line_to_the_world
from tests.service.test_limits import bench

__all__ = ["bench"]


class Watched:
    """A watch, and what it told: how many calls had failed."""

    def __init__(self, bench: Bench, **texts: str) -> None:
        self.told: list[tuple[str, int, int]] = []
        self.settings, self.now = Settings().with_changes(texts, 1), 1000.0
        self.watch = TrunkWatch(bench.store, lambda: self.settings, self.tell, lambda: self.now)

    def tell(self, kind: str, account: str, key: str, **figures: int) -> None:
        assert (kind, account) == ("trunk_failing", "")
        self.told.append((key.partition(":")[0], figures["count"], figures["status"]))

    def fail(self, *statuses: int, trunk: str = "carrier") -> None:
        for status in statuses:
            self.watch.failed(target(trunk), status)


def target(name: str, kind: TargetKind = TargetKind.TRUNK) -> Target:
    flow = Flow("udp", ("192.0.2.1", 5060), ("198.51.100.7", 5060))
    return Target(flow, Uri.parse(b"sip:1@198.51.100.7"), label=name, kind=kind)


@pytest.mark.setting("trunkfailures")
@pytest.mark.parametrize(("most", "told"), [("3", [("carrier", 3, 503)]), ("0", [])])
def test_failures_in_a_row_are_told(bench: Bench, most: str, told: list[tuple[str, int, int]]) -> None:
    watched = Watched(bench, trunkfailures=most)
    watched.fail(408, 500)
    assert watched.told == []
    watched.fail(503)
    assert watched.told == told


@pytest.mark.parametrize("status", [404, 480, 486, 487, 603])
def test_who_answers_at_all_is_there(bench: Bench, status: int) -> None:
    watched = Watched(bench, trunkfailures="3")
    watched.fail(503, 503, status, 503, 503)
    assert watched.told == []


def test_a_call_that_rings_or_is_answered_begins_the_count_anew(bench: Bench) -> None:
    watched = Watched(bench, trunkfailures="3")
    watched.fail(503, 503)
    watched.watch.works(target("other"))
    watched.watch.works(target("carrier", TargetKind.BINDING))
    watched.fail(503)
    assert len(watched.told) == 1
    watched.watch.works(target("carrier"))
    watched.fail(503, 503)
    assert len(watched.told) == 1


def test_the_last_call_that_a_trunk_took_and_the_last_that_it_did_not_are_remembered(bench: Bench) -> None:
    watched = Watched(bench, trunkfailures="3")
    assert watched.watch.health("carrier") == TrunkHealth()
    watched.watch.works(target("carrier"))
    watched.now = 1060.0
    watched.fail(503, 408)
    assert watched.watch.health("carrier") == TrunkHealth(1000.0, 1060.0, 408, 2)
    watched.now = 1090.0
    watched.fail(486)  # busy: it is there
    assert watched.watch.health("carrier") == TrunkHealth(1000.0, 1090.0, 486, 0)
    watched.fail(500)
    watched.watch.works(target("carrier"))
    assert watched.watch.health("carrier") == TrunkHealth(1090.0, 1090.0, 500, 0)
    assert watched.watch.health("other") == TrunkHealth()


def test_devices_of_users_are_no_trunks(bench: Bench) -> None:
    watched = Watched(bench, trunkfailures="1")
    watched.watch.failed(target("alice", TargetKind.BINDING), 408)
    assert watched.told == []


def test_a_carrier_that_is_down_is_told_by_the_calls_that_it_does_not_take(tmp_path: Path) -> None:
    with line_to_the_world(tmp_path) as line:
        line.set(trunkfailures="3")
        for each in range(4):
            line.phone.invite(f"4930123450{each}")
            asked = [request for request in line.carrier.requests() if request.method == b"INVITE"]
            line.carrier.reply(asked[0], 503)
            line.settle()
        notices = [row for row in line.bench.store.unrouted_notices() if row.kind == "trunk_failing"]
        assert [(row.figures["trunk"], row.figures["count"], row.figures["status"]) for row in notices] == [
            ("world", 3, 503)
        ]
