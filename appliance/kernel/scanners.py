"""What the kernel needs to know scanners: an automaton over User-Agents, and fingerprints as bits and hashes.

Pure. The automaton is that of Aho and Corasick (1975) made whole: one step for each byte, whatever its state, to the
row of the next state. Its last state is the match, which it never leaves. Case is folded by the classes of bytes.
"""

import re
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from appliance.config.fields import BadValue
from appliance.config.scanners import FINGERPRINTS, ORDERED_HEADERS, Fingerprint, check
from appliance.kernel import layout
from appliance.wire import WireError

CLASSES: Final = 64
STATES: Final = 1024
MATCH: Final = (STATES - 1) * CLASSES
PRINTS: Final = 16
_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_WORD: Final = (1 << 64) - 1
_HEADER: Final = re.compile(r"\bHEADER_(\w+) = (\d+),")
_NAME: Final = re.compile(r'\bNAME\((\w+), "([a-z-]+)"\)')
_SHAPE: Final = re.compile(r'^SHAPE\((\w+), "((?:[^"\\]|\\.)*)"\)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Automaton:
    """`classes`: one for each byte; `rows`: for each state and class where the next state's row begins."""

    classes: bytes
    rows: bytes

    def matches(self, agent: bytes) -> bool:
        """Whether one of the patterns stands in `agent`: what the kernel does, step by step."""
        row = 0
        for byte in agent:
            (row,) = struct.unpack_from("=H", self.rows, 2 * (row + self.classes[byte]))
        return row == MATCH


def automaton(agents: Sequence[str]) -> Automaton:
    """For the patterns `agents`. Raises WireError("bad_scanners") that names the limit which they pass."""
    _checked(agents)
    words = [agent.lower() for agent in agents]
    letters = sorted(set("".join(words)))
    classes = bytearray(256)
    for number, letter in enumerate(letters, 1):
        classes[ord(letter)] = classes[ord(letter.upper())] = number
    rows = [MATCH] * (STATES * CLASSES)
    steps, ends, fallback = _trie(words)
    for state in set(range(len(steps))) - ends:
        row = [0] * CLASSES
        for number, letter in enumerate(letters, 1):
            following = _step(steps, fallback, state, letter)
            row[number] = MATCH if following in ends else following * CLASSES
        rows[state * CLASSES : (state + 1) * CLASSES] = row
    return Automaton(bytes(classes), struct.pack(f"={len(rows)}H", *rows))


_Steps = list[dict[str, int]]


def _trie(words: Sequence[str]) -> tuple[_Steps, set[int], list[int]]:
    """Every beginning of a word as a state, those that end one, and for each its longest end that begins another."""
    steps: _Steps = [{}]
    ends: set[int] = set()
    for word in words:
        state = 0
        for letter in word:
            if letter not in steps[state]:
                steps[state][letter] = len(steps)
                steps.append({})
            state = steps[state][letter]
        ends.add(state)
    fallback = [0] * len(steps)
    waiting = deque(steps[0].values())
    while waiting:
        state = waiting.popleft()
        for letter, following in steps[state].items():
            fallback[following] = _step(steps, fallback, fallback[state], letter)
            if fallback[following] in ends:
                ends.add(following)
            waiting.append(following)
    return steps, ends, fallback


def _step(steps: _Steps, fallback: list[int], state: int, letter: str) -> int:
    while state and letter not in steps[state]:
        state = fallback[state]
    return steps[state].get(letter, 0)


def order_hash(names: Sequence[str]) -> int:
    """The kernel's hash of the first header names: of each its kind, if it is told apart, and its first letter."""
    order, kinds = 0, _header_kinds()
    for name in names[:ORDERED_HEADERS]:
        kind = kinds.get(name.lower(), 0)
        order = (order + (kind << 8 | ord(name[0]) | 0x20)) * _MULTIPLIER & _WORD
    return order


@cache
def _header_kinds() -> dict[str, int]:
    """The kernel's number for each header name that it tells apart."""
    numbers = dict(_HEADER.findall((layout.BPF_DIR / "layout.h").read_text(encoding="ascii")))
    names = _NAME.findall((layout.BPF_DIR / "sipread.h").read_text(encoding="ascii"))
    return {name: int(numbers[kind]) for kind, name in names}


@cache
def shapes() -> dict[str, int]:
    """The kernel's bit for each mark of bpf/shapes.def."""
    text = (layout.BPF_DIR / "shapes.def").read_text(encoding="ascii")
    return {name: 1 << place for place, (name, _) in enumerate(_SHAPE.findall(text))}


def fingerprint_rows(prints: Sequence[Fingerprint] = FINGERPRINTS) -> list[tuple[int, int]]:
    """(order hash or 0, bits) of each fingerprint. Raises WireError when there are more than the map holds."""
    if len(prints) > PRINTS:
        raise WireError("bad_scanners", f"the gate knows at most {PRINTS} fingerprints, not {len(prints)}")
    bits = shapes()
    return [(order_hash(each.order) if each.order else 0, sum(bits[s] for s in each.shapes)) for each in prints]


class ScannersRow(NamedTuple):
    """The whole of the map `scanners`: the patterns, and each fingerprint as (order hash or 0, bits)."""

    agents: tuple[str, ...]
    prints: tuple[tuple[int, int], ...]


def wanted(agents: Sequence[str]) -> ScannersRow:
    """The row for these patterns and this release's fingerprints; none and none. Raises WireError("bad_scanners")."""
    _checked(agents)
    return ScannersRow(tuple(agents), tuple(fingerprint_rows()) if agents else ())


def pack(shape: layout.Shape, _key: Any, row: ScannersRow) -> bytes:
    """The row as the program has it."""
    built = automaton(row.agents)
    fields: dict[str, int | bytes] = {
        "agents": len(row.agents),
        "classes": built.classes,
        "rows": built.rows,
        "text": "\n".join(row.agents).encode("ascii"),
    }
    for number, (order, bits) in enumerate(row.prints):
        fields[f"prints.{number}.order"] = order
        fields[f"prints.{number}.shapes"] = bits
    return shape.pack(fields)


def unpack(shape: layout.Shape, row: bytes) -> ScannersRow:
    """The row of the program's bytes."""
    fields = shape.unpack(row)
    text = fields["text"].rstrip(b"\0").decode("ascii")
    found = [(fields[f"prints.{number}.order"], fields[f"prints.{number}.shapes"]) for number in range(PRINTS)]
    return ScannersRow(tuple(text.split("\n")) if text else (), tuple(each for each in found if each[1]))


def _checked(agents: Sequence[str]) -> None:
    try:
        check(agents)
    except BadValue as error:
        raise WireError("bad_scanners", f"blockua {error}", "shorten the list") from None
