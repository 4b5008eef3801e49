"""What settings open and close while the office runs: SIP over TLS and the plain HTTP listener.

A port that cannot be had is told, and tried again from time to time; what runs beside it goes on.
"""

import asyncio
import logging
from collections.abc import Sequence

from appliance.config.settings import Settings
from pysrv.net.tls import TlsConnections
from pysrv.net.udp import PortBusy, bind_error
from pysrv.web.port import STRICT
from pysrv.web.server import Web

_log = logging.getLogger("pysrv.ports")


class Ports:
    """The listeners that follow the settings. `problems`: those that should be open and are not."""

    def __init__(self, addresses: Sequence[str], tls: TlsConnections, web: Web) -> None:
        self._addresses, self._tls, self._web = list(addresses), tls, web
        self._tls_port = self._plain_port = 0
        self._wanted: tuple[int, int] = (0, 0)
        self._busy = asyncio.Lock()
        self._problems: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What an operator should know."""
        return tuple(self._problems.values())

    def follow(self, settings: Settings, *, again: bool = False) -> None:
        """Bring the listeners to what the settings say, beside the work; `again`: those too that were tried."""
        plain = settings.localhttpport if settings.forcetls < STRICT else 0
        if self._wanted == (settings.tls_port, plain) and not again:
            return
        self._wanted = settings.tls_port, plain
        self._task = asyncio.get_running_loop().create_task(self.settle())

    async def settle(self) -> None:
        """Wait until the listeners are what was wanted last."""
        async with self._busy:
            tls, plain = self._wanted
            if tls != self._tls_port:
                await self._listen_tls(tls)
            if plain != self._plain_port:
                await self._listen_plain(plain)

    async def close(self) -> None:
        """Close every connection of SIP over TLS; the web closes its own."""
        async with self._busy:
            await self._tls.close()

    async def _listen_tls(self, port: int) -> None:
        """Telephones on a port that is closed are disconnected: they are not told a new one."""
        await self._tls.close()
        self._tls_port = 0
        self._problems.pop("tls", None)
        try:
            for address in self._addresses if port else ():
                await self._tls.listen(address, port)
            self._tls_port = port
        except PortBusy as error:
            self._fail("tls", f"no SIP over TLS: {error}")
            await self._tls.close()

    async def _listen_plain(self, port: int) -> None:
        await self._web.stop_plain()
        self._plain_port = 0
        self._problems.pop("plain", None)
        try:
            if port:
                await self._web.start_plain(self._addresses, port)
            self._plain_port = port
        except OSError as error:
            await self._web.stop_plain()
            told = bind_error("HTTP", self._addresses[0], port, error)
            self._fail("plain", f"no plain HTTP (localhttpport): {told}")

    def _fail(self, what: str, problem: str) -> None:
        if self._told.get(what) != problem:
            _log.error("%s", problem)
        self._told[what] = self._problems[what] = problem
