"""Regular expressions as one table: a deterministic automaton that the kernel runs a byte at a time.

Pure. Expressions are built from the small functions below; `compile_table` makes their automata, merges equal states
and gives each byte a class. McNaughton and Yamada (1960), Thompson (1968); Moore (1956) for the merging.
A word ends at END. The states 0 to 2 are what a word comes to: refused, accepted, accepted and marked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

END: Final = 0x0D  # CR: no header line holds another one
REFUSED, ACCEPTED, MARKED = 0, 1, 2
MAX_STATES, MAX_CLASSES = 256, 64

Expression = tuple["str", object]
States = frozenset[int]


def one_of(characters: str | bytes | Iterable[int]) -> Expression:
    """One byte of these."""
    values = characters.encode("latin-1") if isinstance(characters, str) else characters
    return "one", frozenset(values)


def text(word: str, *, fold: bool = False) -> Expression:
    """This word; `fold`: in any case."""
    return seq(*(one_of(c.lower() + c.upper() if fold else c) for c in word))


def seq(*parts: Expression) -> Expression:
    """One after the other."""
    return "seq", parts


def alt(*parts: Expression) -> Expression:
    """One of these."""
    return "alt", parts


def many(part: Expression) -> Expression:
    """Any number of times, or none."""
    return "many", part


def some(part: Expression) -> Expression:
    """Once or more."""
    return seq(part, many(part))


def maybe(part: Expression) -> Expression:
    """Once or not."""
    return alt(part, seq())


def times(least: int, most: int, part: Expression) -> Expression:
    """From `least` to `most` times."""
    return seq(*[part] * least, *[maybe(part)] * (most - least))


@dataclass(frozen=True, slots=True)
class Rule:
    """What one kind of line may look like: accepted, unless also `refused`; told apart when also `marked`."""

    accepted: Expression
    marked: Expression | None = None
    refused: Expression | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`classes`: of each byte. `following`: MAX_CLASSES states for each state. `starts`: each rule's first one."""

    classes: bytes
    following: bytes
    starts: Mapping[str, int]

    def run(self, rule: str, line: bytes) -> int:
        """What the kernel comes to for this line."""
        state = self.starts[rule]
        for byte in line + bytes([END]):
            state = self.following[state * MAX_CLASSES + self.classes[byte]]
            if state <= MARKED:
                break
        return state


@dataclass(slots=True)
class _Nfa:
    """Edges of each state: (bytes, target); no bytes: free."""

    edges: list[list[tuple[frozenset[int], int]]] = field(default_factory=list)

    def state(self) -> int:
        self.edges.append([])
        return len(self.edges) - 1

    def add(self, expression: Expression, start: int) -> int:
        """Adds the expression behind `start`; returns where it ends."""
        kind, inside = expression
        if kind == "one":
            end = self.state()
            self.edges[start].append((inside, end))  # type: ignore[arg-type]
            return end
        if kind == "seq":
            for part in inside:  # type: ignore[attr-defined]
                start = self.add(part, start)
            return start
        if kind == "many":
            loop = self.state()
            self.edges[start].append((frozenset(), loop))
            self.edges[self.add(inside, loop)].append((frozenset(), loop))  # type: ignore[arg-type]
            return loop
        end = self.state()
        for part in inside:  # type: ignore[attr-defined]
            entry = self.state()
            self.edges[start].append((frozenset(), entry))
            self.edges[self.add(part, entry)].append((frozenset(), end))
        return end

    def alike(self) -> bytes:
        """The kind of each byte: two are of one when no edge tells them apart. END is alone."""
        told = sorted({on for edges in self.edges for on, _ in edges}, key=sorted)
        kinds: dict[tuple[bool, ...], int] = {}
        return bytes(kinds.setdefault((byte == END, *(byte in on for on in told)), len(kinds)) for byte in range(256))

    def closure(self, states: Iterable[int]) -> States:
        """These and all that is reached for free."""
        found, waiting = set(states), list(states)
        while waiting:
            for on, target in self.edges[waiting.pop()]:
                if not on and target not in found:
                    found.add(target)
                    waiting.append(target)
        return frozenset(found)


