"""What a stage is."""

from collections.abc import Callable
from dataclasses import dataclass

from pysrv.limits.decision import Decision
from pysrv.limits.facts import CallFacts


@dataclass(frozen=True, slots=True)
class Stage:
    """One row: what it is called, which settings it enforces, and the check."""

    name: str
    settings: tuple[str, ...]
    check: Callable[[CallFacts], Decision | None]
