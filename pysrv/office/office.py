"""Everything that has a socket, around one Service."""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from appliance import wire
from appliance.config.load import layered
from appliance.config.options import RunOptions
from appliance.config.schema import ROWS
from appliance.config.settings import Settings, parse_all
from pysrv import api
from pysrv.certificates.held import Certificates
from pysrv.certificates.renewal import Standing
from pysrv.certificates.renewer import Renewer
from pysrv.console.commands import IDLE_S, MOST_LINE_BYTES
from pysrv.console.desk import ConsoleDesk
from pysrv.control import Control
from pysrv.control.aside import Aside
from pysrv.control.watching import Memory
from pysrv.net.clips import Clips
from pysrv.net.console import ConsoleSockets
from pysrv.net.control_socket import ControlSocket
from pysrv.net.gate import GateClient
from pysrv.net.hep import HepExport
from pysrv.net.host import protected_of_host
from pysrv.net.keeper_call import KeeperCall
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
from pysrv.office.front import Front, Parts
from pysrv.office.inside import Inside
from pysrv.office.peers import Peers
from pysrv.office.watch import Watch
from pysrv.panel import ROUTES as PANEL_ROUTES
from pysrv.payments.cashier import Cashier
from pysrv.portal import ROUTES as PORTAL_ROUTES
from pysrv.ports import Ports
from pysrv.service import Service
from pysrv.service.health import Checkup, Health, health
from pysrv.service.surroundings import Clock, Surroundings
from pysrv.service.tokens import token_source
from pysrv.sip.events import Flow
from pysrv.sip.parser import Limits
from pysrv.store import DATABASE, Store
from pysrv.store.people import FirstPassword
from pysrv.web.logins import Logins
from pysrv.web.server import Web

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TOKEN_BYTES = 12
LOOK_EVERY_S = 30.0  # whether another certificate was laid down
CLIPS = "clips"  # folder of the voice menu's recordings
_log = logging.getLogger("pysrv.office")


class Office:
    """Everything that has a socket, around one Service."""

    def __init__(self, options: RunOptions, keeper: str) -> None:
        self._options, self._loop = options, asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._alarm = Alarm(self._loop, self._ring)
        self._state = Path(options.state)
        self._store = Store.open(self._state / DATABASE)
        file = parse_all(options.settings)
        loaded = layered(file, self._store.overrides(), self._store.generation())
        self._problems = tuple(str(problem) for problem in loaded.problems)
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
        self.control = Control(
            self._store,
            self._service.operators,
            file,
            memory=self.memory,
            certificates=self._certificates,
            renewer=self._renewer,
            keeper=KeeperCall(keeper),
        )
        self._control_socket = ControlSocket(
            Path(options.runtime) / "office.sock",
            self.control.session,
            self.turn,
            self._session_s,
        )
        self._watch = Watch(self._gate, self._service, delay, self.memory, self._tunnel_told)
        self._reader = self._store.reader()
        self.health = Checkup(self._look, time.monotonic)
        front = Front(
            Parts(
                store=self._store,
                reader=self._reader,
                service=self._service,
                gate=self._gate,
                certificates=self._certificates,
                renewer=self._renewer,
                watch=self._watch,
                aside=Aside(dict(os.environ), {name: ROWS[name].kind.text(value) for name, value in file.items()}),
                control=self.control,
                cashier=self._cashier,
                health=self.health,
                gate_problem=lambda: self._gate_problem,
                problems=lambda: (*self._problems, *self._ports.problems, *self._inside.problems),
                turn=self.turn,
                soon=self._alarm.soon,
            )
        )
        logins = Logins(front)
        self._web = Web(front, (*PANEL_ROUTES, *PORTAL_ROUTES, *api.routes()), logins)
        self._service.parts.counts.web_refusals = self._web.refusals
        self._ports = Ports(options.listen, self._tls, self._web)
        desk = ConsoleDesk(
            self.control, self._store, logins, self._service.parts.trusted.opens_tcp_console, self.turn, time.time
        )
        self._console = ConsoleSockets(
            Path(options.runtime) / "console.sock", desk, MOST_LINE_BYTES, IDLE_S, self._session_s
        )
        self._inside = Inside(
            self._web,
            options.https_port,
            lambda: self._certificates.context,
            self._console,
            self._service.parts.trusted,
        )

    async def start(self) -> None:
        """Open every socket. Raises PortBusy."""
        self._service.start()
        for address in self._options.listen:
            self._udp.listen(self._loop, address, self._options.sip_port)
            await self._tcp.listen(address, self._options.sip_port)
        await self._web.start(self._options.listen, self._options.https_port, lambda: self._certificates.context)
        self._ports.follow(self._settings())
        await self._ports.settle()
        await self._gate.start()
        await self._control_socket.start()
        await self._start_console()
        parts = self._watch, self._dispatcher, self._cashier, self._renewer
        for work in (*(each.run() for each in parts), self._stay_secure()):
            self._tasks.append(self._loop.create_task(work))
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
        tls_port = 0 if self._ports.problems else self._settings().tls_port
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
        await self._inside.close()
        await self._console.stop()
        self._hep_names.close()
        self._hep.close()
        await self._control_socket.stop()
        await self._web.stop()
        await self._ports.close()
        self._udp.close(self._loop)
        self._player.close()
        await self._tcp.close()
        await self._gate.stop()
        self._store.commit()
        self._reader.close()
        self._store.close()
        logging.getLogger().removeHandler(self.memory.log)

    def turn(self) -> None:
        """One turn of the service: decide, commit, transmit, arm the timer."""
        for payload, flow in self._service.turn():
            self._send(payload, flow)
        self._ports.follow(self._settings())
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

    async def _start_console(self) -> None:
        """A port of the console that cannot be had is said; it keeps nobody's calls from running."""
        await self._console.start()
        port = self._inside.console_port = self._settings().consoleport
        try:
            if port:
                await self._console.listen(self._options.listen, port)
        except OSError as error:
            problem = f"consoleport {port} cannot be opened: {error.strerror or error}"
            _log.error("%s", problem)
            self._problems = (*self._problems, problem)

    async def _stay_secure(self) -> None:
        """Certificates age, and are exchanged by programs that only write a file; ports become free."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._certificates.refresh():
                _log.info("certificate read again sha256=%s", self._certificates.fingerprint)
            self._ports.follow(self._settings(), again=True)

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
        self._inside.follow(status)
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
