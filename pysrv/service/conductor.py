"""The conductor: what arrives becomes events, events become decisions, decisions effects. Synchronous, no sockets.

One turn: feed datagrams, pump events, commit the store once, then transmit. Whatever a peer or the gate is told is on
disk by then. The ring around it (pysrv.net, pysrv.office) feeds it, and asks for what is to be sent.
"""

import logging

from appliance import wire
from appliance.config.settings import Settings
from pysrv.calls.causes import Cause
from pysrv.service.accounting import NS
from pysrv.service.operators import Operators
from pysrv.service.parts import Parts
from pysrv.service.plan import gate_plan
from pysrv.service.requests import is_fresh
from pysrv.service.surroundings import Surroundings
from pysrv.sip.events import (
    Event,
    Flow,
    MalformedReceived,
    RequestReceived,
    RequestTimedOut,
    ResponseReceived,
    TransportFailed,
)
from pysrv.sip.message import Message
from pysrv.store import Store

COUNTERS_EVERY_S = 5.0  # how often the relay's counters are read for mediatimeout
_log = logging.getLogger("pysrv.service")


class Service:
    """The office without its sockets."""

    def __init__(self, store: Store, settings: Settings, world: Surroundings) -> None:
        self.parts = Parts(store, settings, world)
        self.operators = Operators(self.parts)
        self._nonce_epoch = self.parts.nonce_keys.epoch(world.clock.wall())
        self._counters_at = 0.0

    # -- fed by the ring ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Take up what an earlier process left: bindings, running calls."""
        parts = self.parts
        parts.changes.run()
        parts.fraud.start()
        found = parts.registration.load()
        now = self._now()
        resumed, settled = parts.recovery.start(now)
        parts.spending.start()  # from what still runs, and what was settled just now
        parts.calls.pump(now)
        _log.info("started registrations=%d calls_resumed=%d calls_settled=%d", found, resumed, settled)

    def receive_datagram(self, payload: bytes, flow: Flow) -> None:
        """One datagram."""
        parts = self.parts
        parts.tap.heard(payload, flow)
        parts.defence.message(flow)
        parts.endpoint.receive_datagram(payload, flow, self._now())

    def receive_message(self, message: Message, flow: Flow) -> None:
        """One message that a stream has framed."""
        parts = self.parts
        parts.tap.heard(message.to_bytes(), flow)
        parts.defence.message(flow)
        parts.endpoint.receive_message(message, flow, self._now())

    def flow_closed(self, flow: Flow) -> None:
        """A stream has ended, or could not be opened."""
        self.parts.endpoint.transport_failed(flow, self._now())
        self.parts.registration.flow_closed(flow)

    def get_timer(self) -> float | None:
        """When to call handle_timer next (monotonic seconds)."""
        parts = self.parts
        now, wall = self._now(), parts.world.clock.wall()
        expiry = parts.registrar.get_timer()
        moments = [
            parts.endpoint.get_timer(),
            parts.b2bua.get_timer(),
            parts.accounting.next_renewal(),
            None if expiry is None else now + expiry - wall,
            self._counters_at if parts.accounting.running else None,
            parts.housekeeping.get_timer(),
            parts.passwords.get_timer(),
            parts.defence.get_timer(),
            parts.changes.get_timer(),
            parts.recovery.get_timer(),
            parts.cards.get_timer(),
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_timer(self) -> None:
        """Let everything happen that is due."""
        parts, now = self.parts, self._now()
        parts.endpoint.handle_timer(now)
        parts.b2bua.handle_timer(now)
        for lapsed in parts.accounting.renew_due(now):
            parts.calls.lapse(lapsed.call_id, lapsed.shortfall, now)
        parts.calls.cut(now)
        parts.registration.expire()
        parts.housekeeping.run(now)
        parts.passwords.run(now)
        self._turn_keys()
        parts.defence.run()
        parts.changes.run()
        parts.recovery.run(now)
        parts.cards.run(now)
        if now >= self._counters_at and parts.accounting.running:
            self._counters_at = now + COUNTERS_EVERY_S
            parts.world.gate.request_counters()

    def _turn_keys(self) -> None:
        """The kernel gets the next nonce key well before it needs it."""
        parts = self.parts
        epoch = parts.nonce_keys.epoch(parts.world.clock.wall())
        if epoch != self._nonce_epoch:
            self._nonce_epoch = epoch
            parts.world.gate.resync()

    def turn(self) -> list[tuple[bytes, Flow]]:
        """Pump all events, commit, release the gate's verbs; returns the datagrams that may leave now."""
        parts, now = self.parts, self._now()
        while (event := parts.endpoint.next_event()) is not None:
            try:
                self._take(event, now)
            except Exception:  # one message must not take the others of this turn with it
                parts.fault(event)
            parts.calls.pump(now)
        parts.calls.pump(now)
        parts.calls.cut(now)
        parts.store.commit()
        parts.feed.flush()
        parts.world.gate.flush()
        leaving = parts.endpoint.datagrams_to_send()
        parts.tap.said(leaving)
        return leaving

    # -- GateEvents -----------------------------------------------------------------------------------------------

    def on_connected(self, status: wire.GateStatus) -> None:
        """The keeper has taken the plan."""
        _log.info("gate connected relay=%s %s", status.relay, status.relay_reason)
        self.parts.lists.connected()

    def on_disconnected(self, reason: str) -> None:
        """The keeper is away."""
        _log.warning("gate away: %s", reason)

    def on_session_refused(self, session: int, error: wire.WireError) -> None:
        """No relay, no call: what is not relayed is not counted."""
        parts = self.parts
        call_id = parts.accounting.call_of(session)
        _log.error("relay refused call=%s: %s", call_id, error.message)
        parts.cards.refused(session, self._now())
        if call_id is not None:
            parts.b2bua.hangup(call_id, Cause.of_q850(47, "no relay for the media"), self._now())

    def digit(self, session: int, digit: str) -> None:
        """A key was heard on a session that the office itself speaks on."""
        self.parts.cards.heard(session, digit, self._now())

    def on_session_closed(self, _session: int, counters: wire.SessionCounters) -> None:
        """The relay's last counters: the call can be settled."""
        self.parts.accounting.session_closed(counters)

    def on_counters(self, counters: tuple[wire.SessionCounters, ...]) -> None:
        """Calls whose media have stopped are ended (mediatimeout)."""
        parts = self.parts
        now, limit = self._now(), parts.settings().mediatimeout
        for row in counters if limit else ():
            call_id = parts.accounting.silent(row, int((now - limit) * NS))
            if call_id is not None:
                parts.b2bua.hangup(call_id, Cause.of_q850(102, f"no media for {limit:g} s (mediatimeout)"), now)

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        """What the kernel counted since the last pulse."""
        self.parts.defence.offences(offences)

    def plan(self) -> wire.Plan:
        """The whole state that the gate should have, but for sessions."""
        parts = self.parts
        known, pairs = parts.authentication.known(), parts.pairs.rows()
        return gate_plan(parts.store, parts.settings(), parts.world, known, pairs, nonces=parts.nonce_keys)

    # -- events of the endpoint -----------------------------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        parts = self.parts
        match event:
            case RequestReceived() if parts.requests.ignored(event):
                pass
            case RequestReceived() if is_fresh(event.request):
                parts.requests.fresh(event, now)
            case MalformedReceived():
                parts.counts.malformed += 1
                parts.defence.malformed(event)
                _log.debug("malformed source=%s: %s", event.flow.remote[0], event.reason)
            case ResponseReceived() | RequestTimedOut() | TransportFailed() if parts.paging.handle(event, now):
                pass
            case _:
                if not parts.b2bua.handle(event, now) and isinstance(event, RequestReceived):
                    parts.requests.outside_calls(event)

    def _now(self) -> float:
        return self.parts.world.clock.monotonic()
