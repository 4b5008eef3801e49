"""A keeper with the real gate, in a network namespace of its own: what is attached, and what is left afterwards."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.options import Mode, Relay, RunOptions
from appliance.keeper import pin_dir
from tests.appliance.namespaces import Namespace
from tests.appliance.trees import KeeperProcess, Tree

OFFICE = """
import os, signal, socket
from appliance import wire
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(os.environ["APPLIANCE_KEEPER"])
keeper.sendall(wire.request(1, "hello", wire.Hello()))
print("status", keeper.makefile().readline(), end="", flush=True)
signal.pause()
"""
RUN = """
import sys
from appliance.config.options import RunOptions
from appliance.keeper import run
sys.exit(run(RunOptions.from_json(sys.argv[1])))
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.office(OFFICE)
    return tree


def keeper(namespace: Namespace, tree: Tree, **options: object) -> KeeperProcess:
    if options.get("interfaces") == ("ours",):
        options.setdefault("mode", Mode.NATIVE)  # nothing is sent to `theirs` here
    wish = RunOptions(state=str(tree.state), runtime=str(tree.runtime), **options)  # type: ignore[arg-type]
    return KeeperProcess(
        [*namespace.enter, f"--wdns={tree.code}", sys.executable, "-c", RUN, wish.to_json()], tree.code
    )


def status(process: KeeperProcess) -> dict[str, object]:
    reply: dict[str, object] = json.loads(process.line("status "))["result"]
    return reply


def test_on_a_veth_the_gate_is_native_relays_and_is_gone_afterwards(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, interfaces=("ours",)) as process:
        assert process.line("keeper: gate attached to ours, ") == "native"
        assert process.line("keeper: audio is relayed by the ") == "kernel"
        assert status(process)["relay"] == "kernel"
        assert namespace.xdp("ours") == "native"
        process.process.send_signal(signal.SIGTERM)
        assert process.status() == 0
    assert namespace.xdp("ours") == ""


def test_on_lo_the_office_relays_and_one_line_says_how_to_go_on_a_real_interface(
    namespace: Namespace, tree: Tree
) -> None:
    with keeper(namespace, tree) as process:
        assert process.line("keeper: gate attached to lo, ").startswith("generic")
        assert process.line("keeper: audio is relayed by the ").startswith("office: ")
        assert process.line("keeper: lo ").endswith("make run IFACE=eth0")
        assert status(process)["relay"] == "user"


def test_the_office_relays_where_that_was_chosen(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, interfaces=("ours",), relay=Relay.USER) as process:
        told = status(process)
        assert (told["relay"], told["relay_reason"]) == ("user", "--relay user was chosen")


def test_a_killed_keeper_leaves_no_program_attached(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, interfaces=("ours",)) as process:
        status(process)
        assert namespace.xdp("ours") == "native"
        process.process.kill()
        process.rest()
    assert namespace.xdp("ours") == ""


def test_as_a_service_programs_and_pins_stay_and_the_next_keeper_takes_them_over(
    namespace: Namespace, tree: Tree
) -> None:
    for _ in range(2):
        with keeper(namespace, tree, interfaces=("ours",), pin=True) as process:
            assert status(process)["pinned"] is True
            process.process.send_signal(signal.SIGTERM)
            assert process.status() == 0
        assert namespace.xdp("ours") == "native"
    pins = pin_dir(RunOptions(runtime=str(tree.runtime), pin=True))
    assert "ours" in namespace.run("ls", f"{pins}/links")


def test_a_foreign_program_on_the_interface_is_one_clear_line(namespace: Namespace, tree: Tree, tmp_path: Path) -> None:
    other = Tree(tmp_path / "other")
    other.office(OFFICE)
    with keeper(namespace, other, interfaces=("ours",)) as first:
        status(first)
        first_ports = {"sip_port": tree.ports["sip_port"], "https_port": tree.ports["https_port"]}
        with keeper(namespace, tree, interfaces=("ours",), **first_ports) as second:
            (line,) = [line for line in second.rest() if line.startswith("cannot start: ")]
        assert "ours already carries another XDP program" in line
        assert namespace.xdp("ours") == "native"


def test_an_interface_without_an_address_is_one_clear_line(namespace: Namespace, tree: Tree) -> None:
    namespace.run("sysctl", "-qw", "net.ipv6.conf.theirs.disable_ipv6=1")
    with keeper(namespace, tree, interfaces=("theirs",)) as process:
        (line,) = process.rest()
    assert line == "cannot start: theirs has no address: give it one, or name one with --listen"
