"""An office that a unit runs: found by its control group, told its options by a file, ended with the keeper."""

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from appliance.config.options import BadOption, RunOptions
from appliance.supervise import Identity
from appliance.unit import ENVIRONMENT, Unit, environment_file, notify_ready, running
from tests.appliance.test_supervise import SLEEPER, started

NAME = "appliance-office.service"


def group(place: Path, *numbers: int) -> None:
    (place / NAME).mkdir(exist_ok=True)
    (place / NAME / "cgroup.procs").write_text("".join(f"{each}\n" for each in numbers))


def test_the_environment_is_read_back_by_a_shell_as_it_was() -> None:
    values = {"A": "plain", "B": '{"text":"a \\"b\\" \\\\ $HOME `id` \'c\'"}', "C": ""}
    written = environment_file(values)
    for name, value in values.items():
        done = subprocess.run(
            ["sh", "-c", f'{written}\nprintf %s "${name}"'], capture_output=True, text=True, check=True
        )
        assert done.stdout == value


def test_the_office_is_not_given_the_keepers_stream() -> None:
    assert environment_file({"JOURNAL_STREAM": "8:1", "TZ": "UTC"}) == 'TZ="UTC"\n'


def test_the_office_is_the_first_living_process_of_the_units_group(tmp_path: Path) -> None:
    assert running(NAME, os.getuid(), tmp_path) is None
    group(tmp_path)
    assert running(NAME, os.getuid(), tmp_path) is None
    with started(SLEEPER) as ended_one:
        ended_one.kill()
    with started(SLEEPER) as process:
        group(tmp_path, ended_one.pid, process.pid)
        assert running(NAME, os.getuid(), tmp_path) == Identity.of(process.pid)
        assert running(NAME, os.getuid() + 1, tmp_path) is None
        process.kill()


def test_the_options_are_roots_alone_and_replace_older_ones(tmp_path: Path) -> None:
    for value in ("old", "new"):
        Unit(NAME, os.getuid(), {"APPLIANCE_OPTIONS": value}, tmp_path, print, tmp_path).prepare()
    file = tmp_path / ENVIRONMENT
    assert file.read_text() == 'APPLIANCE_OPTIONS="new"\n'
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [ENVIRONMENT]


def test_a_keeper_that_is_told_to_stop_ends_the_office(tmp_path: Path) -> None:
    with started(SLEEPER) as process:
        group(tmp_path, process.pid)
        asyncio.run(Unit(NAME, os.getuid(), {}, tmp_path, print, tmp_path).stop())
        assert process.wait() == -signal.SIGTERM


def test_a_unit_whose_keeper_was_stopped_has_nothing_to_start_with(tmp_path: Path) -> None:
    unit = Unit(NAME, os.getuid(), {"A": "b"}, tmp_path, print, tmp_path)
    unit.prepare()
    asyncio.run(unit.stop())
    assert list(tmp_path.iterdir()) == []


def test_there_may_be_no_office_to_end(tmp_path: Path) -> None:
    asyncio.run(Unit(NAME, os.getuid(), {}, tmp_path, print, tmp_path).stop())


def test_the_office_is_reported_when_it_comes_and_when_it_goes(tmp_path: Path) -> None:
    said: list[str] = []

    async def watched(process: "subprocess.Popen[bytes]") -> None:
        heard = asyncio.Event()

        def report(line: str) -> None:
            said.append(line)
            process.kill()  # once it has been seen
            if len(said) == 2:
                heard.set()

        unit = asyncio.create_task(Unit(NAME, os.getuid(), {}, tmp_path, report, tmp_path).run())
        await asyncio.wait_for(heard.wait(), 30)
        unit.cancel()

    with started(SLEEPER) as process:
        group(tmp_path, process.pid)
        asyncio.run(watched(process))
    assert said == [f"the office runs as process {process.pid} of {NAME}", f"the office ended; {NAME} starts it again"]


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_hears_that_the_keeper_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    place = f"@appliance-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + place[1:] if abstract else place)
        listening.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", place)
        notify_ready()
        assert listening.recv(64) == b"READY=1"


def test_nobody_listens_and_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_ready()


@pytest.mark.parametrize(("unit", "pin"), [("office", True), ("../x.service", True), (NAME, False)])
def test_a_unit_is_a_service_and_goes_with_pins(unit: str, pin: bool) -> None:
    with pytest.raises(BadOption, match="--office-unit must name a service such as"):
        RunOptions(office_unit=unit, pin=pin)
