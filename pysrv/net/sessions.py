"""The media sessions that should be relayed: by the gate, or by the office where the kernel cannot.

Desired sessions are held here, and told with every plan; whoever relays takes the difference, and nobody above notices
who it is. Streams whose other side is the office itself have a socket here in either case.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from appliance import wire
from appliance.wire import KeeperVerb, RelaySession, SessionCounters, WireError
from pysrv.net.ears import Ears, Heard
from pysrv.net.keeper_line import KeeperLine, rows, soon
from pysrv.net.relay import UserRelay

_log = logging.getLogger("pysrv.gate")


class SessionEvents(Protocol):
    """What the service is told of sessions. Every call comes from the event loop, none from inside a verb."""

    def on_session_refused(self, session: int, error: WireError) -> None:
        """No relay for this session: end the call (nothing runs that is not relayed and counted)."""

    def on_session_closed(self, session: int, counters: SessionCounters) -> None:
        """The final counters of a closed session; the last ones known when the keeper is away."""

    def on_counters(self, counters: tuple[SessionCounters, ...]) -> None:
        """The answer to `request_counters`."""


class Asking(Protocol):
    """The line to the keeper, as far as sessions use it."""

    @property
    def ready(self) -> bool:
        """Whether the keeper is asked at all."""

    def ask(
        self,
        verb: KeeperVerb,
        args: Any,
        done: Callable[[dict[str, Any]], None] = ...,
        refused: Callable[[WireError], None] | None = ...,
    ) -> None:
        """Buffer a verb."""


class Sessions:
    """All sessions of one office. Use it from the thread of the running loop only."""

    def __init__(self, line: Asking, events: SessionEvents, heard: Heard) -> None:
        self._line, self._events, self._heard = line, events, heard
        self._desired: dict[int, RelaySession] = {}
        self._last: dict[int, SessionCounters] = {}
        self._user: UserRelay | None = None  # set while the office itself relays
        self._ears = Ears(heard)

    def __len__(self) -> int:
        return len(self._desired)

    @property
    def here(self) -> bool:
        """Whether the office itself relays."""
        return self._user is not None

    def planned(self, plan: wire.Plan) -> wire.Plan:
        """The plan with the sessions that the gate shall relay; the relay here is limited like the gate."""
        if self._user is None:
            return replace(plan, sessions=tuple(self._desired.values()))
        self._user.limit(plan.limits.values, plan.report_only)
        return replace(plan, sessions=())

    def choose(self, *, here: bool) -> None:
        """The office relays by itself from now on, or the gate does."""
        if here and self._user is None:
            self._ears.close_all()  # their ports are the relay's now
            self._user = UserRelay(asyncio.get_running_loop(), heard=self._heard)
            for session in list(self._desired.values()):
                self._open_here(session)
        elif not here and self._user is not None:
            self._user.close_all()
            self._user = None
            for session in list(self._desired.values()):
                self._listen(session)

    def settle(self) -> None:
        """The gate has taken them all."""
        for session in self._desired.values() if self._user is None else ():
            self._ears.settle(session)

    def stop(self) -> None:
        """Close every socket. Sessions in the kernel go on until their leases end."""
        self._ears.close_all()
        if self._user is not None:
            self._user.close_all()
            self._user = None

    def open(self, session: RelaySession) -> None:
        """Relay `session`, or replace its streams and deadline. A refusal comes as on_session_refused."""
        self._desired[session.session] = session
        if self._user is not None:
            self._open_here(session)
        elif self._listen(session):
            self._line.ask(
                KeeperVerb.OPEN_SESSION,
                session,
                done=lambda _: self._ears.settle(self._desired.get(session.session, session)),
                refused=lambda e: self._refused(session.session, e),
            )

    def renew(self, session: int, deadline_ns: int) -> None:
        """Move a session's deadline (CLOCK_MONOTONIC). A session that is not open stays so."""
        desired = self._desired.get(session)
        if desired is None:
            return
        self._desired[session] = replace(desired, deadline_ns=deadline_ns)
        self._ears.renew(session, deadline_ns)
        if self._user is not None:
            self._user.renew(session, deadline_ns)
        else:
            renewal = wire.Renewal(session, deadline_ns)
            self._line.ask(KeeperVerb.RENEW_LEASE, renewal, refused=lambda e: self._refused(session, e))

    def close(self, session: int) -> None:
        """Stop relaying; the counters come as on_session_closed, exactly once for each call of this."""
        self._desired.pop(session, None)
        self._ears.close(session)
        if self._user is not None:
            soon(self._closed, session, self._user.close(session))
        elif not self._line.ready:
            soon(self._closed, session, self._known(session))
        else:
            self._line.ask(
                KeeperVerb.CLOSE_SESSION,
                wire.SessionRef(session),
                done=lambda result: self._closed(session, wire.from_dict(SessionCounters, result)),
                refused=lambda _: self._closed(session, self._known(session)),
            )

    def say(self, session: int, packet: bytes) -> bool:
        """Send RTP to the party of a session whose other side is the office; False: it cannot be sent."""
        return self._user.say(session, packet) if self._user is not None else self._ears.say(session, packet)

    def count(self) -> None:
        """Ask for every session's counters; on_counters brings them, the last known ones while the keeper is away."""
        if self._user is not None:
            soon(self._counted, self._user.counters())
        elif not self._line.ready:
            soon(self._counted, tuple(self._last.values()))
        else:
            self._line.ask(KeeperVerb.COUNTERS, None, lambda r: self._counted(rows(SessionCounters, r, "sessions")))

    def _open_here(self, session: RelaySession) -> None:
        assert self._user is not None
        try:
            self._user.open(session)
        except WireError as error:
            self._user.close(session.session)
            soon(self._refused, session.session, error)

    def _listen(self, session: RelaySession) -> bool:
        """Sockets for the streams whose other side is the office; False: a port is taken, and the session refused."""
        try:
            self._ears.open(session)
        except WireError as error:
            self._ears.close(session.session)
            soon(self._refused, session.session, error)
            return False
        return True

    def _refused(self, session: int, error: WireError) -> None:
        """Only a keeper that answered refuses; one that is away gets the session with the next plan."""
        if error.code != KeeperLine.LOST and self._desired.pop(session, None) is not None:
            _log.error("no relay for session %d: %s", session, error)
            self._events.on_session_refused(session, error)

    def _closed(self, session: int, counters: SessionCounters) -> None:
        last = self._last.pop(session, None)
        self._events.on_session_closed(session, counters if counters.found or last is None else last)

    def _known(self, session: int) -> SessionCounters:
        return self._last.get(session, SessionCounters(session, False))

    def _counted(self, counters: tuple[SessionCounters, ...]) -> None:
        self._last = {row.session: row for row in counters}
        self._events.on_counters(counters)
