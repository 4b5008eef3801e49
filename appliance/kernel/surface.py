"""What the gate does for the keeper, over tables that may lie in the kernel (gate.py) or in memory (fake.py).

The office's plan is level-triggered: sync() makes the tables equal to it. Between plans single rows change, and a
media session opens, renews and closes in a few map operations. Must not know: bcc, pyroute2, bytes of a row.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from appliance import wire
from appliance.kernel import firewall, layout, plan, policy
from appliance.kernel.answers import AnswerVerbs
from appliance.kernel.evidence import Evidence
from appliance.kernel.lists import Lists
from appliance.kernel.maps import StreamState
from appliance.kernel.plan import Endpoint, MapName, StreamRow
from appliance.kernel.policy import PolicyRow
from appliance.kernel.sources import TIMED
from appliance.kernel.tables import Tables

_REACH_EVERY_NS: Final = 20_000_000_000


class GateSurface(AnswerVerbs):
    """The verbs of the gate. Not for several threads; every refusal is a wire.WireError."""

    def __init__(
        self,
        tables: Tables,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(tables, monotonic_ns, unix_ns)
        self._started_at = unix_ns() / 1e9
        self._relay_here, self._relay_reason = False, "no interface is attached"
        self._interfaces: dict[str, wire.Interface] = {}
        self._pinned = False
        self._reached_ns = 0
        self._delay_ms = -1.0
        self._sessions: dict[int, dict[Endpoint, StreamRow]] = {}
        self._owners: dict[Endpoint, int] = {}
        self._policy = policy.fresh()
        self._lists = Lists(tables.list_slots)
        self.evidence = Evidence(tables.witness, lambda: self.boot_ns)
        self._adopt()

    def _adopt(self) -> None:
        """Takes over what the tables hold already: a keeper that starts again on pinned maps."""
        self._policy = self.tables.rows(MapName.POLICY).get(0, self._policy)
        if any(self._policy.limits):
            self._index_sessions(self.tables.rows(MapName.STREAMS), self.tables.rows(MapName.LEASES))
            self._watch({name: self.tables.rows(name) for name in TIMED})
        else:  # fresh maps: limits apply from the first packet on
            self._set_policy(self._policy._replace(limits=plan.limit_values(wire.Limits())))

    def _set_policy(self, row: PolicyRow) -> None:
        self._policy = row
        self.tables.put(MapName.POLICY, 0, row)

    def _index_sessions(self, streams: Mapping[Endpoint, StreamRow], leases: Iterable[int]) -> None:
        self._sessions = {session: {} for session in leases}
        for local, row in streams.items():
            self._sessions.setdefault(row.session, {})[local] = row
        self._owners = {local: row.session for local, row in streams.items()}

    # The whole state

    def current(self) -> plan.Rows:
        """Every row that the tables hold of what a plan says."""
        return {name: self.tables.rows(name) for name in MapName}

    def sync(self, wanted: wire.Plan) -> wire.Applied:
        """Makes the tables equal to `wanted`, writing only what differs; counters of streams that stay are kept."""
        now_ns = self._monotonic_ns()
        skipped: list[str] = []
        desired = plan.desired(
            wanted, boot_ns=self.boot_ns, now_ns=now_ns, relay_here=self._relay_here, skipped=skipped
        )
        rules = firewall.rule_rows(wanted.firewall, plan.networks(wanted.protected), skipped)
        change = plan.diff(self.current(), desired)
        self._apply(change)
        self.tables.firewall.replace(rules)
        self._policy = desired[MapName.POLICY][0]
        self._index_sessions(desired[MapName.STREAMS], desired[MapName.LEASES])
        self._protected = plan.networks(wanted.protected)
        self._note_bans(wanted.bans)
        self._watch(desired)
        self._reach_all()
        return replace(change.applied, skipped=tuple(skipped))

    def _apply(self, change: plan.PlanDiff) -> None:
        for name in reversed(MapName):
            if keys := change.removes.get(name):
                self.tables.drop_many(name, keys)
        for local in change.removes.get(MapName.STREAMS, ()):
            self.tables.close_state(local)
        for local in change.adds.get(MapName.STREAMS, ()):
            self.tables.open_state(local)
        for name in MapName:
            for part in (change.adds, change.changes):
                if rows := part.get(name):
                    self.tables.put_many(name, rows)

    # The administrators' tunnel

    def guard_tunnel(self, port: int) -> None:
        """From now on what comes to this UDP port must be a message of WireGuard; 0: none. No plan speaks of it."""
        self.tables.guard_tunnel(port)

    # Lists

    def lists(self) -> list[wire.ListStatus]:
        """Every list, in force or being loaded."""
        return self._lists.lists()

    def load_list(self, chunk: wire.ListChunk) -> wire.ListStatus:
        """Takes a piece of a list; the last one puts it in force. See lists.Lists.load."""
        return self._lists.load(chunk)

    def drop_list(self, ref: wire.ListRef) -> None:
        """Ends a list. Raises WireError("no_list")."""
        self._lists.drop(ref.name)

    # Media sessions

    def open_session(self, session: wire.RelaySession) -> None:
        """Opens the session, or makes its streams and deadline these. Counters of streams that stay are kept."""
        wanted = plan.stream_rows(session)
        deadline_ns = plan.lease(session.session, session.deadline_ns)
        had = self._sessions.get(session.session, {})
        for local in wanted:
            if self._owners.get(local, session.session) != session.session:
                raise plan.port_in_use(local, self._owners[local])
        for local in had.keys() - wanted.keys():
            self._drop_stream(local)
        self._sessions[session.session] = wanted
        try:
            self.tables.put(MapName.LEASES, session.session, deadline_ns)
            for local, row in wanted.items():
                if had.get(local) != row:
                    self._put_stream(local, row)
        except wire.WireError:
            self.close_session(session.session)
            raise
        self._reach({row.remote[0] for row in wanted.values() if row.remote})

    def _put_stream(self, local: Endpoint, row: StreamRow) -> None:
        self._owners[local] = row.session
        self.tables.open_state(local)
        self.tables.put(MapName.STREAMS, local, row)

    def _drop_stream(self, local: Endpoint) -> StreamState | None:
        self.tables.drop(MapName.STREAMS, local)
        state = self.tables.state(local)
        self.tables.close_state(local)
        self._owners.pop(local, None)
        return state

    def renew_lease(self, session: int, deadline_ns: int) -> None:
        """Moves the session's end; 0 closes it until the next renewal. Raises WireError("no_session")."""
        if session not in self._sessions:
            raise wire.WireError("no_session", f"no media session {session}", "open it first")
        self.tables.put(MapName.LEASES, session, plan.lease(session, deadline_ns))

    def close_session(self, session: int) -> wire.SessionCounters:
        """Ends the session; its last counters. An unknown one gives `found=False` and changes nothing."""
        streams = self._sessions.pop(session, None)
        if streams is None:
            return wire.SessionCounters(session, found=False)
        self.tables.drop(MapName.LEASES, session)
        states = {local: self._drop_stream(local) for local in streams}
        return _counters(session, states)

    def session_counters(self, session: int) -> wire.SessionCounters:
        """The counters of one session so far."""
        streams = self._sessions.get(session)
        if streams is None:
            return wire.SessionCounters(session, found=False)
        return _counters(session, {local: self.tables.state(local) for local in streams})

    def counters(self) -> list[wire.SessionCounters]:
        """The counters of all sessions so far."""
        states = self.tables.states()
        return [_counters(s, {local: states.get(local) for local in rows}) for s, rows in self._sessions.items()]

    # Upkeep and status

    def tick(self) -> int:
        """Upkeep, once a second or so: rings, next hops, and what has expired. How many rows went."""
        now_ns, gone = self._monotonic_ns(), self._expire()
        self.evidence.drain()
        self._set_clock()
        if now_ns - self._reached_ns > _REACH_EVERY_NS:
            self._reach_all()
        return gone

    def _set_clock(self) -> None:
        """The challenge's idea of Unix time follows when the wall clock is set."""
        told = self._policy.challenge
        if told.enabled and told.boot_ns != self.boot_ns:
            self._set_policy(self._policy._replace(challenge=told._replace(boot_ns=self.boot_ns)))

    def _reach_all(self) -> None:
        self._reached_ns = self._monotonic_ns()
        self._reach({row.remote[0] for rows in self._sessions.values() for row in rows.values() if row.remote})

    def _reach(self, remotes: set[bytes]) -> None:
        """Where packets may have to go before any came from there."""

    def pulse(self, beat: wire.Pulse) -> wire.Events:
        """The office is alive; how long a datagram waits for it decides how much strangers may send (rate.c)."""
        if not 0 <= beat.queue_delay_ms < 1e6:
            raise wire.WireError("bad_args", f"queue_delay_ms {beat.queue_delay_ms!r} is not 0 to 1000000")
        self._delay_ms = beat.queue_delay_ms
        self.tables.pulse(self._monotonic_ns(), int(beat.queue_delay_ms * 1e6))
        return self.evidence.events()

    def offenders(self, top: wire.Top) -> list[wire.Offender]:
        """Who was refused most. See Evidence.offenders."""
        return self.evidence.offenders(top)

    def samples(self, query: wire.SampleQuery) -> list[wire.Sample]:
        """Dropped packets. See Evidence.samples."""
        return self.evidence.samples(query)

    def _set_relay(self, here: bool, reason: str) -> None:
        self._relay_reason = reason
        self._relay_here = here
        if self._policy.relay_here != here:
            self._set_policy(self._policy._replace(relay_here=here))

    def tallies(self) -> list[wire.Tally]:
        """Packets and bytes of every verdict since the maps were made."""
        sums = self.tables.tallies()
        rows = zip(layout.verdicts(), sums, strict=True)
        return [wire.Tally(v.name, v.action, v.text, *counted) for v, counted in rows]

    def status(self) -> wire.GateStatus:
        """What runs now."""
        lost = self.evidence.losses()
        return wire.GateStatus(
            version=wire.PROTOCOL_VERSION,
            interfaces=tuple(self._interfaces.values()),
            relay="kernel" if self._relay_here else "user",
            relay_reason="" if self._relay_here else self._relay_reason,
            pinned=self._pinned,
            generation=self._policy.generation,
            sessions=len(self._sessions),
            bans=self._ban_count(),
            started_at=self._started_at,
            pairs=self._pair_count(),
            queue_delay_ms=self._delay_ms,
            offences=self.evidence.offences,
            lost_offences=lost.offences,
            samples=self.evidence.sampled,
            lost_samples=lost.samples,
        )


def _counters(session: int, states: Mapping[Endpoint, StreamState | None]) -> wire.SessionCounters:
    streams = tuple(_stream_counters(local, state or StreamState()) for local, state in states.items())
    return wire.SessionCounters(session, found=True, streams=streams)


def _stream_counters(local: Endpoint, state: StreamState) -> wire.StreamCounters:
    return wire.StreamCounters(
        local=_text(local),
        packets=state.packets,
        bytes=state.bytes,
        dropped=state.dropped,
        last_ns=state.last_ns,
        source=_text(state.source) if state.source else None,
    )


def _text(where: Endpoint) -> tuple[str, int]:
    return layout.address_text(where[0]), where[1]
