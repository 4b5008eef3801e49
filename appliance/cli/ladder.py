"""Draws a ladder diagram on a terminal: a column for each participant, an arrow for each message.

Knows the shape that `calls.trace` answers with, and no SIP.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from appliance.cli.show import visible

CELL = 30  # characters between two columns: two of them and the clock fit into eighty
NARROW = 18  # with more than three participants
CLOCK = 9


def drawn(columns: Sequence[Mapping[str, Any]], rungs: Sequence[Mapping[str, Any]]) -> Text:
    """The diagram. `columns` have `name` and `address`, `rungs` have `after_s`, `source`, `target` and `text`."""
    cell = CELL if len(columns) <= 3 else NARROW
    text = Text()
    for key in ("name", "address"):
        if any(column.get(key) for column in columns):
            text.append(_heads([visible(str(column.get(key, ""))) for column in columns], cell), style="bold")
    for rung in rungs:
        text.append(_rung(rung, len(columns), cell))
    return text


def _heads(words: Sequence[str], cell: int) -> str:
    """What stands above the columns, each as near to its line as the one before lets it."""
    line = ""
    for number, word in enumerate(words):
        shown = word if len(word) <= cell else word[: cell - 1] + "…"
        wanted = CLOCK + number * (cell + 1) - (len(shown) // 2 if number else 0)
        line = line.ljust(wanted if wanted > len(line) else len(line) + bool(line)) + shown
    return line.rstrip() + "\n"


def _rung(rung: Mapping[str, Any], columns: int, cell: int) -> str:
    left, right = sorted((int(rung["source"]), int(rung["target"])))
    rightward = rung["source"] <= rung["target"]
    words = visible(str(rung["text"])).replace("\n", " ") + (" (SDP)" if rung.get("sdp") else "")
    room = (right - left) * (cell + 1) - 1
    label = f" {words[: room - 4]} "
    arrow = f"{label:─^{room - 1}}▶" if rightward else f"◀{label:─^{room - 1}}"
    cells = [" " * cell] * left + [arrow] + [" " * cell] * (columns - 1 - right)
    return f"{rung['after_s']:7.3f}  │{'│'.join(cells)}│\n"
