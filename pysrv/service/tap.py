"""The tap on signalling: every SIP message in and out goes past here, into the traces and to whoever it is exported to.

Knows the clock and the settings; neither sockets nor what messages mean. What it hands out holds no secrets.
"""

from collections.abc import Callable, Iterable

from appliance.config.settings import Settings
from pysrv.calls.trace import Room, Traces
from pysrv.sip.events import Flow
from pysrv.sip.scrub import Caught, scrubbed


class Tap:
    """What is heard and said. `export` is called for each message while `hepserver` is set; it must never block."""

    def __init__(
        self, wall: Callable[[], float], owner: Callable[[bytes, bytes], str | None], settings: Settings
    ) -> None:
        self._wall, self.traces = wall, Traces(owner, Room(settings.calltraces))
        self.export: Callable[[Caught], None] = lambda _: None
        self._calls, self._exports = settings.calltraces, bool(settings.hepserver)

    def use(self, settings: Settings) -> None:
        """New settings; what is remembered stays, unless there is to be more or less of it."""
        self._exports = bool(settings.hepserver)
        if settings.calltraces != self._calls:
            self._calls = settings.calltraces
            self.traces.use(Room(settings.calltraces))

    @property
    def is_open(self) -> bool:
        """Whether anybody wants to know."""
        return self._exports or self._calls > 0

    def heard(self, message: bytes, flow: Flow) -> None:
        """A message has arrived."""
        if self.is_open:
            self._caught(message, flow, out=False)

    def said(self, messages: Iterable[tuple[bytes, Flow]]) -> None:
        """Messages leave."""
        if self.is_open:
            for message, flow in messages:
                self._caught(message, flow, out=True)

    def _caught(self, message: bytes, flow: Flow, *, out: bool) -> None:
        at = self._wall()
        correlation = self.traces.note(at, flow, message, out=out)
        if self._exports:
            self.export(Caught(at, out, flow, scrubbed(message), correlation))
