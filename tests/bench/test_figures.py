"""The arithmetic of the benchmarks: a ratio above 1 is always ours, and a run that fails too often is none."""

import pytest

from tests.bench.load import Measured
from tests.bench.relay import bencode
from tests.bench.report import compare


def test_more_is_better_unless_less_is() -> None:
    assert compare("rate", 300.0, 100.0, "peer").ratio == 3.0
    assert compare("cost", 0.5, 1.0, "peer", less=True).ratio == 2.0


def test_a_peer_that_is_missing_is_null_and_so_is_the_ratio() -> None:
    row = compare("rate", 300.0, None, "peer", 100.0)
    assert (row.peer, row.ratio, row.goal) == (None, None, 100.0)


@pytest.mark.parametrize(("failed", "valid"), [(0, True), (9, True), (10, False)])
def test_a_run_with_a_thousandth_of_failures_does_not_count(failed: int, valid: bool) -> None:
    assert Measured(10_000 - failed, failed, 0, 2.0, 1.0).valid is valid


def test_a_run_without_success_does_not_count() -> None:
    assert not Measured(0, 0, 0, 1.0, 1.0).valid


def test_rates_and_costs_are_those_of_successes() -> None:
    run = Measured(2000, 0, 0, 4.0, 1.0)
    assert (run.per_second, run.cpu_per_1000) == (500.0, 0.5)


def test_requests_to_rtpengine_have_their_keys_in_order() -> None:
    assert bencode({"b": ["x"], "a": "yy"}) == b"d1:a2:yy1:bl1:xee"
