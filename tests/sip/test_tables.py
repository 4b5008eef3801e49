"""The machines' tables: every row is reached by a ladder, and none is malformed (RFC 3261 17, RFC 6026)."""

from collections.abc import Iterator

import pytest

from pysrv.sip.actions import meanings
from pysrv.sip.tables import MACHINES, Action, Input, Machine, State, render
from pysrv.sip.timers import TimerValues
from pysrv.sip.transaction import Compiled, CompiledRow, TransactionLayer
from tests.sip import test_transaction_client, test_transaction_server
from tests.sip.playbook import TCP, UDP, Playbook

ROWS = [(machine, state, given) for machine, table in MACHINES.items() for state, given in table]
TIMER_OF_ACTION = {
    action: given
    for action in Action
    for given in Input
    if " " in given and action.split(" (")[0] in (f"arm {given.removeprefix('Timer ')}",)
}


class Recording(dict[tuple[State, Input], CompiledRow]):
    """A compiled table that remembers which of its rows were executed."""

    def __init__(self, compiled: Compiled) -> None:
        super().__init__(compiled)
        self.seen: set[tuple[State, Input]] = set()

    def get(self, pair: tuple[State, Input], default: object = None) -> CompiledRow | None:  # type: ignore[override]
        """The row, noted."""
        if pair in self:
            self.seen.add(pair)
            return self[pair]
        return None


@pytest.fixture(scope="module")
def reached() -> set[tuple[Machine, State, Input]]:
    """Every row that some ladder executes."""
    found: set[tuple[Machine, State, Input]] = set()
    modules = (test_transaction_client, test_transaction_server)
    for flow, ladders in ((UDP, "LADDERS_UDP"), (TCP, "LADDERS_TCP")):
        for module in modules:
            for ladder in getattr(module, ladders).values():
                found |= _rows_of(Playbook(flow), ladder)
    return found


def _rows_of(book: Playbook, ladder: str) -> set[tuple[Machine, State, Input]]:
    recordings = {machine: Recording(table) for machine, table in book.layer.tables.items()}
    book.layer.tables.update(recordings)
    book.play(ladder)
    return {(machine, *pair) for machine, table in recordings.items() for pair in table.seen}


@pytest.mark.parametrize(("machine", "state", "given"), ROWS, ids=[f"{m}: {s}, {g}" for m, s, g in ROWS])
def test_every_row_is_reached_by_a_ladder(
    machine: Machine, state: State, given: Input, reached: set[tuple[Machine, State, Input]]
) -> None:
    assert (machine, state, given) in reached


@pytest.mark.parametrize("machine", Machine)
def test_every_state_can_be_reached_and_left(machine: Machine) -> None:
    table = MACHINES[machine]
    left = {state for state, _ in table}
    entered = {State.INITIAL} | {following for _, following in table.values()}
    assert left | {State.TERMINATED} == entered


def _waits(machine: Machine) -> Iterator[tuple[State, Input]]:
    for (_, _), (actions, following) in MACHINES[machine].items():
        for action in actions:
            if action in TIMER_OF_ACTION:
                yield following, TIMER_OF_ACTION[action]


@pytest.mark.parametrize("machine", Machine)
def test_every_timer_that_a_row_arms_is_awaited_in_the_state_it_leads_to(machine: Machine) -> None:
    waits = list(_waits(machine))
    assert waits
    assert [pair for pair in waits if pair not in MACHINES[machine]] == []


@pytest.mark.parametrize("machine", Machine)
def test_a_deadline_is_the_last_word_of_its_row(machine: Machine) -> None:
    """One of no length fires inside its row, so nothing may follow it."""
    instant = {Action.ARM_D, Action.ARM_I, Action.ARM_J, Action.ARM_K}
    for actions, _ in MACHINES[machine].values():
        assert not instant & set(actions[:-1])


def test_every_word_has_a_meaning_and_a_row() -> None:
    assert set(meanings(TransactionLayer(TimerValues()))) == set(Action)
    used = {action for table in MACHINES.values() for actions, _ in table.values() for action in actions}
    assert used == set(Action)


def test_the_page_draws_each_machine_and_lists_each_row() -> None:
    page = render()
    assert page.count("```mermaid") == len(Machine)
    assert page.count("\n| ") == len(ROWS) + len(Machine)
    assert "Calling --> Completed: 3xx-6xx" in page
