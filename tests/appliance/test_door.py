"""Whom SSH answers: the image's packet filter, the keeper that fills it, and connections from each kind of place."""

import errno
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import wire
from appliance.audit.network import CHECKS
from appliance.audit.row import Grade
from appliance.config.options import Mode, RunOptions
from appliance.door import FIRST, LOOK_EVERY, MOST_SOURCES, Door, kept
from appliance.kernel.fake import FakeGate
from appliance.tunnel import keeping
from appliance.verbs import Caller, answer
from appliance.wire import WireError
from tests.appliance.audit import tree
from tests.appliance.namespaces import Namespace
from tests.appliance.test_fallback import RUN
from tests.appliance.trees import KeeperProcess, Tree
from tests.lab.network import entered

FILES = Path(__file__).parents[2] / "image/files"
GROUP = "/sys/fs/cgroup/system.slice/ssh.service"
# As systemd starts sshd: the door is opened for its control group, in which its socket is then made. It enters the
# group at once, which then stays, whoever takes an empty one away meanwhile.
STARTED = f"""
mount -t cgroup2 none /sys/fs/cgroup; mount -t tmpfs var /var/lib; mkdir -p /var/lib/appliance || exit 1
for _ in 1 2 3 4 5; do mkdir -p {GROUP} && echo $$ >{GROUP}/cgroup.procs && break; done
ln -s "$1/door" /var/lib/appliance/door; sh {FILES}/usr/local/lib/appliance/door ssh || exit 1
if [ -n "$2" ]; then exec "$2" -c "$3"; fi
"""
SSHD = """
import signal, socket
server = socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True)
print("listens", flush=True)
signal.pause()
"""
TRUSTED, STRANGER, NEIGHBOUR, LAPTOP = "198.51.100.7", "203.0.113.9", "10.1.2.3", "10.99.0.2"
TRUSTED6, STRANGER6, NEIGHBOUR6 = "2001:db8:1::7", "2001:db8:2::9", "fd00::9"
EVERYWHERE = (TRUSTED, STRANGER, NEIGHBOUR, LAPTOP, TRUSTED6, STRANGER6, NEIGHBOUR6)
OPEN_S, SHUT_S = 20.0, 0.2  # a SYN on a veth pair is answered before connect() has returned, or never
NOW = 2e9


