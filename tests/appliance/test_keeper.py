"""A whole keeper as a process: start, refusal to start, either half killed, and what is left behind."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.options import RunOptions
from appliance.keeper import NOT_PERMITTED, pin_dir, run
from appliance.kernel.ruleset import table_name
from appliance.unit import ENVIRONMENT
from tests.appliance.trees import Tree

OFFICE = """
import json, os, signal, socket, sys
from appliance import wire
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(os.environ["APPLIANCE_KEEPER"])
replies = keeper.makefile("rb")
keeper.sendall(wire.request(1, "hello", wire.Hello()))
status = wire.decode(replies.readline())["result"]
options = json.loads(os.environ["APPLIANCE_OPTIONS"])
print("office", json.dumps([os.getpid(), status["relay"], options["listen"], options["state"]]), flush=True)
signal.pause()
"""
BPFFS = ("unshare", "--mount", "sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$@"', "sh")
# What appliance.service leaves to a keeper that does not start the office itself.
BARE = (*BPFFS, "setpriv", "--bounding-set=-all,+bpf,+perfmon,+net_admin,+chown,+dac_override,+kill")
UNIT = "appliance-test.service"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.office(OFFICE)
    return tree


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether the process has ended, or ends right now: its output closes a moment before it does."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], 5.0)[0])


def stop(pid: int) -> None:
    """SIGSTOP, and wait until it holds: a later SIGTERM would be delivered before one that is still pending."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < until
        os.sched_yield()


def office_pid(line: str) -> int:
    return int(line.strip("[").split(",")[0])


def test_the_keeper_serves_the_office_it_started_and_leaves_nothing(tree: Tree) -> None:
    with tree.keeper() as keeper:
        told = keeper.line("office ")
        assert told.endswith(', "kernel", ["127.0.0.1"], "/srv/state"]')
        assert (tree.runtime / "keeper.sock").stat().st_mode & 0o777 == 0o660
        keeper.process.send_signal(signal.SIGINT)
        assert keeper.rest() == ["keeper: stopping"]
        assert keeper.status() == 0
    assert gone(office_pid(told))
    assert [path.name for path in tree.runtime.iterdir()] == ["keeper.lock"]


def test_an_office_that_is_killed_comes_back_and_the_reason_is_said(tree: Tree) -> None:
    with tree.keeper() as keeper:
        first = office_pid(keeper.line("office "))
        os.kill(first, signal.SIGKILL)
        assert keeper.line("keeper: the office ") == "was killed by SIGKILL; it is started again in 0.2 s"
        second = office_pid(keeper.line("office "))
        assert second != first
        assert alive(second)


