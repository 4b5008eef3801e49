"""A small keeper for tests: a real unix socket that speaks the wire protocol and holds rows in memory."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from appliance import wire
from appliance.wire import KeeperVerb, WireError


@dataclass
class Keeper:
    """What a keeper knows, and how it is to misbehave. `stop` is a crash; `start` after it a keeper without memory."""

    path: str
    relay: str = "kernel"
    slot: str = ""
    version: int = wire.PROTOCOL_VERSION
    refuse: dict[str, WireError] = field(default_factory=dict)
    mute: bool = False
    skips: tuple[str, ...] = ()
    plan: wire.Plan | None = None
    sessions: dict[int, wire.RelaySession] = field(default_factory=dict)
    verbs: list[str] = field(default_factory=list)
    reads: list[bytes] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def start(self) -> None:
        self.plan, self.sessions = None, {}
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=wire.MAX_LINE_BYTES)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        pending = b""
        while data := await reader.read(65_536):
            self.reads.append(data)
            *lines, pending = (pending + data).split(b"\n")
            if not self.mute:
                writer.write(b"".join(self._answer(wire.decode(line)) for line in lines))

    def _answer(self, message: dict[str, Any]) -> bytes:
        ident, verb, args = message["id"], message["verb"], message["args"]
        self.verbs.append(verb)
        if verb in self.refuse:
            return wire.refusal(ident, self.refuse[verb])
        return wire.reply(ident, self._do(KeeperVerb(verb), args))

    def _do(self, verb: KeeperVerb, args: dict[str, Any]) -> Any:
        if verb in (KeeperVerb.HELLO, KeeperVerb.STATUS):
            return wire.GateStatus(self.version, (wire.Interface("eth0", "native"),), self.relay, slot=self.slot)
        if verb is KeeperVerb.SYNC:
            self.plan = wire.from_dict(wire.Plan, args)
            self.sessions = {row.session: row for row in self.plan.sessions}
            return wire.Applied(len(self.sessions), 0, 0, self.skips)
        if verb is KeeperVerb.OPEN_SESSION:
            session = wire.from_dict(wire.RelaySession, args)
            self.sessions[session.session] = session
        elif verb is KeeperVerb.RENEW_LEASE:
            renewal = wire.from_dict(wire.Renewal, args)
            self.sessions[renewal.session] = replace(self.sessions[renewal.session], deadline_ns=renewal.deadline_ns)
        elif verb is KeeperVerb.CLOSE_SESSION:
            session_id = wire.from_dict(wire.SessionRef, args).session
            return self._counters(session_id, self.sessions.pop(session_id, None) is not None)
        elif verb is KeeperVerb.COUNTERS:
            return {"sessions": [self._counters(session, True) for session in self.sessions]}
        elif verb is KeeperVerb.TALLIES:
            return {"tallies": [wire.Tally("banned", "DROP", "source address is banned", 3, 180)]}
        return {}

    def _counters(self, session: int, found: bool) -> wire.SessionCounters:
        rows = (wire.StreamCounters(("192.0.2.1", 20_000), 50, 9_000),) if found else ()
        return wire.SessionCounters(session, found, rows)
