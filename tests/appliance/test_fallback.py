"""Which gate a keeper holds where XDP cannot be: each mode with its reason, and nothing left of the other kind."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.config.options import Mode, RunOptions
from appliance.keeper import pin_dir
from appliance.kernel.ruleset import table_name
from tests.appliance.namespaces import Namespace
from tests.appliance.trees import KeeperProcess, Tree

OFFICE = """
import os, signal, socket
from appliance import wire
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(os.environ["APPLIANCE_KEEPER"])
lines = keeper.makefile()
def ask(verb, args=None):
    keeper.sendall(wire.request(1, verb, args))
    return lines.readline()
ask("hello", wire.Hello())
ask("sync", wire.Plan(1, (), (20000, 29999), bans=(wire.Ban("192.0.2.2"),)))
print("status", ask("status"), end="", flush=True)
signal.pause()
"""
RUN = """
import sys
from appliance.config.options import RunOptions
from appliance.keeper import run
sys.exit(run(RunOptions.from_json(sys.argv[1])))
"""
# What a container's default profile does to bpf(2): EPERM, whoever asks. seccomp(2), classic BPF.
NO_BPF = """
import ctypes, os, struct, sys
allow, refuse = 0x7fff0000, 0x00050000 | 1
number = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
code = b"".join(struct.pack("=HBBI", *row) for row in (
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, refuse), (0x06, 0, 0, allow)))
kept = ctypes.create_string_buffer(code)
program = struct.pack("=H6xQ", 4, ctypes.addressof(kept))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as namespace:
        namespace.run("ip", "addr", "add", "192.0.2.2/24", "dev", "theirs")
        yield namespace


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.office(OFFICE)
    return tree


def keeper(namespace: Namespace, tree: Tree, *, bpf: bool = True, **options: object) -> KeeperProcess:
    wish = RunOptions(state=str(tree.state), runtime=str(tree.runtime), interfaces=("ours",), **options)  # type: ignore[arg-type]
    command = [sys.executable, "-c", RUN, wish.to_json()]
    if not bpf:
        command = [sys.executable, "-c", NO_BPF, *command]
    return KeeperProcess([*namespace.enter, f"--wdns={tree.code}", *command], tree.code)


def status(process: KeeperProcess) -> dict[str, object]:
    reply: dict[str, object] = json.loads(process.line("status "))["result"]
    return reply


def table(namespace: Namespace, tree: Tree) -> bool:
    shown = namespace.run("nft", "list", "tables")
    return table_name(str(tree.runtime)) in shown.replace("table ", "")


def banned_passes(namespace: Namespace) -> bool:
    """Does a datagram of the banned address arrive? Injected where `ours` receives, because both ends are here."""
    script = (
        "import socket, sys; from scapy.all import Ether, IP, UDP, sendp; import scapy.all\n"
        "ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); ear.bind(('192.0.2.1', 7)); ear.settimeout(1)\n"
        "mac = open('/sys/class/net/ours/address').read().strip()\n"
        "frame = Ether(dst=mac) / IP(src='192.0.2.2', dst='192.0.2.1') / UDP(sport=9, dport=7) / b'hello'\n"
        "sendp(frame, iface='theirs', verbose=0)\n"
        "try:\n    ear.recv(99); print('passed')\nexcept TimeoutError:\n    print('dropped')\n"
    )
    return namespace.run(sys.executable, "-c", script).strip() == "passed"


def test_nftables_when_it_is_asked_for_bans_and_leaves_nothing(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, mode=Mode.NFTABLES) as process:
        told = status(process)
        assert told["interfaces"] == [{"name": "ours", "mode": "nftables", "reason": "asked for"}]
        assert told["relay"] == "user"
        assert any("stateless challenge" in each for each in told["missing"])  # type: ignore[attr-defined]
        assert namespace.xdp("ours") == ""
        assert table(namespace, tree)
        process.process.send_signal(signal.SIGTERM)
        assert process.status() == 0
    assert not table(namespace, tree)


def test_where_bpf_is_refused_nftables_takes_its_place_and_says_why(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, bpf=False) as process:
        attached = process.line("keeper: gate attached to ours, ")
        assert attached.startswith("nftables: no XDP: ")
        (interface,) = status(process)["interfaces"]  # type: ignore[misc]
        assert interface["mode"] == "nftables"
        assert "no XDP: the " in interface["reason"]
        process.process.kill()
        process.rest()
    assert not table(namespace, tree), "a killed keeper leaves nothing"


@pytest.mark.parametrize("mode", [Mode.NATIVE, Mode.GENERIC])
def test_a_mode_that_was_asked_for_and_cannot_be_had_is_no_start(namespace: Namespace, tree: Tree, mode: Mode) -> None:
    with keeper(namespace, tree, bpf=False, mode=mode) as process:
        assert [line for line in process.rest() if line.startswith("cannot start: the ")]
        assert process.status() == 1


def test_an_mtu_that_no_driver_takes_is_no_start_in_native_mode_and_named(namespace: Namespace, tree: Tree) -> None:
    for name in ("ours", "theirs"):
        namespace.run("ip", "link", "set", name, "mtu", "9000")
    with keeper(namespace, tree, mode=Mode.NATIVE) as process:
        (line,) = [line for line in process.rest() if line.startswith("cannot start: ")]
    assert "ours takes no native XDP program" in line
    assert "MTU" in line


def test_a_veth_is_generic_by_itself_because_its_other_end_may_take_no_answers(
    namespace: Namespace, tree: Tree
) -> None:
    with keeper(namespace, tree) as process:
        (interface,) = status(process)["interfaces"]  # type: ignore[misc]
        assert interface["mode"] == namespace.xdp("ours") == "generic"
        assert interface["reason"].endswith("--mode native")


def test_native_has_no_reason_because_none_is_better(namespace: Namespace, tree: Tree) -> None:
    with keeper(namespace, tree, mode=Mode.NATIVE) as process:
        (interface,) = status(process)["interfaces"]  # type: ignore[misc]
        assert (interface["mode"], interface["reason"]) == ("native", "")


def test_a_pinned_gate_of_one_kind_goes_when_the_next_keeper_holds_the_other(namespace: Namespace, tree: Tree) -> None:
    for mode, native, nftables in (
        (Mode.NATIVE, True, False),
        (Mode.NFTABLES, False, True),
        (Mode.NATIVE, True, False),
    ):
        with keeper(namespace, tree, mode=mode, pin=True) as process:
            status(process)
            process.process.send_signal(signal.SIGTERM)
            assert process.status() == 0
        assert (namespace.xdp("ours") == "native") == native
        assert table(namespace, tree) == nftables
    assert "ours" in namespace.run("ls", f"{pin_dir(RunOptions(runtime=str(tree.runtime)))}/links")
