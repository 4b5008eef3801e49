"""What calls need around one Service: store, SIP's sockets, gate, player, tasks. People come in by the reception."""

import asyncio
import importlib
import logging
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import wire
from appliance.config.load import layered
from appliance.config.options import RunOptions
from appliance.config.settings import Settings, parse_all
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewal import Standing
from pysrv.certificates.renewer import Renewer
from pysrv.control.memory import Memory
from pysrv.net.clips import Clips
from pysrv.net.gate import GateClient
from pysrv.net.hep import HepExport
from pysrv.net.host import protected_of_host
from pysrv.net.keyed_hash import keyed_hash
from pysrv.net.names import Names
from pysrv.net.player import Player
from pysrv.net.pulse import QueueDelay
from pysrv.net.routes import LocalAddresses
from pysrv.net.tcp import TcpConnections
from pysrv.net.tls import TlsConnections
from pysrv.net.udp import UdpSockets
from pysrv.notify import Dispatcher
from pysrv.office import greeting
from pysrv.office.alarm import Alarm
from pysrv.office.offered import Offered
from pysrv.office.peers import Peers
from pysrv.office.watch import Watch
from pysrv.payments.cashier import Cashier
from pysrv.service import Service
from pysrv.service.health import Checkup, Health, health
from pysrv.service.surroundings import Clock, Surroundings
from pysrv.service.tokens import token_source
from pysrv.sip.events import Flow
from pysrv.sip.parser import Limits
from pysrv.store import DATABASE, Store
from pysrv.store.people import FirstPassword

if TYPE_CHECKING:
    from pysrv.control.session import Control
    from pysrv.office.reception import Reception

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TOKEN_BYTES = 12
LOOK_EVERY_S = 30.0  # whether another certificate was laid down
CLIPS = "clips"  # folder of the voice menu's recordings
_log = logging.getLogger("pysrv.office")


