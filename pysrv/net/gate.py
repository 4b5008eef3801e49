"""The office's line to the keeper: what should be relayed and who is banned, told until the gate agrees.

Level-triggered: every new connection begins with the whole plan, the desired sessions (`sessions`) among it, so that
whatever was lost between two processes heals by itself. Verbs are buffered and leave together at `flush`, after the
conductor's commit. Knows rows of `appliance.wire`, not calls.

    gate = GateClient(path, plan=lambda: Plan(...), events=service)
    await gate.start(); gate.open_session(RelaySession(...)); gate.flush(); ...; await gate.stop()
"""

import asyncio
import logging
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from appliance import wire
from appliance.wire import KeeperVerb, RelaySession, WireError
from pysrv.net.ears import Heard, deaf
from pysrv.net.keeper_line import KeeperLine, rows, soon
from pysrv.net.pulse import Pulse
from pysrv.net.sessions import SessionEvents, Sessions

BACK_OFF_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)  # then the last one for ever
_T = TypeVar("_T")
_log = logging.getLogger("pysrv.gate")


class GateEvents(SessionEvents, Protocol):
    """What the service is told, of sessions too. Every call comes from the event loop, none from inside a verb."""

    def on_connected(self, status: wire.GateStatus) -> None:
        """The keeper has taken the whole plan; `status.relay` says who relays."""

    def on_disconnected(self, reason: str) -> None:
        """The keeper is away; the client goes on trying. Kernel sessions run on until their leases end."""

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        """What the kernel counted since the last pulse."""


