"""One metric as a row of the table, and what is read to fill it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance import wire


class Kind(StrEnum):
    """Prometheus's types."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Reading:
    """What keeper and office say. None: the one is away, and only that is told of it."""

    status: wire.GateStatus | None
    tallies: Sequence[wire.Tally] = ()
    office: wire.OfficeFigures | None = None


Point = tuple[tuple[str, ...], float]  # label values, value
Read = Callable[[Reading], Iterable[Point]]


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: `source` names the verb and the field that it comes from."""

    name: str
    kind: Kind
    text: str
    source: str
    labels: tuple[str, ...]
    read: Read
