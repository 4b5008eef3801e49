"""What the gate does for the keeper, over tables that may lie in the kernel (gate.py) or in memory (fake.py).

The office's plan is level-triggered: sync() makes the tables equal to it. Between plans single rows change, and a
media session opens, renews and closes in a few map operations. Must not know: bcc, pyroute2, bytes of a row.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from appliance import wire
from appliance.kernel import layout, plan, policy
from appliance.kernel.maps import StreamState
from appliance.kernel.plan import BanRow, Endpoint, MapName, SourceRow, StreamRow
from appliance.kernel.policy import PolicyRow

_BANS: Final = (MapName.BANS, MapName.BAN_NETS)
_SOURCES: Final = (MapName.SOURCES, MapName.SOURCE_NETS)
_TIMED: Final = (*_BANS, *_SOURCES)
_REACH_EVERY_NS: Final = 20_000_000_000
_CLOCK_SLIP_NS: Final = 500_000_000


class Tables(Protocol):
    """Where rows lie; see maps.KernelTables for the words."""

    def rows(self, name: MapName) -> dict[Any, Any]: ...
    def put(self, name: MapName, key: Any, row: Any) -> None: ...
    def drop(self, name: MapName, key: Any) -> bool: ...
    def put_many(self, name: MapName, rows: Mapping[Any, Any]) -> None: ...
    def drop_many(self, name: MapName, keys: Iterable[Any]) -> None: ...
    def open_state(self, local: Endpoint) -> None: ...
    def state(self, local: Endpoint) -> StreamState | None: ...
    def close_state(self, local: Endpoint) -> None: ...
    def states(self) -> dict[Endpoint, StreamState]: ...
    def tallies(self) -> list[tuple[int, int, int]]: ...


class GateSurface:
    """The verbs of the gate. Not for several threads; every refusal is a wire.WireError."""

    def __init__(
        self,
        tables: Tables,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.tables = tables
        self._monotonic_ns, self._unix_ns = monotonic_ns, unix_ns
        self._boot_ns = unix_ns() - monotonic_ns()
        self._started_at = unix_ns() / 1e9
        self._relay_here, self._relay_reason = False, "no interface is attached"
        self._interfaces: dict[str, wire.Interface] = {}
        self._pinned = False
        self._notes: dict[tuple[MapName, Any], wire.Ban] = {}
        self._timed: dict[MapName, dict[Any, Any]] = {name: {} for name in _TIMED}
        self._expiries: list[tuple[int, MapName, Any]] = []
        self._reached_ns = 0
        self._sessions: dict[int, dict[Endpoint, StreamRow]] = {}
        self._owners: dict[Endpoint, int] = {}
        self._policy = policy.fresh()
        self._adopt()

    def _adopt(self) -> None:
        """Takes over what the tables hold already: a keeper that starts again on pinned maps."""
        self._policy = self.tables.rows(MapName.POLICY).get(0, self._policy)
        if any(self._policy.limits):
            self._index_sessions(self.tables.rows(MapName.STREAMS), self.tables.rows(MapName.LEASES))
            self._watch({name: self.tables.rows(name) for name in _TIMED})
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

    @property
    def boot_ns(self) -> int:
        """Unix ns at which CLOCK_MONOTONIC was 0; follows the wall clock when it is set, not slewed."""
        boot_ns = self._unix_ns() - self._monotonic_ns()
        if abs(boot_ns - self._boot_ns) > _CLOCK_SLIP_NS:
            self._boot_ns = boot_ns
        return self._boot_ns

    # The whole state

    def current(self) -> plan.Rows:
        """Every row that the tables hold of what a plan says."""
        return {name: self.tables.rows(name) for name in MapName}

    def sync(self, wanted: wire.Plan) -> wire.Applied:
        """Makes the tables equal to `wanted`, writing only what differs; counters of streams that stay are kept."""
        now_ns = self._monotonic_ns()
        desired = plan.desired(wanted, boot_ns=self.boot_ns, now_ns=now_ns, relay_here=self._relay_here)
        change = plan.diff(self.current(), desired)
        self._apply(change)
        self._policy = desired[MapName.POLICY][0]
        self._index_sessions(desired[MapName.STREAMS], desired[MapName.LEASES])
        self._notes = {plan.place(_BANS, ban.prefix): ban for ban in wanted.bans}
        self._watch(desired)
        self._reach_all()
        return change.applied

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

    # Sources

    def ban(self, ban: wire.Ban) -> None:
        """Bans an address or network; again changes its expiry. One that has expired already is refused."""
        row = BanRow(self._deadline(ban.expires_at, ban.prefix), ban.spares_known)
        name, key = plan.place(_BANS, plan.bannable(ban.prefix))
        self._put_timed(name, key, row)
        self._notes[name, key] = ban

    def unban(self, prefix: wire.Prefix) -> None:
        """Lifts exactly this ban. Raises WireError("not_banned")."""
        name, key = plan.place(_BANS, prefix.prefix)
        if not self._drop_timed(name, key):
            raise wire.WireError("not_banned", f"{prefix.prefix} is not banned", "list the bans for what covers it")

    def bans(self) -> list[wire.Ban]:
        """Every ban that holds now. A ban of an earlier keeper has the rule `unknown` until the next plan."""
        now_ns, found = self._monotonic_ns(), []
        for name in _BANS:
            for key, row in self._timed[name].items():
                if not row.until_ns or row.until_ns > now_ns:
                    found.append(self._notes.get((name, key)) or self._anonymous(name, key, row))
        return found

    def _anonymous(self, name: MapName, key: Any, row: BanRow) -> wire.Ban:
        ((text, _),) = plan.ban_texts({name: {key: row}})
        expires_at = (row.until_ns + self.boot_ns) / 1e9 if row.until_ns else 0.0
        return wire.Ban(text, expires_at=expires_at, rule="unknown", reason="found in the kernel")

    def allow(self, source: wire.Source) -> None:
        """Trusts an address or network as `source.kind` says; again changes kind and expiry."""
        row = SourceRow(self._deadline(source.expires_at, source.prefix), source.kind)
        self._put_timed(*plan.place(_SOURCES, source.prefix), row)

    def disallow(self, prefix: wire.Prefix) -> None:
        """Takes exactly this trust back. Raises WireError("not_listed")."""
        name, key = plan.place(_SOURCES, prefix.prefix)
        if not self._drop_timed(name, key):
            raise wire.WireError("not_listed", f"{prefix.prefix} is neither allowed nor known")

    def _deadline(self, expires_at: float, prefix: str) -> int:
        until_ns = plan.deadline(expires_at, self.boot_ns)
        if until_ns and until_ns <= self._monotonic_ns():
            raise wire.WireError("bad_time", f"{prefix}: expires_at lies in the past")
        return until_ns

    def _put_timed(self, name: MapName, key: Any, row: Any) -> None:
        self.tables.put(name, key, row)
        self._timed[name][key] = row
        if row.until_ns:
            heapq.heappush(self._expiries, (row.until_ns, name, key))

    def _drop_timed(self, name: MapName, key: Any) -> bool:
        self._notes.pop((name, key), None)
        self._timed[name].pop(key, None)
        return self.tables.drop(name, key)

    def _watch(self, rows: plan.Rows) -> None:
        self._timed = {name: dict(rows[name]) for name in _TIMED}
        self._expiries = [(row.until_ns, n, key) for n in _TIMED for key, row in rows[n].items() if row.until_ns]
        heapq.heapify(self._expiries)

    # Upkeep and status

    def tick(self) -> int:
        """Removes what has expired and keeps next hops resolved; once a second or so. How many rows went."""
        now_ns, gone = self._monotonic_ns(), 0
        while self._expiries and self._expiries[0][0] <= now_ns:
            _, name, key = heapq.heappop(self._expiries)
            row = self._timed[name].get(key)
            if row and 0 < row.until_ns <= now_ns:
                gone += self._drop_timed(name, key)
        if now_ns - self._reached_ns > _REACH_EVERY_NS:
            self._reach_all()
        return gone

    def _reach_all(self) -> None:
        self._reached_ns = self._monotonic_ns()
        self._reach({row.remote[0] for rows in self._sessions.values() for row in rows.values() if row.remote})

    def _reach(self, remotes: set[bytes]) -> None:
        """Where packets may have to go before any came from there."""

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
        return wire.GateStatus(
            version=wire.PROTOCOL_VERSION,
            interfaces=tuple(self._interfaces.values()),
            relay="kernel" if self._relay_here else "user",
            relay_reason="" if self._relay_here else self._relay_reason,
            pinned=self._pinned,
            generation=self._policy.generation,
            sessions=len(self._sessions),
            bans=sum(len(self._timed[name]) for name in _BANS),
            started_at=self._started_at,
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
