"""A keeper of a unit whose start hangs in a library: another thread gives it up, and says where it hung."""

import signal
from pathlib import Path

import pytest

from appliance.patience import GIVEN_UP
from appliance.unit import ENVIRONMENT
from tests.appliance.test_keeper import BARE, BPFFS, OFFICE, UNIT
from tests.appliance.trees import Tree

# `library` CDLL lets other threads run meanwhile, PyDLL does not.
HANGING = """
import ctypes, functools, sys
from appliance import keeper, patience
from appliance.config.options import RunOptions
keeper.Patience = functools.partial(patience.Patience, start_s=0.5, last_s=0.5)

def load(pins):
    ctypes.{library}(None).pause()

sys.exit(keeper.run(RunOptions.from_json(sys.argv[1]), load))
"""
SERVING = """
import functools, sys, time
from appliance import keeper, patience
from appliance.config.options import RunOptions
from appliance.kernel.fake import FakeGate
keeper.Patience = functools.partial(patience.Patience, start_s=2.0, last_s=0.1)
sys.exit(keeper.run(RunOptions.from_json(sys.argv[1]), lambda pins: FakeGate()))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.office(OFFICE)
    return tree


def test_a_load_that_hangs_is_given_up_with_a_word_and_the_next_keeper_serves(tree: Tree) -> None:
    with tree.keeper(BARE, script=HANGING.format(library="CDLL"), pin=True, office_unit=UNIT) as keeper:
        keeper.line("keeper: it does not serve after 0.5 s: given up, to be begun again")
        assert any(line.endswith(" in load") for line in keeper.rest())
        assert keeper.status() == GIVEN_UP
    assert (tree.runtime / ENVIRONMENT).exists()  # as of one that was killed: the office waits for the next
    with tree.keeper(BARE, pin=True, office_unit=UNIT) as following:
        following.line("keeper: ready to serve")


def test_a_load_that_lets_nobody_else_run_is_given_up_too(tree: Tree) -> None:
    with tree.keeper(BARE, script=HANGING.format(library="PyDLL"), pin=True, office_unit=UNIT) as keeper:
        keeper.line("Timeout (0:00:01)!")
        assert any(line.endswith(" in load") for line in keeper.rest())
        assert keeper.status() == 1


def test_a_keeper_that_serves_has_all_the_time(tree: Tree) -> None:
    with tree.keeper(BARE, script=SERVING, pin=True, office_unit=UNIT) as keeper:
        keeper.line("keeper: ready to serve")
        with pytest.raises(TimeoutError):
            keeper.ended_within(4.0)
        keeper.process.terminate()
        assert "keeper: stopping" in keeper.rest()
        assert keeper.status() == 0


def test_a_keeper_with_an_office_of_its_own_is_not_bounded(tree: Tree) -> None:
    """Whoever started it sits before it."""
    with tree.keeper(BPFFS, script=HANGING.format(library="CDLL"), pin=True) as keeper:
        keeper.line("keeper: loads the gate")
        with pytest.raises(TimeoutError):
            keeper.ended_within(3.0)
        keeper.process.send_signal(signal.SIGKILL)
        assert keeper.status() == -signal.SIGKILL
