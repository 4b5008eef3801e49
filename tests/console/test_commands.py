"""What a line of the console means, and what its answer looks like."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire import WireError
from pysrv.console.commands import COMMANDS, answered, visible, words_of
from pysrv.control.table import VERBS


def asked(line: bytes, answer: dict[str, Any] | None = None) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """The verbs that a line asks, and its answer."""
    verbs: list[tuple[str, dict[str, Any]]] = []

    def do(verb: str, args: dict[str, Any]) -> dict[str, Any]:
        verbs.append((verb, args))
        return answer or {"lifted": [], "calls": []}

    words = words_of(line)
    return verbs, answered(words, do) if words else []


@pytest.mark.parametrize(
    ("line", "verb", "args"),
    [
        (b"delbanned,192.0.2.7\n", "bans.lift", {"source": "192.0.2.7"}),
        (b"DelBanned 192.0.2.7\r\n", "bans.lift", {"source": "192.0.2.7"}),
        (b"delbanned,[2001:db8::7]:5070\n", "bans.lift", {"source": "[2001:db8::7]:5070"}),
        (b"delbanned, all\n", "bans.lift", {"source": "all"}),
        (b"  hangup , a@b \n", "calls.hangup", {"call_id": "a@b"}),
        (b"status\n", "status", {}),
        (b"calls\n", "calls.list", {}),
        (b"reload\n", "reload", {}),
    ],
)
def test_a_line_asks_a_verb_with_its_words(line: bytes, verb: str, args: dict[str, Any]) -> None:
    assert asked(line)[0] == [(verb, args)]


@pytest.mark.parametrize(
    "line", [b"hangup\n", b"delbanned\n", b"delbanned,a,b\n", b"calls,x\n", b"rm -rf\n", b"log\x1bin\n", b"\xff\n"]
)
def test_what_cannot_be_done_is_said_and_asks_nothing(line: bytes) -> None:
    try:
        verbs, told = asked(line)
    except WireError as error:
        verbs, told = [], [f"error: {error.message}"]
    assert verbs == [] and told[0].startswith("error: ")


def test_help_lists_every_command_and_each_names_a_verb_that_there_is() -> None:
    verbs, told = asked(b"help\n")
    assert verbs == [] and [line.split()[0] for line in told] == [each.shown for each in COMMANDS]
    assert all(not each.verb or each.verb in VERBS for each in COMMANDS)


def test_calls_are_one_line_each_and_names_of_others_move_no_cursor() -> None:
    call = {"call_id": "c1", "caller": "\x1b[2Jeve\r\n", "callee": "102", "state": "answered", "talk_s": 3.2}
    told = asked(b"calls\n", {"calls": [call, call | {"talk_s": None}]})[1]
    assert told == ["c1 ?[2Jeve?? -> 102 answered 3 s", "c1 ?[2Jeve?? -> 102 answered rings", "2 calls"]


@given(st.binary(max_size=300))
def test_whatever_a_line_holds_it_is_answered_in_printable_lines(line: bytes) -> None:
    try:
        told = asked(line)[1]
    except WireError as error:
        told = [error.message]
    assert all(each == visible(each) for each in told)
