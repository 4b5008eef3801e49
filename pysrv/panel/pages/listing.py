"""What pages with long lists and small forms share: which rows are shown, and what follows a form."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from appliance.wire import WireError
from pysrv.web.acting import do, seen

ROWS: Final = 50
FOR: Final[Mapping[str, int]] = {"1h": 3600, "6h": 21_600, "1d": 86_400, "7d": 604_800, "ever": 0}
"""How long a ban or a trust may be chosen to last, seconds; 0: until somebody ends it."""

CONFIRM: Final[Mapping[str, float]] = {"60": 60.0, "300": 300.0, "0": 0.0}
"""How long a change may wait for its confirmation, seconds; 0: it does not."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a long list that a request asks for, by the words and the first row in its query."""

    words: str
    start: int
    rows: int = ROWS

    @classmethod
    def of(cls, request: web.Request) -> "Part":
        """`?q=WORDS&from=ROW`; what is no number is the beginning."""
        return cls(request.query.get("q", "").strip()[:100], number(request.query.get("from", "0")))

    @property
    def args(self) -> dict[str, Any]:
        """As verbs about long lists take it."""
        return {"words": self.words, "offset": self.start, "limit": self.rows}


def number(text: str, most: int = 10_000_000) -> int:
    """A whole number out of a form or a query; 0 for what is none."""
    return min(int(text), most) if text.isascii() and text.isdigit() and len(text) < 12 else 0


def attempt(
    request: web.Request,
    verb: str,
    args: Mapping[str, Any],
    to: str,
    again: Callable[[WireError], web.StreamResponse],
    noted: Callable[[dict[str, Any]], None] = lambda _: None,
) -> web.StreamResponse:
    """Do it and show the page `to`; a refusal is shown by `again`. "unproven" is the guard's. `noted` as in
    Session.do."""
    try:
        do(request, verb, args, noted)
    except WireError as error:
        if error.code == "unproven":
            raise
        return again(error)
    return seen(to)


async def attempted(
    request: web.Request,
    verb: str,
    args: Mapping[str, Any],
    to: str,
    again: Callable[[WireError], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """`attempt` for pages that have to wait for what they show."""
    try:
        do(request, verb, args)
    except WireError as error:
        if error.code == "unproven":
            raise
        return await again(error)
    return seen(to)


def until(chosen: str, now: float) -> float:
    """Unix seconds at which what was chosen ends, 0 for never. Raises WireError."""
    if chosen not in FOR:
        raise WireError("invalid", f"{chosen[:20]!r} is no length of time that can be chosen")
    return now + FOR[chosen] if FOR[chosen] else 0.0


def confirm_s(fields: Mapping[str, str]) -> float:
    """How long a change waits for its word. Raises WireError."""
    chosen = fields.get("confirm", "0")
    if chosen not in CONFIRM:
        raise WireError("invalid", f"{chosen[:20]!r} is no time for confirming that can be chosen")
    return CONFIRM[chosen]
