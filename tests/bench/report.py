"""What every benchmark says: JSON lines on standard output for the figures, plain lines on standard error meanwhile.

`ours`, `peer` and `goal` share the unit that the name states. `ratio` is above 1 when we are ahead, whatever the
unit. A peer that is not installed is null, and so is its ratio.
"""

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison. `goal` is what `ours` has to reach: at least, or at most where less is better."""

    name: str
    ours: float
    peer: float | None
    peer_name: str
    ratio: float | None
    goal: float | None


def compare(
    name: str, ours: float, peer: float | None, peer_name: str, goal: float | None = None, *, less: bool = False
) -> Row:
    """The row for two figures; `less` where the smaller one is better."""
    ratio = None if not peer or not ours else (peer / ours if less else ours / peer)
    peer, ratio, goal = (None if value is None else _short(value) for value in (peer, ratio, goal))
    return Row(name, _short(ours), peer, peer_name, ratio, goal)


def show(row: Row) -> None:
    """Print a row."""
    print(json.dumps(asdict(row)), flush=True)


def say(text: str) -> None:
    """Progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _short(value: float) -> float:
    """Four significant digits: more would be noise."""
    return float(f"{value:.4g}")
