"""`appliance gate` against a keeper that answers over its real socket, with a gate in memory behind it."""

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapNgReader

from appliance import verbs
from appliance.cli.book import BOOK
from appliance.cli.exits import Exit
from appliance.cli.gate import BAR_COLUMNS, bars
from appliance.kernel import layout
from appliance.kernel.evidence import OffenderRow, SampleRow
from appliance.kernel.fake import FakeGate
from appliance.listener import Listener
from appliance.verbs import Caller

FRAME = bytes(
    Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01") / IP(src="198.51.100.7") / UDP() / Raw(b"x" * 400)
)
BANNED = next(row.number for row in layout.verdicts() if row.name == "banned")
GARBAGE = next(row.number for row in layout.verdicts() if row.name == "sip_garbage")


class Keeper:
    """A keeper's socket with FakeGate behind it, in a thread of its own; `run` is a command that is told of it."""

    def __init__(self, directory: Path) -> None:
        self.runtime, self.state = directory / "run", directory / "state"
        self.runtime.mkdir()
        self.state.mkdir()
        self.gate = FakeGate()
        self.gate.attach("eth0")
        self._loop, self._ready, self._done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    async def _serve(self) -> None:
        callers = {os.geteuid(): Caller.ROOT}
        path = self.runtime / "keeper.sock"
        listener = Listener(path, callers, os.getgid(), lambda c, row: verbs.answer(self.gate, c, row, print), print)
        await listener.start()
        self._ready.set()
        await self._done.wait()
        await listener.stop()

    def __enter__(self) -> "Keeper":
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(5)
        self._loop.close()

    def run(self, *words: str) -> Result:
        places = {"APPLIANCE_STATE": str(self.state), "APPLIANCE_RUNTIME": str(self.runtime)}
        return CliRunner().invoke(BOOK.root, ["gate", *words], env=places, catch_exceptions=False)

    def json(self, *words: str) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == Exit.OK, result.output
        return json.loads(result.stdout)

    def drop(self, *verdicts: int, frame: bytes = FRAME) -> None:
        now = self.gate._monotonic_ns()
        self.gate.memory.witness.dropped += [
            SampleRow(verdict, 1, len(frame), now + place, frame[:256]) for place, verdict in enumerate(verdicts)
        ]

    def offender(self, address: str, dropped: int, wrong: int = 0) -> None:
        row = OffenderRow(layout.address(address), dropped + wrong, wrong, 0, dropped, 1, self.gate._monotonic_ns())
        self.gate.memory.witness.sources.append(row)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    with Keeper(tmp_path) as made:
        yield made


def test_verdicts_are_shown_with_their_text_and_their_rate(keeper: Keeper) -> None:
    keeper.gate.tally("banned", 1234, 99)
    shown = keeper.run("verdicts", "--seconds", "0.1").stdout
    assert "1,234" in shown
    assert "source address is banned" in shown
    assert "sip_garbage" not in shown
    assert "sip_garbage" in keeper.run("verdicts", "--all", "--seconds", "0").stdout
    (row,) = keeper.json("verdicts", "--seconds", "0.1")["tallies"]
    assert (row["verdict"], row["rate"]) == ("banned", 0.0)
    assert keeper.json("verdicts", "--seconds", "0")["tallies"][0]["rate"] is None


def test_the_group_alone_shows_verdicts(keeper: Keeper) -> None:
    assert "no packet yet" in keeper.run().stdout


def test_the_worst_source_comes_first_and_has_the_longest_bar(keeper: Keeper) -> None:
    assert "no source has been counted yet" in keeper.run("top").stdout
    keeper.offender("198.51.100.7", 10, 5)
    keeper.offender("2001:db8::", 90)
    shown = keeper.run("top").stdout.splitlines()
    first = next(number for number, row in enumerate(shown) if "2001:db8::" in row)
    assert "█" * BAR_COLUMNS in shown[first]
    assert "198.51.100.7" in shown[first + 1]
    assert "▒" in shown[first + 1]
    assert [row["address"] for row in keeper.json("top", "--limit", "1")["offenders"]] == ["2001:db8::"]


def test_a_bar_is_never_longer_than_its_column() -> None:
    rows = bars([{"dropped": 1, "wrong": 0}, {"dropped": 0, "wrong": 0}, {"dropped": 3, "wrong": 4}])
    assert [len(row["bar"]) for row in rows] == [4, 0, BAR_COLUMNS]
    assert bars([]) == []


def test_watching_draws_again_with_what_was_dropped_since(keeper: Keeper) -> None:
    keeper.offender("198.51.100.7", 10)
    shown = keeper.run("top", "--watch", "0.5", "--times", "2").stdout
    assert shown.count("198.51.100.7") == 2
    assert shown.count("dropped a second") == 1


def test_watching_is_for_people(keeper: Keeper) -> None:
    result = keeper.run("top", "--watch", "--json")
    assert result.exit_code == Exit.USAGE
    assert "leave --json away" in result.stderr


