"""Charts as points of drawings: what a template makes SVG of, and the script in static/charts.js draws anew. Pure.

A chart is WIDTH by HEIGHT units; its right edge is now, its left edge `span_s` earlier, its top the largest value or
the least that is worth a scale.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 600
HEIGHT: Final = 120
AN_HOUR: Final = 3600  # samples tell spend a second, which is too little to read
Sample = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `key` names its value in a sample, `words` in the legend."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One row: its name, its unit, its lines, and a scale that it has at least."""

    name: str
    words: str
    unit: str
    lines: tuple[Line, ...]
    least: float


CHARTS: Final = (
    Chart(
        "packets",
        "Packets",
        "a second",
        (Line("passed", "passed"), Line("dropped", "dropped"), Line("forwarded", "answered or relayed by the gate")),
        10.0,
    ),
    Chart("calls", "Calls", "", (Line("calls", "calls"), Line("answered", "of them answered")), 5.0),
    Chart("registrations", "Registrations", "", (Line("registrations", "registrations"),), 5.0),
    Chart("spend", "Spend", "an hour", (Line("spend", "spend"),), 1.0),
    Chart("delay", "Queue delay", "ms", (Line("delay_ms", "longest wait of a datagram"),), 10.0),
)


def value(sample: Sample, key: str, currency: str = "") -> float:
    """A series' value in a sample; money in whole units of the currency, an hour."""
    if key != "spend":
        return float(sample[key])
    return float(sum(each["micro"] for each in sample["spend"] if each["currency"] == currency)) * AN_HOUR / 1e6


def top(chart: Chart, samples: Sequence[Sample], currency: str = "") -> float:
    """The value at the upper edge: 1, 2 or 5 times a power of ten, above all values."""
    most = max((value(each, line.key, currency) for each in samples for line in chart.lines), default=0.0)
    return nice(max(most, chart.least))


def nice(most: float) -> float:
    """The least of 1, 2, 5, 10, 20, 50 and so on that is not below `most` (above 0)."""
    step = 1e-6
    while step < most:
        for times in (2.0, 2.5, 2.0):
            step = round(step * times, 9)
            if step >= most:
                break
    return step


def points(samples: Sequence[Sample], key: str, highest: float, span_s: float, currency: str = "") -> str:
    """The corners of a line as SVG's `points`."""
    if not samples:
        return ""
    now = samples[-1]["at"]
    return " ".join(
        f"{x_of(each['at'], now, span_s):.1f},{HEIGHT * (1 - value(each, key, currency) / highest):.1f}"
        for each in samples
    )


def x_of(at: float, now: float, span_s: float) -> float:
    """Where a point in time stands; 0 for what is older than the span."""
    return max(0.0, WIDTH * (1 - (now - at) / span_s))


def currency_of(samples: Sequence[Sample]) -> str:
    """The currency that a chart of spend is drawn in: that of most samples."""
    seen: dict[str, int] = {}
    for each in samples:
        for spent in each["spend"]:
            seen[spent["currency"]] = seen.get(spent["currency"], 0) + 1
    return max(seen, key=lambda code: seen[code], default="")


def drawings(told: Mapping[str, Any], translate: Callable[[str], str]) -> list[dict[str, Any]]:
    """All charts as the template wants them."""
    samples, span_s = told["samples"], told["span_s"]
    currency, made = currency_of(samples), []
    for chart in CHARTS:
        highest = top(chart, samples, currency)
        unit = f"{currency} {translate(chart.unit)}" if chart.name == "spend" else translate(chart.unit)
        made.append(
            {
                "name": chart.name, "words": translate(chart.words), "unit": unit.strip(), "highest": highest,
                "least": chart.least, "currency": currency,
                "lines": [
                    {
                        "key": line.key, "words": translate(line.words),
                        "points": points(samples, line.key, highest, span_s, currency),
                        "last": value(samples[-1], line.key, currency) if samples else 0.0,
                    }
                    for line in chart.lines
                ],
                "marks": _marks(told) if chart.name == "packets" else [],
            }
        )  # fmt: skip
    return made


def _marks(told: Mapping[str, Any]) -> list[float]:
    """Where attacks began, as far as the chart reaches."""
    if not told["samples"]:
        return []
    now = told["samples"][-1]["at"]
    begun = (each["began_at"] for each in told["attacks"])
    return [round(x_of(at, now, told["span_s"]), 1) for at in begun if now - at < told["span_s"]]
