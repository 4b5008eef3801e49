"""One run of the office: store, service, sockets, gate and page put together, until SIGTERM."""

import asyncio
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from appliance import wire
from appliance.config.load import layered
from appliance.config.options import CANNOT_RUN, RunOptions
from appliance.config.schema import ROWS
from appliance.config.settings import Settings, parse_all
from appliance.metrics import Reading
from pysrv import api
from pysrv.certificates.held import Certificates
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
from pysrv.net.keyed_hash import keyed_hash
from pysrv.net.names import Names
from pysrv.net.player import Player
from pysrv.net.pulse import QueueDelay
from pysrv.net.routes import LocalAddresses
from pysrv.net.tcp import TcpConnections
from pysrv.net.tls import TlsConnections
from pysrv.net.udp import PortBusy, UdpSockets
from pysrv.notify import Dispatcher
from pysrv.panel import ROUTES as PANEL_ROUTES
from pysrv.passwords.policy import GENERATED
from pysrv.payments.cashier import Cashier
from pysrv.portal import ROUTES as PORTAL_ROUTES
from pysrv.ports import Ports
from pysrv.service import Service, history, journal
from pysrv.service.feed import Feed
from pysrv.service.health import Checkup, Health, health
from pysrv.service.surroundings import Clock, Surroundings
from pysrv.service.tokens import token_source
from pysrv.sip.events import Flow
from pysrv.sip.parser import Limits
from pysrv.store import DATABASE, Store, StoreError
from pysrv.store.rows import NewAccount
from pysrv.store.web import PersonKind
from pysrv.web.logins import Logins
from pysrv.web.server import Web
from pysrv.web.status import Snapshot

VERSION = "0.1.0"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TOKEN_BYTES = 12
TALLIES_EVERY_S = 1.0
LOOK_EVERY_S = 30.0  # whether another certificate was laid down
CLIPS = "clips"  # folder of the voice menu's recordings
_log = logging.getLogger("pysrv.office")


def run(options: RunOptions, keeper: str) -> int:
    """Serve until told to stop; returns the exit status."""
    log = journal.to_stderr()
    try:
        return uvloop.run(_main(options, keeper, log))
    except (StoreError, PortBusy) as error:
        print(f"office: {error}", file=sys.stderr)
        return CANNOT_RUN


async def _main(options: RunOptions, keeper: str, log: journal.Chosen) -> int:
    office = Office(options, keeper)
    log.style = office.log_format
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    try:
        await office.start()
        await told.wait()
    finally:
        await office.stop()
    return 0