def compile_table(rules: Mapping[str, Rule]) -> Table:
    """One table for all rules. Raises ValueError when it has too many states or classes of bytes."""
    nfa, roots, worth = _Nfa(), {}, {}
    for name, rule in rules.items():
        start = nfa.state()
        for rank, part in ((1, rule.accepted), (2, rule.marked), (3, rule.refused)):
            if part is not None:
                worth[nfa.add(part, start)] = rank
        roots[name] = nfa.closure([start])
    alike = nfa.alike()
    columns, begin = _determine(nfa, alike, list(roots.values()), worth)
    groups = _merge(columns)
    numbers = _numbered(groups, [begin[state] for state in roots.values()])
    return _table(columns, alike, groups, numbers, {name: begin[states] for name, states in roots.items()})


def _verdict(states: States, worth: Mapping[int, int]) -> int:
    rank = max((worth[state] for state in states if state in worth), default=0)
    return {0: REFUSED, 1: ACCEPTED, 2: MARKED, 3: REFUSED}[rank]


def _determine(
    nfa: _Nfa, alike: bytes, roots: list[States], worth: Mapping[int, int]
) -> tuple[list[list[int]], dict[States, int]]:
    """Subset construction: the followers of each state by kind of byte; states 0 to 2 lead to themselves."""
    columns = [[state] * (max(alike) + 1) for state in (REFUSED, ACCEPTED, MARKED)]
    kinds: dict[frozenset[int], frozenset[int]] = {}
    known: dict[States, int] = {frozenset(): REFUSED}
    waiting: list[States] = []
    for root in roots:
        _number_of(root, known, columns, waiting)
    while waiting:
        states = waiting.pop()
        row = columns[known[states]]
        moves: dict[int, set[int]] = {}
        for state in states:
            for on, target in nfa.edges[state]:
                if on not in kinds:
                    kinds[on] = frozenset(alike[byte] for byte in on)
                for kind in kinds[on]:
                    moves.setdefault(kind, set()).add(target)
        closed: dict[frozenset[int], int] = {}
        for kind, targets in moves.items():
            key = frozenset(targets)
            if key not in closed:
                closed[key] = _number_of(nfa.closure(key), known, columns, waiting)
            row[kind] = closed[key]
        row[alike[END]] = _verdict(states, worth)
    return columns, known


def _number_of(states: States, known: dict[States, int], columns: list[list[int]], waiting: list[States]) -> int:
    if states not in known:
        known[states] = len(columns)
        columns.append([REFUSED] * len(columns[0]))
        waiting.append(states)
    return known[states]


def _merge(columns: list[list[int]]) -> list[int]:
    """The group of each state: two states are in one when no word tells them apart. The three ends stay alone."""
    groups = [min(state, MARKED + 1) for state in range(len(columns))]
    while True:
        seen: dict[tuple[int, ...], int] = {}
        finer = []
        for state, row in enumerate(columns):
            key = (groups[state], *map(groups.__getitem__, row))
            finer.append(seen.setdefault(key, len(seen)))
        if len(seen) == len(set(groups)):
            return finer
        groups = finer


def _numbered(groups: list[int], starts: list[int]) -> dict[int, int]:
    numbers = {groups[end]: end for end in (REFUSED, ACCEPTED, MARKED)}
    for state in (*starts, *range(len(groups))):
        numbers.setdefault(groups[state], len(numbers))
    if len(numbers) > MAX_STATES:
        raise ValueError(f"{len(numbers)} states are too many")
    return numbers


def _table(
    columns: list[list[int]], alike: bytes, groups: list[int], numbers: Mapping[int, int], starts: Mapping[str, int]
) -> Table:
    rows: dict[int, list[int]] = {}
    for state, row in enumerate(columns):
        rows.setdefault(numbers[groups[state]], [numbers[groups[target]] for target in row])
    kinds: dict[tuple[int, ...], int] = {}
    ordered = [rows[number] for number in range(len(rows))]
    classes = bytes(kinds.setdefault(tuple(row[kind] for row in ordered), len(kinds)) for kind in alike)
    if len(kinds) > MAX_CLASSES:
        raise ValueError(f"{len(kinds)} classes of bytes are too many")
    following = bytearray(MAX_STATES * MAX_CLASSES)
    for byte, kind in enumerate(classes):
        for number, row in enumerate(ordered):
            following[number * MAX_CLASSES + kind] = row[alike[byte]]
    return Table(classes, bytes(following), {name: numbers[groups[state]] for name, state in starts.items()})