class Ground:
    """A machine with the image's packet filter, a server of SSH in its control group, and everybody on one wire."""

    def __init__(self, machine: Namespace, state: Path) -> None:
        self.machine, self.state, self.said = machine, state, list[str]()
        self.inside, self.outside = f"door{os.getpid()}", f"doorstep{os.getpid()}"
        self.now = NOW
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Ground":
        subprocess.run(["ip", "netns", "attach", self.inside, str(self.machine.holder.pid)], check=True)
        subprocess.run(["ip", "netns", "add", self.outside], check=True)
        for words in (
            f"link set theirs netns {self.outside}",
            f"link add {keeping.NAME} type veth peer name laptop netns {self.outside}",
            f"link set {keeping.NAME} up",
            f"addr add 10.99.0.1/24 dev {keeping.NAME}",
            "addr add 2001:db8::1/64 dev ours nodad",
            "route add default dev ours",
            "-6 route add default dev ours",
        ):
            subprocess.run(["ip", "-n", self.inside, *words.split()], check=True)
        peers = [f"addr add {each}/128 dev theirs nodad" for each in EVERYWHERE if ":" in each]
        peers += [f"addr add {each}/32 dev theirs" for each in (TRUSTED, STRANGER, NEIGHBOUR)]
        for words in (
            "link set theirs up", "link set laptop up", *peers, f"addr add {LAPTOP}/24 dev laptop",
            "route add 192.0.2.1 dev theirs", "-6 route add 2001:db8::1 dev theirs",
        ):  # fmt: skip
            subprocess.run(["ip", "-n", self.outside, *words.split()], check=True)
        self.filter()
        self.serve()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.communicate()
        made = ["sh", "-c", f"mount -t cgroup2 none /sys/fs/cgroup && rmdir {GROUP} {Path(GROUP).parent}"]
        subprocess.run(["unshare", "--mount", *made], check=False, capture_output=True)
        for name in (self.inside, self.outside):
            subprocess.run(["ip", "netns", "del", name], check=True)

    def filter(self) -> None:
        """The packet filter as the image loads it."""
        self.machine.run("nft", "-f", str(FILES / "etc/nftables.conf"))

    def _started(self, *words: str) -> list[str]:
        inside = [*self.machine.enter, "unshare", "--mount", "sh", "-c", STARTED, "sh", str(self.state), *words]
        return [str(each) for each in inside]

    def serve(self) -> None:
        """Starts SSH, with its door before it."""
        self._server = subprocess.Popen(self._started(sys.executable, SSHD), stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        assert self._server.stdout.readline().startswith("listens")

    def open_door(self) -> str:
        """The image's script alone, and what it complains of."""
        return subprocess.run(self._started(), capture_output=True, text=True, check=True).stderr

    def door(self) -> Door:
        with entered(self.inside):
            made = Door(self.state, self.said.append, lambda: self.now)
            made.start()
        return made

    def begun(self, source: str) -> socket.socket:
        """A connection from there that somebody may answer."""
        with entered(self.outside):
            made = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        made.bind((source, 0))
        made.setblocking(False)
        there = "2001:db8::1" if ":" in source else "10.99.0.1" if source == LAPTOP else "192.0.2.1"
        assert made.connect_ex((there, 22)) == errno.EINPROGRESS
        return made

    def connection(self, source: str) -> socket.socket:
        """One from there, answered."""
        made = self.begun(source)
        assert select.select([], [made], [], OPEN_S)[1] and made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        return made

    def answered(self, *expected: str) -> None:
        """That SSH answers these, and nobody else of all."""
        others = {self.begun(each): each for each in EVERYWHERE if each not in expected}
        for source in expected:
            self.connection(source).close()
        wrongly = select.select([], [*others], [], SHUT_S)[1] if others else []
        assert not [others[each] for each in wrongly], expected
        for each in others:
            each.close()

    def listed(self) -> str:
        return self.machine.run("nft", "list", "set", "inet", "machine", "administrators")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with Namespace() as machine, Ground(machine, tmp_path) as made:
        yield made


def judged(ground: Ground) -> tuple[Grade, str]:
    """What the audit says of the rules that are loaded, where sshd listens."""
    if not (ground.state / "root").exists():
        tree.make(ground.state / "root")
    rules = ground.machine.run("nft", "--json", "list", "ruleset")
    machine = tree.machine(ground.state / "root", tree.SAID | {tree.NFT: rules})
    reading = next(each for each in CHECKS if each.name == "network.ssh_sources").judge(machine)
    return reading.grade, reading.value


def sources(*prefixes: str, until: float = 0.0) -> tuple[wire.Source, ...]:
    return tuple(wire.Source(each, expires_at=until) for each in prefixes)


def test_without_a_keeper_the_tunnel_alone_is_answered_and_before_a_first_word_private_networks_are(
    ground: Ground,
) -> None:
    ground.answered(LAPTOP)
    door = ground.door()
    ground.answered(LAPTOP, NEIGHBOUR, NEIGHBOUR6)
    status = door.told(FakeGate().status())
    assert status.ssh_guarded and set(status.ssh) == {each.prefix for each in FIRST}


def test_who_is_named_is_answered_until_he_is_not_and_what_is_open_stays(ground: Ground) -> None:
    door = ground.door()
    with entered(ground.inside):
        door.let_in(sources(TRUSTED, TRUSTED6))
    ground.answered(LAPTOP, TRUSTED, TRUSTED6)
    session = ground.connection(TRUSTED)
    with entered(ground.inside):  # nested and touching ones, which nft's intervals do not take by themselves
        door.let_in(sources("203.0.113.0/25", "203.0.113.128/25", "203.0.113.8/29", "2001:db8:2::/48", "2001:db8:2::9"))
    ground.answered(LAPTOP, STRANGER, STRANGER6)
    session.sendall(b"still here")
    with entered(ground.inside):
        door.let_in(sources("0.0.0.0/0", "::/0"))
    ground.answered(*EVERYWHERE)
    assert judged(ground) == (Grade.WARN, "everybody")
    with entered(ground.inside):
        door.let_in(())
    ground.answered(LAPTOP)
    assert judged(ground) == (Grade.PASS, "the tunnel")
    ground.machine.run("nft", "add", "rule", "inet", "machine", "input", "ct", "state", "new", "jump", "ssh")
    assert judged(ground)[0] is Grade.FAIL
    ground.answered(*EVERYWHERE)
    assert ground.said[-1] == "SSH answers the tunnel alone"
    session.sendall(b"still here")
    session.close()


def test_who_has_an_end_goes_by_himself_and_is_not_kept(ground: Ground) -> None:
    door = ground.door()
    with entered(ground.inside):
        door.let_in((*sources(TRUSTED), *sources(STRANGER, until=NOW + 60)))
        ground.answered(LAPTOP, TRUSTED, STRANGER)
        assert [each.prefix for each in kept((ground.state / "door/ssh.nft").read_text())] == [f"{TRUSTED}/32"]
        ground.now = NOW + 61
        door.tick()
    ground.answered(LAPTOP, TRUSTED)


def test_a_restart_of_the_keeper_or_of_all_lets_in_whom_it_did(ground: Ground) -> None:
    door = ground.door()
    with entered(ground.inside):
        door.let_in(sources(TRUSTED, "2001:db8:1::/64"))
    place = ground.state / "door"
    assert [stat.S_IMODE(each.stat().st_mode) for each in (place, place / "ssh.nft")] == [0o700, 0o600]
    ground.door()
    ground.answered(LAPTOP, TRUSTED, TRUSTED6)
    ground.filter()  # the power comes back: the filter is loaded, SSH starts, and no keeper does
    assert ground.open_door() == ""
    ground.answered(LAPTOP, TRUSTED, TRUSTED6)
    assert ground.open_door() == ""  # once more is no fault
    ground.filter()
    (place / "ssh.nft").write_text("flush ruleset\nnonsense\n")
    assert "was not loaded" in ground.open_door()
    ground.answered(LAPTOP)
    ground.door()
    assert any("cannot be read" in each for each in ground.said)
    ground.answered(LAPTOP)
    (place / "ssh.nft").unlink()  # as after a factory reset
    ground.door()
    ground.answered(LAPTOP, NEIGHBOUR, NEIGHBOUR6)


def test_what_somebody_takes_away_or_adds_is_put_right(ground: Ground) -> None:
    door = ground.door()
    with entered(ground.inside):
        door.let_in(sources(TRUSTED))
        for change in ("flush set inet machine administrators",
                       f"add element inet machine administrators {{ {STRANGER} }}"):  # fmt: skip
            ground.machine.run("nft", change)
            before = ground.listed()
            for _ in range(LOOK_EVERY):
                door.tick()
            assert ground.listed() != before
            ground.answered(LAPTOP, TRUSTED)
        whole = ground.machine.run("nft", "list", "table", "inet", "machine")
        ground.machine.run("nft", "delete table inet machine")
        for _ in range(LOOK_EVERY):
            door.tick()  # nothing to keep: a filter that is being started anew
        emptied = re.sub(r"\n\t\telements = \{[^}]*\}", "", whole)
        subprocess.run([*ground.machine.enter, "nft", "-f", "-"], input=emptied, text=True, check=True)
        for _ in range(LOOK_EVERY):
            door.tick()
        assert TRUSTED in ground.listed()


def test_a_file_that_cannot_be_written_lets_nobody_in_who_was_shut_out(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = ground.door()
    with entered(ground.inside):
        door.let_in(sources(TRUSTED, STRANGER))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        door.let_in(sources(TRUSTED))
        monkeypatch.undo()
    ground.answered(LAPTOP, TRUSTED)
    assert any("forgotten by a restart" in each for each in ground.said)
    assert not [*(ground.state / "door").iterdir()]


def test_a_full_disk_is_said_once_and_once_that_there_is_room_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = ground.door()
    full: list[OSError] = [OSError(28, "No space left on device")]

    def sync(_: int) -> None:
        if full:
            raise full[0]

    monkeypatch.setattr(os, "fsync", sync)

    def said_in(minutes: int) -> list[str]:
        ground.said.clear()
        for _ in range(minutes * 60):
            door.tick()
        return [each.rpartition("/door/")[2] for each in ground.said if "ssh.nft" in each]

    with entered(ground.inside):
        door.let_in(sources(TRUSTED))
        assert len([each for each in ground.said if "No space left" in each]) == 1
        assert said_in(2) == []
        door.let_in(sources(TRUSTED, STRANGER))
        assert said_in(1) == []
        full[0] = OSError(5, "Input/output error")
        lost = "ssh.nft cannot be written: Input/output error; whom SSH lets in is forgotten by a restart"
        assert said_in(2) == [lost]
        full.clear()
        assert said_in(1) == ["ssh.nft is written again: whom SSH lets in outlives a restart"]
        assert STRANGER in (ground.state / "door/ssh.nft").read_text()
        full.append(OSError(5, "Input/output error"))
        door.let_in(sources(TRUSTED))
        assert said_in(1) == []
    assert not (ground.state / "door/ssh.nft").exists()


def test_a_machine_with_another_filter_or_none_is_left_alone(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.machine.run("nft", "flush", "ruleset")
    door = ground.door()
    with entered(ground.inside):
        door.let_in(sources(TRUSTED))
        for _ in range(LOOK_EVERY):
            door.tick()
    assert not (ground.state / "door").exists() and not ground.said
    assert not door.told(FakeGate().status()).ssh_guarded
    ground.answered(*EVERYWHERE)
    ground.filter()
    assert ground.open_door() == ""
    monkeypatch.setitem(sys.modules, "nftables", None)
    ground.door()
    assert "nftables is missing" in ground.said[-1]
    ground.answered(LAPTOP)


def test_the_office_names_who_administers_and_root_may_add_one_while_it_is_away(ground: Ground) -> None:
    gate, door = FakeGate(), ground.door()

    def asked(caller: Caller, verb: str, args: object = None) -> dict[str, object]:
        with entered(ground.inside):
            reply: dict[str, object] = json.loads(answer(gate, caller, wire.request(1, verb, args), print, door=door))
        return reply

    def plan(*named: wire.Source) -> dict[str, object]:
        return asked(Caller.OFFICE, "sync", wire.Plan(1, (), (20000, 29999), administrators=named))

    assert plan(*sources(TRUSTED))["ok"]
    status = asked(Caller.OFFICE, "status")["result"]
    assert isinstance(status, dict) and (status["ssh_guarded"], status["ssh"]) == (True, [f"{TRUSTED}/32"])
    hostile = wire.Source("fe80::%x }\nflush ruleset\nadd element inet machine administrators6 { fd00::/64")
    many = tuple(wire.Source(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(MOST_SOURCES + 1))
    assert plan(*many)["error"]["code"] == "too_many"  # type: ignore[index]
    for wrong, code in (
        (wire.Source("x"), "bad_prefix"),
        (hostile, "bad_prefix"),
        (wire.Source(STRANGER, expires_at=float("nan")), "bad_time"),
    ):
        reply = plan(wrong)
        assert isinstance(reply["error"], dict) and reply["error"]["code"] == code
    assert asked(Caller.OFFICE, "allow", wire.Source(STRANGER))["ok"]  # the gate's allow list: its plan says the rest
    ground.answered(LAPTOP, TRUSTED)
    assert asked(Caller.ROOT, "allow", wire.Source(STRANGER6))["ok"]
    assert asked(Caller.ROOT, "allow", wire.Source(NEIGHBOUR, wire.SourceClass.KNOWN))["ok"]
    ground.answered(LAPTOP, TRUSTED, STRANGER6)
    assert asked(Caller.ROOT, "disallow", wire.Prefix(STRANGER6))["ok"]
    ground.answered(LAPTOP, TRUSTED)
    assert plan(wire.Source(f"{TRUSTED}/24"), wire.Source(f"{STRANGER}/32"))["ok"]
    asked(Caller.ROOT, "disallow", wire.Prefix(TRUSTED))  # out of the network that he came in with
    ground.answered(LAPTOP, STRANGER)
    asked(Caller.ROOT, "disallow", wire.Prefix("0.0.0.0/0"))
    ground.answered(LAPTOP)


OFFICE = f"""
import os, signal, socket
from appliance import wire
keeper = socket.socket(socket.AF_UNIX)
keeper.connect(os.environ["APPLIANCE_KEEPER"])
lines = keeper.makefile()
def ask(verb, args=None):
    keeper.sendall(wire.request(1, verb, args))
    return lines.readline()
ask("hello", wire.Hello())
ask("sync", wire.Plan(1, (), (20000, 29999), administrators=(wire.Source("{TRUSTED}"), wire.Source("{TRUSTED6}"))))
print("status", ask("status"), end="", flush=True)
signal.pause()
"""


def test_a_keeper_that_is_killed_leaves_the_door_as_it_is_and_the_next_takes_it_over(
    ground: Ground, tmp_path: Path
) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    tree = Tree(root)
    tree.office(OFFICE)
    wish = RunOptions(state=str(tree.state), runtime=str(tree.runtime), interfaces=("ours",), mode=Mode.NFTABLES)
    command = [*ground.machine.enter, f"--wdns={tree.code}", sys.executable, "-c", RUN, wish.to_json()]
    for ending in (signal.SIGKILL, signal.SIGTERM):
        with KeeperProcess(command, tree.code) as process:
            told = json.loads(process.line("status "))["result"]
            assert (told["ssh_guarded"], told["ssh"]) == (True, [f"{TRUSTED}/32", f"{TRUSTED6}/128"])
            ground.answered(LAPTOP, TRUSTED, TRUSTED6)
            process.process.send_signal(ending)
            process.status()
        ground.answered(LAPTOP, TRUSTED, TRUSTED6)


@pytest.mark.parametrize("text", ["nonsense\n", "add element inet machine administrators { x }\n", "flush ruleset\n"])
def test_a_file_of_somebody_else_is_none_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r"keeper's|network"):
        kept(text)
    with pytest.raises(WireError):
        Door(Path("/nowhere"), print).let_in(sources(text))
