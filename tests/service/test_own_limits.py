"""Limits that an account's owner sets himself, in calls: the lower of his and the operator's holds, whichever it is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pysrv.limits.own import NONE, OwnLimits
from tests.calls.playbook import sdp
from tests.service.bench import TRUNK, Bench, Client, opened
from tests.service.test_limits import CENT, refusal, talks, use
from tests.service.test_service import ALICE, BOB, NUMBER, in_dialog


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def own(bench: Bench, name: str = "alice", **limits: int) -> None:
    """Her limits are these; without any, there are none."""
    bench.store.set_own_limits(name, replace(NONE, **limits))
    bench.store.commit()
    bench.service.operators.account_changed(name)


@pytest.mark.parametrize(
    ("limits", "refused_by"),
    [
        ({"maxdailycredit": 10 * CENT}, "own_maxdailycredit"),
        ({"maxmonthlycredit": 10 * CENT}, "own_maxmonthlycredit"),
        ({"maxdailyminutes": 1}, "own_maxdailyminutes"),
        ({"maxmonthlyminutes": 1}, "own_maxmonthlyminutes"),
    ],
)
def test_an_own_limit_refuses_the_next_call_and_its_owner_may_lift_it_at_once(
    bench: Bench, limits: dict[str, int], refused_by: str
) -> None:
    talks(bench, 60 if "minutes" in refused_by else 10)
    own(bench, **limits)
    assert refusal(bench) == refused_by
    own(bench)
    assert refusal(bench) == ""


def test_an_own_limit_ends_a_running_call_when_it_is_reached(bench: Bench) -> None:
    own(bench, maxdailycredit=20 * CENT)
    caller, carrier = Client(bench, "alice", ALICE), Client(bench, "carrier", TRUNK)
    caller.invite(NUMBER)
    (invite,) = carrier.requests()
    carrier.reply(invite, 200, sdp(TRUNK, 12_000))
    answer = caller.responses()[-1]
    bench.receive(in_dialog("ACK", answer, caller, answer.cseq.number), caller.flow)
    bench.sleep(60, 1.0)
    (cdr,) = bench.store.cdrs(limit=1)
    assert cdr.refused_by == "own_maxdailycredit" and 0 < cdr.charge <= 20 * CENT


def test_the_lower_of_both_limits_holds_whichever_was_set_last(bench: Bench) -> None:
    talks(bench, 10)
    bench.store.set_account("alice", maxdailycredit=10_000 * CENT)
    own(bench, maxdailycredit=10 * CENT)
    assert refusal(bench) == "own_maxdailycredit"
    own(bench, maxdailycredit=5_000 * CENT)
    assert refusal(bench) == ""


def test_an_operator_who_lowers_his_limit_later_wins_over_a_higher_own_one(bench: Bench) -> None:
    talks(bench, 10)
    own(bench, maxdailycredit=5_000 * CENT)
    assert refusal(bench) == ""
    bench.store.set_account("alice", maxdailycredit=10 * CENT)
    bench.service.operators.account_changed("alice")
    assert refusal(bench) == "maxdailycredit"


def test_what_turns_the_operators_limits_off_leaves_own_ones_in_force(bench: Bench) -> None:
    talks(bench, 10)
    own(bench, maxdailycredit=10 * CENT)
    bench.store.set_report_only("maxdailycredit", True)
    use(bench, {"maxdailycreditperuser": "false"})
    assert refusal(bench) == "own_maxdailycredit"
    assert bench.store.usage(bench.store.account("alice").id).blocked == ""  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("level", "refused_by"), [(0, ""), (1, "own_locklevel"), (2, "own_locklevel"), (3, "own_locklevel")]
)
def test_an_own_lock_closes_foreign_or_all_calls(bench: Bench, level: int, refused_by: str) -> None:
    own(bench, locklevel=level)
    assert refusal(bench) == refused_by


def test_an_own_lock_of_both_ways_keeps_callers_out_and_lets_her_register(bench: Bench) -> None:
    own(bench, "bob", locklevel=3)
    answer = Client(bench, "bob", BOB).register()
    assert answer is not None and answer.status == 200
    caller = Client(bench, "alice", ALICE)
    caller.invite("102")
    bench.take(ALICE)
    (cdr,) = bench.store.cdrs(limit=1)
    assert cdr.refused_by == "own_locklevel"


def test_an_emergency_call_passes_every_own_lock_and_limit(bench: Bench) -> None:
    talks(bench, 10)
    own(bench, locklevel=3, maxdailycredit=1, maxdailyminutes=1)
    use(bench, {"emergencynumbers": NUMBER})
    assert refusal(bench) == ""


def test_the_operators_lock_holds_under_an_own_one(bench: Bench) -> None:
    bench.store.set_account("alice", locklevel=2)
    own(bench, locklevel=1)
    assert refusal(bench) == "locklevel"


def test_own_limits_survive_a_restart(bench: Bench, tmp_path: Path) -> None:
    wanted = OwnLimits(1, 2, 3, 4, 1)
    bench.store.set_own_limits("alice", wanted, who="web:alice")
    bench.store.commit()
    reader = bench.store.reader()
    try:
        alice = reader.account("alice")
        assert alice is not None and alice.own == wanted
    finally:
        reader.close()
    told = [row for row in bench.store.audit(10) if row.action.startswith("account.own_")]
    assert len(told) == 5 and {row.who for row in told} == {"web:alice"}


def test_a_telephone_that_its_owner_removes_is_not_called_any_more(bench: Bench) -> None:
    bob = Client(bench, "bob", BOB)
    bob.register()
    (held,) = bench.store.bindings("bob")
    assert not bench.service.operators.unregister("alice", held.contact) and bench.store.bindings("bob") == [held]
    assert bench.service.operators.unregister("bob", held.contact)
    assert bench.store.bindings("bob") == [] and not bench.service.operators.unregister("bob", held.contact)
    caller = Client(bench, "alice", ALICE)
    caller.invite("102")
    bench.take(ALICE)
    (cdr,) = bench.store.cdrs(limit=1)
    assert bob.requests() == [] and cdr.sip_status == 480