class Office:
    """Call `start()` once, `stop()` at the end."""

    def __init__(self, options: RunOptions, keeper: str) -> None:
        self._options, self._loop = options, asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._alarm = Alarm(self._loop, self._ring)
        self._state = Path(options.state)
        self._store = Store.open(self._state / DATABASE)
        file = parse_all(options.settings)
        loaded = layered(file, self._store.overrides(), self._store.generation())
        self._names = Names(lambda: self._gate.resync())
        self._callees = Names()  # callers choose these: they must not crowd out the trunks' names
        delay = QueueDelay()
        self.memory = Memory()
        logging.getLogger().addHandler(self.memory.log)
        self._gate_problem = "not connected yet"
        self._gate = GateClient(keeper, self._plan, self, queue_delay_s=delay.take, heard=self._heard)
        clips = Clips(self._state / CLIPS)
        self._player = Player(self._loop, clips, self._gate.say, self._pressed, secrets.randbelow)
        routes = LocalAddresses(list(options.listen))
        world = Surroundings(
            self._gate,
            Clock(time.monotonic, time.time),
            routes.facing,
            self._names.address,
            token_source(TOKEN_BYTES),
            secrets.randbelow,
            BOOT_ID.read_text().strip(),
            options.sip_port,
            (options.rtp_first, options.rtp_last),
            keyed_hash,
            host=protected_of_host,
            lookup=self._callees.address,
            voice=self._player,
        )
        self._service = Service(self._store, loaded.settings, world)
        self._hep_names = Names()
        self._hep = HepExport(self._service.operators.settings, self._hep_names.address)
        self._service.parts.tap.export = self._hep.send
        self._dispatcher = Dispatcher(self._store, self._service.operators.settings, time.time, self.turn)
        self._service.parts.notices.on_told = self._dispatcher.wake
        self._cashier = Cashier(
            self._store,
            self._service.operators.settings,
            time.time,
            self.turn,
            self._service.parts.notices.tell,
            self._service.operators.account_changed,
        )
        self._service.parts.on_payments = self._cashier.wake
        self._udp = UdpSockets(self._service.receive_datagram, self.turn, delay)
        self._tcp = TcpConnections(
            self._service.receive_message, self.turn, self._service.flow_closed, Limits(), self._session_s
        )
        self._certificates = Certificates(
            self._state,
            options.listen,
            lambda: self._settings().localdomain,
            lambda: self._settings().sslcertpwd,
            time.time,
        )
        self._renewer = Renewer(
            self._state, self._certificates, time.time, self._not_renewed, self._certificate_renewed
        )
        self._tls = TlsConnections(
            self._service.receive_message, self.turn, self._service.flow_closed, Limits(), self._session_s
        )
        self._tls.secure(lambda: self._certificates.context, self._certificates.client_context, self._trunk_name)
        self._peers = Peers(self._peer_told)
        self._service.parts.counts.tunnel_peers = lambda: self._peers.count
        self._service.parts.counts.connections = lambda: len(self._tcp) + len(self._tls)
        self._service.parts.counts.exported = lambda: (self._hep.sent, self._hep.dropped)
        self._watch = Watch(self._gate, self._service, delay, self.memory, self._tunnel_told)
        self.health = Checkup(self._look, time.monotonic)
        self._offered = Offered(
            options=options,
            file=file,
            keeper=keeper,
            store=self._store,
            service=self._service,
            gate=self._gate,
            tls=self._tls,
            certificates=self._certificates,
            renewer=self._renewer,
            watch=self._watch,
            cashier=self._cashier,
            memory=self.memory,
            health=self.health,
            turn=self.turn,
            soon=self._alarm.soon,
            session_s=self._session_s,
            gate_problem=lambda: self._gate_problem,
            problems=tuple(str(problem) for problem in loaded.problems),
        )
        self._reception: Reception | None = None

    @property
    def control(self) -> "Control":
        """The verbs, once the office has started."""
        assert self._reception is not None
        return self._reception.control

    async def start(self) -> None:
        """Open every socket, SIP's over UDP and TCP first. Raises PortBusy."""
        self._service.start()
        for address in self._options.listen:
            self._udp.listen(self._loop, address, self._options.sip_port)
            await self._tcp.listen(address, self._options.sip_port)
        await self._gate.start()
        parts = self._watch, self._dispatcher, self._cashier, self._renewer
        for work in (*(each.run() for each in parts), self._stay_secure()):
            self._tasks.append(self._loop.create_task(work))
        self.turn()
        # Half of all modules are for people and programs; telephones that come back need not wait for them.
        receptions = await asyncio.to_thread(importlib.import_module, "pysrv.office.reception")
        self._reception = receptions.Reception(self._offered)
        await self._reception.open()
        self.turn()
        await self._greet()

    async def _greet(self) -> None:
        """Say where what is, and passwords that are new: made only now, when nothing can keep them from being said.
        Calls are taken already."""
        made = None if self._store.has_administrator() else await asyncio.to_thread(FirstPassword.new)
        password = self._store.ensure_admin(made)
        demo = greeting.demo_accounts(self._store, self._settings().realm) if self._options.demo_accounts else {}
        self._store.commit()
        for name in demo:
            self._service.operators.account_changed(name)
        assert self._reception is not None
        tls_port = 0 if self._reception.closed_ports else self._settings().tls_port
        ports = self._options.sip_port, tls_port, self._options.https_port
        fingerprint = self._certificates.fingerprint
        lines = greeting.lines(self._options.listen, ports, fingerprint, password, demo)
        sys.stdout.write("".join(f"{line}\n" for line in lines))  # one write: the keeper prints into the same stream
        sys.stdout.flush()

    async def stop(self) -> None:
        """Close every socket; running calls stay in the store and in the kernel for the next start."""
        self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._names.close()
        self._callees.close()
        self._hep_names.close()
        self._hep.close()
        if self._reception is not None:
            await self._reception.close()
        self._udp.close(self._loop)
        self._player.close()
        await self._tcp.close()
        await self._gate.stop()
        self._store.commit()
        self._store.close()
        logging.getLogger().removeHandler(self.memory.log)

    def turn(self) -> None:
        """One turn of the service: decide, commit, transmit, arm the timer."""
        for payload, flow in self._service.turn():
            self._send(payload, flow)
        if self._reception is not None:
            self._reception.follow(self._settings())
        at = self._service.get_timer()
        if at is not None:
            self._alarm.at(at)

    def log_format(self) -> str:
        """What a line of the log is (logformat)."""
        return self._settings().logformat

    # -- GateEvents: the service hears them, then gets its turn ---------------------------------------------------

    def on_connected(self, status: wire.GateStatus) -> None:
        """The keeper is there."""
        self._gate_problem = ""
        self._service.on_connected(status)
        self.turn()

    def on_disconnected(self, reason: str) -> None:
        """The keeper is away."""
        self._gate_problem = reason
        self._service.on_disconnected(reason)

    def on_session_refused(self, session: int, error: wire.WireError) -> None:
        """A call without a relay ends."""
        self._service.on_session_refused(session, error)
        self.turn()

    def on_session_closed(self, session: int, counters: wire.SessionCounters) -> None:
        """A call can be settled."""
        self._service.on_session_closed(session, counters)
        self._alarm.soon()

    def on_counters(self, counters: tuple[wire.SessionCounters, ...]) -> None:
        """Silent calls end."""
        self._service.on_counters(counters)
        self.turn()

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        """The kernel saw limits passed."""
        self._service.on_offences(offences)
        self.turn()

    # -- inside ---------------------------------------------------------------------------------------------------

    def _look(self) -> Health:
        """Whether calls can be taken, part by part; `health()` asks."""
        bound = {address for address, _ in self._udp.addresses} >= set(self._options.listen)
        sip = "" if bound and self._tcp.listening else "not listening"
        return health(store=self._store.trouble(), sip=sip, keeper=self._gate.status is not None)

    def _session_s(self) -> float:
        """How long a session may last (sessionabsolutetimeout)."""
        return self._settings().sessionabsolutetimeout

    def _settings(self) -> Settings:
        return self._service.operators.settings()

    def _ring(self) -> None:
        try:
            self._service.handle_timer()
        finally:
            self.turn()  # a fault must not stop the clock for everybody

    def _heard(self, session: int, packet: bytes) -> None:
        self._player.heard(session, packet)

    def _pressed(self, session: int, digit: str) -> None:
        self._service.digit(session, digit)
        self.turn()

    def _plan(self) -> wire.Plan:
        return self._service.plan()

    def _send(self, payload: bytes, flow: Flow) -> None:
        senders = {"udp": self._udp.send, "tcp": self._tcp.send, "tls": self._tls.send}
        if not senders[flow.transport](payload, flow):
            self._service.flow_closed(flow)
            self._alarm.soon()

    async def _stay_secure(self) -> None:
        """Certificates age, and are exchanged by programs that only write a file; ports become free."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._certificates.refresh():
                _log.info("certificate read again sha256=%s", self._certificates.fingerprint)
            if self._reception is not None:
                self._reception.follow(self._settings(), again=True)

    def _not_renewed(self, standing: Standing, ends_at: float) -> None:
        self._service.parts.notices.tell(
            "certificate_failing", "", f"{standing.fingerprint}:{self._store.today()}", names=" ".join(standing.names),
            count=standing.failures, problem=standing.problem, hint=standing.hint, ends_at=int(ends_at),
        )  # fmt: skip
        self.turn()

    def _certificate_renewed(self, before: str, after: str) -> None:
        self._store.note("appliance", "certificate.issued", "certificate", before, after)
        self.turn()

    def _tunnel_told(self, status: wire.TunnelStatus) -> None:
        if self._reception is not None:
            self._reception.follow_tunnel(status)
        self._peers.follow(status)

    def _peer_told(self, kind: str, key: str, figures: Mapping[str, str]) -> None:
        self._service.parts.notices.tell(kind, "", key, **figures)
        self.turn()

    def _trunk_name(self, flow: Flow) -> str | None:
        """Whose certificate a peer must show whom we call over TLS: only trunks are called so."""
        for trunk in self._store.trunks():
            if (
                trunk.enabled
                and trunk.transport == "tls"
                and flow.remote == (self._names.address(trunk.host), trunk.port)
            ):
                return trunk.host.strip("[]")
        return None
