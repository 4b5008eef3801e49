"""What happens, for those who listen while it does: calls, registrations, bans, notices, settings.

Told within a turn, handed out after its commit: nobody hears of what a crash would take back. A listener is a function
that returns at once; one that raises hears no more. Nothing is kept: who was not there reads the records.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_LISTENERS: Final = 64
MOST_WAITING: Final = 10_000  # of one turn; what is beyond is counted by nobody
_log = logging.getLogger("pysrv.feed")


class Kind(StrEnum):
    """What happened."""

    CALL_BEGUN = "call.begun"
    CALL_ANSWERED = "call.answered"
    CALL_ENDED = "call.ended"
    CALL_REFUSED = "call.refused"
    REGISTERED = "registration.added"
    DEVICE_GONE = "registration.removed"
    BANNED = "ban.added"
    LIFTED = "ban.lifted"
    NOTICE = "notice"
    SETTINGS = "settings.changed"


@dataclass(frozen=True, slots=True)
class Happening:
    """One event. `at`: Unix seconds; `figures` are plain JSON types and hold no secret."""

    kind: Kind
    at: float
    figures: dict[str, str | int | float] = field(default_factory=dict)


Listener = Callable[[Happening], None]


class Feed:
    """The listeners of one service. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._listeners: list[Listener] = []
        self._waiting: list[Happening] = []

    def listen(self, listener: Listener) -> Callable[[], None] | None:
        """Hear everything from now on; returns how to stop that, None when there is no room."""
        if len(self._listeners) >= MOST_LISTENERS:
            return None
        self._listeners.append(listener)
        return lambda: self._leave(listener)

    def tell(self, kind: Kind, **figures: str | int | float) -> None:
        """Something happened. Costs nothing while nobody listens."""
        if self._listeners and len(self._waiting) < MOST_WAITING:
            self._waiting.append(Happening(kind, self._clock(), figures))

    def flush(self) -> None:
        """What was told is on disk."""
        waiting, self._waiting = self._waiting, []
        for happening in waiting:
            for listener in tuple(self._listeners):
                try:
                    listener(happening)
                except Exception:
                    _log.exception("a listener failed and hears no more")
                    self._leave(listener)

    def _leave(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
