"""The log's lines: text and JSON, with priorities for the journal, and the table of their fields."""

import ast
import json
import logging
import os
import re
import sys
from pathlib import Path

import pytest

import pysrv
from appliance.config.settings import Settings
from pysrv.service.journal import FIELDS, Chosen, JsonFormatter, fields_of, is_journal, prefixed

ROOM = Path(pysrv.__file__).parent
FORBIDDEN = re.compile(r"passw|secret|pin$|digest|response|nonce|token|cookie|ha1", re.IGNORECASE)


def record(text: str, *args: object, level: int = logging.INFO, fault: bool = False) -> logging.LogRecord:
    made = logging.LogRecord("pysrv.calls", level, "", 0, text, args, sys.exc_info() if fault else None)
    made.created = 1_800_000_000.5
    return made


def logged() -> list[tuple[str, list[ast.expr]]]:
    """Every line that is logged anywhere in the office: its text, and its arguments."""
    found = []
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
                args = node.args[1:] if ast.unparse(node.func) == "_log.log" else node.args
                if args and isinstance(args[0], ast.Constant):
                    found.append((str(args[0].value), args[1:]))
    return found


def test_every_field_that_is_logged_is_in_the_table_and_the_table_has_no_others() -> None:
    names = {name for text, _ in logged() for name in re.findall(r"\b([a-z][a-z_0-9]*)=%", text)}
    assert len(logged()) > 40
    assert names == set(FIELDS)


def test_no_field_and_no_argument_of_a_line_is_named_like_a_secret() -> None:
    assert [name for name in FIELDS if FORBIDDEN.search(name) and name != "securepasswords"] == []
    for text, args in logged():
        assert [arg for arg in map(ast.unparse, args) if FORBIDDEN.search(arg.rpartition(".")[2])] == [], text


def test_fields_are_taken_from_the_arguments_and_not_from_what_a_peer_wrote() -> None:
    made = record(
        "call refused id=%s account=%r seconds=%.1f 100%% charge=%d: %s", "c1", "a b", 2.5, 7, "x account=eve"
    )
    assert fields_of(made) == {"id": "c1", "account": "a b", "seconds": 2.5, "charge": 7}


def test_a_line_without_fields_has_none() -> None:
    assert fields_of(record("keeper at %s is away: %s", "/run", "gone")) == {}
    assert fields_of(record("started")) == {}


@pytest.mark.setting("logformat")
def test_a_line_is_text_or_an_object_as_the_setting_says() -> None:
    snapshot = [Settings()]
    log = Chosen(lambda: snapshot[0].logformat, journal=False)
    made = record("call ended id=%s account=%s", "c1", "al\nice")
    assert log.format(made) == "INFO pysrv.calls: call ended id=c1 account=al\\x0aice"
    snapshot[0] = snapshot[0].with_changes({"logformat": "json"})
    assert json.loads(log.format(made)) == {
        "at": 1_800_000_000.5,
        "level": "info",
        "logger": "pysrv.calls",
        "message": "call ended id=c1 account=al\nice",
        "fields": {"id": "c1", "account": "al\nice"},
    }


def test_an_object_is_one_line_of_ascii_with_its_traceback_inside() -> None:
    try:
        raise ValueError("a\u2028b")
    except ValueError:
        line = JsonFormatter().format(record("a fault at %s", "x\x1b[2J", level=logging.ERROR, fault=True))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["fault"].startswith("Traceback")


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (10, 7)]
)
def test_the_journal_is_told_the_priority_of_each_line(level: int, priority: int) -> None:
    assert prefixed(level, "one\n    two") == f"<{priority}>one\n<{priority}>    two"
    assert Chosen(lambda: "text", journal=True).format(record("x", level=level)).startswith(f"<{priority}>")
    assert Chosen(lambda: "text", journal=False).format(record("x", level=level))[0] != "<"


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        for wrong in ({}, {"JOURNAL_STREAM": ""}, {"JOURNAL_STREAM": "x:y"}, {"JOURNAL_STREAM": "1"}):
            assert not is_journal(stream, wrong)
