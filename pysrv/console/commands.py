"""The console's commands as a table: a line becomes a verb with its arguments, and the verb's answer becomes text.

Pure. Whatever a line holds, its answer is printable: a name that somebody chose elsewhere moves no cursor (CWE-150).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appliance.wire import WireError

MOST_LINE_BYTES: Final = 1024
IDLE_S: Final = 600.0
MOST_ROWS: Final = 500
_BREAKS = re.compile(r"[,\s]+")

Words = list[str]
Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One row. `takes` are the names of its words; `verb` empty: the console itself answers."""

    name: str
    takes: tuple[str, ...]
    sentence: str
    verb: str = ""
    args: Callable[[Words], dict[str, Any]] = lambda _: {}
    text: Callable[[Answer], Iterable[str]] = lambda _: ("done",)

    @property
    def shown(self) -> str:
        """How it is written."""
        return ",".join((self.name, *self.takes))


def _status(answer: Answer) -> Iterable[str]:
    return (f"{name}: {_value(value)}" for name, value in answer.items())


def _calls(answer: Answer) -> Iterable[str]:
    calls = answer["calls"]
    for call in calls[:MOST_ROWS]:
        seconds = "rings" if call["talk_s"] is None else f"{call['talk_s']:.0f} s"
        yield f"{call['call_id']} {call['caller']} -> {call['callee']} {call['state']} {seconds}"
    if len(calls) > MOST_ROWS:
        yield f"{len(calls) - MOST_ROWS} more are not shown"
    yield f"{len(calls)} calls"


def _hung_up(answer: Answer) -> Iterable[str]:
    return (f"ended {', '.join(answer['calls']) or 'nothing'}",)


def _lifted(answer: Answer) -> Iterable[str]:
    lifted = answer["lifted"]
    more = f" and {len(lifted) - MOST_ROWS} more" if len(lifted) > MOST_ROWS else ""
    return (f"lifted {', '.join(lifted[:MOST_ROWS]) or 'nothing'}{more}",)


def _help(_: Answer) -> Iterable[str]:
    return (f"{each.shown:<20} {each.sentence}" for each in COMMANDS)


COMMANDS: Final = (
    Command("help", (), "Lists the commands.", text=_help),
    Command("status", (), "Says what runs.", "status", text=_status),
    Command("calls", (), "Lists the running calls.", "calls.list", text=_calls),
    Command("hangup", ("CALLID",), "Ends a call.", "calls.hangup", lambda words: {"call_id": words[0]}, _hung_up),
    Command("delbanned", ("IP",), "Lifts the ban of an address, a network, or with all every ban.", "bans.lift",
            lambda words: {"source": words[0]}, _lifted),
    Command("reload", (), "Reads the stored settings, trunks, rules and lists again.", "reload"),
    Command("quit", (), "Ends the conversation."),
)  # fmt: skip
_BY_NAME: Final = {each.name: each for each in COMMANDS}


def words_of(line: bytes) -> Words:
    """The words of a line. Raises WireError for what is no text."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise WireError("bad_line", "this is no text in UTF-8") from None
    if not text.strip("\r\n\t ").isprintable():
        raise WireError("bad_line", "a line holds printable characters alone")
    return [word for word in _BREAKS.split(text) if word]


def command_of(words: Words) -> tuple[Command, Words]:
    """The command of a line and its words. Raises WireError that says what there is."""
    command = _BY_NAME.get(words[0].lower())
    if command is None:
        raise WireError("unknown_verb", f"there is no command {words[0][:40]!r}", "help lists the commands")
    rest = words[1:]
    if len(rest) != len(command.takes):
        raise WireError("bad_args", f"write it as {command.shown}", "words are separated by commas or spaces")
    return command, rest


def answered(words: Words, do: Callable[[str, dict[str, Any]], Answer]) -> list[str]:
    """What a line comes to; `do` asks a verb and raises WireError."""
    try:
        command, rest = command_of(words)
        told = do(command.verb, command.args(rest)) if command.verb else {}
        return [visible(line) for line in command.text(told)]
    except WireError as error:
        return refusal(error)


def refusal(error: WireError) -> list[str]:
    """A refusal as the operator reads it."""
    return [visible(f"error: {error.message}" + (f" ({error.hint})" if error.hint else ""))]


def visible(text: str) -> str:
    """One line, without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_value(each)}" for name, each in value.items()) or "-"
    return str(value)
