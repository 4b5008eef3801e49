"""How people and programs reach the office: verbs, panel, portal, API, console, and the ports that settings open.

SIP over TLS is one of those.

Half of all the office's modules are for this; the office takes them in by a thread, when UDP and TCP are open already.
"""

import logging
import os
import time
from pathlib import Path

from appliance import wire
from appliance.config.schema import ROWS
from appliance.config.settings import Settings
from pysrv import api
from pysrv.console.commands import IDLE_S, MOST_LINE_BYTES
from pysrv.console.desk import ConsoleDesk
from pysrv.control.aside import Aside
from pysrv.control.session import Control
from pysrv.net.console import ConsoleSockets
from pysrv.net.control_socket import ControlSocket
from pysrv.net.keeper_call import KeeperCall
from pysrv.office.front import Front, Parts
from pysrv.office.inside import Inside
from pysrv.office.offered import Offered
from pysrv.panel import ROUTES as PANEL_ROUTES
from pysrv.portal import ROUTES as PORTAL_ROUTES
from pysrv.ports import Ports
from pysrv.web.logins import Logins
from pysrv.web.server import Web

_log = logging.getLogger("pysrv.office")


class Reception:
    """Call `open()` once, `follow` and `follow_tunnel` with what is new, `close()` at the end."""

    def __init__(self, offered: Offered) -> None:
        self._offered, options, service = offered, offered.options, offered.service
        self._problems = offered.problems
        self.control = Control(
            offered.store,
            service.operators,
            offered.file,
            memory=offered.memory,
            certificates=offered.certificates,
            renewer=offered.renewer,
            keeper=KeeperCall(offered.keeper),
        )
        self._control_socket = ControlSocket(
            Path(options.runtime) / "office.sock", self.control.session, offered.turn, offered.session_s
        )
        self._reader = offered.store.reader()
        values = {name: ROWS[name].kind.text(value) for name, value in offered.file.items()}
        front = Front(
            Parts(
                store=offered.store,
                reader=self._reader,
                service=service,
                gate=offered.gate,
                certificates=offered.certificates,
                renewer=offered.renewer,
                watch=offered.watch,
                aside=Aside(dict(os.environ), values),
                control=self.control,
                cashier=offered.cashier,
                health=offered.health,
                gate_problem=offered.gate_problem,
                problems=lambda: (*self._problems, *self._ports.problems, *self._inside.problems),
                turn=offered.turn,
                soon=offered.soon,
            )
        )
        logins = Logins(front)
        self._web = Web(front, (*PANEL_ROUTES, *PORTAL_ROUTES, *api.routes()), logins)
        service.parts.counts.web_refusals = self._web.refusals
        self._ports = Ports(options.listen, offered.tls, self._web)
        trusted = service.parts.trusted
        desk = ConsoleDesk(self.control, offered.store, logins, trusted.opens_tcp_console, offered.turn, time.time)
        self._console = ConsoleSockets(
            Path(options.runtime) / "console.sock", desk, MOST_LINE_BYTES, IDLE_S, offered.session_s
        )
        self._inside = Inside(
            self._web, options.https_port, lambda: offered.certificates.context, self._console, trusted
        )
        self._inside.console_port = self._settings().consoleport

    @property
    def closed_ports(self) -> tuple[str, ...]:
        """Why ports that settings want are not open."""
        return self._ports.problems

    async def open(self) -> None:
        """Open every socket. Raises PortBusy."""
        offered = self._offered
        options = offered.options
        await self._web.start(options.listen, options.https_port, lambda: offered.certificates.context)
        self._ports.follow(self._settings())
        await self._ports.settle()
        await self._control_socket.start()
        await self._open_console()

    async def close(self) -> None:
        """Close every socket."""
        await self._inside.close()
        await self._console.stop()
        await self._control_socket.stop()
        await self._web.stop()
        await self._ports.close()
        self._reader.close()

    def follow(self, settings: Settings, *, again: bool = False) -> None:
        """Bring the ports to what the settings say; `again`: those too that could not be had."""
        self._ports.follow(settings, again=again)

    def follow_tunnel(self, status: wire.TunnelStatus) -> None:
        """What the keeper says of the administrators' tunnel now."""
        self._inside.follow(status)

    def _settings(self) -> Settings:
        return self._offered.service.operators.settings()

    async def _open_console(self) -> None:
        """A port of the console that cannot be had is said; it keeps nobody's calls from running."""
        await self._console.start()
        port = self._inside.console_port
        try:
            if port:
                await self._console.listen(self._offered.options.listen, port)
        except OSError as error:
            problem = f"consoleport {port} cannot be opened: {error.strerror or error}"
            _log.error("%s", problem)
            self._problems = (*self._problems, problem)