class Office:
    """Everything that has a socket, around one Service."""

    def __init__(self, options: RunOptions, keeper: str) -> None:
        self._options, self._loop = options, asyncio.get_running_loop()
        self._state = Path(options.state)
        self._store = Store.open(self._state / DATABASE)
        file = parse_all(options.settings)
        loaded = layered(file, self._store.overrides(), self._store.generation())
        self._problems = tuple(str(problem) for problem in loaded.problems)
        self._names = Names(lambda: self._gate.resync())
        self._callees = Names()  # callers choose these: they must not crowd out the trunks' names
        self._delay = delay = QueueDelay()
        self.memory = Memory()
        logging.getLogger().addHandler(self.memory.log)
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
        self._hep = HepExport(self._service.settings, self._hep_names.address)
        self._service.tap.export = self._hep.send
        self._dispatcher = Dispatcher(self._store, self._service.settings, time.time, self.turn)
        self._service.notices.on_told = self._dispatcher.wake
        self._notify_task: asyncio.Task[None] | None = None
        self.cashier = Cashier(
            self._store,
            self._service.settings,
            time.time,
            self.turn,
            self._service.notices.tell,
            self._service.account_changed,
        )
        self._service.on_payments = self.cashier.wake
        self._pay_task: asyncio.Task[None] | None = None
        self._udp = UdpSockets(self._service.receive_datagram, self.turn, delay)
        self._tcp = TcpConnections(
            self._service.receive_message, self.turn, self._service.flow_closed, Limits(), self._session_s
        )
        self._certificates = Certificates(
            self._state,
            options.listen,
            lambda: self.settings().localdomain,
            lambda: self.settings().sslcertpwd,
            time.time,
        )
        self._tls = TlsConnections(
            self._service.receive_message, self.turn, self._service.flow_closed, Limits(), self._session_s
        )
        self._tls.secure(lambda: self._certificates.context, self._certificates.client_context, self._trunk_name)
        self._service.counts.connections = lambda: len(self._tcp) + len(self._tls)
        self._service.counts.exported = lambda: (self._hep.sent, self._hep.dropped)
        self.control = Control(self._store, self._service, file, memory=self.memory, certificates=self._certificates)
        self._control_socket = ControlSocket(
            Path(options.runtime) / "office.sock",
            self.control.session,
            self.turn,
            self._session_s,
        )
        self._reader = self._store.reader()
        logins = Logins(self)
        self._web = Web(self, (*PANEL_ROUTES, *PORTAL_ROUTES, *api.routes()), logins)
        self._service.counts.web_refusals = self._web.refusals
        self._ports = Ports(options.listen, self._tls, self._web)
        self._secure_task: asyncio.Task[None] | None = None
        self._aside = Aside(dict(os.environ), {name: ROWS[name].kind.text(value) for name, value in file.items()})
        desk = ConsoleDesk(
            self.control, self._store, logins, self._service.trusted.opens_tcp_console, self.turn, time.time
        )
        self._console = ConsoleSockets(
            Path(options.runtime) / "console.sock", desk, MOST_LINE_BYTES, IDLE_S, self._session_s
        )
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._tallies: tuple[wire.Tally, ...] = ()
        self._tally_task: asyncio.Task[None] | None = None
        self._gate_problem = "not connected yet"
        self._started_at = time.time()
        self.health = Checkup(self._look, time.monotonic)

    async def start(self) -> None:
        """Open every socket. Raises PortBusy."""
        password = self._store.ensure_admin()
        demo = self._demo_accounts() if self._options.demo_accounts and not self._store.account_count() else {}
        self._store.commit()
        self._service.start()
        for address in self._options.listen:
            self._udp.listen(self._loop, address, self._options.sip_port)
            await self._tcp.listen(address, self._options.sip_port)
        await self._web.start(self._options.listen, self._options.https_port, lambda: self._certificates.context)
        self._ports.follow(self.settings())
        await self._ports.settle()
        await self._gate.start()
        await self._control_socket.start()
        await self._start_console()
        self._tally_task = self._loop.create_task(self._read_tallies())
        self._notify_task = self._loop.create_task(self._dispatcher.run())
        self._secure_task = self._loop.create_task(self._stay_secure())
        self._pay_task = self._loop.create_task(self.cashier.run())
        self._announce(password, self._certificates.fingerprint, demo)
        self.turn()

    async def stop(self) -> None:
        """Close every socket; running calls stay in the store and in the kernel for the next start."""
        if self._timer is not None:
            self._timer.cancel()
        if self._tally_task is not None:
            self._tally_task.cancel()
        for task in (self._secure_task, self._notify_task, self._pay_task):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._names.close()
        self._callees.close()
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
        self._ports.follow(self._service.settings())
        self._arm()

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
        self._soon()

    def on_counters(self, counters: tuple[wire.SessionCounters, ...]) -> None:
        """Silent calls end."""
        self._service.on_counters(counters)
        self.turn()

    def on_offences(self, offences: tuple[wire.Offence, ...]) -> None:
        """The kernel saw limits passed."""
        self._service.on_offences(offences)
        self.turn()

    # -- Backing of the web ---------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        """What the page shows."""
        figures = self._service.figures()
        settings = self._service.settings()
        return Snapshot(
            now=time.time(),
            version=VERSION,
            started_at=self._started_at,
            calls=sum(figures.calls.values()),
            answered=figures.calls["answered"],
            registrations=figures.registrations,
            gate=self._gate.status,
            tallies=self._tallies,
            settings_in_force=sum(row.in_force for row in ROWS.values()),
            settings_total=len(ROWS),
            generation=settings.generation,
            gate_problem=self._gate_problem,
            notices=(
                *self._problems,
                *self._ports.problems,
                *self._certificates.notices(),
                *self._unpriced(),
                *self._waiting(),
            ),
        )

    async def reading(self) -> Reading:
        """What keeper and office say now, for the metrics."""
        status: asyncio.Future[wire.GateStatus | None] = self._loop.create_future()
        tallies: asyncio.Future[tuple[wire.Tally, ...]] = self._loop.create_future()
        self._gate.read_status(lambda answer: None if status.done() else status.set_result(answer))
        self._gate.tallies(lambda answer: None if tallies.done() else tallies.set_result(answer))
        self._gate.flush()
        return Reading(await status, await tallies, self._service.figures())

    @property
    def feed(self) -> Feed:
        """What happens, while it does."""
        return self._service.feed

    @property
    def store(self) -> Store:
        """The one writer."""
        return self._store

    def settings(self) -> Settings:
        """The settings in force."""
        return self._service.settings()

    def verify(self, kind: str, name: str, password: str) -> bool:
        """Whether the password is right; on the reader, in a thread of the web's own."""
        if kind == PersonKind.ADMINISTRATOR:
            return self._reader.verify_admin(name, password)
        return self._reader.verify_account(name, password, lenient=self.settings().uauthverifypwd)

    def wrong_request(self, address: str, words: str) -> None:
        """Somebody sends the web what makes no sense."""
        self._service.wrong_web_request(address, words)
        self._soon()

    def fingerprint(self) -> str:
        """SHA-256 of the certificate that is shown to browsers."""
        return self._certificates.fingerprint

    async def replay(self, args: Mapping[str, Any], heard: Callable[[], None]) -> dict[str, Any]:
        """Calls of the past under other settings, in a process of its own."""
        return await self._aside.replay(args, heard)

    def administers(self, address: str) -> bool:
        """Whether the administrators' part is open to this address (remoteadmin)."""
        begun = bool(self._store.allows())
        return self._service.trusted.administers(address, begun=begun)

    def trusts(self, address: str) -> bool:
        """Whether the address is trusted (allowtrustedip and what widens it)."""
        return bool(self._service.trusted.why(address))

    def vouches(self, address: str) -> bool:
        """Whether somebody has put this very address on the allow list."""
        return self._service.trusted.vouches(address)

    def wrong_password(self, address: str, name: str) -> None:
        """Somebody guesses on the web."""
        self._service.wrong_web_password(address, name)
        self._soon()

    def signed_in(self, address: str) -> None:
        """An administrator uses the panel from here."""
        if self._service.managed_from(address, "an administrator uses the panel from there"):
            self._soon()

    def _look(self) -> Health:
        """Whether calls can be taken, part by part; `health()` asks."""
        bound = {address for address, _ in self._udp.addresses} >= set(self._options.listen)
        sip = "" if bound and self._tcp.listening else "not listening"
        return health(store=self._store.trouble(), sip=sip, keeper=self._gate.status is not None)

    def log_format(self) -> str:
        """What a line of the log is (logformat)."""
        return self._service.settings().logformat

    def is_trusted(self, address: str) -> bool:
        """Whether the panel makes this address wait for nothing (allowtrustedip 4)."""
        return self._service.trusted.opens_console(address)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _session_s(self) -> float:
        """How long a session may last (sessionabsolutetimeout)."""
        return self._service.settings().sessionabsolutetimeout

    def _unpriced(self) -> tuple[str, ...]:
        """What an administrator should know about calls that nobody pays for."""
        if self._service.settings().blocknotbilledcalls or not self._store.trunks():
            return ()
        return ("calls over a trunk without a rate are free: set blocknotbilledcalls to 1 to refuse them",)

    def _waiting(self) -> tuple[str, ...]:
        waiting = self._store.pending_change()
        if waiting is None:
            return ()
        left_s = max(0.0, waiting.deadline_at - time.time())
        return (f"a change is taken back in {left_s:.0f} s unless it is confirmed: {waiting.what}",)

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
            self._soon()

    def _soon(self) -> None:
        """A turn after what is under way: many settlements then share one commit."""
        self._arm_at(time.monotonic())

    def _arm(self) -> None:
        at = self._service.get_timer()
        if at is not None:
            self._arm_at(at)

    def _arm_at(self, at: float) -> None:
        """One timer; one that is armed earlier stays, and asks again when it fires."""
        if self._timer is not None and self._timer_at <= at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        try:
            self._service.handle_timer()
        finally:
            self.turn()  # a fault must not stop the clock for everybody

    async def _read_tallies(self) -> None:
        while True:
            self._gate.tallies(self._keep_tallies)
            self._gate.flush()
            if self.memory.history.is_due(time.time()):
                self.memory.history.add(self._look_around(time.time()))
            await asyncio.sleep(TALLIES_EVERY_S)

    def _look_around(self, now: float) -> history.Reading:
        """What the dashboard's charts are made of."""
        figures = self._service.figures()
        return history.Reading(
            now,
            {tally.verdict: tally.packets for tally in self._tallies},
            {tally.verdict: tally.action for tally in self._tallies},
            sum(figures.calls.values()),
            figures.calls["answered"],
            figures.registrations,
            {currency: micro // 60 for currency, micro in figures.per_minute.items()},
            1000 * self._delay.take_worst(),
        )

    def _keep_tallies(self, tallies: tuple[wire.Tally, ...]) -> None:
        self._tallies = tallies

    async def _start_console(self) -> None:
        """A port of the console that cannot be had is said; it keeps nobody's calls from running."""
        await self._console.start()
        port = self._service.settings().consoleport
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
            self._ports.follow(self.settings(), again=True)

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

    def _demo_accounts(self) -> dict[str, tuple[str, str]]:
        """Two accounts to try the service with: name to (number, password)."""
        made = {f"demo{digit}": (f"100{digit}", secrets.token_urlsafe(12)) for digit in (1, 2)}
        realm = self._service.settings().realm
        for name, (number, password) in made.items():
            self._store.add_account(
                NewAccount(name, password, realm, (number,), onlylocalaccess=True, strength=GENERATED), "set-up"
            )
        return made

    def _announce(self, password: str | None, fingerprint: str, demo: dict[str, tuple[str, str]]) -> None:
        where = ", ".join(f"{_host(address)}:{self._options.sip_port}" for address in self._options.listen)
        print(f"SIP on UDP and TCP {where}", flush=True)
        if self.settings().tls_port and not self._ports.problems:
            print(f"SIP over TLS on port {self.settings().tls_port}", flush=True)
        server = _host(next(iter(self._options.listen), "localhost"))
        page = f"https://{server}:{self._options.https_port}"
        print(f"panel on {page}/panel/, portal on {page}/portal/ (certificate SHA-256 {fingerprint})", flush=True)
        if password is not None:
            print(f"administrator: user 'admin', password '{password}' (printed this once; keep it)", flush=True)
        for name, (number, secret) in demo.items():
            print(
                f"softphone: user '{name}', password '{secret}', server {server}, number {number} (printed this once)",
                flush=True,
            )


def _host(address: str) -> str:
    """An address as it stands before a port (RFC 3986, 3.2.2)."""
    return f"[{address}]" if ":" in address else address
