"""Back-off, the words for an ending, and processes told apart from later ones with the same number."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import supervise
from appliance.supervise import Identity, end_process, ending, pause_s

SLEEPER = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)\nwhile True: signal.pause()",
]


def started(command: list[str]) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [pause_s(failures) for failures in range(12)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == supervise.LONGEST_PAUSE_S
    assert pause_s(10_000) == supervise.LONGEST_PAUSE_S


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with status 0"),
        (78, "ended with status 78"),
        (-9, "was killed by SIGKILL"),
        (-250, "was killed by signal 250"),
        (None, "ended"),
    ],
)
def test_an_ending_is_told_in_words(status: int | None, words: str) -> None:
    assert ending(status) == words


def test_a_process_is_recognised_by_number_and_start(tmp_path: Path) -> None:
    ours = Identity.of(os.getpid())
    assert ours is not None
    ours.write(tmp_path / "pid")
    assert Identity.read(tmp_path / "pid") == ours


@pytest.mark.parametrize("text", ["", "[", "[1]", "7", '["x", 1]', "[999999999, 1]", "[SELF, 1]"])
def test_a_file_that_names_no_living_process_names_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text.replace("SELF", str(os.getpid())))
    assert Identity.read(tmp_path / "pid") is None


def test_no_file_names_no_process(tmp_path: Path) -> None:
    assert Identity.read(tmp_path / "pid") is None


def test_a_process_is_asked_to_end_first() -> None:
    with started(SLEEPER) as process:
        identity = Identity.of(process.pid)
        assert identity is not None
        end_process(identity)
        assert process.wait() == -signal.SIGTERM


def test_a_stubborn_process_is_killed_after_the_grace() -> None:
    with started(STUBBORN) as process:
        identity = Identity.of(process.pid)
        assert identity is not None
        end_process(identity, grace_s=0.05)
        assert process.wait() == -signal.SIGKILL


def test_a_process_that_only_has_the_same_number_is_left_alone() -> None:
    with started(SLEEPER) as process:
        end_process(Identity(process.pid, 1))
        assert process.poll() is None
        process.kill()