def test_a_capture_is_read_by_others_with_verdict_interface_length_and_time(keeper: Keeper, tmp_path: Path) -> None:
    keeper.drop(BANNED, GARBAGE, BANNED)
    file = tmp_path / "drops.pcapng"
    assert "3 dropped packets in" in keeper.run("capture", str(file), "--seconds", "0").stdout
    assert file.stat().st_mode & 0o777 == 0o600, "other people's packets"
    with PcapNgReader(str(file)) as reader:
        packets = list(reader)
    assert [packet.comment for packet in packets] == [
        b"banned: source address is banned",
        b"sip_garbage: neither SIP nor a keepalive, on a SIP port",
        b"banned: source address is banned",
    ]
    assert {(packet.wirelen, len(packet), packet.sniffed_on) for packet in packets} == {(len(FRAME), 256, "lo")}
    assert abs(float(packets[0].time) - keeper.gate._unix_ns() / 1e9) < 60


def test_tcpdump_opens_a_capture(keeper: Keeper, tmp_path: Path) -> None:
    keeper.drop(BANNED)
    keeper.run("capture", str(tmp_path / "x"), "--seconds", "0")
    program = shutil.which("tcpdump")
    assert program, "apt-get install tcpdump"
    done = subprocess.run([program, "-nr", str(tmp_path / "x")], capture_output=True, text=True, check=True)
    assert "198.51.100.7.53 > 127.0.0.1.53" in done.stdout


def test_a_capture_takes_only_what_is_asked_for(keeper: Keeper, tmp_path: Path) -> None:
    keeper.drop(BANNED, GARBAGE)
    captured = [
        keeper.json("capture", str(tmp_path / str(place)), "--seconds", "0", *words)["packets"]
        for place, words in enumerate(
            (
                ("--verdict", "banned"),
                ("--address", "198.51.100.7"),
                ("--address", "198.51.100.0/24", "--verdict", "sip_garbage"),
                ("--address", "192.0.2.0/24"),
            )
        )
    ]
    assert captured == [1, 2, 1, 0]


def test_a_capture_over_some_time_begins_now(keeper: Keeper, tmp_path: Path) -> None:
    keeper.drop(BANNED, BANNED)
    assert keeper.json("capture", str(tmp_path / "x"), "--seconds", "0.1")["packets"] == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("capture", "{tmp}/x", "--verdict", "nonsense"), Exit.NOT_FOUND, "there is no verdict 'nonsense'"),
        (("capture", "{tmp}/x", "--address", "nowhere"), Exit.USAGE, "name an address or a network"),
        (("capture", "{tmp}/none/x",), Exit.REFUSED, "cannot be written: No such file or directory"),
        (("capture", "{tmp}/there"), Exit.REFUSED, "is there already"),
        (("capture", "{tmp}/x", "--seconds", "-1"), Exit.USAGE, "--seconds"),
        (("capture",), Exit.USAGE, "missing argument"),
        (("top", "--limit", "0"), Exit.USAGE, "--limit"),
        (("top", "--watch", "soon"), Exit.USAGE, "--watch"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_a_line_that_names_it(
    keeper: Keeper, tmp_path: Path, words: tuple[str, ...], code: Exit, says: str
) -> None:
    (tmp_path / "there").write_text("mine")
    result = keeper.run(*(word.format(tmp=tmp_path) for word in words))
    assert (result.exit_code, result.stdout) == (code, "")
    assert says in result.stderr
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "there").read_text() == "mine"


def test_force_writes_over_a_file(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    assert keeper.run("capture", str(tmp_path / "there"), "--seconds", "0", "--force").exit_code == Exit.OK
    assert (tmp_path / "there").read_bytes()[:4] == b"\n\r\r\n"


def test_metrics_are_printed_as_prometheus_reads_them(keeper: Keeper) -> None:
    keeper.gate.tally("banned", 7, 700)
    shown = keeper.run("metrics").stdout
    assert 'appliance_gate_packets_total{action="DROP",verdict="banned"} 7.0' in shown
    assert 'appliance_gate_interface_mode{interface="eth0",mode="native"} 1.0' in shown
    names = {row["name"] for row in keeper.json("metrics")["metrics"]}
    assert "appliance_gate_bans" in names


def test_without_a_keeper_every_command_says_that_it_does_not_run(tmp_path: Path) -> None:
    places = {"APPLIANCE_STATE": str(tmp_path), "APPLIANCE_RUNTIME": str(tmp_path)}
    for words in (["verdicts"], ["top"], ["capture", str(tmp_path / "x")], ["metrics"]):
        result = CliRunner().invoke(BOOK.root, ["gate", *words], env=places, catch_exceptions=False)
        assert result.exit_code == Exit.NOT_RUNNING
    assert not (tmp_path / "x").exists()
