"""A laboratory for whole paths: a phone and a trunk on veth, the appliance between them."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from appliance import wire
from appliance.kernel.gate import Gate
from appliance.kernel.headers import CACHE_DIR
from tests.lab.network import Lab, entered


@pytest.fixture(scope="session")
def header_cache() -> Path:
    """The machine's own cache: the gate is compiled once, for whatever run comes first."""
    return CACHE_DIR


@pytest.fixture
def pin_dir(tmp_path: Path) -> Iterator[Path]:
    """A directory in a bpf file system of this test's own."""
    mount = tmp_path / "bpffs"
    mount.mkdir()
    subprocess.run(["mount", "-t", "bpf", "bpf", str(mount)], check=True)
    try:
        yield mount / "appliance"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(["phone", "trunk"], tag="krn") as made:
        yield made


@pytest.fixture
def inside(lab: Lab) -> Iterator[Lab]:
    """This test runs where the appliance does."""
    with entered(lab.appliance):
        yield lab


@pytest.fixture(scope="module")
def loaded(lab: Lab, header_cache: Path) -> Iterator[Gate]:
    with entered(lab.appliance):
        gate = Gate.load(header_cache=header_cache)
        try:
            yield gate
        finally:
            gate.close()


@pytest.fixture
def gate(loaded: Gate, inside: Lab) -> Iterator[Gate]:
    """A gate with an empty plan that nothing is attached to; so again afterwards."""
    empty = wire.Plan(0, (), (0, 0))
    loaded.sync(empty)
    try:
        yield loaded
    finally:
        loaded.detach_all()
        loaded.sync(empty)


class Tallied:
    """What the gate counted since this test began."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._before = gate, {row.verdict: row.packets for row in gate.tallies()}

    def __call__(self, verdict: str) -> int:
        now = {row.verdict: row.packets for row in self._gate.tallies()}
        return now[verdict] - self._before[verdict]


@pytest.fixture
def tally(gate: Gate) -> Tallied:
    return Tallied(gate)


@pytest.fixture
def sockets(lab: Lab) -> Iterator["Sockets"]:
    with Sockets(lab) as opened:
        yield opened


class Sockets:
    """Datagram sockets of the peers, closed in the end."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self._stack = lab, ExitStack()

    def __enter__(self) -> "Sockets":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def at(self, peer: str, port: int, *, six: bool = False) -> socket.socket:
        """A socket bound at a peer's address; waits at most two seconds for what it should get."""
        host = self.lab.hosts[peer]
        family = socket.AF_INET6 if six else socket.AF_INET
        opened = self._stack.enter_context(self.lab.socket(host.namespace, socket.SOCK_DGRAM, family))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        opened.bind((host.address6 if six else host.address, port))
        opened.settimeout(2.0)
        return opened