def test_an_office_that_ignores_the_end_is_killed_after_the_grace(tree: Tree) -> None:
    tree.office("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + OFFICE)
    with tree.keeper() as keeper:
        pid = office_pid(keeper.line("office "))
        keeper.process.terminate()
        assert keeper.status() == 0
    assert gone(pid)


def test_an_office_that_cannot_run_ends_the_keeper_with_its_status(tree: Tree) -> None:
    tree.office("import sys\nprint('the database is from the future')\nsys.exit(78)\n")
    with tree.keeper() as keeper:
        keeper.line("the database is from the future")
        assert keeper.rest() == ["keeper: the office ended with status 78: it says above what to put right"]
        assert keeper.status() == 78


def test_a_killed_keeper_takes_its_office_along_and_the_next_one_starts(tree: Tree) -> None:
    with tree.keeper() as keeper:
        pid = office_pid(keeper.line("office "))
        keeper.process.kill()
        keeper.rest()
        assert gone(pid)
    with tree.keeper() as keeper:
        assert alive(office_pid(keeper.line("office ")))


def test_a_stopped_office_of_a_killed_keeper_is_ended_by_the_next_one(tree: Tree) -> None:
    with tree.keeper() as keeper:
        pid = office_pid(keeper.line("office "))
        stop(pid)
        keeper.process.kill()
    with tree.keeper() as keeper:
        assert keeper.line("keeper: ends the office") == f"of a keeper that was killed (process {pid})"
        keeper.line("office ")
        assert gone(pid)


def test_as_a_service_the_office_outlives_a_killed_keeper_and_is_taken_over(tree: Tree) -> None:
    with tree.keeper(BPFFS, pin=True) as keeper:
        pid = office_pid(keeper.line("office "))
        keeper.process.kill()
        assert keeper.status() == -signal.SIGKILL
        assert alive(pid)
        with tree.keeper(BPFFS, pin=True) as following:
            following.line(f"keeper: took over the office that runs as process {pid}")
            assert alive(pid)
            following.process.terminate()
            assert following.status() == 0
        assert gone(pid)


def test_a_second_keeper_for_the_same_directory_says_one_line(tree: Tree) -> None:
    with tree.keeper() as keeper:
        keeper.line("office ")
        with tree.keeper() as second:
            assert second.rest() == [
                f"cannot start: already running for {tree.runtime} (process {keeper.process.pid}): "
                "stop it, or choose --runtime"
            ]
            assert second.status() == 1
        assert keeper.process.poll() is None


def test_everything_that_is_missing_is_said_at_once_each_on_one_line(tree: Tree) -> None:
    with tree.keeper(interfaces=("nonesuch0",), pin=True) as keeper:
        said = keeper.rest()
        assert keeper.status() == 1
    assert [line.partition(":")[2].partition(":")[0] for line in said] == [
        " there is no interface nonesuch0",
        " no BPF file system for pins",
    ]


def test_a_clone_that_is_closed_to_the_office_is_one_line(tree: Tree) -> None:
    (tree.code / "pysrv" / "__init__.py").chmod(0o600)
    with tree.keeper() as keeper:
        (line,) = keeper.rest()
    assert line.endswith(f"pysrv/__init__.py is closed to the user pysrv: 'chmod -R o+rX {tree.code}'")


def test_busy_ports_are_named_with_their_protocol(tree: Tree) -> None:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", tree.ports["https_port"]))
        tcp.listen()
        udp.bind(("127.0.0.1", tree.ports["sip_port"]))
        with tree.keeper() as keeper:
            said = keeper.rest()
    assert [line.partition(" is in use")[0] for line in said] == [
        f"cannot start: UDP port {tree.ports['sip_port']} of 127.0.0.1",
        f"cannot start: TCP port {tree.ports['https_port']} of 127.0.0.1",
    ]


def test_a_runtime_directory_that_cannot_be_made_is_one_line(tree: Tree) -> None:
    tree.runtime.touch()
    with tree.keeper() as keeper:
        (line,) = keeper.rest()
    assert line.startswith(f"cannot start: cannot write to {tree.runtime}")


def test_root_without_a_capability_is_told_which(tree: Tree) -> None:
    with tree.keeper(("setpriv", "--bounding-set=-sys_admin")) as keeper:
        (line,) = keeper.rest()
    assert line.startswith("cannot start: CAP_SYS_ADMIN is missing although this is root")


@pytest.fixture
def systemd(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What hears sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tree.code / "notify"))
        listening.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tree.code / "notify"))
        yield listening


def test_a_keeper_whose_office_is_a_unit_needs_less_says_when_it_is_ready_and_starts_none(
    tree: Tree, systemd: socket.socket
) -> None:
    with tree.keeper(BARE, pin=True, office_unit=UNIT) as keeper:
        assert systemd.recv(64) == b"READY=1"
        options = tree.runtime / ENVIRONMENT
        assert options.stat().st_mode & 0o777 == 0o600
        assert 'APPLIANCE_KEEPER="/srv/keeper/keeper.sock"' in options.read_text()
        keeper.line("keeper: ready to serve")
        keeper.process.terminate()
        assert not [line for line in keeper.rest() if line.startswith("office ")]
        assert keeper.status() == 0
    assert [path.name for path in tree.runtime.iterdir()] == ["keeper.lock"]


def test_a_keeper_that_is_stopped_while_it_loads_takes_the_units_options_back(
    tree: Tree, systemd: socket.socket
) -> None:
    with tree.keeper(BARE, pin=True, office_unit=UNIT) as keeper:
        assert systemd.recv(64) == b"READY=1"
        keeper.process.terminate()
        keeper.rest()
        assert keeper.status() == 0
    assert [path.name for path in tree.runtime.iterdir()] == ["keeper.lock"]


def test_without_the_gates_capabilities_no_unit_helps(tree: Tree) -> None:
    with tree.keeper((*BARE[:-1], BARE[-1].replace(",+bpf", "")), pin=True, office_unit=UNIT) as keeper:
        (line,) = keeper.rest()
    assert line.startswith("cannot start: CAP_BPF is missing although this is root")


def test_without_root_the_keeper_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run(RunOptions()) == NOT_PERMITTED
    assert capsys.readouterr().err.startswith("cannot start: must be root")


def test_every_runtime_directory_has_pins_and_an_nftables_table_of_its_own() -> None:
    assert pin_dir(RunOptions()) == Path("/sys/fs/bpf/appliance")
    assert pin_dir(RunOptions(runtime="/run/other")) != pin_dir(RunOptions(runtime="/run/another"))
    assert table_name("/run/appliance") == "inet appliance"
    assert table_name("/run/other") != table_name("/run/another")
