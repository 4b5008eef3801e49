"""An office that a unit runs: found by its control group, told its options by a file, ended with the keeper."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.config.options import BadOption, RunOptions
from appliance.supervise import Identity
from appliance.unit import ENVIRONMENT, Unit, _signal, end_group, environment_file, members, notify_ready, running
from tests.appliance.test_supervise import SLEEPER, started

NAME = "appliance-office.service"
USER = 65_533  # of no account


# Says its number and a child's: both call themselves as what systemd still makes ready, and hold out.
HIDING = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
libc.prctl(15, b"(python)", 0, 0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(os.getpid(), child, flush=True)
while child:
    time.sleep(0.01)
    child = os.fork()
while True:
    signal.pause()
"""


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[Path]:
    """Where control groups of the kernel's can be made; none is left."""
    place = tmp_path / "groups"
    place.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", place], check=True)
    try:
        above = place / f"unit-{os.getpid()}"
        above.mkdir()
        try:
            yield above
        finally:
            for made in sorted(above.glob("**"), reverse=True):
                until = time.monotonic() + 30
                while "populated 1" in (made / "cgroup.events").read_text():  # who was killed is on its way out
                    assert time.monotonic() < until
                    time.sleep(0.01)
                made.rmdir()
    finally:
        subprocess.run(["umount", place], check=True)


@contextmanager
def within(place: Path, script: str, user: int = USER) -> Iterator["subprocess.Popen[str]"]:
    """A process that was started in that group, the office's user's; what it forked ends with it."""
    place.mkdir(parents=True, exist_ok=True)
    join = f'echo $$ >{place}/cgroup.procs && exec setpriv --reuid {user} --clear-groups {sys.executable} -c "$1"'
    with subprocess.Popen(["sh", "-c", join, "sh", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            (place / "cgroup.kill").write_text("1")


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


def test_a_keeper_that_is_told_to_stop_ends_the_office_with_term(groups: Path) -> None:
    with within(groups / NAME, SLEEPER[-1]) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said: list[str] = []
        asyncio.run(Unit(NAME, USER, {}, groups, said.append, groups).stop())
        assert process.wait() == -signal.SIGTERM
    assert not said


def test_an_office_that_hides_and_forks_ends_whole_and_nobody_else_does(groups: Path) -> None:
    below = groups / NAME / "below"
    with (
        within(groups / NAME, HIDING) as main,
        within(below, HIDING) as other,
        within(groups / "else", HIDING) as third,
    ):
        streams = [each.stdout for each in (main, other, third)]
        first, second, outside = (set(map(int, stream.readline().split())) for stream in streams if stream is not None)
        assert running(NAME, USER, groups) is None
        assert first | second <= members(groups / NAME)
        assert end_group(groups / NAME, USER, grace_s=0.5) == 0
        assert not members(groups / NAME)
        assert (main.wait(), other.wait(), third.poll()) == (-signal.SIGKILL, -signal.SIGKILL, None)
        assert outside <= members(groups / "else")


def test_the_keeper_itself_is_never_ended(groups: Path) -> None:
    """Not even where somebody gave it the office's group."""
    script = "import os, sys; from pathlib import Path; from appliance.unit import end_group\n"
    script += f"print(end_group(Path({str(groups / NAME)!r}), os.getuid(), 0.1), 'left', flush=True)"
    with within(groups / NAME, script, user=0) as process:
        assert process.stdout is not None
        assert process.stdout.read() == "0 left\n"
        assert process.wait() == 0


def test_a_number_that_another_process_got_meanwhile_is_not_ended(tmp_path: Path) -> None:
    """A group that names it no longer when it is asked again."""

    def chosen(_pid: int) -> bool:
        group(tmp_path)
        return True

    with started(SLEEPER) as process:
        try:
            group(tmp_path, process.pid)
            assert _signal(tmp_path / NAME, signal.SIGKILL, chosen) == set()
            assert process.poll() is None
        finally:
            process.kill()


def test_what_does_not_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("appliance.unit.end_group", lambda *_: 2)
    asyncio.run(Unit(NAME, USER, {}, tmp_path, said.append, tmp_path).stop())
    assert said == [f"2 processes of {NAME} do not end"]


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
