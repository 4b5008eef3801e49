"""Whether the appliance can do its work, part by part: what a probe asks before it sends calls here.

Two questions: alive is who answers at all (whoever does not is started again); ready is who can take calls (whoever is
not is left out until he is). Pure: the ring says how each part is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SERVES_S = 1.0  # how long an answer holds: a flood of probes costs no more than one
OK, UNAVAILABLE = 200, 503  # HTTP (RFC 9110 15.3.1, 15.6.4)


@dataclass(frozen=True, slots=True)
class Part:
    """One part; `words` say what is wrong with one that does not work. They name nothing that a stranger may not know:
    probes carry no password."""

    name: str
    works: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """All parts at one moment."""

    parts: Sequence[Part]

    @property
    def ready(self) -> bool:
        """Whether every part works."""
        return all(part.works for part in self.parts)

    @property
    def status(self) -> int:
        """The HTTP status of /readyz."""
        return OK if self.ready else UNAVAILABLE

    def text(self) -> str:
        """A line for each part, as /readyz shows them."""
        return "".join(f"{part.name}: {'ok' if part.works else part.words or 'fails'}\n" for part in self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"ready": self.ready, "parts": {part.name: part.works for part in self.parts}}


def health(*, store: str, sip: str, keeper: bool) -> Health:
    """From what is wrong with the store and with the SIP sockets (nothing: empty), and whether the keeper is there."""
    return Health(
        (
            Part("store", not store, store),
            Part("sip", not sip, sip),
            Part("keeper", keeper, "not connected"),
        )
    )


class Checkup:
    """Health that is looked at once within SERVES_S, however often it is asked for. `clock`: monotonic seconds."""

    def __init__(self, look: Callable[[], Health], clock: Callable[[], float]) -> None:
        self._look, self._clock = look, clock
        self._at, self._found = 0.0, Health(())

    def __call__(self) -> Health:
        """The health now, or a moment ago."""
        now = self._clock()
        if not self._found.parts or now - self._at >= SERVES_S:
            self._at, self._found = now, self._look()
        return self._found
