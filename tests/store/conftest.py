"""A store in a folder of its own, on a clock that the test turns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pysrv.store import Store


@dataclass
class Clock:
    """Unix seconds that only move when told."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "appliance.db", clock) as opened:
        yield opened