class GateClient:
    """Keeps the gate as the office wants it. Use it from the thread of the running loop only.

    `plan` supplies the desired state without sessions (the client adds its own); it is asked at every connection.
    With `queue_delay_s` the gate hears every PULSE_EVERY_S how long a datagram waits before it is read.
    """

    def __init__(
        self,
        path: str,
        plan: Callable[[], wire.Plan],
        events: GateEvents,
        *,
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        reply_timeout_s: float = 10.0,
        queue_delay_s: Callable[[], float] | None = None,
        heard: Heard = deaf,
    ) -> None:
        self._path, self._plan, self._events = path, plan, events
        self._back_off_s, self._reply_timeout_s = back_off_s, reply_timeout_s
        self._line: KeeperLine | None = None
        self._ready = False
        self._sessions = Sessions(self, events, heard)
        self._task: asyncio.Task[None] | None = None
        self._status: wire.GateStatus | None = None
        self._skipped: tuple[str, ...] = ()  # of the last plan: said once
        self._pulse = Pulse(self, queue_delay_s, events.on_offences)

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect, for ever. Returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected(), name="gate client")

    async def stop(self) -> None:
        """Hang up and close the userspace relay. Sessions in the kernel go on until their leases end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._pulse.stop()
        if self._line is not None:
            self._line.abort("stopped")
        self._sessions.stop()

    @property
    def status(self) -> wire.GateStatus | None:
        """What the keeper said when it took the plan; None while it is away."""
        return self._status

    @property
    def relays(self) -> bool:
        """Whether a session opened now would be relayed: the keeper is there, or the office relays by itself."""
        return self._sessions.here or self._status is not None

    @property
    def ready(self) -> bool:
        """Whether the plan has been sent on this connection: verbs may follow."""
        return self._ready

    @property
    def sessions(self) -> int:
        """Sessions that should be relayed now."""
        return len(self._sessions)

    def flush(self) -> None:
        """Send the verbs since the last flush, in one write."""
        if self._line is not None and self._ready:
            self._line.flush()

    # -- sessions -------------------------------------------------------------------------------------------------

    def open_session(self, session: RelaySession) -> None:
        """Relay `session`, or replace its streams and deadline. A refusal comes as on_session_refused."""
        self._sessions.open(session)

    def renew_lease(self, session: int, deadline_ns: int) -> None:
        """Move a session's deadline (CLOCK_MONOTONIC). A session that is not open stays so."""
        self._sessions.renew(session, deadline_ns)

    def close_session(self, session: int) -> None:
        """Stop relaying; the counters come as on_session_closed, exactly once for each call of this."""
        self._sessions.close(session)

    def say(self, session: int, packet: bytes) -> bool:
        """Send RTP to the party of a session whose other side is the office; False: it cannot be sent."""
        return self._sessions.say(session, packet)

    def request_counters(self) -> None:
        """Ask for every session's counters; on_counters brings them, the last known ones while the keeper is away."""
        self._sessions.count()

    # -- sources --------------------------------------------------------------------------------------------------

    def ban(self, ban: wire.Ban) -> None:
        """Ban a source now; the plan must hold it too, or the next connection forgets it."""
        self.ask(KeeperVerb.BAN, ban)

    def unban(self, prefix: str) -> None:
        """Lift a ban now."""
        self.ask(KeeperVerb.UNBAN, wire.Prefix(prefix), refused=_unless_gone)

    def ban_pair(self, ban: wire.PairBan) -> None:
        """Ban one port of an address now; the plan must hold it too."""
        self.ask(KeeperVerb.BAN_PAIR, ban)

    def unban_pair(self, pair: wire.Pair) -> None:
        """Lift the ban of a port now."""
        self.ask(KeeperVerb.UNBAN_PAIR, pair, refused=_unless_gone)

    def remember(self, refresh: wire.Refresh) -> None:
        """Let the gate answer repetitions of a REGISTER; no plan holds it."""
        self.ask(KeeperVerb.REMEMBER, refresh)

    def forget(self, ref: wire.RefreshRef) -> None:
        """Let the gate answer them no more."""
        self.ask(KeeperVerb.FORGET, ref)

    def know_pair(self, pair: wire.KnownPair) -> None:
        """A device speaks from here; again moves its end. The plan must hold it too."""
        self.ask(KeeperVerb.KNOW_PAIR, pair)

    def forget_pair(self, pair: wire.Pair) -> None:
        """No device speaks from here any more."""
        self.ask(KeeperVerb.FORGET_PAIR, pair)

    def ask_now(
        self, verb: KeeperVerb, args: Any, done: Callable[[dict[str, Any]], None], refused: Callable[[WireError], None]
    ) -> None:
        """Ask one thing at once; while the keeper is away nobody is asked."""
        self.ask(verb, args, done=done, refused=refused)
        self.flush()

    def allow(self, source: wire.Source) -> None:
        """Trust a source now; the plan must hold it too."""
        self.ask(KeeperVerb.ALLOW, source)

    def disallow(self, prefix: str) -> None:
        """Stop trusting a source now."""
        self.ask(KeeperVerb.DISALLOW, wire.Prefix(prefix))

    def read_status(self, callback: Callable[[wire.GateStatus | None], None]) -> None:
        """Ask what the keeper runs now; the callback gets None while the keeper is away."""
        if self._ready:
            self.ask(
                KeeperVerb.STATUS,
                None,
                done=lambda result: self._read(wire.from_dict(wire.GateStatus, result), callback),
                refused=lambda _: callback(None),
            )
        else:
            soon(callback, None)

    def _read(self, status: wire.GateStatus, callback: Callable[[wire.GateStatus | None], None]) -> None:
        """What is kept is the newest, once the gate is up."""
        if self._status is not None:
            self._status = status
        callback(status)

    def tallies(self, callback: Callable[[tuple[wire.Tally, ...]], None]) -> None:
        """Ask for every verdict's totals; the callback gets none while the keeper is away."""
        self._ask_rows(KeeperVerb.TALLIES, wire.Tally, callback)

    def bans(self, callback: Callable[[tuple[wire.Ban, ...]], None]) -> None:
        """Ask which bans the gate holds; the callback gets none while the keeper is away."""
        self._ask_rows(KeeperVerb.BANS, wire.Ban, callback)

    def read_tunnel(self, callback: Callable[[wire.TunnelStatus], None]) -> None:
        """Ask what the administrators' tunnel is; while the keeper is away nothing is called back."""
        self.ask(
            KeeperVerb.TUNNEL, None, done=lambda result: callback(wire.from_dict(wire.TunnelStatus, result)),
            refused=lambda _: None,
        )  # fmt: skip

    def resync(self) -> None:
        """Send the whole plan again: after settings or sources changed beyond a single verb."""
        if self._ready:
            self._send_plan()

    # -- the connection -------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        loop, attempt, told = asyncio.get_running_loop(), 0, False
        while True:
            try:
                _, line = await loop.create_unix_connection(partial(KeeperLine, self._reply_timeout_s), self._path)
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                reason = await self._serve(line)
            self._pulse.stop()
            was_up, self._ready, self._line, self._status = self._status is not None, False, None, None
            attempt = 0 if was_up else attempt + 1
            if was_up or not told:
                told = True
                _log.warning("keeper at %s is away: %s", self._path, reason)
                self._events.on_disconnected(reason)
            pause_s = self._back_off_s[min(attempt, len(self._back_off_s) - 1)]
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311

    async def _serve(self, line: KeeperLine) -> str:
        self._line = line
        try:
            line.ask(KeeperVerb.HELLO, wire.Hello(), self._greeted, lambda error: line.abort(f"refused: {error}"))
            line.flush()
            return await asyncio.shield(line.lost)  # stop() must not cancel what the waiting are told
        finally:
            line.abort("stopped")

    def _greeted(self, result: dict[str, Any]) -> None:
        status = wire.from_dict(wire.GateStatus, result)
        if status.version != wire.PROTOCOL_VERSION:
            raise WireError("bad_version", f"keeper speaks version {status.version}, not {wire.PROTOCOL_VERSION}")
        self._sessions.choose(here=status.relay == "user")
        self._ready = True
        self._send_plan(lambda: self._up(status))

    def _send_plan(self, then: Callable[[], None] = lambda: None) -> None:
        line = self._line
        if line is None:
            return
        line.ask(
            KeeperVerb.SYNC,
            self._sessions.planned(self._plan()),
            lambda result: self._taken(result, then),
            lambda error: line.abort(f"plan refused: {error}"),
        )
        line.flush()

    def _taken(self, result: dict[str, Any], then: Callable[[], None]) -> None:
        skipped = wire.from_dict(wire.Applied, result).skipped
        if skipped and skipped != self._skipped:
            _log.warning("the gate left out of the plan: %s", ", ".join(skipped))
        self._skipped = skipped
        then()

    def _up(self, status: wire.GateStatus) -> None:
        self._status = status
        self._sessions.settle()
        self._pulse.start()
        self._events.on_connected(status)

    # -- answers --------------------------------------------------------------------------------------------------

    def ask(
        self,
        verb: KeeperVerb,
        args: Any,
        done: Callable[[dict[str, Any]], None] = lambda _: None,
        refused: Callable[[WireError], None] | None = None,
    ) -> None:
        """Buffer any verb. While the keeper is away nothing is asked and nothing called back: only the desired state
        counts, which the next plan carries."""
        if self._line is not None and self._ready:
            self._line.ask(verb, args, done, refused or (lambda error: _log.warning("keeper: %s: %s", verb, error)))

    def _ask_rows(self, verb: KeeperVerb, kind: type[_T], callback: Callable[[tuple[_T, ...]], None]) -> None:
        if self._ready:
            name = str(verb)
            self.ask(verb, None, done=lambda r: callback(rows(kind, r, name)), refused=lambda _: callback(()))
        else:
            soon(callback, ())


def _unless_gone(error: WireError) -> None:
    """A ban that ran out at the gate by itself is as lifted as can be."""
    if error.code != "not_banned":
        _log.warning("keeper: unban: %s", error)
