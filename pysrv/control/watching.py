"""Verbs about what has just been: samples of the last quarter of an hour, and the newest lines of the log."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from appliance.wire import WireError
from pysrv.control.desk import Desk
from pysrv.service.history import EVERY_S, SPAN_S, History
from pysrv.service.recent import MOST_LINES, Recent

LEVELS: Final = {"info": 20, "warning": 30, "error": 40}


@dataclass(frozen=True, slots=True)
class Memory:
    """What an office that runs remembers of itself."""

    history: History = field(default_factory=History)
    log: Recent = field(default_factory=Recent)


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


def history(desk: Desk, args: Since) -> dict[str, Any]:
    """history.list"""
    held = _memory(desk).history
    under_way = held.watch.under_way
    return {
        "every_s": EVERY_S,
        "span_s": SPAN_S,
        "samples": [sample_shape(each) for each in held.since(args.at)],
        "attack": asdict(under_way) if under_way is not None else None,
        "attacks": [asdict(each) for each in reversed(held.watch.attacks)],
    }


def sample_shape(sample: Any) -> dict[str, Any]:
    """A sample as JSON: rates to a tenth, money a second as text by currency."""
    shape = asdict(sample)
    shape |= {name: round(shape[name], 1) for name in ("passed", "forwarded", "dropped", "delay_ms")}
    shape["top"] = [{"verdict": verdict, "rate": round(rate, 1)} for verdict, rate in sample.top]
    shape["spend"] = [{"currency": currency, "micro": micro} for currency, micro in sample.spend]
    return shape


def log(desk: Desk, args: LinesOf) -> dict[str, Any]:
    """log.list: newest first"""
    if args.level not in LEVELS:
        raise WireError("invalid", f"{args.level[:20]!r} is no level: {', '.join(LEVELS)}")
    limit = max(1, min(args.limit, MOST_LINES))
    found = _memory(desk).log.lines(LEVELS[args.level], args.words.strip(), limit)
    return {"lines": [asdict(line) for line in found]}


def _memory(desk: Desk) -> Memory:
    if desk.memory is None:
        raise WireError("not_running", "the appliance is not running, so it remembers nothing", "start it first")
    return desk.memory
