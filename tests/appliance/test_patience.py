"""A keeper of a unit whose start hangs in a library: another thread gives it up, and says where it hung."""

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest

from appliance import wire
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
# Its two clocks run out when it is told so (SIGUSR1), unless they were stopped before.
SERVING = """
import signal, sys, types
from appliance import keeper, patience
from appliance.config.options import RunOptions
from appliance.kernel.fake import FakeGate

running = {}

class Timer:
    def __init__(self, seconds, act):
        self.act = act

    def start(self):
        running["timer"] = self.act

    def cancel(self):
        running.pop("timer", None)

def run_out(*_):
    for act in list(running.values()):
        act()
    print("all the time is up", flush=True)

def dump(after_s, exit):
    running["dump"] = lambda: sys.exit("dumped")

patience.threading = types.SimpleNamespace(Timer=Timer)
patience.faulthandler = types.SimpleNamespace(
    dump_traceback_later=dump, cancel_dump_traceback_later=lambda: running.pop("dump", None),
    dump_traceback=lambda all_threads: None,
)
signal.signal(signal.SIGUSR1, run_out)
sys.exit(keeper.run(RunOptions.from_json(sys.argv[1]), lambda pins: FakeGate()))
"""


def answered(tree: Tree) -> bool:
    """Whether the keeper takes verbs, once its socket is there; a test has a minute for that."""
    for _ in range(600):
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            line.connect(str(tree.runtime / "keeper.sock"))
            line.sendall(wire.request(1, "status"))
            return b"result" in line.makefile("rb").readline()
        time.sleep(0.1)
    return False


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
        assert answered(tree)
        keeper.process.send_signal(signal.SIGUSR1)
        keeper.line("all the time is up")
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
