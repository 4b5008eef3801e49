"""Verbs about what has just been: samples of the last quarter of an hour, and the newest lines of the log."""

from dataclasses import dataclass
from typing import Final, TypedDict

from appliance.wire import WireError
from pysrv.control.answer import MicroUnits, Moment, Seconds
from pysrv.control.desk import Desk
from pysrv.control.memory import Memory
from pysrv.service.history import EVERY_S, SPAN_S, Attack, Sample
from pysrv.service.recent import MOST_LINES, Line

LEVELS: Final = {"info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class Since:
    """Samples after this point in time (Unix seconds)."""

    at: float = 0.0


@dataclass(frozen=True, slots=True)
class LinesOf:
    """Lines of this level (info, warning, error) and above, with these words in them."""

    level: str = "info"
    words: str = ""
    limit: int = 200


class TopRow(TypedDict):
    """How many packets a second ended as a verdict."""

    verdict: str
    rate: float


class SpendRow(TypedDict):
    """What running calls cost a second."""

    currency: str
    micro: MicroUnits


class SampleRow(TypedDict):
    """One moment: packets a second passed, forwarded and dropped, to a tenth, and the verdicts with most drops.
    `delay_ms` is the longest wait of a datagram since the sample before."""

    at: Moment
    passed: float
    forwarded: float
    dropped: float
    top: list[TopRow]
    calls: int
    answered: int
    registrations: int
    spend: list[SpendRow]
    delay_ms: float


class HistoryAnswer(TypedDict):
    """Samples, oldest first, one each `every_s` seconds. `attack` null: none goes on; `attacks` are those before too,
    newest first."""

    every_s: Seconds
    span_s: Seconds
    samples: list[SampleRow]
    attack: Attack | None
    attacks: list[Attack]


class LogAnswer(TypedDict):
    """Lines of the log, newest first."""

    lines: list[Line]


def history(desk: Desk, args: Since) -> HistoryAnswer:
    """history.list"""
    held = _memory(desk).history
    return {
        "every_s": EVERY_S,
        "span_s": SPAN_S,
        "samples": [sample_shape(each) for each in held.since(args.at)],
        "attack": held.watch.under_way,
        "attacks": list(reversed(held.watch.attacks)),
    }


def sample_shape(sample: Sample) -> SampleRow:
    """A sample with its rates to a tenth."""
    return {
        "at": sample.at,
        "passed": round(sample.passed, 1),
        "forwarded": round(sample.forwarded, 1),
        "dropped": round(sample.dropped, 1),
        "top": [{"verdict": verdict, "rate": round(rate, 1)} for verdict, rate in sample.top],
        "calls": sample.calls,
        "answered": sample.answered,
        "registrations": sample.registrations,
        "spend": [{"currency": currency, "micro": micro} for currency, micro in sample.spend],
        "delay_ms": round(sample.delay_ms, 1),
    }


def log(desk: Desk, args: LinesOf) -> LogAnswer:
    """log.list: newest first"""
    if args.level not in LEVELS:
        raise WireError("invalid", f"{args.level[:20]!r} is no level: {', '.join(LEVELS)}")
    limit = max(1, min(args.limit, MOST_LINES))
    found = _memory(desk).log.lines(LEVELS[args.level], args.words.strip(), limit)
    return {"lines": found}


def _memory(desk: Desk) -> Memory:
    if desk.memory is None:
        raise WireError("not_running", "the appliance is not running, so it remembers nothing", "start it first")
    return desk.memory
