"""What a test machine says becomes its row: also when it dies in the middle."""

import json
from pathlib import Path

from tests.qemu.machine import command
from tests.qemu.report import MARK, Outcome, Program, Reader, table


def said(*words: dict[str, object], last: str = "[ 9.0] reboot: Power down") -> Reader:
    reader = Reader("bookworm")
    assert reader.take("[ 0.0] Linux version")
    for word in words:
        assert not reader.take(f"[ 3.1] noise{MARK}{json.dumps(word)}")
    reader.take(last)
    return reader


def test_a_machine_that_did_everything_has_passed() -> None:
    reader = said(
        {"kernel": "6.1", "bcc": "0.26.0"},
        {"programs": [{"name": "gate", "walked": 95_000}]},
        {"passed": 3, "failed": 0},
        {"ended": True},
    )
    assert reader.begun
    outcome = reader.outcome(31.0)
    assert outcome.passed_all
    assert outcome.programs == (Program("gate", 95_000),)
    assert outcome.failures == ()


def test_a_gate_that_is_refused_a_failed_test_and_a_silent_end_are_failures() -> None:
    refused = said({"kernel": "6.1", "bcc": "0.26.0"}, {"failure": "the gate was refused"}, {"ended": True}).outcome(
        1.0
    )
    assert not refused.passed_all
    assert refused.failures == ("the gate was refused",)
    failed = said({"programs": [{"name": "gate", "walked": 1}]}, {"passed": 3, "failed": 1}, {"ended": True}).outcome(
        1.0
    )
    assert not failed.passed_all
    dead = said({"kernel": "6.1", "bcc": "0.26.0"}, last="Kernel panic").outcome(1.0)
    assert not dead.passed_all
    assert dead.failures[-1].endswith("Kernel panic")
    assert not Reader("trixie").begun


def test_the_table_has_a_line_for_each_machine_and_each_program() -> None:
    drawn = table([Outcome("bookworm", "6.1", "0.26.0", (Program("gate", 95_156), Program("read", 7)), 12, 0)])
    assert [line.split()[0] for line in drawn.splitlines()] == ["release", "bookworm", "gate", "read"]
    assert "95,156" in drawn.splitlines()[1]


def test_a_machine_has_no_way_out() -> None:
    words = command(Path("kernel"), Path("disk"))
    assert words[words.index("-nic") + 1] == "none"
    assert not {"-netdev", "-net", "-virtfs", "-drive", "-device"} & set(words)
    assert "accel=tcg" in words[words.index("-machine") + 1]
