"""checkrtpaddr, blockearlymedia and blockearlymedia_in, from the settings to the rows that the gate gets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.wire import RelayStream
from tests.service.bench import Bench, Client, opened, sdp


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with opened(tmp_path) as made:
        yield made


def ringing(bench: Bench, status: int = 183) -> tuple[RelayStream, ...]:
    """The rows of a new call from alice to bob, who answers with a description."""
    alice, bob = Client(bench, "alice", "192.0.2.11"), Client(bench, "bob", "192.0.2.12")
    before = set(bench.gate.sessions)
    bob.register()
    alice.invite("bob")
    (invite,) = [request for request in bob.requests() if request.method == b"INVITE"]
    bob.reply(invite, status, sdp(bob.address, 12_000))
    new = set(bench.gate.sessions) - before
    return bench.gate.sessions[new.pop()].streams if new else ()


def change(bench: Bench, **values: str) -> None:
    bench.service.operators.apply_settings(bench.service.operators.settings().with_changes(values))


@pytest.mark.setting("checkrtpaddr")
@pytest.mark.parametrize(("value", "learn", "final"), [("0", True, False), ("1", True, True), ("2", False, False)])
def test_checkrtpaddr_says_whether_sources_are_learned_and_whether_the_first_one_stays(
    bench: Bench, value: str, learn: bool, final: bool
) -> None:
    change(bench, checkrtpaddr=value)
    assert {(row.learn, row.final) for row in ringing(bench)} == {(learn, final)}


def test_a_change_of_checkrtpaddr_holds_for_new_calls(bench: Bench) -> None:
    running = ringing(bench, 200)
    change(bench, checkrtpaddr="2")
    assert all(row.learn for row in running)
    assert next(iter(bench.gate.sessions.values())).streams == running


@pytest.mark.setting("blockearlymedia")
@pytest.mark.setting("blockearlymedia_in")
def test_by_default_early_media_flow_both_ways(bench: Bench) -> None:
    rows = ringing(bench)
    assert rows and not any(row.muted for row in rows)


@pytest.mark.setting("blockearlymedia_in")
def test_blockearlymedia_in_holds_the_caller_back_until_the_answer(bench: Bench) -> None:
    change(bench, blockearlymedia_in="true")
    assert [row.muted for row in ringing(bench)] == [True, False, True, False]


@pytest.mark.setting("blockearlymedia")
def test_blockearlymedia_opens_nothing_before_the_answer(bench: Bench) -> None:
    change(bench, blockearlymedia="true")
    assert ringing(bench) == ()


def test_after_the_answer_nobody_is_held_back(bench: Bench) -> None:
    change(bench, blockearlymedia="true", blockearlymedia_in="true")
    rows = ringing(bench, 200)
    assert len(rows) == 4 and not any(row.muted for row in rows)
