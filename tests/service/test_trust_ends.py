"""The end of a trust: told to the gate in that moment, and no word to private networks."""

from pathlib import Path

from appliance import wire
from pysrv.store.rows import AllowRow
from tests.service.bench import TRUNK, Bench, opened

NEAR = "192.168.7.7"


def administered(bench: Bench) -> list[str]:
    return [each.prefix for each in bench.service.plan().administrators]


def panel_opens(bench: Bench, address: str) -> bool:
    return bench.service.parts.trusted.administers(address)


def test_private_networks_do_not_come_back_by_themselves_when_the_last_trust_ends(tmp_path: Path) -> None:
    with opened(tmp_path) as bench:
        assert "192.168.0.0/16" in administered(bench) and panel_opens(bench, NEAR)
        bench.store.add_allow(AllowRow("198.51.100.7", expires_at=bench.time.wall() + 60))
        bench.sleep(59)
        assert administered(bench) == ["198.51.100.7/32"] and not panel_opens(bench, NEAR)
        for _ in range(2):
            bench.sleep(3600, step=4.0)  # the sweep has been there too
            assert administered(bench) == [] and not panel_opens(bench, NEAR)
            assert panel_opens(bench, "127.0.0.1")
        bench.store.remove_allow("198.51.100.7", "root")
        assert "192.168.0.0/16" in administered(bench) and panel_opens(bench, NEAR)


def test_private_networks_do_not_come_back_when_something_else_takes_the_place_of_the_last_trust(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as bench:
        bench.store.add_allow(AllowRow("198.51.100.7", expires_at=bench.time.wall() + 60))
        bench.sleep(61)
        for kind, end in (("known", 0.0), ("allow", bench.time.wall() - 1)):
            bench.store.add_allow(AllowRow("198.51.100.7", kind, expires_at=end))
            bench.sleep(60, step=4.0)
            assert administered(bench) == [] and not panel_opens(bench, NEAR), kind


def test_the_gate_has_the_plan_in_the_moment_in_which_a_trust_ends(tmp_path: Path) -> None:
    def of_trunk(bench: Bench) -> list[wire.SourceClass]:
        return [each.kind for each in bench.service.plan().sources if each.prefix == TRUNK]

    with opened(tmp_path) as bench:
        bench.store.add_allow(AllowRow(TRUNK, expires_at=bench.time.wall() + 33.3))
        end = bench.now + 33.3
        bench.sleep(30, step=1.0)
        assert of_trunk(bench) == [wire.SourceClass.ALLOW]
        before = bench.gate.resyncs
        while (next_at := bench.service.get_timer()) is not None and next_at < end - 0.001:
            bench.now = max(next_at, bench.now + 1e-6)
            bench.service.handle_timer()
            bench.turn()
        assert bench.gate.resyncs == before and next_at is not None and abs(next_at - end) < 0.001
        bench.now = end + 0.001
        bench.service.handle_timer()
        assert bench.gate.resyncs == before + 1 and of_trunk(bench) == [wire.SourceClass.KNOWN]
        bench.sleep(60, step=1.0)
        assert bench.gate.resyncs == before + 1
